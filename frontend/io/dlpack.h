// DLPack: tensors from and to other libraries without a copy, by the C structs of dlpack.h 0.6 (DLManagedTensor) and 1.x
// (DLManagedTensorVersioned), https://github.com/dmlc/dlpack. They are declared here, in Tenon's namespace, so that no header of others is
// needed and one that is there does not clash: every function also takes, and on demand gives, structs of that header.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

struct DLDevice {
  int32_t device_type;  // 1: the CPU, 2: CUDA, 3: the host's memory that CUDA has pinned
  int32_t device_id;
};
struct DLDataType {
  uint8_t code, bits;  // 0 signed, 1 unsigned, 2 floating, 4 bfloat16, 5 complex, 6 bool
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides;  // in elements; null strides: dense, row-major
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor* self);
};
struct DLPackVersion {
  uint32_t major, minor;
};
struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned* self);
  uint64_t flags;  // 1: not to be written to
  DLTensor dl_tensor;
};

namespace detail {

template <class M>
concept Managed = requires(M& m) {
  m.dl_tensor.byte_offset;
  m.manager_ctx;
  m.deleter(&m);
};
template <class M>
concept Versioned = requires(M& m) { m.version.major; };

struct Lent {
  DLTensor tensor{};
  std::vector<int64_t> extents;  // shape, then strides
  std::shared_ptr<void> buffer;
};
Lent lend(const Tensor& x, const Location& at);
Tensor borrow(const DLTensor& tensor, const DLPackVersion& version, void* managed, void (*release)(void*),
              const Location& at);
[[noreturn]] void refuse_null(const Location& at);

}  // namespace detail

// A struct that lends x's memory: a handle on it, which whoever takes it gives back by calling its deleter, on any thread. Nobody may write
// through it: x, and whatever shares its buffer, would change. M is DLManagedTensor, DLManagedTensorVersioned (which says read-only), or
// one of these from dlpack.h. Memory of a GPU is lent as such, after all work on it. Error for a tensor without a value.
template <detail::Managed M = DLManagedTensor>
M* to_dlpack(const Tensor& x, const At& at = At::current()) {
  struct Held {
    M managed{};
    detail::Lent lent;
  };
  return detail::guarded("to_dlpack", place(at), [&] {
    auto held = std::make_unique<Held>();
    held->lent = detail::lend(x, place(at));
    const DLTensor& from = held->lent.tensor;
    auto& to = held->managed.dl_tensor;
    using Type = decltype(to.device.device_type);
    to.data = from.data;
    to.device.device_type = static_cast<Type>(from.device.device_type);
    to.device.device_id = from.device.device_id;
    to.ndim = from.ndim;
    to.dtype.code = from.dtype.code, to.dtype.bits = from.dtype.bits, to.dtype.lanes = from.dtype.lanes;
    to.shape = held->lent.extents.data(), to.strides = to.shape + from.ndim;
    to.byte_offset = 0;
    held->managed.manager_ctx = held.get();
    held->managed.deleter = [](M* self) { delete static_cast<Held*>(self->manager_ctx); };
    if constexpr (detail::Versioned<M>) {
      held->managed.version.major = 1, held->managed.version.minor = 0;
      held->managed.flags = 1;
    }
    return &held.release()->managed;
  });
}
inline DLManagedTensorVersioned* to_dlpack_versioned(const Tensor& x, const At& at = At::current()) {
  return to_dlpack<DLManagedTensorVersioned>(x, at);
}

// A tensor of the memory that m lends, which is m's until its deleter is called, once, from here: when no tensor needs the memory any
// longer, on whatever thread that is; or at once where the elements had to be copied, which they are where they do not lie dense and
// row-major (as from_blob does). After an Error m is still the caller's, and its deleter was not called. Error for memory that the host
// cannot read, element types that Tenon has not (vectors of lanes, parts of bytes, other numbers of bits), bools that are neither 0 nor 1,
// elements that are not aligned to their size, shapes that overflow, and versions after 1.
template <detail::Managed M>
Tensor from_dlpack(M* m, const At& at = At::current()) {
  return detail::guarded("from_dlpack", place(at), [&] {
    if (m == nullptr) detail::refuse_null(place(at));
    const auto& from = m->dl_tensor;
    const DLTensor tensor{from.data,       {static_cast<int32_t>(from.device.device_type), from.device.device_id},
                          from.ndim,       {from.dtype.code, from.dtype.bits, from.dtype.lanes},
                          from.shape,      from.strides,
                          from.byte_offset};
    DLPackVersion version{0, 6};
    if constexpr (detail::Versioned<M>) version = {m->version.major, m->version.minor};
    const auto release = [](void* managed) {
      M* const self = static_cast<M*>(managed);
      if (self->deleter != nullptr) self->deleter(self);
    };
    return detail::borrow(tensor, version, m, release, place(at));
  });
}

}  // namespace tenon
