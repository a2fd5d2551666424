// A whole tensor in the reference interpreter: static type and dense row-major bytes. The oracle's only storage.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "tenon/ir/graph/graph.h"

namespace tenon::ir {

struct Array {
  Type type;                    // every extent a number
  std::vector<unsigned char> data;
  Array() = default;
  explicit Array(Type t);  // zeros; Error when memory does not hold it
  int64_t numel() const { return type.shape.numel(); }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data.data());
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data.data());
  }
};

// Runs a graph op by op: the oracle for every other route, sharing no code with code generation. Symbolic extents are
// bound from the input shapes. Throws Error when inputs do not fit the graph's types.
std::vector<Array> interpret(const Graph& graph, std::span<const Array> inputs);
// The elements as another dtype, by the rules of the cast op.
Array recast(const Array& from, DType to);
// One op.
std::vector<Array> interpret(Op op, std::span<const Array* const> operands, const Attrs& attrs,
                             std::span<const Type> results);

}  // namespace tenon::ir
