// The expansions of ir/math against MPFR on samples: f32 and f64 with an ulp bound per function, f16 and bf16 (through f64, rounded
// once: correctly rounded; `./dev test --all` takes every one of them), special values to the bit, and the two-operand functions. The program
// math_exhaustive covers every f32 input.
#include <gtest/gtest.h>

#include <random>

#ifdef TENON_HAS_MPFR
#include "tenon/ir/base/half.h"
#include "tenon/ir/reference/lanes.h"
#include "tenon/tests/math_table.h"
#include "tenon/tests/thorough.h"

namespace tenon::testing {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

// Values of one dtype, a whole number of Lanes.
template <class T>
constexpr DType dtype_of = sizeof(T) == 4 ? DType::f32 : DType::f64;

template <class T>
Lanes block(const std::vector<T>& values, size_t start) {
  Lanes x(dtype_of<T>);
  for (int i = 0; i < Lanes::size; ++i) x.data<T>()[i] = values[std::min(start + i, values.size() - 1)];
  return x;
}

template <class T, class F>
std::vector<T> map(const std::vector<T>& x, F f) {
  std::vector<T> y(x.size());
  for (size_t start = 0; start < x.size(); start += Lanes::size) {
    const Lanes r = f(block(x, start));
    for (size_t i = start; i < std::min(x.size(), start + Lanes::size); ++i) y[i] = r.template data<T>()[i - start];
  }
  return y;
}

// Every exponent, and numbers of everyday size three times as often.
template <class T>
std::vector<T> sample(size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<T> values;
  for (size_t i = 0; i < count; ++i) {
    if (i % 4 == 0) {
      T v;
      const uint64_t bits = random();
      std::memcpy(&v, &bits, sizeof v);
      values.push_back(v);
    } else {
      const int exponent = static_cast<int>(random() % 24) - 14;
      const double fraction = 1 + std::ldexp(static_cast<double>(random() >> 11), -53);
      values.push_back(static_cast<T>(std::ldexp(random() % 2 ? fraction : -fraction, exponent)));
    }
  }
  return values;
}

// |value - exact| in units of the last place that `exact` has in T, or `floor` if that is larger. Infinite for a wrong special
// value.
template <class T>
double ulp_error(T value, mpfr_srcptr exact, double floor = 0) {
  constexpr int digits = std::numeric_limits<T>::digits, least = std::numeric_limits<T>::min_exponent;
  constexpr int most = std::numeric_limits<T>::max_exponent;
  if (mpfr_nan_p(exact) || std::isnan(value)) return mpfr_nan_p(exact) && std::isnan(value) ? 0 : inf;
  if (mpfr_inf_p(exact)) return std::isinf(value) && std::signbit(value) == (mpfr_signbit(exact) != 0) ? 0 : inf;
  const bool is_small = floor > 0 && mpfr_cmp_d(exact, floor) < 0 && mpfr_cmp_d(exact, -floor) > 0;
  if (mpfr_zero_p(exact) && !is_small) return value == 0 && std::signbit(value) == (mpfr_signbit(exact) != 0) ? 0 : inf;
  if (std::signbit(value) != (mpfr_signbit(exact) != 0) && !is_small) return inf;
  const int exponent =
      is_small ? std::ilogb(floor) + 1 : static_cast<int>(std::clamp<long>(mpfr_get_exp(exact), least, most));
  mpfr_t difference;
  mpfr_init2(difference, 200);
  if (std::isinf(value)) {
    mpfr_set_ui_2exp(difference, 1, most, MPFR_RNDN);
    if (value < 0) mpfr_neg(difference, difference, MPFR_RNDN);
    if (mpfr_cmpabs(exact, difference) >= 0) mpfr_set(difference, exact, MPFR_RNDN);
    mpfr_sub(difference, difference, exact, MPFR_RNDN);
  } else {
    mpfr_d_sub(difference, value, exact, MPFR_RNDN);
    if (mpfr_get_exp(exact) > most) {  // beyond the range: measured from the threshold
      mpfr_set_ui_2exp(difference, 1, most, MPFR_RNDN);
      mpfr_sub_d(difference, difference, std::fabs(value), MPFR_RNDN);
    }
  }
  mpfr_mul_2si(difference, difference, digits - exponent, MPFR_RNDN);
  const double error = std::fabs(mpfr_get_d(difference, MPFR_RNDN));
  mpfr_clear(difference);
  return error;
}

// More samples where the row has its domain, if that is narrow.
template <class T>
std::vector<T> sample_for(std::string_view name, size_t count, unsigned seed) {
  std::vector<T> values = sample<T>(count, seed);
  const ir::Domain domain = ir::find_op(name)->domain;
  if (domain != ir::Domain::probability && domain != ir::Domain::unit) return values;
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < count; i += 2) {
    const double part = std::ldexp(static_cast<double>(random() >> 11), -53 - static_cast<int>(random() % 40));
    const double size = i % 4 ? part : 1 - part;
    values[i] = static_cast<T>(domain == ir::Domain::unit && random() % 2 ? -size : size);
  }
  return values;
}

