// Products by PyTorch's names: those of one rank of operands, and those that are added to a tensor. Halves are computed in f32 and
// rounded once.
#include <array>
#include <cmath>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/composed.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// Sums over the last axes, as matmul computes them: row by row of one with the columns that the other becomes.
std::vector<Value> build_inner(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const DType dtype = ir::Convert(attrs).dtype;
  const auto sums = [](Value a, Value b) {
    return ir::dot_general(a, b, {}, {}, {a.shape().rank() - 1}, {b.shape().rank() - 1});
  };
  const Value a = ir::cast(x[0], dtype), b = ir::cast(x[1], dtype);
  return {is_complex(dtype) ? bilinear(a, b, dtype, sums) : sums(a, b)};
}

Value matrices(Value a, Value b, DType dtype) { return matmul(a, b, dtype); }
// The sum over the batch is one contraction, over the batch and the inner axis.
Value batch_sum(Value a, Value b, DType dtype) {
  const auto sums = [](Value x, Value y) { return ir::dot_general(x, y, {}, {}, {0, 2}, {0, 1}); };
  return is_complex(dtype) ? bilinear(a, b, dtype, sums) : sums(ir::cast(a, dtype), ir::cast(b, dtype));
}
Value outer_product(Value a, Value b, DType dtype) {
  const Shape to({a.shape()[0], b.shape()[0]});
  const Value x = ir::broadcast(ir::cast(a, dtype), to, {0}), y = ir::broadcast(ir::cast(b, dtype), to, {1});
  return product_of(x, y);
}

// v times a number, which is whole where v is.
Value scaled(Value v, double by) {
  if (by == 1) return v;
  if (is_complex(v.dtype())) return by_real(v, ir::like(ir::real(v), by));
  return is_floating(v.dtype()) ? v * by : v * static_cast<int64_t>(by);
}

template <Value (*product)(Value, Value, DType)>
std::vector<Value> build_added(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const made::AddedProduct to(attrs);
  const DType computed = wide(to.dtype);
  // Where x alone is complex the product is one of real numbers.
  const bool real = is_complex(computed) && !is_complex(x[1].dtype()) && !is_complex(x[2].dtype());
  const Value p = scaled(ir::cast(product(x[1], x[2], real ? part_of(computed) : computed), computed), to.alpha);
  if (to.beta == 0) return {ir::cast(p, to.dtype)};
  const Value added = ir::broadcast_to(scaled(ir::cast(x[0], computed), to.beta), p.shape());
  return {ir::cast(added + p, to.dtype)};
}

}  // namespace
}  // namespace formula

