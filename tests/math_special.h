// References for the special functions that neither the C library nor MPFR has: series, asymptotic series and Newton's iteration
// over what they have, in long double (within 2^-45) and in MPFR at 300 bits and more. Nothing here shares a formula's coefficients
// with ir/math.
#pragma once

#include <mpfr.h>

#include <cmath>
#include <limits>

namespace tenon::testing {

class Real {  // an mpfr_t of 400 bits that frees itself
 public:
  Real() { mpfr_init2(v_, 400); }
  explicit Real(mpfr_srcptr x) : Real() { mpfr_set(v_, x, MPFR_RNDN); }
  Real(const Real&) = delete;
  Real& operator=(const Real&) = delete;
  ~Real() { mpfr_clear(v_); }
  operator mpfr_ptr() { return v_; }

 private:
  mpfr_t v_;
};

inline long double wide_quiet() { return std::numeric_limits<long double>::quiet_NaN(); }

// ---- gamma
inline double reference_digamma(double given) {
  long double x = given, shift = 0;
  if (std::isnan(given) || given == -INFINITY) return std::numeric_limits<double>::quiet_NaN();
  if (given == 0) return std::copysign(INFINITY, -given);
  if (given == INFINITY) return given;
  if (x < 0) {
    const long double r = x - std::nearbyint(x);
    if (r == 0) return std::numeric_limits<double>::quiet_NaN();
    shift = -3.14159265358979323846264338327950288L / std::tan(3.14159265358979323846264338327950288L * r);
    x = 1 - x;
  }
  for (; x < 25; ++x) shift -= 1 / x;
  const long double z = 1 / (x * x);
  const long double series = z * (1.0L / 12 - z * (1.0L / 120 - z * (1.0L / 252 - z * (1.0L / 240 - z / 132))));
  return static_cast<double>(shift + std::log(x) - 0.5L / x - series);
}
// mpfr_digamma gives NaN at the zeros, where the limits are infinite.
inline int exact_digamma(mpfr_ptr r, mpfr_srcptr x) {
  if (mpfr_zero_p(x)) return mpfr_set_inf(r, mpfr_signbit(x) ? 1 : -1), 0;
  return mpfr_digamma(r, x, MPFR_RNDN);
}
inline double reference_lgamma(double x) { return std::lgamma(x); }
inline int exact_lgamma(mpfr_ptr r, mpfr_srcptr x) {
  int sign;
  return mpfr_lgamma(r, &sign, x, MPFR_RNDN);
}
// What the error is measured against where both cross zero: the larger of the terms that cancel.
inline double floor_lgamma(double x) { return x < 0 ? std::fmax(1, -x * std::log2(1 - x)) : 0; }
inline double floor_digamma(double x) { return x < 0 ? 1 + std::log2(1 - x) : 0; }

// ---- the inverse of erfc, by Newton's iteration on its logarithm; y within (0, 1]
inline long double inverse_erfc(long double y) {
  const long double wanted = std::log(y);
  long double x = std::sqrt(std::fmax(-wanted - 0.5L * std::log(std::fmax(-wanted, 1.0L)), 0.0L));
  if (y > 0.3L) x = (1 - y) * 0.886226925452758L;
  for (int i = 0; i < 100; ++i) {
    const long double e = std::erfc(x), slope = -1.12837916709551257390L * std::exp(-x * x) / e;
    const long double step = (std::log(e) - wanted) / slope;
    x -= step;
    if (!(std::fabs(step) > 1e-18L * std::fabs(x))) break;
  }
  return x;
}
inline double reference_erfinv(double x) {
  const long double a = std::fabs(static_cast<long double>(x));
  if (!(a <= 1)) return std::numeric_limits<double>::quiet_NaN();
  if (a == 1) return std::copysign(INFINITY, x);
  if (a < 1e-3L)
    return static_cast<double>(
        0.88622692545275801364908374167057259L * x *
        (1 + 0.26179938779914943653855361527329L * a * a * (1 + 0.54977871437821381673L * a * a)));
  return std::copysign(static_cast<double>(inverse_erfc(1 - a)), x);
}
inline double reference_ndtri(double p) {
  if (!(p >= 0 && p <= 1)) return std::numeric_limits<double>::quiet_NaN();
  if (p == 0 || p == 1) return p == 0 ? -INFINITY : INFINITY;
  const long double root = 1.41421356237309504880168872420969808L;
  if (std::fabs(p - 0.5) < 5e-4) return static_cast<double>(root * reference_erfinv(2 * p - 1));
  return static_cast<double>(p < 0.5 ? -root * inverse_erfc(2.0L * p) : root * inverse_erfc(2 * (1.0L - p)));
}
// r so that erfc(r) = y; exact in 300 bits.
inline void exact_inverse_erfc(mpfr_ptr r, mpfr_srcptr y) {
  Real x, e, slope, wanted;
  mpfr_log(wanted, y, MPFR_RNDN);
  const double start = -mpfr_get_d(wanted, MPFR_RNDN);  // -log y
  if (start < 1.2) {
    mpfr_ui_sub(x, 1, y, MPFR_RNDN);
    mpfr_mul_d(x, x, 0.886226925452758, MPFR_RNDN);
  } else {
    mpfr_set_d(x, std::sqrt(std::fmax(start - 0.5 * std::log(start), 0.1)), MPFR_RNDN);
  }
  for (int i = 0; i < 60; ++i) {
    mpfr_erfc(e, x, MPFR_RNDN);
    mpfr_sqr(slope, x, MPFR_RNDN);
    mpfr_neg(slope, slope, MPFR_RNDN);
    mpfr_exp(slope, slope, MPFR_RNDN);
    mpfr_div(slope, slope, e, MPFR_RNDN);
    Real pi;
    mpfr_const_pi(pi, MPFR_RNDN);
    mpfr_rec_sqrt(pi, pi, MPFR_RNDN);
    mpfr_mul(slope, slope, pi, MPFR_RNDN);
    mpfr_mul_si(slope, slope, -2, MPFR_RNDN);
    mpfr_log(e, e, MPFR_RNDN);
    mpfr_sub(e, e, wanted, MPFR_RNDN);
    mpfr_div(e, e, slope, MPFR_RNDN);
    mpfr_sub(x, x, e, MPFR_RNDN);
    if (mpfr_zero_p(static_cast<mpfr_ptr>(e)) || mpfr_zero_p(static_cast<mpfr_ptr>(x)) ||
        mpfr_get_exp(static_cast<mpfr_ptr>(e)) < mpfr_get_exp(static_cast<mpfr_ptr>(x)) - 150)
      break;
  }
  mpfr_set(r, x, MPFR_RNDN);
}
inline int exact_erfinv(mpfr_ptr r, mpfr_srcptr x) {
  const int size = mpfr_cmpabs_ui(x, 1);
  if (mpfr_nan_p(x) || size > 0) return mpfr_set_nan(r), 0;
  if (mpfr_zero_p(x)) return mpfr_set(r, x, MPFR_RNDN);
  if (size == 0) return mpfr_set_inf(r, mpfr_signbit(x) ? -1 : 1), 0;
  if (mpfr_get_exp(x) < -80) {  // the first term of the series
    Real pi;
    mpfr_const_pi(pi, MPFR_RNDN);
    mpfr_sqrt(pi, pi, MPFR_RNDN);
    mpfr_mul(pi, pi, x, MPFR_RNDN);
    return mpfr_div_ui(r, pi, 2, MPFR_RNDN);
  }
  Real y;
  mpfr_abs(y, x, MPFR_RNDN);
  mpfr_ui_sub(y, 1, y, MPFR_RNDN);
  exact_inverse_erfc(y, y);
  if (mpfr_signbit(x)) mpfr_neg(y, y, MPFR_RNDN);
  return mpfr_set(r, y, MPFR_RNDN);
}
inline int exact_ndtri(mpfr_ptr r, mpfr_srcptr p) {
  if (mpfr_nan_p(p) || mpfr_cmp_ui(p, 1) > 0 || mpfr_cmp_ui(p, 0) < 0) return mpfr_set_nan(r), 0;
  if (mpfr_zero_p(p)) return mpfr_set_inf(r, -1), 0;
  if (mpfr_cmp_ui(p, 1) == 0) return mpfr_set_inf(r, 1), 0;
  Real y;
  const bool low = mpfr_cmp_d(p, 0.5) < 0;
  if (low)
    mpfr_set(y, p, MPFR_RNDN);
  else
    mpfr_ui_sub(y, 1, p, MPFR_RNDN);
  mpfr_mul_ui(y, y, 2, MPFR_RNDN);
  if (mpfr_cmp_ui(y, 1) == 0) return mpfr_set_zero(r, 1), 0;
  exact_inverse_erfc(y, y);
  Real root;
  mpfr_sqrt_ui(root, 2, MPFR_RNDN);
  mpfr_mul(y, y, root, MPFR_RNDN);
  if (low) mpfr_neg(y, y, MPFR_RNDN);
  return mpfr_set(r, y, MPFR_RNDN);
}

// ---- erfcx and the logarithm of the normal distribution
// sqrt(pi) x e^(x^2) erfc(x) by its asymptotic series, x from 1000 on.
inline void asymptotic_erfcx(mpfr_ptr r, mpfr_srcptr x) {
  Real z, term;
  mpfr_sqr(z, x, MPFR_RNDN);
  mpfr_mul_si(z, z, -2, MPFR_RNDN);
  mpfr_set_ui(term, 1, MPFR_RNDN);
  mpfr_set_ui(r, 1, MPFR_RNDN);
  for (unsigned k = 1; k < 30; ++k) {
    mpfr_mul_ui(term, term, 2 * k - 1, MPFR_RNDN);
    mpfr_div(term, term, z, MPFR_RNDN);
    mpfr_add(r, r, term, MPFR_RNDN);
  }
}
inline int exact_erfcx(mpfr_ptr r, mpfr_srcptr x) {
  if (mpfr_nan_p(x) || (mpfr_inf_p(x) && mpfr_signbit(x)) || mpfr_zero_p(x))
    return mpfr_nan_p(x)    ? (mpfr_set_nan(r), 0)
           : mpfr_zero_p(x) ? mpfr_set_ui(r, 1, MPFR_RNDN)
                            : (mpfr_set_inf(r, 1), 0);
  if (mpfr_inf_p(x)) return mpfr_set_zero(r, 1), 0;
  Real a, b;
  if (mpfr_cmp_si(x, -100000) < 0) return mpfr_set_ui_2exp(r, 1, 1 << 20, MPFR_RNDN);
  if (mpfr_cmp_ui(x, 1000) > 0) {
    asymptotic_erfcx(a, x);
    mpfr_const_pi(b, MPFR_RNDN);
    mpfr_sqrt(b, b, MPFR_RNDN);
    mpfr_mul(b, b, x, MPFR_RNDN);
    return mpfr_div(r, a, b, MPFR_RNDN);
  }
  mpfr_sqr(a, x, MPFR_RNDN);
  mpfr_exp(a, a, MPFR_RNDN);
  mpfr_erfc(b, x, MPFR_RNDN);
  return mpfr_mul(r, a, b, MPFR_RNDN);
}
inline double reference_erfcx(double x) {
  mpfr_t a, r;
  mpfr_init2(a, 53), mpfr_init2(r, 80);
  mpfr_set_d(a, x, MPFR_RNDN);
  exact_erfcx(r, a);
  const double value = mpfr_get_d(r, MPFR_RNDN);
  mpfr_clear(a), mpfr_clear(r);
  return value;
}
inline int exact_log_ndtr(mpfr_ptr r, mpfr_srcptr x) {
  if (mpfr_nan_p(x)) return mpfr_set_nan(r), 0;
  if (mpfr_inf_p(x)) return mpfr_signbit(x) ? (mpfr_set_inf(r, -1), 0) : (mpfr_set_zero(r, -1), 0);
  Real y, e, root;
  mpfr_sqrt_ui(root, 2, MPFR_RNDN);
  mpfr_div(y, x, root, MPFR_RNDN);
  if (mpfr_cmp_si(x, -2000) < 0) {
    mpfr_neg(y, y, MPFR_RNDN);
    asymptotic_erfcx(e, y);
    Real pi;
    mpfr_const_pi(pi, MPFR_RNDN);
    mpfr_sqrt(pi, pi, MPFR_RNDN);
    mpfr_mul(pi, pi, y, MPFR_RNDN);
    mpfr_mul_ui(pi, pi, 2, MPFR_RNDN);
    mpfr_div(e, e, pi, MPFR_RNDN);
    mpfr_log(e, e, MPFR_RNDN);
    mpfr_sqr(y, y, MPFR_RNDN);
    return mpfr_sub(r, e, y, MPFR_RNDN);
  }
  if (mpfr_signbit(x)) {
    mpfr_neg(y, y, MPFR_RNDN);
    mpfr_erfc(e, y, MPFR_RNDN);
    mpfr_div_ui(e, e, 2, MPFR_RNDN);
    return mpfr_log(r, e, MPFR_RNDN);
  }
  mpfr_erfc(e, y, MPFR_RNDN);
  mpfr_div_si(e, e, -2, MPFR_RNDN);
  if (mpfr_zero_p(static_cast<mpfr_ptr>(e))) return mpfr_set_zero(r, -1), 0;
  return mpfr_log1p(r, e, MPFR_RNDN);
}
inline double reference_log_ndtr(double x) {
  mpfr_t a, r;
  mpfr_init2(a, 53), mpfr_init2(r, 80);
  mpfr_set_d(a, x, MPFR_RNDN);
  exact_log_ndtr(r, a);
  const double value = mpfr_get_d(r, MPFR_RNDN);
  mpfr_clear(a), mpfr_clear(r);
  return value;
}

// ---- modified Bessel functions: the power series, whose terms are all positive, up to 60; Hankel's asymptotic series beyond
inline int exact_bessel(mpfr_ptr r, mpfr_srcptr x, bool first, bool scaled) {
  if (mpfr_nan_p(x)) return mpfr_set_nan(r), 0;
  const int sign = first && mpfr_signbit(x) ? -1 : 1;
  if (mpfr_inf_p(x)) return scaled ? (mpfr_set_zero(r, sign), 0) : (mpfr_set_inf(r, sign), 0);
  if (mpfr_zero_p(x)) return first ? mpfr_set(r, x, MPFR_RNDN) : mpfr_set_ui(r, 1, MPFR_RNDN);
  Real a, sum, term, z;
  mpfr_abs(a, x, MPFR_RNDN);
  const unsigned order = first ? 1 : 0;
  if (mpfr_cmp_ui(static_cast<mpfr_ptr>(a), 60) <= 0) {
    mpfr_sqr(z, a, MPFR_RNDN);
    mpfr_div_ui(z, z, 4, MPFR_RNDN);
    mpfr_set_ui(term, 1, MPFR_RNDN);
    if (first) mpfr_div_ui(term, a, 2, MPFR_RNDN);
    mpfr_set(sum, term, MPFR_RNDN);
    for (unsigned k = 1; k < 250; ++k) {
      mpfr_mul(term, term, z, MPFR_RNDN);
      mpfr_div_ui(term, term, k * (k + order), MPFR_RNDN);
      mpfr_add(sum, sum, term, MPFR_RNDN);
    }
    if (scaled) {
      mpfr_neg(z, a, MPFR_RNDN);
      mpfr_exp(z, z, MPFR_RNDN);
      mpfr_mul(sum, sum, z, MPFR_RNDN);
    }
  } else {
    mpfr_set_ui(term, 1, MPFR_RNDN);
    mpfr_set_ui(sum, 1, MPFR_RNDN);
    for (long k = 1; k < 100; ++k) {
      mpfr_mul_si(term, term, -(static_cast<long>(4 * order) - (2 * k - 1) * (2 * k - 1)), MPFR_RNDN);
      mpfr_div_si(term, term, 8 * k, MPFR_RNDN);
      mpfr_div(term, term, a, MPFR_RNDN);
      mpfr_add(sum, sum, term, MPFR_RNDN);
    }
    mpfr_const_pi(z, MPFR_RNDN);
    mpfr_mul(z, z, a, MPFR_RNDN);
    mpfr_mul_ui(z, z, 2, MPFR_RNDN);
    mpfr_sqrt(z, z, MPFR_RNDN);
    mpfr_div(sum, sum, z, MPFR_RNDN);
    if (!scaled) {
      mpfr_exp(z, a, MPFR_RNDN);
      mpfr_mul(sum, sum, z, MPFR_RNDN);
    }
  }
  return sign < 0 ? mpfr_neg(r, sum, MPFR_RNDN) : mpfr_set(r, sum, MPFR_RNDN);
}
inline double reference_bessel(double x, bool first, bool scaled) {
  mpfr_t a, r;
  mpfr_init2(a, 53), mpfr_init2(r, 80);
  mpfr_set_d(a, x, MPFR_RNDN);
  exact_bessel(r, a, first, scaled);
  const double value = mpfr_get_d(r, MPFR_RNDN);
  mpfr_clear(a), mpfr_clear(r);
  return value;
}

// ---- log(e^x + e^y)
inline int exact_logaddexp(mpfr_ptr r, mpfr_srcptr x, mpfr_srcptr y, mpfr_rnd_t) {
  if (mpfr_nan_p(x) || mpfr_nan_p(y)) return mpfr_set_nan(r), 0;
  mpfr_srcptr large = mpfr_cmp(x, y) < 0 ? y : x, small = large == x ? y : x;
  if (mpfr_inf_p(large) || mpfr_inf_p(small)) return mpfr_set(r, large, MPFR_RNDN);
  mpfr_t d;
  mpfr_init2(d, 2400);
  mpfr_sub(d, small, large, MPFR_RNDN);
  mpfr_exp(d, d, MPFR_RNDN);
  mpfr_log1p(d, d, MPFR_RNDN);
  mpfr_add(d, d, large, MPFR_RNDN);
  const int inexact = mpfr_set(r, d, MPFR_RNDN);
  mpfr_clear(d);
  return inexact;
}

}  // namespace tenon::testing
