// matmul, dot and linear: products of matrices and vectors over dot_general. Refuses bools, which have any_of.
#include <algorithm>
#include <array>
#include <numeric>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// Extents of the leading axes of [.., m, k] and [.., k, n], which broadcast.
Shape batch_of(const Shape& lhs, const Shape& rhs) {
  const int rank = std::max(lhs.rank(), rhs.rank());
  Shape batch;
  for (int i = 0; i < rank - 2; ++i) {
    const auto at = [&](const Shape& s) {
      const int j = i - (rank - s.rank());
      return j < 0 ? Dim(1) : s[j];
    };
    const Dim d = at(lhs), e = at(rhs);
    batch.push_back(d == 1 ? e : d);
  }
  return batch;
}

// Ranks at least 2; leading axes broadcast and become batch axes.
Value product(Value lhs, Value rhs) {
  const int rank = std::max(lhs.shape().rank(), rhs.shape().rank());
  if (rhs.shape().rank() == 2)  // one contraction over all leading axes of lhs
    return dot_general(lhs, rhs, {}, {}, {lhs.shape().rank() - 1}, {0});
  const Shape batch = batch_of(lhs.shape(), rhs.shape());
  const auto spread = [&](Value v) {
    Shape full = batch;
    full.push_back(v.shape()[v.shape().rank() - 2]);
    full.push_back(v.shape()[v.shape().rank() - 1]);
    return broadcast_to(v, full);
  };
  lhs = spread(lhs), rhs = spread(rhs);
  Axes axes(static_cast<size_t>(rank - 2));
  std::iota(axes.begin(), axes.end(), 0);
  return dot_general(lhs, rhs, axes, axes, {rank - 1}, {rank - 2});
}

Value with_axis(Value x, int axis) {
  Shape shape = x.shape();
  shape.insert(static_cast<size_t>(axis), Dim(1));
  return reshape(x, shape);
}
Value without_axis(Value x, int axis) {
  Shape shape = x.shape();
  shape.erase(static_cast<size_t>(axis));
  return reshape(x, shape);
}

// A contraction keeps its operands' dtype; a sum of integers is i64, whose low bits are the narrow sum.
Value dot(Value x, Value y) {
  const Value products = x * y;
  return cast(reduce(ir::Op::reduce_sum, cast(products, summed_as(x.dtype())), {0}), x.dtype());
}

}  // namespace

Value matmul(Value lhs, Value rhs, DType dtype) {
  if (is_complex(dtype))
    return bilinear(lhs, rhs, dtype, [&](Value x, Value y) { return matmul(x, y, part_of(dtype)); });
  lhs = cast(lhs, dtype), rhs = cast(rhs, dtype);
  const bool row = lhs.shape().rank() == 1, column = rhs.shape().rank() == 1;
  if (row && column) return dot(lhs, rhs);
  if (row) lhs = with_axis(lhs, 0);
  if (column) rhs = with_axis(rhs, 1);
  Value r = product(lhs, rhs);
  if (row) r = without_axis(r, r.shape().rank() - 2);
  if (column) r = without_axis(r, r.shape().rank() - 1);
  return r;
}

namespace {

std::vector<Value> build_matmul(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  return {matmul(x[0], x[1], ir::Convert(attrs).dtype)};
}

// x weight + bias. Halves that stay halves are computed in f32, and the sum is rounded once.
std::vector<Value> build_linear(ir::GraphBuilder&, std::span<const Value> given, const ir::Attrs& attrs) {
  const made::Linear to(attrs);
  Value x = given[0], weight = given[1], bias = given[2];
  if (is_half(to.result)) bias = widened(bias), weight = widened(weight), x = widened(x);
  const std::vector<Value> summands = together({matmul(x, weight, to.product), bias}, to.sum);
  return {cast(summands[0] + summands[1], to.result)};
}

}  // namespace
}  // namespace formula

