// Borrowing with an owner: one block holds the buffer and, behind it, what keeps its memory alive, so that they go in this order.
#include "tenon/frontend/tensor/blob.h"

#include <string>

#include "tenon/frontend/tensor/borrow.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/strided.h"

namespace tenon {
namespace {

struct Kept {
  std::shared_ptr<void> owner;  // goes last
  BufferPtr buffer;
};

// The deleter as a further owner of the memory, which goes after the other.
std::shared_ptr<void> owner_of(const void* data, const BlobOptions& o) {
  if (!o.deleter) return o.owner;
  struct Called {
    Deleter deleter;
    void* data;
    std::shared_ptr<void> owner;
    bool armed = false;
    ~Called() {
      owner.reset();
      if (armed) deleter(data);
    }
  };
  auto called = std::make_shared<Called>(o.deleter, const_cast<void*>(data), o.owner);
  called->armed = true;
  return called;
}

}  // namespace

Tensor borrow_from(const void* data, const Extents& extents, DType dtype, const BlobOptions& o, const char* use,
                   const Location& at) {
  const auto fail = [&](const std::string& reason) { throw Error(std::string(use) + ": " + reason, at); };
  const Shape shape = extents.checked(use, dtype, at);
  if (!shape.is_static()) fail("a tensor with values has numbers as extents; tn::spec takes names");
  const int64_t element = bytes(dtype), size = byte_count(shape, element);
  if (size != 0 && data == nullptr) fail("the address is null");
  const std::vector<int64_t> numbers = shape;
  if (!o.strides.empty() && o.strides.size() != numbers.size())
    fail("a shape of " + std::to_string(numbers.size()) + " extents and " + std::to_string(o.strides.size()) +
         " strides; there is one stride per axis, in elements");
  const bool dense = o.strides.empty() || runtime::is_row_major(numbers, o.strides);
  if (!dense && !runtime::reach_of(numbers, o.strides, element))
    fail("the strides reach further than memory does; they count elements, not bytes");
  const bool aligned = reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(element) == 0;
  if (dense && aligned && runtime::current_device().host_addressed) {
    auto kept = std::make_shared<Kept>();
    kept->buffer = runtime::Buffer::borrow(data, size);
    runtime::Buffer* const buffer = kept->buffer.get();
    Tensor t = make_concrete({dtype, shape}, BufferPtr(kept, buffer), at);
    kept->owner = owner_of(data, o);
    return t;
  }
  BufferPtr buffer = runtime::Buffer::allocate(size);
  if (dense) {
    buffer->write(data);
  } else {
    const auto gathered = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(size));
    runtime::gather(gathered.get(), data, numbers, o.strides, element);
    buffer->write(gathered.get());
  }
  Tensor t = make_concrete({dtype, shape}, std::move(buffer), at);
  owner_of(data, o).reset();
  return t;
}

Tensor from_blob(const void* data, const Extents& shape, DType dtype, const BlobOptions& o, const At& at) {
  return door("from_blob", place(at), [&] { return borrow_from(data, shape, dtype, o, "from_blob", place(at)); });
}

}  // namespace tenon
