// Activations of networks by PyTorch's names. At kinks the derivative is PyTorch's: that of the side that each formula below takes. A
// NaN passes. Formulas are part of the contract on numbers (docs/numbers.md).
#include <numbers>

#include "tenon/frontend/ops/composed.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

Value hardtanh(Values v) {
  const Value x = v[0];
  return select(le(x, v[1]), v[1], select(ge(x, v[2]), v[2], x));
}
Value leaky_relu(Values v) { return select(gt(v[0], like(v[0], 0)), v[0], v[0] * v[1]); }

// scale (x, or alpha (e^(x / width) - 1) below 0)
Value exponential_unit(Value x, Value alpha, Value exponent) {
  return select(gt(x, like(x, 0)), x, alpha * expm1(exponent));
}
Value elu(Values v) { return exponential_unit(v[0], v[1], v[0]); }
Value celu(Values v) { return exponential_unit(v[0], v[1], v[0] / v[1]); }
// Klambauer and others, Self-Normalizing Neural Networks, NIPS 2017.
Value selu(Values v) {
  const Value x = v[0];
  return exponential_unit(x, like(x, 1.6732632423543772848), x) * 1.0507009873554804934;
}
Value mish(Values v) { return v[0] * tanh(softplus(v[0])); }
Value softsign(Values v) { return v[0] / (1 + abs(v[0])); }
Value logsigmoid(Values v) { return -softplus(-v[0]); }

// (x + 3) / 6 between -3 and 3
Value hardsigmoid(Values v) {
  const Value x = v[0], low = le(x, like(x, -3)), high = ge(x, like(x, 3));
  return select(low, like(x, 0), select(high, like(x, 1), (x + 3) / 6));
}
Value hardswish(Values v) {
  const Value x = v[0], low = le(x, like(x, -3)), high = ge(x, like(x, 3));
  return select(low, like(x, 0), select(high, x, x * (x + 3) / 6));
}
Value threshold(Values v) { return select(le(v[0], v[1]), v[2], v[0]); }
// x logistic(2 u), which is x (1 + tanh(u)) / 2 and does not cancel: u = sqrt(2 / pi) (x + 0.044715 x^3).
Value gelu_tanh(Values v) {
  const Value x = v[0];
  constexpr double scale = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  return x * logistic((x + x * x * x * 0.044715) * scale);
}
// Above the threshold x itself.
Value scaled_softplus(Values v) {
  const Value scaled = v[0] * v[1];
  return select(gt(scaled, v[2]), v[0], softplus(scaled) / v[1]);
}
Value tanhshrink(Values v) { return v[0] - tanh(v[0]); }
Value softshrink(Values v) {
  const Value x = v[0], size = v[1], inside = select(eq(x, x), like(x, 0), x);
  return select(gt(x, size), x - size, select(lt(x, -size), x + size, inside));
}
Value hardshrink(Values v) {
  const Value x = v[0], inside = bit_and(ge(x, -v[1]), le(x, v[1]));
  return select(inside, like(x, 0), x);
}

// Weights of more than one element belong to axis 1.
std::vector<Value> build_prelu(ir::GraphBuilder&, Values v, const ir::Attrs& attrs) {
  const DType met = made::Composed(attrs).met;
  Value weight = v[1];
  if (weight.shape().rank() == 1 && v[0].shape().rank() > 1) {
    Shape shape = weight.shape();
    while (shape.rank() + 1 < v[0].shape().rank()) shape.push_back(Dim(1));
    weight = reshape(weight, shape);
  }
  const Value both[] = {v[0], weight};
  return {cast(leaky_relu(meet(both, wide(met))), met)};
}

// softmax(-x): 1 over the sum of exponentials, then times each.
std::vector<Value> build_softmin(ir::GraphBuilder&, Values v, const ir::Attrs& attrs) {
  const Axes axis = {made::Along(attrs).axis};
  return rounded(v[0], [&](Value x) {
    const Value y = -x, e = exp(y - spread(stop_gradient(peak(y, axis)), y));
    return e * spread(1 / total(e, axis), e);
  });
}

// The first half along the axis times the logistic function of the second.
std::vector<Value> build_glu(ir::GraphBuilder&, Values v, const ir::Attrs& attrs) {
  const made::OfOrder to(attrs);
  const Value halves = ir::split_blocks(cast(v[0], wide(to.met)), static_cast<size_t>(to.order), 2);
  const auto half = [&](int64_t k) {
    Shape rest = halves.shape();
    std::vector<Dim> starts(rest.size(), Dim(0)), sizes = rest.dims();
    starts[0] = Dim(k), sizes[0] = Dim(1);
    rest.erase(0);
    return reshape(slice(halves, starts, sizes, std::vector<int64_t>(sizes.size(), 1)), rest);
  };
  return {cast(half(0) * logistic(half(1)), to.met)};
}

}  // namespace
}  // namespace formula

