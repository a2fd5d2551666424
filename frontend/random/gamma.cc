// Gamma variates by Marsaglia and Tsang (ACM TOMS 26, 2000): a cube of a shifted normal number, accepted with a probability above 0.95,
// all elements in one loop; below 1 by way of a + 1 and a power of a uniform number. Beta and Dirichlet from their logarithms, so that
// small parameters do not underflow. How a draw was accepted has no derivative; the draw has that of its distribution at the same
// probability, to second order. Refuses those of third order: NaN.
#include <limits>

#include "tenon/frontend/ops/incomplete_gamma.h"
#include "tenon/frontend/ops/rule_formula.h"
#include "tenon/frontend/random/accepted.h"
#include "tenon/frontend/random/random.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// A gamma variate of max(a, a + 1 below 1), and the logarithm of what it is multiplied with: 0, or log(u) / a.
struct GammaDraw {
  Value value, log_factor;
};
GammaDraw gamma_draw(Value key, Value given, uint32_t space) {
  const Value a = stop_gradient(given), one = like(a, 1);
  const DType dtype = a.dtype();
  const Shape shape = a.shape();
  const Value small = lt(a, one), none = like(a, std::numeric_limits<double>::quiet_NaN());
  const Value d = select(lt(a, like(a, 0)), none, select(small, a + one, a)) - 1.0 / 3;
  const Value c = rsqrt(d * 9.0);
  const Value constants[] = {key, d, c};
  const auto round = [&](Values fixed, Value stream) {
    Shape three = shape;
    three.insert(0, Dim(3));
    const Value drawn = bits(fixed[0], space, stream, word(dtype), three);
    const Value x = normal_of(row(drawn, 0), row(drawn, 1), dtype), u = open_interval(row(drawn, 2), dtype);
    const Value t = fixed[2] * x + 1, v = t * t * t;
    const Value most = x * x * 0.5 + fixed[1] * (1 - v + log(v));
    const Value undefined = ne(fixed[1], fixed[1]);  // no such distribution: NaN at once
    return std::pair(bit_or(undefined, bit_and(gt(t, like(t, 0)), lt(log(u), most))), fixed[1] * v);
  };
  const Value value = accepted(constants, none, 1000, round);
  const Value u = open_interval(bits(key, space + 1, word(dtype), shape), dtype);
  return {value, select(small, log(u) / select(small, a, one), like(a, 0))};
}

using List = std::vector<Value>;
constexpr int ruled_orders = 2;

// What was drawn is a constant of a with a derivative by a: that of the distribution where P(a, x) stays (log_gamma_slope), in f64, and
// at the logarithm of x, which is there where x is 0 in its dtype.
Value log_with_derivative(Value a, Value log_x, bool precise, int order = ruled_orders) {
  const auto rule = [=](const List& x, const List& tangents) {
    if (order == 0) return std::pair(x[1], like(x[1], std::numeric_limits<double>::quiet_NaN()));
    const Value l = log_with_derivative(x[0], x[1], precise, order - 1);
    const Value slope = log_gamma_slope(cast(x[0], f64), cast(l, f64), precise);
    return std::pair(l, cast(slope * cast(tangents[0], f64), l.dtype()));
  };
  return with_rule({a, log_x}, [](const List& x) { return x[1]; }, rule);
}
Value with_derivative(Value a, const GammaDraw& g, int order = ruled_orders) {
  const auto value = [](const List& x) { return x[1] * exp(x[2]); };
  const auto rule = [=](const List& x, const List& tangents) {
    if (order == 0) return std::pair(value(x), like(x[1], std::numeric_limits<double>::quiet_NaN()));
    const bool precise = x[1].dtype() == f64;
    const Value a64 = cast(x[0], f64), drawn = log(cast(x[1], f64)) + cast(x[2], f64);
    const Value l = log_with_derivative(a64, drawn, precise, order - 1);
    const Value slope = scale(exp(l), log_gamma_slope(a64, l, precise));
    return std::pair(with_derivative(x[0], {x[1], x[2]}, order - 1),
                     cast(slope * cast(tangents[0], f64), x[1].dtype()));
  };
  return with_rule({a, g.value, g.log_factor}, value, rule);
}
Value log_gamma(Value key, Value a, uint32_t space) {
  const GammaDraw g = gamma_draw(key, a, space);
  return log_with_derivative(a, log(g.value) + g.log_factor, a.dtype() == f64);
}