namespace {

using Pair = std::array<const Operand*, 2>;

void check_ranks(const char* name, const Tensor& a, int rank_of_a, const Tensor& b, int rank_of_b, const Location& at) {
  if (a.ndim() == rank_of_a && b.ndim() == rank_of_b) return;
  const auto of_rank = [](int rank) { return rank == 1 ? "a vector" : rank == 2 ? "a matrix" : "a batch of matrices"; };
  throw Error(std::string(name) + ": takes " + of_rank(rank_of_a) + " and " + of_rank(rank_of_b) + ", not " +
                  describe(a) + " and " + describe(b) + (rank_of_a == 1 ? "" : "; matmul takes any ranks"),
              at);
}

void check_alike(const char* name, const Tensor& a, const Tensor& b, const Location& at) {
  if (a.shape()[0] == b.shape()[0]) return;
  throw Error(std::string(name) + ": takes batches of one size, not " + describe(a) + " and " + describe(b) +
                  "; matmul stretches them",
              at);
}

Tensor of_ranks(const char* name, const Operand& a, const Operand& b, int rank_of_a, int rank_of_b) try {
  const Tensor x = as_tensor(a, name), y = as_tensor(b, name);
  check_ranks(name, x, rank_of_a, y, rank_of_b, a.where());
  if (rank_of_a == 3) check_alike(name, x, y, a.where());
  return matmul(a, b);
} catch (...) {
  leave_with_error(name, a.where());
}

struct Addition {
  Emit emit;
  int rank_of_a, rank_of_b;
  bool sums = false;  // over the batch
};

// The shape of the product that is added, from operands of known ranks.
Shape product_shape(const Addition& to, const Tensor& a, const Tensor& b, const Location& at) {
  if (to.rank_of_a == 1) return Shape({a.shape()[0], b.shape()[0]});
  Shape shape = foreseen_matmul(Operand(a, at), Operand(b, at)).shape();
  if (to.sums) shape.erase(0);
  return shape;
}

Tensor added(const Addition& to, const Operand& x, const Operand& a, const Operand& b, AddedTo s) try {
  const Location& at = x.where();
  const char* name = to.emit.name;
  const DType dtype = common_dtype(std::array<const Operand*, 3>{&x, &a, &b}, name);
  if (dtype == boolean) throw Error(std::string(name) + " of bools; convert with astype(tn::i32)", at);
  if (!is_floating(dtype) && !is_complex(dtype) && (std::trunc(s.beta) != s.beta || std::trunc(s.alpha) != s.alpha))
    throw Error(std::string(name) + ": beta and alpha of integers are whole numbers", at);
  const Tensor inputs[] = {entered(x, formula::wide(dtype), name), as_tensor(a, name), as_tensor(b, name)};
  check_ranks(name, inputs[1], to.rank_of_a, inputs[2], to.rank_of_b, at);
  if (to.rank_of_a == 3) check_alike(name, inputs[1], inputs[2], at);
  const Shape shape = product_shape(to, inputs[1], inputs[2], at);
  if (!stretches(inputs[0].shape(), shape))
    throw Error(
        std::string(name) + ": " + describe(inputs[0]) + " does not stretch to the product's shape " + to_string(shape),
        at);
  return std::move(
      apply(to.emit, made::AddedProductAttrs{.dtype = dtype, .beta = s.beta, .alpha = s.alpha}, inputs, at)[0]);
} catch (...) {
  leave_with_error(to.emit.name, x.where());
}

}  // namespace

Tensor vdot(Operand a, Operand b) {
  return is_complex(common_dtype(Pair{&a, &b}, "vdot")) ? dot(Operand(conj(a), a.where()), b) : dot(a, b);
}

Tensor inner(Operand a, Operand b) try {
  const Location& at = a.where();
  const Tensor x = as_tensor(a, "inner"), y = as_tensor(b, "inner");
  if (x.ndim() == 0 || y.ndim() == 0) return x * y;
  if (x.ndim() == 1 && y.ndim() == 1) return dot(a, b);
  const DType dtype = common_dtype(Pair{&a, &b}, "inner");
  if (dtype == boolean) throw Error("inner of bools; convert with astype(tn::i32)", at);
  if (!(x.shape()[static_cast<size_t>(x.ndim() - 1)] == y.shape()[static_cast<size_t>(y.ndim() - 1)]))
    throw Error("inner: the last axes are of one length, not those of " + describe(x) + " and " + describe(y), at);
  return apply_one({"inner", formula::build_inner}, ir::ConvertAttrs{dtype}, {x, y}, at);
} catch (...) {
  leave_with_error("inner", a.where());
}

Tensor mm(Operand a, Operand b) { return of_ranks("mm", a, b, 2, 2); }
Tensor mv(Operand a, Operand b) { return of_ranks("mv", a, b, 2, 1); }
Tensor bmm(Operand a, Operand b) { return of_ranks("bmm", a, b, 3, 3); }
Tensor ger(Operand a, Operand b) { return outer(std::move(a), std::move(b)); }

Tensor addmm(Operand x, Operand a, Operand b, AddedTo s) {
  return added({{"addmm", formula::build_added<formula::matrices>}, 2, 2}, x, a, b, s);
}
Tensor addmv(Operand x, Operand a, Operand b, AddedTo s) {
  return added({{"addmv", formula::build_added<formula::matrices>}, 2, 1}, x, a, b, s);
}
Tensor baddbmm(Operand x, Operand a, Operand b, AddedTo s) {
  return added({{"baddbmm", formula::build_added<formula::matrices>}, 3, 3}, x, a, b, s);
}
Tensor addbmm(Operand x, Operand a, Operand b, AddedTo s) {
  return added({{"addbmm", formula::build_added<formula::batch_sum>}, 3, 3, true}, x, a, b, s);
}
Tensor addr(Operand x, Operand a, Operand b, AddedTo s) {
  return added({{"addr", formula::build_added<formula::outer_product>}, 1, 1}, x, a, b, s);
}

}  // namespace tenon