TENON_COMPOSED_3(hardtanh, numbers)
TENON_COMPOSED_2(leaky_relu, floats)
TENON_COMPOSED_2(elu, floats)
TENON_COMPOSED_2(celu, floats)
TENON_COMPOSED_1(selu, floats)
TENON_COMPOSED_1(mish, floats)
TENON_COMPOSED_1(softsign, floats)
TENON_COMPOSED_1(logsigmoid, floats)
TENON_COMPOSED_1(hardsigmoid, floats)
TENON_COMPOSED_1(hardswish, floats)
TENON_COMPOSED_3(threshold, numbers)
TENON_COMPOSED_1(gelu_tanh, floats)
TENON_COMPOSED_1(tanhshrink, floats)
TENON_COMPOSED_2(softshrink, floats)
TENON_COMPOSED_2(hardshrink, floats)

Tensor relu6(Operand x) {
  check_real("relu6", {&x});
  return hardtanh(x, Operand(0, x.where()), Operand(6, x.where()));
}
Tensor swish(Operand x) { return renamed("swish", elementwise::silu, x); }
Tensor hardtanh(Operand x) { return hardtanh(x, Operand(-1, x.where()), Operand(1, x.where())); }
Tensor leaky_relu(Operand x, Slope s) { return leaky_relu(x, Operand(s.negative_slope, x.where())); }
Tensor elu(Operand x, Alpha a) { return elu(x, Operand(a.alpha, x.where())); }
Tensor celu(Operand x, Alpha a) { return celu(x, Operand(a.alpha, x.where())); }
Tensor softshrink(Operand x) { return softshrink(x, Operand(0.5, x.where())); }
Tensor hardshrink(Operand x) { return hardshrink(x, Operand(0.5, x.where())); }

Tensor gelu(Operand x, Gelu g) try {
  check_real("gelu", {&x});
  if (g.tanh || g.approximate == "tanh") return gelu_tanh(x);
  if (g.approximate != "none")
    throw Error("gelu: .approximate is \"tanh\" or \"none\", not \"" + g.approximate + "\"", x.where());
  return elementwise::gelu(x);
} catch (...) {
  leave_with_error("gelu", x.where());
}
Tensor gelu(Operand x, const char* approximate) { return gelu(x, Gelu{.approximate = approximate}); }

Tensor softplus(Operand x, Operand beta, Operand threshold) {
  return compose({"softplus", formula::build_composed<formula::scaled_softplus>}, Takes::floats,
                 {&x, &beta, &threshold});
}
Tensor softplus(Operand x, Operand beta) { return softplus(x, beta, Operand(20.0, x.where())); }
Tensor softplus(Operand x, Softplus s) {
  return softplus(x, Operand(s.beta, x.where()), Operand(s.threshold, x.where()));
}

Tensor prelu(Operand x, Operand weight) try {
  const Operand* both[] = {&x, &weight};
  const Location& at = x.where();
  const DType met = meeting("prelu", Takes::floats, both, at);
  const Tensor t = entered(x, met, "prelu"), w = entered(weight, met, "prelu");
  const bool one = w.ndim() == 0 || (w.ndim() == 1 && w.shape()[0] == Dim(1));
  const Dim channels = t.ndim() > 1 ? Dim(t.shape()[1]) : Dim(1);
  if (!one && !(w.ndim() == 1 && w.shape()[0] == channels))
    throw Error("prelu: the weight has one element, or one for each of axis 1 of x: x is " + describe(t) +
                    ", the weight " + describe(w),
                at);
  return apply_one({"prelu", formula::build_prelu}, made::ComposedAttrs{met}, {t, w}, at);
} catch (...) {
  leave_with_error("prelu", x.where());
}

Tensor glu(Operand x, int64_t axis) try {
  const Operand* one = &x;
  const Location& at = x.where();
  const DType met = meeting("glu", Takes::floats, std::span(&one, 1), at);
  const Tensor t = entered(x, met, "glu");
  const int64_t a = axis_of(axis, t.ndim(), "glu", at);
  const Extent n = t.shape()[a];
  if (n.is_number() && n.number() % 2 != 0)
    throw Error("glu: axis " + std::to_string(a) + " of " + describe(t) + " has no two halves; its extent is even", at);
  return apply_one({"glu", formula::build_glu}, made::OfOrderAttrs{.met = met, .order = a}, {t}, at);
} catch (...) {
  leave_with_error("glu", x.where());
}

Tensor softmin(Operand x, int64_t axis) try {
  const Location& at = x.where();
  const Tensor given = real_tensor(x, "softmin");
  const Tensor t = given.ndim() == 0 ? reshape(Operand(given, at), {1}) : given;  // a scalar is its own row
  const Tensor y =
      apply_one({"softmin", formula::build_softmin}, made::AlongAttrs{axis_of(axis, t.ndim(), "softmin", at)}, {t}, at);
  return given.ndim() == 0 ? reshape(Operand(y, at), {}) : y;
} catch (...) {
  leave_with_error("softmin", x.where());
}

}  // namespace tenon
