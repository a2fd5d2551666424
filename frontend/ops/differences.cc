// Differences of neighbours along an axis, and integrals by the trapezoidal rule. Refuses other rules of integration.
#include "tenon/frontend/ops/composed.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

struct Neighbours {
  Value low, high;  // all elements along an axis but the last, and all but the first
};
Neighbours neighbours(Value x, int64_t axis) {
  Symbols& s = x.builder->symbols();
  const Dim n = x.shape()[axis], fewer = s.difference(s.maximum(n, 1), 1);
  return {part(x, axis, 0, fewer), part(x, axis, s.difference(n, fewer), fewer)};
}

std::vector<Value> build_diff(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Diff d(attrs);
  Value v = x[0];
  for (int64_t i = 0; i < d.n; ++i) {
    const auto [low, high] = neighbours(v, d.axis);
    v = v.dtype() == boolean ? ir::ne(high, low) : high - low;
  }
  return {v};
}

// (y_i + y_{i + 1}) (x_{i + 1} - x_i) / 2. x is a distance, a number of the axis's length, or as y.
Value trapezoids(Value y, Value x, int64_t axis) {
  const auto [low, high] = neighbours(y, axis);
  const Value sums = high + low;
  if (x.shape().rank() == 0) return sums * ir::spread(x * 0.5, sums);
  if (x.shape().rank() == 1) {
    const auto [before, after] = neighbours(x, 0);
    return sums * ir::broadcast(after - before, sums.shape(), {axis}) * 0.5;
  }
  const auto [before, after] = neighbours(ir::spread(x, y), axis);
  return sums * (after - before) * 0.5;
}

std::vector<Value> build_trapezoid(ir::GraphBuilder&, std::span<const Value> in, const ir::Attrs& attrs) {
  const made::Trapezoid t(attrs);
  const DType computed = wide(t.dtype);
  const Value pieces = trapezoids(ir::cast(in[0], computed), ir::cast(in[1], computed), t.axis);
  if (!t.running) return {ir::cast(ir::reduce(ir::Op::reduce_sum, pieces, {t.axis}), t.dtype)};
  const auto sums = ir::apply(*pieces.builder, ir::Op::cumsum, std::span(&pieces, 1),
                              ir::CumulativeAttrs{.axis = static_cast<size_t>(t.axis)});
  return {ir::cast(sums[0], t.dtype)};
}

// (x_{i + 1} - x_{i - 1}) / 2h inside. At the ends the line through two elements, or the parabola through three.
std::vector<Value> build_gradient(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Gradient g(attrs);
  const Value v = ir::cast(x[0], wide(g.dtype));
  Symbols& s = v.builder->symbols();
  const Dim n = v.shape()[g.axis];
  const double per = 1 / g.spacing;
  const auto at = [&](int64_t i) { return part(v, g.axis, i >= 0 ? Dim(i) : s.difference(n, -i), 1); };
  const auto end = [&](Value a, Value b, Value c, double sign) {
    return g.edge_order == 1 ? (b - a) * (sign * per) : (b * 4 - a * 3 - c) * (sign * 0.5 * per);
  };
  const int64_t far = g.edge_order == 1 ? 1 : 2;
  const Dim inside = s.difference(n, 2);
  const Value middle = (part(v, g.axis, 2, inside) - part(v, g.axis, 0, inside)) * (0.5 * per);
  const Value parts[] = {end(at(0), at(1), at(far), 1), middle, end(at(-1), at(-2), at(-1 - far), -1)};
  return {ir::cast(ir::concat(parts, g.axis), g.dtype)};
}

}  // namespace
}  // namespace formula

Tensor diff(Operand x, int64_t n, int64_t axis) try {
  const Location& at = x.where();
  const Tensor t = as_tensor(x, "diff");
  if (n < 0 || n > 1000) throw Error("diff: n is 0 to 1000, not " + std::to_string(n), at);
  const int64_t along = axis_of(axis, t.ndim(), "diff", at);
  if (n == 0) return t;
  return apply_one({"diff", formula::build_diff}, made::DiffAttrs{.n = n, .axis = along}, {t}, at);
} catch (...) {
  leave_with_error("diff", x.where());
}

