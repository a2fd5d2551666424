// A tensor of a tree that is state and no parameter: what a layer keeps beside its weights, such as the running statistics of a batch
// norm. It is a leaf as any other to jit, vmap, loops and files. Derivatives by a tree have an undefined tensor in its place, as they
// have for integers, and optimizers leave it alone.
#pragma once

#include <utility>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon::nn {

struct Buffer : Tensor {
  Buffer() = default;
  Buffer(const Tensor& value) : Tensor(value) {}  // NOLINT
  Buffer(Tensor&& value) : Tensor(std::move(value)) {}  // NOLINT
};

}  // namespace tenon::nn
