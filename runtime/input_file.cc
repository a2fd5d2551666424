// Reads at offsets, so that nobody depends on where another reader is.
#include "tenon/runtime/input_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "tenon/ir/base/error.h"

namespace tenon::runtime {

InputFile::InputFile(const std::string& path, const char* kind) : path_(path), kind_(kind) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe is not waited for
  struct stat info;
  if (file < 0) refuse(strerror(errno));
  std::string reason;
  if (fstat(file, &info) != 0)
    reason = strerror(errno);
  else if (!S_ISREG(info.st_mode))
    reason = S_ISDIR(info.st_mode) ? "a folder, not a regular file" : "not a regular file";
  if (!reason.empty()) {
    close(file);
    refuse(reason);
  }
  descriptor_ = file;
  size_ = static_cast<uint64_t>(info.st_size);
}

InputFile::~InputFile() { close(descriptor_); }

void InputFile::read(uint64_t offset, void* to, uint64_t bytes) const {
  char* place = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = pread(descriptor_, place, std::min<uint64_t>(bytes, 1 << 30), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(strerror(errno));
    if (got == 0) refuse("became shorter while it was read");
    place += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
}

size_t InputFile::read_next(uint64_t& offset, void* to, size_t most) const {
  const auto count = static_cast<size_t>(std::min<uint64_t>(most, size_ - offset));
  read(offset, to, count);
  offset += count;
  return count;
}

void InputFile::refuse(const std::string& reason) const { throw Error(who() + ": " + reason); }

}  // namespace tenon::runtime
