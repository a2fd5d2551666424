// A traced function: its closed graph and the outside tensors that it captured, which are its last inputs.
// Internal to the frontend.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/ir/graph/graph.h"

namespace tenon::detail {

struct Program {
  std::shared_ptr<const ir::Graph> graph;
  std::vector<Tensor> captured;
  uint32_t arguments = 0;  // inputs before the captured ones
  // Error, by names that whoever made the program has for its arguments, where these cannot be given; without it their types are all
  // that is said.
  std::function<void(const std::vector<Tensor>&)> check;
  // In place of a graph, for a program that is known when its arguments are: the one for these. Error where there is none.
  std::function<std::shared_ptr<Program>(const std::vector<Tensor>&)> for_inputs;

  std::vector<Tensor> inputs(const std::vector<Tensor>& given) const {
    std::vector<Tensor> all = given;
    all.insert(all.end(), captured.begin(), captured.end());
    return all;
  }
};

// In the trace at hand: whether two extents are equal for some values of what is free in them; and x with other extents in place of free
// ones, being equal to which is checked when the program is called.
bool may_equal(Dim a, Dim b);
Tensor settled(const Tensor& x, const Shape& shape, const Location& at);

}  // namespace tenon::detail
