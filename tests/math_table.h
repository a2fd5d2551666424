// The unary transcendental functions by name: the expansion over Lanes, the C library's double function, MPFR's.
// One list for the exhaustive program and the sampled test.
#pragma once

#include <mpfr.h>

#include <cmath>
#include <string_view>

#include "tenon/ir/math/math.h"
#include "tenon/tests/math_lanes.h"

namespace tenon::testing {

struct UnaryFunction {
  std::string_view name;
  Lanes (*expansion)(Lanes);
  double (*reference)(double);               // within 1 ulp of f64
  int (*exact)(mpfr_ptr, mpfr_srcptr);       // correctly rounded to the result's precision
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
