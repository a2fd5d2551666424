// Doors and formulas that the files of tn::linalg share.
#include "tenon/frontend/linalg/formulas.h"

#include <algorithm>

namespace tenon::linalg {

namespace made {
#define TENON_ATTRS TENON_ATTRS_STORE
#define FIELD TENON_FIELD_STORE
#include "tenon/frontend/linalg/attributes.def"
}  // namespace made

using namespace ir::matrices;

std::string named(const char* name) { return std::string("linalg::") + name; }

void refuse_complex(DType dtype, const char* name, const Location& at) {
  if (is_complex(dtype))
    throw Error(named(name) + ": takes real matrices, and an operand is " + std::string(tenon::name(dtype)) +
                    "; write complex ones as real ones, [[re, -im], [im, re]]",
                at);
}

Tensor matrices_of(const Operand& x, const char* name, bool complex) {
  const Tensor t = as_tensor(x, name);
  if (!complex) refuse_complex(t.dtype(), name, x.where());
  if (t.ndim() < 2)
    throw Error(named(name) + ": takes matrices, [.., m, n], not " + describe(t) + "; reshape it", x.where());
  return t;
}

Tensor square_of(const Operand& x, const char* name) {
  const Tensor t = matrices_of(x, name);
  const Dim height = t.shape()[t.ndim() - 2], width = t.shape()[t.ndim() - 1];
  if (height.is_number() && width.is_number() && !(height == width))
    throw Error(named(name) + ": the matrix is not square: " + describe(t), x.where());
  return t;
}

Value computed(Value x) { return ir::cast(x, formula::wide(formula::floating(x.dtype()))); }

Values as_given(Values results, Value x) {
  const DType given = part_of(formula::floating(x.dtype()));
  for (Value& r : results)
    if (is_floating(r.dtype())) r = ir::cast(r, given);
  return results;
}

void broadcast_batches(Value& a, Value& b) {
  const Shape shapes[] = {batch_of(a), batch_of(b)};
  const Shape batch = formula::common_shape(
      shapes, [](const Shape& s) -> const Shape& { return s; },
      [&](int, Dim, Dim) {
        throw Error("the batches of " + to_string(a.type(), &a.builder->symbols()) + " and " +
                    to_string(b.type(), &b.builder->symbols()) + " do not broadcast");
      });
  for (Value* x : {&a, &b}) {
    Shape whole = batch;
    whole.push_back(height(*x));
    whole.push_back(width(*x));
    *x = ir::broadcast_to(*x, whole);
  }
}

Values decomposed(ir::Op op, Value a, ir::Attrs attrs) {
  return ir::apply(*a.builder, op, std::span(&a, 1), std::move(attrs));
}

namespace {

Value inverse_order(Value order) {  // of permutations
  const auto axis = static_cast<size_t>(order.shape().rank() - 1);
  const Value operands[] = {order, ir::iota(*order.builder, i64, order.shape(), static_cast<int64_t>(axis))};
  return ir::apply(*order.builder, ir::Op::sort, operands, ir::SortAttrs{.axis = axis})[1];
}

// What is found by elimination with pivots is the solution of an equation: its derivatives are, of any order, those of the equation, and
// solve by the same factors.
Value solved_by(Value a, Value lu, Value rows, Value b) {
  ir::GraphBuilder& builder = *a.builder;
  const Value operands[] = {a, lu, rows, b};
  std::vector<ir::Type> types;
  for (const Value& v : operands) types.push_back(v.type());
  const auto solve = graph_of(builder, types, [](ir::GraphBuilder&, const Values& x) {
    return Values{matrices::solve(x[1], matrices::solve(x[1], rows_in_order(x[3], x[2]), false, true), true)};
  });
  const auto matvec =
      graph_of(builder, types, [](ir::GraphBuilder&, const Values& x) { return Values{product(x[0], x[3])}; });
  const auto transposed_solve = graph_of(builder, types, [](ir::GraphBuilder&, const Values& x) {
    const Value t = transposed(x[1]);
    return Values{rows_in_order(matrices::solve(t, matrices::solve(t, x[3], false), true, true), inverse_order(x[2]))};
  });
  return ir::apply(
      builder, ir::Op::linear_solve, operands,
      ir::LinearSolveAttrs{.solve = solve, .matvec = matvec, .transposed = transposed_solve, .counts = {3}})[0];
}

Value one_like(Value a) { return identity(*a.builder, a.dtype(), batch_of(a), height(a), width(a)); }

}  // namespace

Value solved(Value a, Value b) {
  const Values factors = decomposed(ir::Op::lu, ir::stop_gradient(a));
  return solved_by(a, factors[0], factors[1], b);
}
Value inverse(Value a) { return solved(a, one_like(a)); }
Value inverse_by(Value a, Value lu, Value rows) { return solved_by(a, lu, rows, one_like(a)); }

}  // namespace tenon::linalg
