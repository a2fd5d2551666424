// Memory of others as a tensor: with strides, and with an owner that lives as long as the tensor needs it. Refuses to write to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// What is called with the address when no tensor needs the memory any longer: any function of a void*, captures included.
class Deleter {
 public:
  Deleter() = default;
  template <class F>
    requires(std::is_invocable_v<F&, void*> && !std::is_same_v<std::remove_cvref_t<F>, Deleter>)
  Deleter(F function)  // NOLINT
      : held_(std::make_shared<F>(std::move(function))),
        call_([](void* held, void* data) { (*static_cast<F*>(held))(data); }) {}
  explicit operator bool() const { return held_ != nullptr; }
  void operator()(void* data) const { call_(held_.get(), data); }

 private:
  std::shared_ptr<void> held_;
  void (*call_)(void*, void*) = nullptr;
};

struct BlobOptions {
  std::vector<int64_t> strides = {};  // in elements, one per axis, zero and negative ones too; none: dense, row-major
  std::shared_ptr<void> owner = {};  // kept until no tensor needs the memory
  Deleter deleter = {};  // called once then, after `owner` was let go
};

// Elements that lie at `data` (that with the index 0 in every axis), which is not null unless there are none. What is dense and
// row-major, and aligned to its elements, is borrowed: read at each call and never written, so it must live, and stay as it is, as long
// as the tensor and what shares its buffer (reshape, detach) do; `owner` sees to that. Everything else is copied here and now, as all
// is where the default device cannot read the host's memory; the owner is let go, and the deleter called, before from_blob returns.
// After an Error the memory is still the caller's: the deleter is not called. Column-major [m, n]: {.strides = {1, m}}.
Tensor from_blob(const void* data, const Extents& shape, DType dtype, const BlobOptions& o,
                 const At& at = At::current());

}  // namespace tenon
