// Files of data as they are read: regular files, whose size is known from the start and bounds everything that is believed of
// them. Refuses pipes, folders and devices, and files that become shorter meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tenon::runtime {

class InputFile {
 public:
  // Error "KIND 'PATH': reason" here and below.
  InputFile(const std::string& path, const char* kind);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  uint64_t size() const { return size_; }
  int descriptor() const { return descriptor_; }
  std::string who() const { return std::string(kind_) + " '" + path_ + "'"; }  // KIND 'PATH'
  void read(uint64_t offset, void* to, uint64_t bytes) const;  // exactly so many
  size_t read_next(uint64_t& offset, void* to, size_t most) const;  // what is left of so many; moves the offset
  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  const std::string path_;
  const char* const kind_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace tenon::runtime
