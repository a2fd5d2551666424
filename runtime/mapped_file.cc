// The descriptor is closed once the file is mapped.
#include "tenon/runtime/mapped_file.h"

#include <errno.h>
#include <sys/mman.h>

#include <cstring>

#include "tenon/ir/base/error.h"

namespace tenon::runtime {

MappedFile::MappedFile(const std::string& path, const char* kind) {
  const InputFile file(path, kind);
  who_ = file.who();
  size_ = file.size();
  if (size_ == 0) return;  // no bytes cannot be mapped
  address_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (address_ != MAP_FAILED) return;
  address_ = nullptr;
  refuse(std::string("cannot be mapped: ") + strerror(errno));
}

MappedFile::~MappedFile() {
  if (address_ != nullptr) munmap(address_, size_);
}

void MappedFile::refuse(const std::string& reason) const { throw Error(who_ + ": " + reason); }

}  // namespace tenon::runtime
