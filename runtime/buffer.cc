// Owned and borrowed tensor memory.
#include "tenon/runtime/buffer.h"

#include "tenon/ir/error.h"
#include "tenon/runtime/tenon_runtime.h"

namespace tenon::runtime {

std::shared_ptr<Buffer> Buffer::allocate(int64_t bytes) {
  void* data = bytes == 0 ? nullptr : tenon_alloc(static_cast<uint64_t>(bytes));
  if (bytes != 0 && data == nullptr)
    throw Error("out of memory: a tensor of " + std::to_string(bytes) + " bytes could not be allocated");
  return std::shared_ptr<Buffer>(new Buffer(data, bytes, false));
}

std::shared_ptr<Buffer> Buffer::borrow(const void* data, int64_t bytes) {
  return std::shared_ptr<Buffer>(new Buffer(const_cast<void*>(data), bytes, true));
}

Buffer::~Buffer() {
  if (!borrowed_ && data_ != nullptr) tenon_free(data_, static_cast<uint64_t>(size_));
}

}  // namespace tenon::runtime
