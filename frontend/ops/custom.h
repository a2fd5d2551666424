// Host functions inside compiled programs: a name, a version, and a C function bound when a program is loaded.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// The C function of a custom call: dense row-major inputs and outputs in order; 0, or a positive code that fails the call.
using CustomFunction = int32_t (*)(const void* const* inputs, void* const* outputs);
// Binds a name for programs loaded from now on. A saved object leaves the name undefined for its linker instead. Error for a
// name that is no C identifier, or that the C library, the runtime or the compiler has; and for no function.
void register_custom_call(const std::string& name, CustomFunction function);

struct CustomCall {
  std::string name;
  int64_t version = 1;  // part of every cache key: raise it when the function's results change
  bool effect = false;  // true: never merged, moved across another, or dropped
};
// Calls it on tensors; results name the types of its outputs (tn::spec or any tensors). It has no derivative.
std::vector<Tensor> custom_call(const CustomCall& call, std::span<const Tensor> inputs, std::span<const Tensor> results,
                                const At& at = At::current());

}  // namespace tenon
