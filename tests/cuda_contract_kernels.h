// Kernels of one contraction each, for the tests of CUDA rendering: x [b, m, k] times y [b, k, n], either turned, with what the
// operands' blocks compute and what the epilogue does beside storing.
#pragma once

#include <string>

#include "tenon/ir/kernel/scalar.h"

namespace tenon::testing {

struct Contraction {
  std::string name = "contraction";
  DType type = DType::f32;
  Dim batch = 1, m = 1, n = 1, k = 1;
  bool lhs_turned = false, rhs_turned = false;
  bool computed = false;  // operands are sums, not bare loads
  bool exponential = false;  // the left one is exp of that
  bool epilogue = false;  // adds a row of `bias` and cuts below 0
  std::shared_ptr<Symbols> symbols = std::make_shared<Symbols>();
};

ir::Kernel contraction_kernel(const Contraction& c);

}  // namespace tenon::testing
