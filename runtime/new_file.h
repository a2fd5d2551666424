// A file that appears at its place whole or not at all: written beside it under a name of its own, brought to the disk, and then
// given its name. Holds on folders that several machines share. Refuses to replace what is no regular file.
#pragma once

#include <string>
#include <string_view>

namespace tenon::runtime {

class NewFile {
 public:
  // Error "KIND 'PATH': reason" here and below.
  NewFile(const std::string& path, const char* kind);
  ~NewFile();  // without put(), nothing has happened
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  void write(std::string_view bytes);
  void put();  // once, last

 private:
  [[noreturn]] void refuse(const std::string& reason) const;

  const std::string path_;
  const char* const kind_;
  std::string beside_;  // where it is written; empty once it has been put
  int descriptor_ = -1;
};

}  // namespace tenon::runtime
