// A file of data as memory: mapped for reading, privately, for as long as the object lives. The file may be renamed, replaced by another of
// its name, or removed meanwhile: the mapping keeps what it was. Who writes into it, or makes it shorter, changes what is read, or ends
// the process with SIGBUS, as with every mapping. Refuses what InputFile refuses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tenon/runtime/input_file.h"

namespace tenon::runtime {

class MappedFile {
 public:
  MappedFile(const std::string& path, const char* kind);  // Errors are "KIND 'PATH': reason"
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view bytes() const { return {static_cast<const char*>(address_), size_}; }
  const std::string& who() const { return who_; }  // KIND 'PATH'
  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  std::string who_;
  void* address_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tenon::runtime