template <class T, class Exact>
double worst_error(const std::vector<T>& x, const std::vector<T>& y, Exact exact, size_t& at,
                   double (*floor)(double) = nullptr) {
  mpfr_t r;
  mpfr_init2(r, 120);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    exact(r, i);
    const double error = ulp_error(y[i], r, floor ? floor(x[i]) : 0);
    if (error > worst) worst = error, at = i;
  }
  mpfr_clear(r);
  return worst;
}

// What the row allows in T.
template <class T>
float bound_of(std::string_view name) {
  const ir::OpDef& row = *ir::find_op(name);
  return sizeof(T) == 8 ? std::max(row.ulp, row.wide_ulp) : row.ulp;
}

template <class T>
void check_unary(size_t count) {
  mpfr_t operand;
  mpfr_init2(operand, 53);
  for (const auto& function : unary_functions) {
    const auto x = sample_for<T>(function.name, count, 7);
    const auto y = map(x, function.expansion);
    size_t at = 0;
    const double worst = worst_error(
        x, y,
        [&](mpfr_ptr r, size_t i) {
          mpfr_set_d(operand, x[i], MPFR_RNDN);
          function.exact(r, operand);
        },
        at, function.floor);
    EXPECT_LT(worst, bound_of<T>(function.name)) << function.name << " at " << x[at] << " gives " << y[at];
    if (std::getenv("TENON_SHOW_ULP"))
      std::printf("%-9s %.4f ulp at %.17g\n", function.name.data(), worst, static_cast<double>(x[at]));
  }
  mpfr_clear(operand);
}

TEST(Math, SinglePrecisionWithinTheRowsBound) { check_unary<float>(thorough() ? 8000 : 4000); }
TEST(Math, DoublePrecisionWithinTheRowsBound) { check_unary<double>(thorough() ? 20000 : 5000); }

using Binary = Lanes (*)(Lanes, Lanes);
struct BinaryFunction {
  const char* name;
  Binary expansion;
  int (*exact)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);
  double (*reference)(double, double);
};
const BinaryFunction binary_functions[] = {
    {"pow", [](Lanes x, Lanes y) { return ir::math::pow(x, y); }, mpfr_pow,
     [](double x, double y) { return std::pow(x, y); }},
    {"atan2", [](Lanes x, Lanes y) { return ir::math::atan2(x, y); }, mpfr_atan2,
     [](double x, double y) { return std::atan2(x, y); }},
    {"hypot", [](Lanes x, Lanes y) { return ir::math::hypot(x, y); }, mpfr_hypot,
     [](double x, double y) { return std::hypot(x, y); }},
    {"logaddexp", [](Lanes x, Lanes y) { return ir::math::logaddexp(x, y); }, exact_logaddexp,
     [](double x, double y) {
       if (std::isnan(x) || std::isnan(y)) return x + y;
       return x == y ? x + std::log(2) : std::fmax(x, y) + std::log1p(std::exp(-std::fabs(x - y)));
     }},
};

template <class T>
std::vector<T> map(const std::vector<T>& x, const std::vector<T>& y, Binary f) {
  std::vector<T> r(x.size());
  for (size_t start = 0; start < x.size(); start += Lanes::size) {
    const Lanes z = f(block(x, start), block(y, start));
    for (size_t i = start; i < std::min(x.size(), start + Lanes::size); ++i) r[i] = z.template data<T>()[i - start];
  }
  return r;
}

