// First and second derivatives of Tenon's functions by formula, in long double: what the tests and the table in
// docs/numbers.md are made from. Nothing here calls the library but the functions under test.
#pragma once

#include <tenon/tenon.h>

#include <cmath>
#include <limits>
#include <vector>

namespace tenon::testing {

using Wide = long double;
constexpr Wide wide_inf = std::numeric_limits<Wide>::infinity();

inline Wide sigma(Wide x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
inline Wide density(Wide x) { return std::exp(-x * x / 2) * 0.398942280401432677939946L; }
inline Wide distribution(Wide x) { return std::erfc(-x * 0.707106781186547524400845L) / 2; }

// A function of one number. Formulas hold at finite x; the limits of the first derivative stand beside, those of the second
// are 0.
struct Smooth {
  const char* name;
  Tensor (*f)(const Tensor&);
  Wide (*first)(Wide);
  Wide (*second)(Wide);
  Wide at_minus, at_plus;
  bool keeps_nan = true;  // the derivative at NaN is NaN; else 1, as the function hands NaN through
};

inline const Smooth smooth_functions[] = {
    {"relu", [](const Tensor& x) { return relu(x); }, [](Wide x) -> Wide { return x > 0; },
     [](Wide) -> Wide { return 0; }, 0, 1, false},
    {"clip(x, -1, 1)", [](const Tensor& x) { return clip(x, -1, 1); },
     [](Wide x) -> Wide { return std::fabs(x) < 1    ? 1
                                 : std::fabs(x) == 1 ? 0.5L
                                                     : 0; }, [](Wide) -> Wide { return 0; },
     0, 0, false},
    {"sigmoid", [](const Tensor& x) { return sigmoid(x); }, [](Wide x) -> Wide { return sigma(x) * sigma(-x); },
     [](Wide x) -> Wide { return sigma(x) * sigma(-x) * -std::tanh(x / 2); }, 0, 0},
    {"softplus", [](const Tensor& x) { return softplus(x); }, [](Wide x) -> Wide { return sigma(x); },
     [](Wide x) -> Wide { return sigma(x) * sigma(-x); }, 0, 1},
    {"silu", [](const Tensor& x) { return silu(x); },
     [](Wide x) -> Wide { return sigma(x) + x * (sigma(x) * sigma(-x)); },
     [](Wide x) -> Wide { return sigma(x) * sigma(-x) * (2 - x * std::tanh(x / 2)); }, 0, 1},
    {"gelu", [](const Tensor& x) { return gelu(x); }, [](Wide x) -> Wide { return distribution(x) + x * density(x); },
     [](Wide x) -> Wide { return density(x) * (2 - x * x); }, 0, 1},
    {"normal_cdf", [](const Tensor& x) { return normal_cdf(x); }, [](Wide x) -> Wide { return density(x); },
     [](Wide x) -> Wide { return -x * density(x); }, 0, 0},
    {"tanh", [](const Tensor& x) { return tanh(x); }, [](Wide x) -> Wide { return 4 * sigma(2 * x) * sigma(-2 * x); },
     [](Wide x) -> Wide { return -8 * std::tanh(x) * sigma(2 * x) * sigma(-2 * x); }, 0, 0},
    {"erf", [](const Tensor& x) { return erf(x); },
     [](Wide x) -> Wide { return 1.12837916709551257389616L * std::exp(-x * x); },
     [](Wide x) -> Wide { return -2.25675833419102514779232L * x * std::exp(-x * x); }, 0, 0},
    {"asinh", [](const Tensor& x) { return asinh(x); }, [](Wide x) -> Wide { return 1 / std::hypot(x, 1); },
     [](Wide x) -> Wide { return -x / std::pow(std::hypot(x, 1), 3.0L); }, 0, 0},
    {"atan", [](const Tensor& x) { return atan(x); }, [](Wide x) -> Wide { return 1 / (1 + x * x); },
     [](Wide x) -> Wide { return -2 * x / (1 + x * x) / (1 + x * x); }, 0, 0},
};

inline const double special_points[] = {
    -std::numeric_limits<double>::infinity(), -746, -104, -17, -1, -0.0, 0, 1, 17, 88.75, 710,
    std::numeric_limits<double>::infinity(),  NAN};

inline Wide first_of(const Smooth& s, Wide x) {
  if (std::isnan(x)) return s.keeps_nan ? x : 1;
  return std::isinf(x) ? (x < 0 ? s.at_minus : s.at_plus) : s.first(x);
}
inline Wide second_of(const Smooth& s, Wide x) {
  if (std::isnan(x)) return s.keeps_nan ? x : 0;
  return std::isinf(x) ? 0 : s.second(x);
}

// A scalar made from a vector x of three numbers, with its gradient and row 0 of its Hessian.
struct Derivatives {
  Wide gradient[3], hessian[3];
};
using Three = Wide[3];
inline Wide delta(int i, int j) { return i == j; }

// The shares of e^x; infinite entries take all, equally.
inline void shares(const Three& x, Three& p) {
  const Wide m = std::max(x[0], std::max(x[1], x[2]));
  Wide sum = 0;
  for (int i = 0; i < 3; ++i) sum += p[i] = x[i] == m ? 1 : std::exp(x[i] - m);
  for (Wide& v : p) v /= sum;
}
inline Derivatives of_logsumexp(const Three& x) {
  Three p;
  shares(x, p);
  Derivatives d;
  for (int i = 0; i < 3; ++i) d.gradient[i] = p[i], d.hessian[i] = delta(0, i) * p[0] - p[0] * p[i];
  return d;
}
inline Derivatives of_log_softmax(const Three& x) {  // of element 0
  Derivatives d = of_logsumexp(x);
  for (int i = 0; i < 3; ++i) d.gradient[i] = delta(0, i) - d.gradient[i], d.hessian[i] = -d.hessian[i];
  return d;
}
inline Derivatives of_cross_entropy(const Three& x) {  // label 0
  Derivatives d = of_log_softmax(x);
  for (int i = 0; i < 3; ++i) d.gradient[i] = -d.gradient[i], d.hessian[i] = -d.hessian[i];
  return d;
}
inline Derivatives of_softmax(const Three& x) {  // of element 0
  Three p;
  shares(x, p);
  const Wide q = p[1] + p[2];  // 1 - p[0]
  Derivatives d;
  for (int i = 0; i < 3; ++i) {
    d.gradient[i] = p[0] * (i == 0 ? q : -p[i]);
    d.hessian[i] = i == 0 ? p[0] * q * (q - p[0]) : -p[0] * p[i] * (q - p[0]);
  }
  return d;
}
inline Derivatives of_mean(const Three&) { return {{1 / 3.0L, 1 / 3.0L, 1 / 3.0L}, {0, 0, 0}}; }
inline Derivatives of_var(const Three& x) {
  const Wide mean = (x[0] + x[1] + x[2]) / 3;
  Derivatives d;
  for (int i = 0; i < 3; ++i) d.gradient[i] = 2 * (x[i] - mean) / 3, d.hessian[i] = 2 * (delta(0, i) - 1 / 3.0L) / 3;
  return d;
}
// x0 / sqrt(mean(x^2) + epsilon) by any two of x.
inline Wide normed_first(const Three& x, Wide r, int i) { return delta(0, i) * r - x[0] * x[i] * r * r * r / 3; }
inline Wide normed_second(const Three& x, Wide r, int i, int j) {
  const Wide cubed = r * r * r;
  return -cubed / 3 * (delta(0, i) * x[j] + delta(0, j) * x[i] + delta(i, j) * x[0]) +
         x[0] * x[i] * x[j] * cubed * r * r / 3;
}
inline Wide inverse_size(const Three& x, Wide epsilon) {
  return 1 / std::sqrt((x[0] * x[0] + x[1] * x[1] + x[2] * x[2]) / 3 + epsilon);
}
inline Derivatives of_rms_norm(const Three& x) {
  const Wide r = inverse_size(x, 1e-6);
  Derivatives d;
  for (int i = 0; i < 3; ++i) d.gradient[i] = normed_first(x, r, i), d.hessian[i] = normed_second(x, r, 0, i);
  return d;
}
inline Derivatives of_layer_norm(const Three& x) {  // the above of x - mean(x), by the chain rule
  const Wide mean = (x[0] + x[1] + x[2]) / 3;
  const Three c = {x[0] - mean, x[1] - mean, x[2] - mean};
  const Wide r = inverse_size(c, 1e-5);
  Derivatives d{};
  for (int i = 0; i < 3; ++i)
    for (int k = 0; k < 3; ++k) {
      d.gradient[i] += normed_first(c, r, k) * (delta(k, i) - 1 / 3.0L);
      for (int l = 0; l < 3; ++l)
        d.hessian[i] += normed_second(c, r, k, l) * (delta(k, 0) - 1 / 3.0L) * (delta(l, i) - 1 / 3.0L);
    }
  return d;
}

struct OfVector {
  const char* name;
  Tensor (*f)(const Tensor&);  // the scalar
  Derivatives (*exact)(const Three&);
  bool takes_minus, takes_plus;  // infinity; else its value there is NaN
  Wide size_of_terms;  // what differences the derivatives are made of: shares of 1, or nothing larger than themselves
};
inline const OfVector vector_functions[] = {
    {"logsumexp(x)", [](const Tensor& x) { return logsumexp(x); }, of_logsumexp, true, true, 1},
    {"softmax(x)[0]", [](const Tensor& x) { return softmax(x)[0]; }, of_softmax, true, false, 1},
    {"log_softmax(x)[0]", [](const Tensor& x) { return log_softmax(x)[0]; }, of_log_softmax, true, false, 1},
    {"cross_entropy(x, 0)",
     [](const Tensor& x) { return cross_entropy(x.reshape({1, 3}), zeros({1}, {.dtype = i64})); }, of_cross_entropy,
     true, false, 1},
    {"mean(x)", [](const Tensor& x) { return mean(x); }, of_mean, true, true, 0},
    {"var(x)", [](const Tensor& x) { return var(x); }, of_var, false, false, 0},
    {"layer_norm(x)[0]", [](const Tensor& x) { return layer_norm(x, 1, 0)[0]; }, of_layer_norm, false, false, 0},
    {"rms_norm(x)[0]", [](const Tensor& x) { return rms_norm(x, 1)[0]; }, of_rms_norm, false, false, 0},
};

struct VectorPoint {
  const char* text;
  double x[3];
  bool minus_infinity, plus_infinity;
};
inline const VectorPoint vector_points[] = {
    {"0, 0, 0", {0, 0, 0}, false, false},           {"300, -300, 0", {300, -300, 0}, false, false},
    {"88, -104, 87", {88, -104, 87}, false, false}, {"65504, 65504, -65504", {65504, 65504, -65504}, false, false},
    {"1, -inf, 0", {1, -HUGE_VAL, 0}, true, false}, {"-inf, -inf, 0", {-HUGE_VAL, -HUGE_VAL, 0}, true, false},
    {"inf, 0, 1", {HUGE_VAL, 0, 1}, false, true},
};

}  // namespace tenon::testing