std::vector<Value> build_gamma(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  const Value a = stretched(x[1], wide(to.dtype), Shape(to.shape));
  return {cast(with_derivative(a, gamma_draw(x[0], a, accepted_space)), to.dtype)};
}
std::vector<Value> build_beta(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  const Shape shape(to.shape);
  const Value a = log_gamma(x[0], stretched(x[1], wide(to.dtype), shape), accepted_space);
  const Value b = log_gamma(x[0], stretched(x[2], wide(to.dtype), shape), accepted_space + 2);
  return {cast(logistic(a - b), to.dtype)};
}
std::vector<Value> build_dirichlet(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  const Shape shape(to.shape);
  const Axes rows = {shape.rank() - 1};
  const Value logs = log_gamma(x[0], stretched(x[1], wide(to.dtype), shape), accepted_space);
  const Value parts = exp(logs - spread(stop_gradient(peak(logs, rows)), logs));
  return {cast(parts / spread(total(parts, rows), parts), to.dtype)};
}

}  // namespace
}  // namespace formula

namespace random {

Tensor gamma(const Tensor& key, Operand a, const Extents& shape, Draw d, const At& where) try {
  const Location at = place(where);
  const DType dtype = drawn_dtype("gamma", d.dtype, {&a}, at);
  return draw_with({"gamma", formula::build_gamma}, key, {&a}, dtype, shape.checked("gamma", formula::word(dtype), at),
                   at);
} catch (...) {
  leave_with_error("gamma", place(where));
}
Tensor gamma(const Tensor& key, Operand a, Draw d, const At& at) {
  return gamma(key, a, shape_of("gamma", {&a}, place(at)), d, at);
}

Tensor beta(const Tensor& key, Operand a, Operand b, const Extents& shape, Draw d, const At& where) try {
  const Location at = place(where);
  const DType dtype = drawn_dtype("beta", d.dtype, {&a, &b}, at);
  return draw_with({"beta", formula::build_beta}, key, {&a, &b}, dtype, shape.checked("beta", formula::word(dtype), at),
                   at);
} catch (...) {
  leave_with_error("beta", place(where));
}
Tensor beta(const Tensor& key, Operand a, Operand b, Draw d, const At& at) {
  return beta(key, a, b, shape_of("beta", {&a, &b}, place(at)), d, at);
}

Tensor dirichlet(const Tensor& key, Operand alpha, const Extents& shape, Draw d, const At& where) try {
  const Location at = place(where);
  const Tensor a = as_tensor(alpha, "dirichlet");
  (void)axis_of(-1, a.ndim(), "dirichlet", at);
  const Operand given(a, alpha.where());
  const DType dtype = drawn_dtype("dirichlet", d.dtype, {&given}, at);
  Shape all = shape.checked("dirichlet", formula::word(dtype), at);
  all.push_back(a.shape()[a.ndim() - 1]);
  return draw_with({"dirichlet", formula::build_dirichlet}, key, {&given}, dtype,
                   Extents(all).checked("dirichlet", formula::word(dtype), at), at);
} catch (...) {
  leave_with_error("dirichlet", place(where));
}
Tensor dirichlet(const Tensor& key, Operand alpha, Draw d, const At& where) try {
  const Tensor a = as_tensor(alpha, "dirichlet");
  (void)axis_of(-1, a.ndim(), "dirichlet", place(where));
  Shape batch = a.shape();
  batch.erase(static_cast<size_t>(a.ndim() - 1));
  return dirichlet(key, Operand(a, alpha.where()), batch, d, where);
} catch (...) {
  leave_with_error("dirichlet", place(where));
}

}  // namespace random
}  // namespace tenon