namespace {

void check_vectors(const Tensor& a, const Tensor& b, const Location& at) {
  if (a.ndim() != 1 || b.ndim() != 1 || a.shape() != b.shape())
    throw Error("dot: two vectors of one length, not " + describe(a) + " and " + describe(b), at);
  if (a.dtype() == boolean) throw Error("dot of bools; convert with astype(tn::i32) or use any_of(a & b)", at);
}

void check_matrices(const Tensor& lhs, const Tensor& rhs, const Location& at) {
  if (lhs.dtype() == boolean) throw Error("matmul of bools; convert with astype(tn::i32) or use any_of(a & b)", at);
  if (lhs.ndim() == 0 || rhs.ndim() == 0)
    throw Error("matmul: operands have at least one axis, not " + describe(lhs) + " and " + describe(rhs) +
                    "; use * for scalars",
                at);
  const Dim k = lhs.shape()[lhs.ndim() - 1];
  const Dim l = rhs.shape()[rhs.ndim() == 1 ? 0 : rhs.ndim() - 2];
  if (k == l) return;
  throw Error("matmul: the last axis of the left operand (" + extent_text(k) + ") must equal the " +
                  (rhs.ndim() == 1 ? "" : "second last axis of the right operand (") +
                  (rhs.ndim() == 1 ? "length of the right operand (" : "") + extent_text(l) +
                  ")\n  left:  " + describe(lhs) + "\n  right: " + describe(rhs) +
                  (rhs.ndim() >= 2 && rhs.shape()[rhs.ndim() - 1] == k ? "\n  hint: transpose the right operand" : ""),
              at);
}

// Of ranks 2 or more.
void check_batches(const Tensor& lhs, const Tensor& rhs, const Location& at) {
  const int n = std::min(lhs.ndim(), rhs.ndim());
  for (int i = 3; i <= n; ++i) {
    const Dim d = lhs.shape()[lhs.ndim() - i], e = rhs.shape()[rhs.ndim() - i];
    if (!(d == e) && !(d == 1) && !(e == 1))
      throw Error("matmul: batch axes do not broadcast\n  left:  " + describe(lhs) + "\n  right: " + describe(rhs), at);
  }
}

// Operands in the dtype that they meet in.
std::array<Tensor, 2> met(const Operand& a, const Operand& b, const char* op) {
  const DType dtype = common_dtype(std::array<const Operand*, 2>{&a, &b}, op);
  const auto as = [&](const Operand& x) {
    check_fits(x, dtype, op);
    return x.weak() == Operand::Weak::no ? typed(x.tensor(), dtype, x.where()) : stand_in({dtype, {}}, x.where());
  };
  return {as(a), as(b)};
}

}  // namespace

Tensor foreseen_matmul(const Operand& a, const Operand& b) {
  const Location at = place_of({&a, &b});
  const auto [lhs, rhs] = met(a, b, "matmul");
  check_matrices(lhs, rhs, at);
  Shape left = lhs.shape(), right = rhs.shape();
  const bool row = left.rank() == 1, column = right.rank() == 1;
  if (!row && !column) check_batches(lhs, rhs, at);
  if (row) left.insert(0, Dim(1));
  if (column) right.insert(1, Dim(1));
  Shape shape = formula::batch_of(left, right);
  if (!row) shape.push_back(left[left.rank() - 2]);
  if (!column) shape.push_back(right[right.rank() - 1]);
  return stand_in({lhs.dtype(), shape}, at);
}

Tensor dot(Operand a, Operand b) try {
  const Location at = place_of({&a, &b});
  const auto [x, y] = met(a, b, "dot");
  check_vectors(x, y, at);
  return apply_one({"dot", formula::build_matmul}, ir::ConvertAttrs{x.dtype()}, {a.tensor(), b.tensor()}, at);
} catch (...) {
  leave_with_error("dot", place_of({&a, &b}));
}

Tensor matmul(Operand a, Operand b) try {
  const DType dtype = foreseen_matmul(a, b).dtype();
  return apply_one({"matmul", formula::build_matmul}, ir::ConvertAttrs{dtype}, {a.tensor(), b.tensor()},
                   place_of({&a, &b}));
} catch (...) {
  leave_with_error("matmul", place_of({&a, &b}));
}

Tensor linear(Operand x, Operand weight, Operand bias) try {
  const DType result = common_dtype(std::array<const Operand*, 3>{&x, &weight, &bias}, "linear");
  const auto computed = [&](const Operand& o) { return is_half(result) ? widened(o) : o; };
  const Operand product(foreseen_matmul(computed(x), computed(weight)), x.where()), added = computed(bias);
  const DType sum = foreseen(ir::Op::add, {&product, &added}).dtype();
  return apply_one({"linear", formula::build_linear},
                   made::LinearAttrs{.product = product.tensor().dtype(), .sum = sum, .result = result},
                   {x.tensor(), weight.tensor(), entered(bias, sum, "add")}, x.where());
} catch (...) {
  leave_with_error("linear", x.where());
}

}  // namespace tenon
