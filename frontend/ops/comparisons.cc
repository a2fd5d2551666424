// Comparisons by name, and nearness. Each is one program, which the operators have where they are that program.
#include <array>
#include <numeric>

#include "tenon/frontend/ops/composed.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

Value all_true(Value x) {
  Axes axes(x.shape().size());
  std::iota(axes.begin(), axes.end(), 0);
  return axes.empty() ? x : ir::reduce(ir::Op::reduce_and, x, axes);
}

// Integers are held against each other as they are. Their distance is that of the integers, or of f64 where that has no place.
Value close(Values given, const made::Close& to) {
  const std::vector<Value> v = meet(given, wide(to.met));
  const Value equal = ir::eq(v[0], v[1]);
  const DType computed = is_floating(to.met) ? wide(to.met) : f64;
  const Value x = ir::cast(v[0], computed), y = ir::cast(v[1], computed);
  const Value whole = ir::cast(ir::max(v[0], v[1]) - ir::min(v[0], v[1]), computed), far = ir::abs(x - y);
  const Value apart = is_floating(to.met) ? far : ir::max(whole, far), allowed = ir::abs(y) * to.rtol + to.atol;
  Value near = bit_or(equal, bit_and(is_finite(apart), ir::le(apart, allowed)));
  if (to.equal_nan) near = bit_or(near, bit_and(ir::ne(x, x), ir::ne(y, y)));
  return near;
}

std::vector<Value> build_isclose(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  return {close(x, made::Close(attrs))};
}
std::vector<Value> build_allclose(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  return {all_true(close(x, made::Close(attrs)))};
}
std::vector<Value> build_equal(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const std::vector<Value> v = meet(x, made::Composed(attrs).met);
  return {all_true(ir::eq(v[0], v[1]))};
}

}  // namespace
}  // namespace formula

namespace {

Tensor nearness(const Emit& emit, const Operand& x, const Operand& y, const Closeness& c) try {
  const Location& at = x.where();
  if (!(c.rtol >= 0) || !(c.atol >= 0)) throw Error(std::string(emit.name) + ": tolerances are 0 or more", at);
  const DType met = meeting(emit.name, Takes::numbers, std::array<const Operand*, 2>{&x, &y}, at);
  const std::vector<Tensor> inputs{entered(x, formula::wide(met), emit.name),
                                   entered(y, formula::wide(met), emit.name)};
  (void)check_broadcast(emit.name, inputs, at);
  const ir::Attrs attrs = made::CloseAttrs{.met = met, .rtol = c.rtol, .atol = c.atol, .equal_nan = c.equal_nan};
  return std::move(apply(emit, attrs, inputs, at)[0]);
} catch (...) {
  leave_with_error(emit.name, x.where());
}

bool complex_operands(const Operand& x, const Operand& y, const char* name) {
  return is_complex(common_dtype(std::array<const Operand*, 2>{&x, &y}, name));
}

}  // namespace

Tensor eq(Operand x, Operand y) { return x == y; }
Tensor ne(Operand x, Operand y) { return x != y; }
Tensor lt(Operand x, Operand y) { return x < y; }
Tensor le(Operand x, Operand y) { return x <= y; }
Tensor gt(Operand x, Operand y) { return x > y; }
Tensor ge(Operand x, Operand y) { return x >= y; }
Tensor not_equal(Operand x, Operand y) { return x != y; }
Tensor less(Operand x, Operand y) { return renamed("less", elementwise::lt, x, y); }
Tensor less_equal(Operand x, Operand y) { return renamed("less_equal", elementwise::le, x, y); }
Tensor greater(Operand x, Operand y) { return renamed("greater", elementwise::gt, x, y); }
Tensor greater_equal(Operand x, Operand y) { return renamed("greater_equal", elementwise::ge, x, y); }

// Of complex numbers by their distance in the plane.
Tensor isclose(Operand x, Operand y, Closeness c) {
  if (!complex_operands(x, y, "isclose")) return nearness({"isclose", formula::build_isclose}, x, y, c);
  const Tensor apart = abs(x - y), near = (x == y) | (isfinite(apart) & (apart <= abs(y) * c.rtol + c.atol));
  return c.equal_nan ? near | ((x != x) & (y != y)) : near;
}
Tensor allclose(Operand x, Operand y, Closeness c) {
  if (complex_operands(x, y, "allclose")) return all_of(isclose(std::move(x), std::move(y), c));
  return nearness({"allclose", formula::build_allclose}, x, y, c);
}
Tensor isclose(Operand x, Operand y, double rtol, double atol, bool equal_nan) {
  return isclose(std::move(x), std::move(y), {.rtol = rtol, .atol = atol, .equal_nan = equal_nan});
}
Tensor allclose(Operand x, Operand y, double rtol, double atol, bool equal_nan) {
  return allclose(std::move(x), std::move(y), {.rtol = rtol, .atol = atol, .equal_nan = equal_nan});
}

Tensor equal(Operand x, Operand y) try {
  const Location& at = x.where();
  const Tensor a = as_tensor(x, "equal"), b = as_tensor(y, "equal");
  bool alike = a.ndim() == b.ndim();
  for (int64_t i = 0; alike && i < a.ndim(); ++i) {
    const Dim d = a.shape()[static_cast<size_t>(i)], e = b.shape()[static_cast<size_t>(i)];
    if (!(d == e) && (d.is_symbol() || e.is_symbol()))
      throw Error("equal: whether " + describe(a) + " and " + describe(b) +
                      " have one shape is known only where the program runs; give both the same free extents",
                  at);
    alike = d == e;
  }
  if (!alike) return full({}, Operand(false, at));
  if (complex_operands(x, y, "equal")) return all_of(x == y);
  return compose({"equal", formula::build_equal}, Takes::anything, {&x, &y});
} catch (...) {
  leave_with_error("equal", x.where());
}
Tensor array_equal(Operand x, Operand y) { return equal(std::move(x), std::move(y)); }

}  // namespace tenon