template <class T>
void check_binary(size_t count, double bound) {
  for (const auto& function : binary_functions) {
    auto x = sample<T>(count, 11), y = sample<T>(count, 12);
    if (function.exact == mpfr_pow)  // many results within range: x^y with |y log2 x| up to the exponents' limit
      for (size_t i = 0; i < count; ++i) {
        if (i % 8) x[i] = std::fabs(x[i]);
        const double logarithm = std::log2(std::fabs(static_cast<double>(x[i])));
        if (i % 4 && std::isfinite(logarithm) && logarithm != 0)
          y[i] = static_cast<T>(std::numeric_limits<T>::max_exponent * 1.06 * (static_cast<double>(i) / count * 2 - 1) /
                                logarithm);
      }
    const auto z = map(x, y, function.expansion);
    mpfr_t a, b;
    mpfr_inits2(53, a, b, static_cast<mpfr_ptr>(nullptr));
    size_t at = 0;
    const double worst = worst_error(
        x, z,
        [&](mpfr_ptr r, size_t i) {
          mpfr_set_d(a, x[i], MPFR_RNDN);
          mpfr_set_d(b, y[i], MPFR_RNDN);
          function.exact(r, a, b, MPFR_RNDN);
        },
        at);
    const bool looser = function.exact == mpfr_pow || (sizeof(T) == 8 && ir::find_op(function.name)->wide_ulp > 0);
    EXPECT_LT(worst, looser ? bound_of<T>(function.name) : bound)
        << function.name << " at " << x[at] << ", " << y[at] << " gives " << z[at];
    if (std::getenv("TENON_SHOW_ULP"))
      std::printf("%-9s %.4f ulp at %.17g, %.17g\n", function.name, worst, static_cast<double>(x[at]),
                  static_cast<double>(y[at]));
    mpfr_clears(a, b, static_cast<mpfr_ptr>(nullptr));
  }
}

// A row that says how far its expansion may be off is measured here.
TEST(Math, EveryBoundIsMeasured) {
  for (const ir::OpDef& row : ir::op_table()) {
    bool measured = !row.expand.lanes || row.ulp <= 0.5;  // one exact op, or none
    for (const auto& f : unary_functions) measured |= f.name == row.name;
    for (const auto& f : binary_functions) measured |= std::string_view(f.name) == row.name;
    EXPECT_TRUE(measured) << "the row of " << row.name << " claims " << row.ulp
                          << " ulp: give tests/math_table.h a reference to measure it with";
  }
}

TEST(Math, PowAndAtan2) {
  check_binary<float>(20000, 0.51);
  check_binary<double>(20000, 1.0);
}

// Powers that an f32 holds come out as they are: x^1, squares and cubes of few bits, roots of squares.
TEST(Math, ExactPowers) {
  std::mt19937_64 random(5);
  std::vector<float> x, y, exact;
  const auto add = [&](float base, float exponent, float power) {
    x.push_back(base), y.push_back(exponent), exact.push_back(power);
  };
  for (int i = 0; i < 20000; ++i) {
    const auto whole = static_cast<float>(1 + random() % 4095), few = static_cast<float>(random() % 256);
    const float scale = std::ldexp(random() % 2 ? 1.0f : -1.0f, static_cast<int>(random() % 60) - 30);
    add(whole * scale, 1, whole * scale);
    add(whole * scale, 2, whole * whole * scale * scale);
    add(few * scale, 3, few * few * few * scale * scale * scale);
    add(whole * whole, 0.5f, whole);
  }
  const auto z = map(x, y, [](Lanes a, Lanes b) { return ir::math::pow(a, b); });
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(z[i], exact[i]) << x[i] << " to the " << y[i];
}

template <class T>
void check_special_values() {
  constexpr T least = std::numeric_limits<T>::denorm_min(), tiny = std::numeric_limits<T>::min();
  constexpr T big = std::numeric_limits<T>::max();
  std::vector<T> values = {0,
                           1,
                           2,
                           3,
                           T(0.5),
                           T(1.5),
                           least,
                           3 * least,
                           tiny,
                           tiny - least,
                           big,
                           big / 2,
                           T(inf),
                           T(nan),
                           T(1) + std::numeric_limits<T>::epsilon(),
                           T(1) - std::numeric_limits<T>::epsilon() / 2};
  for (size_t i = values.size(); i-- > 0;) values.push_back(-values[i]);
  mpfr_t a, b, r;
  mpfr_inits2(53, a, b, static_cast<mpfr_ptr>(nullptr));
  mpfr_init2(r, 120);
  for (const auto& function : unary_functions) {
    const auto y = map(values, function.expansion);
    for (size_t i = 0; i < values.size(); ++i) {
      mpfr_set_d(a, values[i], MPFR_RNDN);
      function.exact(r, a);
      EXPECT_LT(ulp_error(y[i], r, function.floor ? function.floor(values[i]) : 0),
                std::max(1.0f, bound_of<T>(function.name)))
          << function.name << " at " << values[i] << " gives " << y[i];
    }
  }
  std::vector<T> x, y;
  for (const T u : values)
    for (const T v : values) x.push_back(u), y.push_back(v);
  for (const auto& function : binary_functions) {
    const auto z = map(x, y, function.expansion);
    for (size_t i = 0; i < x.size(); ++i) {
      const double special =
          function.reference(x[i], y[i]);  // MPFR leaves signs and NaN as C does; the C library decides
      if (std::isnan(special) || special == 0 || std::isinf(special)) {
        if (!std::isfinite(static_cast<double>(x[i])) || !std::isfinite(static_cast<double>(y[i])) || x[i] == 0 ||
            y[i] == 0) {
          EXPECT_TRUE(std::isnan(special) ? std::isnan(z[i])
                                          : z[i] == special && std::signbit(z[i]) == std::signbit(special))
              << function.name << " at " << x[i] << ", " << y[i] << " gives " << z[i];
          continue;
        }
      }
      mpfr_set_d(a, x[i], MPFR_RNDN);
      mpfr_set_d(b, y[i], MPFR_RNDN);
      function.exact(r, a, b, MPFR_RNDN);
      EXPECT_LT(ulp_error(z[i], r), 1) << function.name << " at " << x[i] << ", " << y[i] << " gives " << z[i];
    }
  }
  mpfr_clears(a, b, r, static_cast<mpfr_ptr>(nullptr));
}

