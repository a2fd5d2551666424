// Random programs over the public functions, to differentiate: DAGs with repeated operands and fan-out, in-place forms, composed
// functions, jitted calls, control flow, and parts without a derivative. A program is data: the same steps run eagerly, taped,
// traced, and at other points.
#pragma once

#include <tenon/tenon.h>

#include <string>
#include <vector>

namespace tenon::testing {

// The arguments, as an aggregate. Shapes broadcast to [2, 3].
struct Leaves {
  struct Inner {
    Tensor row;  // [3]
    std::vector<Tensor> rest;  // [2, 1], []
  };
  Tensor full;  // [2, 3]
  Inner inner;
};

struct GradientProgram {
  struct Step {
    int op = 0;
    int a = 0, b = 0;  // values: the leaves, then the results of steps
  };
  std::vector<Step> steps;
  std::vector<int> used;  // values that the loss sums up

  Tensor operator()(const Leaves& leaves) const;  // the loss, a scalar
  std::string text() const;
};

// smooth: only functions that differences of values can check.
GradientProgram random_gradient_program(uint64_t seed, int steps, bool smooth);
Leaves random_leaves(uint64_t seed, DType dtype);
std::vector<Tensor> flat(const Leaves& leaves);

}  // namespace tenon::testing
