// Linear algebra: factorisations and solutions of the rows over matrices, in f32 at least.
#include "tenon/frontend/stablehlo/families.h"
#include "tenon/ir/graph/matrices.h"

namespace tenon::hlo {
namespace {

using ir::matrices::transposed;

Value widened(Value x) { return is_half(x.dtype()) ? ir::cast(x, f32) : x; }

}  // namespace

// a x = b, or x a = b, which is its transpose; a may be transposed itself.
std::vector<Value> import_triangular_solve(Call& c) {
  c.operands(2);
  c.expects(c.in[0].shape().size() >= 2 && c.in[1].shape().size() >= 2, "it takes matrices");
  c.expects(is_floating(c.in[0].dtype()), "it takes real matrices here");
  const bool left = c.flag("left_side", true), lower = c.flag("lower", true), unit = c.flag("unit_diagonal", false);
  const std::string_view how = c.word({"transpose_a"}, "NO_TRANSPOSE");
  Value a = widened(c.in[0]), b = widened(c.in[1]);
  const bool turned = how == "TRANSPOSE" || how == "ADJOINT";
  c.expects(turned || how == "NO_TRANSPOSE", "a is transposed or not");
  bool upper = !lower;
  if (turned == left) {  // once turned, or turned twice
    a = transposed(a);
    upper = !upper;
  }
  const Value operands[] = {a, left ? b : transposed(b)};
  const Value x =
      ir::apply(c.b, ir::Op::triangular_solve, operands, ir::SolveTriangularAttrs{.upper = upper, .unit = unit})[0];
  return one(ir::cast(left ? x : transposed(x), c.dtype()));
}

std::vector<Value> import_cholesky(Call& c) {
  c.operands(1);
  c.expects(c.in[0].shape().size() >= 2, "it takes matrices");
  c.expects(is_floating(c.in[0].dtype()), "it takes real matrices here");
  const bool lower = c.flag("lower", false);
  const Value a = widened(c.in[0]);
  const Value operands[] = {lower ? a : transposed(a)};
  const Value l = ir::apply(c.b, ir::Op::cholesky, operands)[0];
  return one(ir::cast(lower ? l : transposed(l), c.dtype()));
}

}  // namespace tenon::hlo