TEST(Math, SpecialValues) {
  check_special_values<float>();
  check_special_values<double>();
}

// MPFR's value rounded to odd in 53 bits, so that the rounding to a half that follows is the only one.
double round_to_odd(mpfr_srcptr exact) {
  const double truncated = mpfr_get_d(exact, MPFR_RNDZ);
  if (!std::isfinite(truncated) || mpfr_cmp_d(exact, truncated) == 0) return truncated;
  return std::bit_cast<double>(std::bit_cast<uint64_t>(truncated) | 1);
}

// The same template over the interpreter's lanes, whose arithmetic is written apart from Lanes here.
template <class T>
void check_interpreter() {
  const auto values = sample<T>(Lanes::size, 3);
  const Lanes x = block(values, 0);
  for (const auto& function : unary_functions) {
    const auto* row = ir::find_op(function.name);
    ASSERT_NE(row, nullptr) << function.name;
    const auto operand = ir::Lanes::from(dtype_of<T>, values.data(), Lanes::size);
    const auto interpreted = ir::elementwise(static_cast<ir::Op>(row - ir::op_table().data()), std::span(&operand, 1));
    const Lanes y = function.expansion(x);
    for (int i = 0; i < Lanes::size; ++i) {
      const T a = y.data<T>()[i], b = interpreted.template as<T>()[i];
      EXPECT_TRUE(std::isnan(a) ? std::isnan(b) : std::memcmp(&a, &b, sizeof a) == 0)
          << function.name << " at " << values[i] << ": " << a << " and " << b;
    }
  }
}

TEST(Math, InterpreterComputesTheSame) {
  check_interpreter<float>();
  check_interpreter<double>();
}

TEST(Math, HalvesCorrectlyRounded) {
  std::vector<double> x(65536);
  mpfr_t a, r;
  mpfr_init2(a, 53);
  mpfr_init2(r, 120);
  for (const auto format : {ir::f16_format, ir::bf16_format}) {
    for (int i = 0; i < 65536; ++i) x[i] = ir::half_to_float(format, static_cast<uint16_t>(i));
    const int step = thorough() ? 1 : 7;
    int start = 0;  // each function has its own part of them
    for (const auto& function : unary_functions) {
      start = (start + 1) % step;
      const auto y = map(x, function.expansion);
      mpfr_set_prec(r, function.name == "log_ndtr" ? 128 : 120);  // log_ndtr(-2^64) differs from a tie in its 122nd bit
      int wrong = 0, first = 0;
      for (int i = start; i < 65536; i += step) {
        // The C library's value decides unless a rounding boundary is near.
        const double close = function.reference(x[i]), margin = close * 0x1p-48;
        const uint16_t got = ir::half_from_double(format, y[i]);
        const uint16_t above = ir::half_from_double(format, close + margin);
        if (close != 0 && std::isfinite(close) && above == ir::half_from_double(format, close - margin)) {
          if (got != above) first = wrong++ ? first : i;
          continue;
        }
        mpfr_set_d(a, x[i], MPFR_RNDN);
        function.exact(r, a);
        const uint16_t exact = ir::half_from_double(format, round_to_odd(r));
        if (mpfr_nan_p(r) ? !std::isnan(y[i]) : exact != got) first = wrong++ ? first : i;
      }
      EXPECT_EQ(wrong, 0) << function.name << " with a mantissa of " << format.mantissa << " bits, first at "
                          << x[first];
    }
  }
  mpfr_clears(a, r, static_cast<mpfr_ptr>(nullptr));
}

}  // namespace
}  // namespace tenon::testing

#else
TEST(Math, NeedsMpfr) { GTEST_SKIP() << "MPFR is not installed: install libmpfr-dev"; }
#endif