namespace {

void check_abscissae(const Tensor& y, const Tensor& x, int64_t axis, const char* name, const Location& at) {
  bool fits = x.ndim() <= 1 ? x.ndim() == 0 || x.shape()[0] == y.shape()[axis] : x.ndim() <= y.ndim();
  for (int i = 1; fits && x.ndim() > 1 && i <= x.ndim(); ++i) {
    const Dim d = x.shape()[x.ndim() - i];
    fits = d == y.shape()[y.ndim() - i] || (d == 1 && y.ndim() - i != axis);
  }
  if (!fits)
    throw Error(std::string(name) + ": x is a distance, a vector of the axis's length, or stretches to y; it is " +
                    describe(x) + ", y is " + describe(y) + ", axis " + std::to_string(axis),
                at);
}

Tensor integral(const Emit& emit, const Operand& y, const Operand& x, int64_t axis, bool running) try {
  const Location& at = y.where();
  const Operand* const both[] = {&y, &x};
  const DType dtype = formula::floating(common_dtype(both, emit.name));
  check_real(dtype, emit.name, at);
  const Tensor heights = as_tensor(y, emit.name), places = entered(x, dtype, emit.name);
  const int64_t along = axis_of(axis, heights.ndim(), emit.name, at);
  check_abscissae(heights, places, along, emit.name, at);
  return apply_one(emit, made::TrapezoidAttrs{.axis = along, .running = running, .dtype = dtype}, {heights, places},
                   at);
} catch (...) {
  leave_with_error(emit.name, y.where());
}

}  // namespace

Tensor trapezoid(Operand y) { return trapezoid(y, Operand(1, y.where())); }
Tensor cumulative_trapezoid(Operand y) { return cumulative_trapezoid(y, Operand(1, y.where())); }
Tensor trapezoid(Operand y, Operand x, int64_t axis) {
  return integral({"trapezoid", formula::build_trapezoid}, y, x, axis, false);
}
Tensor cumulative_trapezoid(Operand y, Operand x, int64_t axis) {
  return integral({"cumulative_trapezoid", formula::build_trapezoid}, y, x, axis, true);
}

Tensor trapz(Operand y) { return trapz(y, Operand(1, y.where())); }
Tensor trapz(Operand y, Operand x, int64_t axis) {
  return integral({"trapz", formula::build_trapezoid}, y, x, axis, false);
}

std::vector<Tensor> gradient(Operand x, Differences d) try {
  const Location& at = x.where();
  const Tensor t = as_tensor(x, "gradient");
  if (!(d.spacing != 0)) throw Error("gradient: the spacing is a number other than 0", at);
  if (d.edge_order != 1 && d.edge_order != 2) throw Error("gradient: .edge_order is 1 or 2", at);
  const Operand* const one[] = {&x};
  const DType dtype = meeting("gradient", Takes::floats, one, at);
  std::vector<int64_t> axes;
  for (int64_t axis : d.axes) axes.push_back(axis_of(axis, t.ndim(), "gradient", at));
  for (int64_t axis = 0; d.axes.empty() && axis < t.ndim(); ++axis) axes.push_back(axis);
  std::vector<Tensor> results;
  for (int64_t axis : axes) {
    const Dim n = t.shape()[static_cast<size_t>(axis)];
    const int64_t least = d.edge_order + 1;
    if (n.is_number() && n.number() < least)
      throw Error("gradient: takes " + std::to_string(least) + " elements or more along an axis, not " + describe(t),
                  at);
    results.push_back(apply_one(
        {"gradient", formula::build_gradient},
        made::GradientAttrs{.axis = axis, .spacing = d.spacing, .edge_order = d.edge_order, .dtype = dtype}, {t}, at));
  }
  return results;
} catch (...) {
  leave_with_error("gradient", x.where());
}

}  // namespace tenon
