// Elementwise functions by PyTorch's names, beyond the rows of the op table and the operators (frontend/ops/ops.h): predicates,
// arithmetic, bits, special functions, activations. Operands promote and broadcast as everywhere; what has parameters takes them as
// operands, numbers or tensors. Formulas: docs/numbers.md.
#pragma once

#include <optional>
#include <string>

#include "tenon/frontend/ops/ops.h"

namespace tenon {

// ---- rows of the op table
using elementwise::erfcx, elementwise::erfinv, elementwise::lgamma, elementwise::digamma, elementwise::ndtri,
    elementwise::log_ndtr, elementwise::i0, elementwise::i1, elementwise::i0e, elementwise::i1e, elementwise::log10,
    elementwise::hypot, elementwise::logaddexp, elementwise::copysign;

// ---- predicates: bool. The sign of a NaN counts as positive.
Tensor isnan(Operand x);
Tensor isinf(Operand x);
Tensor isposinf(Operand x);
Tensor isneginf(Operand x);
Tensor isfinite(Operand x);
Tensor signbit(Operand x);
Tensor logical_xor(Operand x, Operand y);

// ---- arithmetic
Tensor square(Operand x);
Tensor reciprocal(Operand x);
Tensor positive(Operand x);
Tensor negative(Operand x);
Tensor absolute(Operand x);
struct Scaled {
  Operand alpha = 1;
};
Tensor add(Operand x, Operand y);  // x + alpha y
Tensor add(Operand x, Operand y, Operand alpha);
Tensor add(Operand x, Operand y, Scaled s);
Tensor subtract(Operand x, Operand y);
Tensor subtract(Operand x, Operand y, Operand alpha);
Tensor subtract(Operand x, Operand y, Scaled s);
Tensor multiply(Operand x, Operand y);
struct Division {
  std::string rounding = {};  // "floor" or "trunc"; none: the quotient, of integers as f32
  std::string rounding_mode = {};
};
Tensor div(Operand x, Operand y);
Tensor div(Operand x, Operand y, Division d);
Tensor divide(Operand x, Operand y);
Tensor divide(Operand x, Operand y, Division d);
Tensor true_divide(Operand x, Operand y);
Tensor floor_divide(Operand x, Operand y);
Tensor remainder(Operand x, Operand y);  // has the sign of y
Tensor fmod(Operand x, Operand y);  // has the sign of x
Tensor frac(Operand x);  // x - trunc(x)
Tensor deg2rad(Operand x);
Tensor rad2deg(Operand x);
Tensor lerp(Operand start, Operand end, Operand weight);
struct Weighted {
  Operand value = 1;
};
Tensor addcmul(Operand x, Operand a, Operand b, Operand value = 1);  // x + value a b
Tensor addcmul(Operand x, Operand a, Operand b, Weighted w);
Tensor addcdiv(Operand x, Operand a, Operand b, Operand value = 1);  // x + value a / b
Tensor addcdiv(Operand x, Operand a, Operand b, Weighted w);
struct Bounds {
  std::optional<Operand> min = {}, max = {};
};
Tensor clamp(Operand x, Operand low, Operand high);  // at a bound the derivative is 1, where that of clip is 1/2
Tensor clamp(Operand x, Bounds b);
Tensor clamp_min(Operand x, Operand low);
Tensor clamp_max(Operand x, Operand high);
Tensor fmax(Operand x, Operand y);  // a NaN loses against a number
Tensor fmin(Operand x, Operand y);
Tensor heaviside(Operand x, Operand values);
Tensor nan_to_num(Operand x, Operand nan = 0, std::optional<Operand> posinf = {}, std::optional<Operand> neginf = {});
Tensor nextafter(Operand x, Operand y);

// ---- integers
Tensor gcd(Operand x, Operand y);
Tensor lcm(Operand x, Operand y);
Tensor bitwise_and(Operand x, Operand y);
Tensor bitwise_or(Operand x, Operand y);
Tensor bitwise_xor(Operand x, Operand y);
Tensor bitwise_not(Operand x);
Tensor bitwise_left_shift(Operand x, Operand count);
Tensor bitwise_right_shift(Operand x, Operand count);

// ---- special functions
Tensor xlogy(Operand x, Operand y);  // x log(y), 0 where x is 0
Tensor xlog1py(Operand x, Operand y);
Tensor logaddexp2(Operand x, Operand y);
Tensor logit(Operand x);
Tensor logit(Operand x, Operand eps);  // of x clamped to eps ... 1 - eps
Tensor sinc(Operand x);  // sin(pi x) / (pi x)
Tensor polygamma(int64_t n, Operand x);
Tensor ndtr(Operand x);
Tensor expit(Operand x);
Tensor arcsin(Operand x);
Tensor arccos(Operand x);
Tensor arctan(Operand x);
Tensor arctan2(Operand x, Operand y);
Tensor arcsinh(Operand x);
Tensor arccosh(Operand x);
Tensor arctanh(Operand x);

// ---- activations
Tensor relu6(Operand x);
Tensor hardtanh(Operand x, Operand min_val = -1, Operand max_val = 1);
struct Slope {
  Operand negative_slope = 0.01;
};
Tensor leaky_relu(Operand x, Operand negative_slope = 0.01);
Tensor leaky_relu(Operand x, Slope s);
struct Alpha {
  Operand alpha = 1.0;
};
Tensor elu(Operand x, Operand alpha = 1.0);
Tensor elu(Operand x, Alpha a);
Tensor celu(Operand x, Operand alpha = 1.0);
Tensor celu(Operand x, Alpha a);
Tensor selu(Operand x);
Tensor mish(Operand x);
Tensor softsign(Operand x);
Tensor logsigmoid(Operand x);
Tensor hardsigmoid(Operand x);
Tensor hardswish(Operand x);
Tensor swish(Operand x);
Tensor threshold(Operand x, Operand threshold, Operand value);
Tensor prelu(Operand x, Operand weight);
Tensor glu(Operand x, int64_t axis = -1);
struct Gelu {
  std::string approximate = "none";  // or "tanh"
  bool tanh = false;
};
Tensor gelu(Operand x, Gelu g);
Tensor gelu(Operand x, const char* approximate);
Tensor gelu_tanh(Operand x);
struct Softplus {
  Operand beta = 1.0, threshold = 20.0;
};
Tensor softplus(Operand x, Operand beta, Operand threshold = 20.0);
Tensor softplus(Operand x, Softplus s);
Tensor tanhshrink(Operand x);
Tensor softshrink(Operand x, Operand lambda = 0.5);
Tensor hardshrink(Operand x, Operand lambda = 0.5);
Tensor softmin(Operand x, int64_t axis = -1);

}  // namespace tenon
