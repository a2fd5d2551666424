// The unary transcendental functions by name: the expansion over Lanes, the C library's double function, MPFR's.
// One list for the exhaustive program and the sampled test.
#pragma once

#include <mpfr.h>

#include <cmath>
#include <string_view>

#include "tenon/ir/math/math.h"
#include "tenon/tests/math_lanes.h"
#include "tenon/tests/math_special.h"

namespace tenon::testing {

struct UnaryFunction {
  std::string_view name;
  Lanes (*expansion)(Lanes);
  double (*reference)(double);               // within 2^-45 of its value
  int (*exact)(mpfr_ptr, mpfr_srcptr);       // correctly rounded to the result's precision
  double (*floor)(double) = nullptr;         // the size that errors are measured against where a result is smaller
};

inline double reference_logistic(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
inline double reference_rsqrt(double x) { return 1 / std::sqrt(x); }

inline int exact_logistic(mpfr_ptr r, mpfr_srcptr x) {  // through a wide intermediate
  mpfr_t t;
  mpfr_init2(t, 1200);
  mpfr_neg(t, x, MPFR_RNDN);
  mpfr_exp(t, t, MPFR_RNDN);
  mpfr_add_ui(t, t, 1, MPFR_RNDN);
  const int inexact = mpfr_ui_div(r, 1, t, MPFR_RNDN);
  mpfr_clear(t);
  return inexact;
}

inline double reference_silu(double x) { return x == -INFINITY ? -0.0 : x * reference_logistic(x); }
inline double reference_softplus(double x) {
  return std::isnan(x) ? x : std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x)));
}
inline double reference_gaussian(double x) { return std::exp(-0.5 * x * x); }
// In long double: the argument's rounding weighs x^2 times as much in the result.
inline double reference_normal_cdf(double x) {
  return static_cast<double>(0.5L * std::erfc(-static_cast<long double>(x) * 0.70710678118654752440L));
}
inline double reference_gelu(double x) {
  if (x == -INFINITY) return -0.0;
  return static_cast<double>(0.5L * x * std::erfc(-static_cast<long double>(x) * 0.70710678118654752440L));
}

// f(x, wide temporary, result), for what MPFR does not have.
template <class F>
int through_wide(mpfr_ptr r, mpfr_srcptr x, F f) {
  mpfr_t t;
  mpfr_init2(t, 1200);
  const int inexact = f(r, x, t);
  mpfr_clear(t);
  return inexact;
}
inline int exact_silu(mpfr_ptr r, mpfr_srcptr x) {
  if (mpfr_zero_p(x)) return mpfr_set(r, x, MPFR_RNDN);
  if (mpfr_inf_p(x) && mpfr_signbit(x)) return mpfr_set_zero(r, -1), 0;
  return through_wide(r, x, [](mpfr_ptr to, mpfr_srcptr from, mpfr_ptr t) {
    mpfr_neg(t, from, MPFR_RNDN);
    mpfr_exp(t, t, MPFR_RNDN);
    mpfr_add_ui(t, t, 1, MPFR_RNDN);
    return mpfr_div(to, from, t, MPFR_RNDN);
  });
}
inline int exact_softplus(mpfr_ptr r, mpfr_srcptr x) {
  return through_wide(r, x, [](mpfr_ptr to, mpfr_srcptr from, mpfr_ptr t) {
    mpfr_exp(t, from, MPFR_RNDN);
    if (mpfr_cmp_ui_2exp(t, 1, 1000) > 0) return mpfr_set(to, from, MPFR_RNDN);
    return mpfr_log1p(to, t, MPFR_RNDN);
  });
}
inline int exact_gaussian(mpfr_ptr r, mpfr_srcptr x) {
  return through_wide(r, x, [](mpfr_ptr to, mpfr_srcptr from, mpfr_ptr t) {
    mpfr_sqr(t, from, MPFR_RNDN);
    mpfr_div_si(t, t, -2, MPFR_RNDN);
    return mpfr_exp(to, t, MPFR_RNDN);
  });
}
// erfc(-x / sqrt 2) / 2, times `factor`.
inline int exact_distribution(mpfr_ptr r, mpfr_srcptr x, mpfr_srcptr factor) {
  mpfr_t t;
  mpfr_init2(t, 200);
  mpfr_sqrt_ui(t, 2, MPFR_RNDN);
  mpfr_div(t, x, t, MPFR_RNDN);
  mpfr_neg(t, t, MPFR_RNDN);
  mpfr_erfc(t, t, MPFR_RNDN);
  mpfr_div_ui(t, t, 2, MPFR_RNDN);
  const int inexact = factor ? mpfr_mul(r, t, factor, MPFR_RNDN) : mpfr_set(r, t, MPFR_RNDN);
  mpfr_clear(t);
  return inexact;
}
inline int exact_normal_cdf(mpfr_ptr r, mpfr_srcptr x) { return exact_distribution(r, x, nullptr); }
inline int exact_gelu(mpfr_ptr r, mpfr_srcptr x) {
  if (mpfr_zero_p(x)) return mpfr_set(r, x, MPFR_RNDN);
  if (mpfr_inf_p(x) && mpfr_signbit(x)) return mpfr_set_zero(r, -1), 0;
  return exact_distribution(r, x, x);
}

