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
  // In place of a graph, for a program that is known when its arguments are: the one for these.
  std::function<std::shared_ptr<Program>(const std::vector<Tensor>&)> for_inputs;

  std::vector<Tensor> inputs(const std::vector<Tensor>& given) const {
    std::vector<Tensor> all = given;
    all.insert(all.end(), captured.begin(), captured.end());
    return all;
  }
};

}  // namespace tenon::detail
