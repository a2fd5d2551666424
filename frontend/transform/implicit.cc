// What implicit derivatives are computed with: convergence to rounding, linear systems as one op, elimination.
#include "tenon/frontend/transform/implicit.h"

#include <limits>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/transform/closure.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::detail {

std::vector<Tensor> run_linear_solve(const Program& solve, const Program& matvec, const Program& transposed,
                                     const std::vector<Tensor>& b, const Location& at) {
  const FloatEnvironment standard;
  std::vector<Tensor> constants;
  for (const Program* p : {&solve, &matvec, &transposed}) collect(*p, constants);
  std::vector<Tensor> operands = constants;
  operands.insert(operands.end(), b.begin(), b.end());
  return apply_primitive(ir::Op::linear_solve,
                         ir::LinearSolveAttrs{.solve = with_constants(solve, constants, true),
                                              .matvec = with_constants(matvec, constants, true),
                                              .transposed = with_constants(transposed, constants, true),
                                              .counts = {static_cast<int64_t>(constants.size())}},
                         operands, at);
}

namespace {

double rounding(DType t) {
  switch (t) {
    case f64: return std::numeric_limits<double>::epsilon();
    case f32: return std::numeric_limits<float>::epsilon();
    case f16: return 0x1p-10;
    default: return 0x1p-7;  // bf16
  }
}

}  // namespace

Tensor still_moves(const std::vector<Tensor>& state, const std::vector<Tensor>& next) {
  Tensor moves = full({}, false);
  for (size_t i = 0; i < state.size(); ++i) {
    const Tensor &a = state[i], &b = next[i];
    Tensor here;
    if (is_continuous(a.dtype()))
      here = any_of(abs(b - a) > 8 * rounding(part_of(a.dtype())) * maximum(abs(a), abs(b)));
    else
      here = any_of(a != b);
    moves = logical_or(moves, here);
  }
  return moves;
}

Tensor ravelled(const std::vector<Tensor>& parts) {
  std::vector<Tensor> flat;
  for (const Tensor& t : parts) flat.push_back(t.reshape({-1}));
  return flat.size() == 1 ? flat[0] : concat(flat, 0);
}

std::vector<Tensor> unravelled(const Tensor& vector, const std::vector<Tensor>& like) {
  std::vector<Tensor> parts;
  Extent at = 0;
  for (const Tensor& t : like) {
    const Extent count = t.numel();
    parts.push_back(Tensor(vector[{slice(at, at + count)}]).reshape(t.shape()).astype(t.dtype()));
    at = at + count;
  }
  return parts;
}

Tensor unit_rows(const Tensor& vector) {
  const Tensor numbers = arange(0, vector.numel());
  return (numbers.reshape({-1, 1}) == numbers).astype(vector.dtype());
}

// Gauss and Jordan on [A | b]: in step k the row with the largest element of column k, among rows k and below, changes places with row
// k, which is taken, in multiples, from all others.
Tensor eliminate(const Tensor& columns, const Tensor& b) {
  const Extent n = b.numel();
  const Tensor numbers = arange(0, n);
  Tensor system = concat({columns.transpose(), b.reshape({-1, 1})}, 1);
  const auto step = [&](const Tensor& k, const Tensor& m) {
    const Tensor column = take(m, k, 1);
    const Tensor candidate = where(numbers >= k, abs(column), -1.0);
    const Tensor pivot = argmax(candidate, 0);
    const Tensor order = where(numbers == k, pivot, where(numbers == pivot, k, numbers));
    const Tensor swapped = take(m, order, 0);
    const Tensor row = take(swapped, k, 0), lead = take(swapped, k, 1);
    const Tensor scaled = row / take(row, k, 0);
    const Tensor others = where(numbers == k, 0.0, lead);
    const Tensor reduced = swapped - others.reshape({-1, 1}) * scaled;
    return where((numbers == k).reshape({-1, 1}), scaled, reduced);
  };
  system = fori_loop(0, n, step, system);
  return take(system, n, 1);
}

}  // namespace tenon::detail