#define TENON_MATH(name)                                                                    \
  {#name, [](Lanes x) { return ir::math::name(x); }, [](double x) { return std::name(x); }, \
   [](mpfr_ptr r, mpfr_srcptr x) { return mpfr_##name(r, x, MPFR_RNDN); }}

// clang-format off
inline const UnaryFunction unary_functions[] = {
    TENON_MATH(exp),
    TENON_MATH(exp2),
    TENON_MATH(expm1),
    TENON_MATH(log),
    TENON_MATH(log2),
    TENON_MATH(log1p),
    TENON_MATH(log10),
    TENON_MATH(tanh),
    TENON_MATH(sinh),
    TENON_MATH(cosh),
    TENON_MATH(asinh),
    TENON_MATH(acosh),
    TENON_MATH(atanh),
    TENON_MATH(sin),
    TENON_MATH(cos),
    TENON_MATH(tan),
    TENON_MATH(asin),
    TENON_MATH(acos),
    TENON_MATH(atan),
    TENON_MATH(erf),
    TENON_MATH(erfc),
    TENON_MATH(cbrt),
#define TENON_OWN(name) {#name, [](Lanes x) { return ir::math::name(x); }, reference_##name, exact_##name}
    TENON_OWN(silu),
    TENON_OWN(gelu),
    TENON_OWN(softplus),
    TENON_OWN(normal_cdf),
    TENON_OWN(gaussian),
    TENON_OWN(erfcx),
    TENON_OWN(erfinv),
    TENON_OWN(ndtri),
    TENON_OWN(log_ndtr),
#undef TENON_OWN
#define TENON_CROSSING(name) {#name, [](Lanes x) { return ir::math::name(x); }, reference_##name, exact_##name, floor_##name}
    TENON_CROSSING(lgamma),
    TENON_CROSSING(digamma),
#undef TENON_CROSSING
#define TENON_BESSEL(name, first, scaled)                                                                          \
  {#name, [](Lanes x) { return ir::math::name(x); }, [](double x) { return reference_bessel(x, first, scaled); }, \
   [](mpfr_ptr r, mpfr_srcptr x) { return exact_bessel(r, x, first, scaled); }}
    TENON_BESSEL(i0, false, false),
    TENON_BESSEL(i1, true, false),
    TENON_BESSEL(i0e, false, true),
    TENON_BESSEL(i1e, true, true),
#undef TENON_BESSEL
    {"logistic", [](Lanes x) { return ir::math::logistic(x); }, reference_logistic, exact_logistic},
    {"rsqrt", [](Lanes x) { return ir::math::rsqrt(x); }, reference_rsqrt,
     [](mpfr_ptr r, mpfr_srcptr x) {  // -0 gives -infinity, as IEEE 754 has it and MPFR does not
       const int inexact = mpfr_rec_sqrt(r, x, MPFR_RNDN);
       if (mpfr_zero_p(x)) mpfr_setsign(r, r, mpfr_signbit(x), MPFR_RNDN);
       return inexact;
     }},
};
// clang-format on
#undef TENON_MATH

}  // namespace tenon::testing
