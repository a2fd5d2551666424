// Elementwise functions of one operand by PyTorch's names: values, first and second derivatives against formulas in long double, at
// kinks as PyTorch has them.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <limits>

namespace tn = tenon;
using tn::Tensor;

namespace {

using Wide = long double;
constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();
constexpr Wide pi = 3.14159265358979323846264338327950288L;

bool same(double got, Wide wanted, double relative) {
  if (std::isnan(wanted) || std::isnan(got)) return std::isnan(wanted) && std::isnan(got);
  if (std::isinf(wanted) || std::isinf(got)) return static_cast<Wide>(got) == wanted;
  return std::fabs(static_cast<Wide>(got) - wanted) <= relative * std::fmax(1e-3L, std::fabs(wanted));
}

// A function of one number with its derivatives, all in long double.
struct Unary {
  const char* name;
  Tensor (*f)(const Tensor&);
  Wide (*value)(Wide);
  Wide (*first)(Wide);
  Wide (*second)(Wide);
  std::vector<double> at = {-3.7, -2.5, -1.25, -0.4, -0.01, 0.3, 0.75, 1.5, 2.25, 4.5};
};

Wide sigma(Wide x) { return 1 / (1 + std::exp(-x)); }
Wide density(Wide x) { return std::exp(-x * x / 2) / std::sqrt(2 * pi); }
Wide phi(Wide x) { return 0.5L * std::erfc(-x / std::sqrt(2.0L)); }
Wide zero(Wide) { return 0; }
// The n-th derivative of digamma, and digamma for 0, by recurrence to 60 and the asymptotic series; x > 0 or reflected for n < 3.
Wide psi(int n, Wide x) {
  if (x <= 0 && n == 0) return psi(0, 1 - x) - pi / std::tan(pi * x);
  if (x <= 0 && n == 1) return std::pow(pi / std::sin(pi * x), 2.0L) - psi(1, 1 - x);
  if (x <= 0 && n == 2) return psi(2, 1 - x) - 2 * pi * pi * pi * std::cos(pi * x) / std::pow(std::sin(pi * x), 3.0L);
  if (x <= 0)
    return 2 * std::pow(pi, 4.0L) * (1 + 2 * std::pow(std::cos(pi * x), 2.0L)) / std::pow(std::sin(pi * x), 4.0L) -
           psi(3, 1 - x);
  Wide sum = 0, factorial = 1;
  for (int k = 2; k <= n; ++k) factorial *= k;
  const Wide sign = n % 2 ? 1 : -1;
  for (; x < 60; ++x) sum += n == 0 ? -1 / x : sign * factorial / std::pow(x, n + 1.0L);
  const Wide b[] = {1.0L / 6, -1.0L / 30, 1.0L / 42, -1.0L / 30};
  if (n == 0) {
    sum += std::log(x) - 0.5L / x;
    for (int k = 1; k <= 4; ++k) sum -= b[k - 1] / (2 * k * std::pow(x, 2.0L * k));
    return sum;
  }
  Wide tail = factorial / n / std::pow(x, static_cast<Wide>(n)) + factorial / 2 / std::pow(x, n + 1.0L);
  for (int k = 1; k <= 4; ++k)
    tail += b[k - 1] * std::exp(std::lgamma(2.0L * k + n) - std::lgamma(2.0L * k + 1)) / std::pow(x, 2.0L * k + n);
  return sum + sign * tail;
}
Wide bessel(int n, Wide x) {  // I_n by its series
  Wide term = 1, sum = 0;
  for (int k = 1; k <= n; ++k) term *= x / 2 / k;
  for (int k = 1; k < 200; ++k) sum += term, term *= x * x / 4 / (k * (k + n));
  return sum;
}
Wide inverse_phi(Wide p) {
  Wide x = 0;
  for (int i = 0; i < 100; ++i) x -= (phi(x) - p) / density(x);
  return x;
}
Wide elu(Wide x) { return x > 0 ? x : std::expm1(x); }
Wide gelu_angle(Wide x) { return std::sqrt(2 / pi) * (x + 0.044715L * x * x * x); }

const std::vector<double> positive = {0.01, 0.3, 0.75, 1.0, 1.4, 1.5, 2.0, 2.25, 3.0, 4.5, 30, 1e4};
const std::vector<double> gammas = {-4.3, -2.5, -1.25, -0.4, 0.01, 0.3, 0.75, 1.0, 1.4, 2.0, 2.6, 3.0, 4.5, 30, 1e4};
const std::vector<double> units = {-0.99, -0.75, -0.3, 0.01, 0.5, 0.9};
const std::vector<double> chances = {0.001, 0.1, 0.3, 0.55, 0.8, 0.999};

const Unary functions[] = {
    {"square", [](const Tensor& x) { return tn::square(x); }, [](Wide x) { return x * x; },
     [](Wide x) { return 2 * x; }, [](Wide) -> Wide { return 2; }},
    {"reciprocal", [](const Tensor& x) { return tn::reciprocal(x); }, [](Wide x) { return 1 / x; },
     [](Wide x) { return -1 / (x * x); }, [](Wide x) { return 2 / (x * x * x); }},
    {"frac", [](const Tensor& x) { return tn::frac(x); }, [](Wide x) { return x - std::trunc(x); },
     [](Wide) -> Wide { return 1; }, zero},
    {"deg2rad", [](const Tensor& x) { return tn::deg2rad(x); }, [](Wide x) { return x * pi / 180; },
     [](Wide) -> Wide { return pi / 180; }, zero},
    {"rad2deg", [](const Tensor& x) { return tn::rad2deg(x); }, [](Wide x) { return x * 180 / pi; },
     [](Wide) -> Wide { return 180 / pi; }, zero},
    {"log10", [](const Tensor& x) { return tn::log10(x); }, [](Wide x) { return std::log10(x); },
     [](Wide x) { return 1 / (x * std::log(10.0L)); }, [](Wide x) { return -1 / (x * x * std::log(10.0L)); }, positive},
    {"erfinv", [](const Tensor& x) { return tn::erfinv(x); },
     [](Wide x) { return inverse_phi((x + 1) / 2) / std::sqrt(2.0L); },
     [](Wide x) { return std::sqrt(pi) / 2 * std::exp(std::pow(inverse_phi((x + 1) / 2), 2.0L) / 2); },
     [](Wide x) {
       const Wide r = inverse_phi((x + 1) / 2) / std::sqrt(2.0L);
       return pi / 2 * r * std::exp(2 * r * r);
     },
     units},
    {"ndtri", [](const Tensor& x) { return tn::ndtri(x); }, inverse_phi,
     [](Wide p) { return 1 / density(inverse_phi(p)); },
     [](Wide p) { return inverse_phi(p) / std::pow(density(inverse_phi(p)), 2.0L); }, chances},
    {"ndtr", [](const Tensor& x) { return tn::ndtr(x); }, phi, density, [](Wide x) { return -x * density(x); }},
    {"log_ndtr",
     [](const Tensor& x) { return tn::log_ndtr(x); },
     [](Wide x) { return std::log(phi(x)); },
     [](Wide x) { return density(x) / phi(x); },
     [](Wide x) { return -density(x) / phi(x) * (x + density(x) / phi(x)); },
     {-12.0, -3.7, -1.25, -0.3, 0.0, 0.4, 1.5, 4.5}},
    {"erfcx",
     [](const Tensor& x) { return tn::erfcx(x); },
     [](Wide x) { return std::exp(x * x) * std::erfc(x); },
     [](Wide x) { return 2 * x * std::exp(x * x) * std::erfc(x) - 2 / std::sqrt(pi); },
     [](Wide x) { return (2 + 4 * x * x) * std::exp(x * x) * std::erfc(x) - 4 * x / std::sqrt(pi); },
     {-3.7, -0.6, -0.4, 0.1, 0.75, 1.5}},
    {"lgamma", [](const Tensor& x) { return tn::lgamma(x); }, [](Wide x) { return std::lgamma(x); },
     [](Wide x) { return psi(0, x); }, [](Wide x) { return psi(1, x); }, gammas},
    {"digamma", [](const Tensor& x) { return tn::digamma(x); }, [](Wide x) { return psi(0, x); },
     [](Wide x) { return psi(1, x); }, [](Wide x) { return psi(2, x); }, gammas},
    {"polygamma(1)", [](const Tensor& x) { return tn::polygamma(1, x); }, [](Wide x) { return psi(1, x); },
     [](Wide x) { return psi(2, x); }, [](Wide x) { return psi(3, x); }, gammas},
    {"polygamma(2)", [](const Tensor& x) { return tn::polygamma(2, x); }, [](Wide x) { return psi(2, x); },
     [](Wide x) { return psi(3, x); }, [](Wide x) { return psi(4, x); }, positive},
    {"polygamma(5)", [](const Tensor& x) { return tn::polygamma(5, x); }, [](Wide x) { return psi(5, x); },
     [](Wide x) { return psi(6, x); }, [](Wide x) { return psi(7, x); }, positive},
    {"i0", [](const Tensor& x) { return tn::i0(x); }, [](Wide x) { return bessel(0, x); },
     [](Wide x) { return bessel(1, x); }, [](Wide x) { return bessel(0, x) - bessel(1, x) / x; }},
    {"i1",
     [](const Tensor& x) { return tn::i1(x); },
     [](Wide x) { return bessel(1, x); },
     [](Wide x) { return bessel(0, x) - bessel(1, x) / x; },
     [](Wide x) { return bessel(1, x) - bessel(0, x) / x + 2 * bessel(1, x) / (x * x); },
     {-3.7, -1.25, -0.4, 0.3, 1.5, 9.5}},
    {"i0e",
     [](const Tensor& x) { return tn::i0e(x); },
     [](Wide x) { return std::exp(-x) * bessel(0, x); },
     [](Wide x) { return std::exp(-x) * (bessel(1, x) - bessel(0, x)); },
     [](Wide x) { return std::exp(-x) * (2 * bessel(0, x) - bessel(1, x) * (2 + 1 / x)); },
     {0.3, 1.5, 4.5, 9.5}},
    {"i1e",
     [](const Tensor& x) { return tn::i1e(x); },
     [](Wide x) { return std::exp(-x) * bessel(1, x); },
     [](Wide x) { return std::exp(-x) * (bessel(0, x) - bessel(1, x) * (1 + 1 / x)); },
     [](Wide x) { return std::exp(-x) * (bessel(1, x) * (2 + 2 / x + 2 / (x * x)) - bessel(0, x) * (2 + 1 / x)); },
     {0.3, 1.5, 4.5, 9.5}},
    {"sinc",
     [](const Tensor& x) { return tn::sinc(x); },
     [](Wide x) { return x == 0 ? 1 : std::sin(pi * x) / (pi * x); },
     [](Wide x) { return x == 0 ? 0 : (std::cos(pi * x) - std::sin(pi * x) / (pi * x)) / x; },
     [](Wide x) {
       return x == 0 ? -pi * pi / 3
                     : (-pi * std::sin(pi * x) - 2 * (std::cos(pi * x) - std::sin(pi * x) / (pi * x)) / x) / x;
     },
     {-7.25, -1.5, -0.3, 0.0, 0.45, 0.5, 0.75, 3.3}},
    {"logit", [](const Tensor& x) { return tn::logit(x); }, [](Wide x) { return std::log(x / (1 - x)); },
     [](Wide x) { return 1 / (x * (1 - x)); }, [](Wide x) { return (2 * x - 1) / std::pow(x * (1 - x), 2.0L); },
     chances},
    {"expit", [](const Tensor& x) { return tn::expit(x); }, sigma, [](Wide x) { return sigma(x) * sigma(-x); },
     [](Wide x) { return sigma(x) * sigma(-x) * (1 - 2 * sigma(x)); }},
    {"relu6",
     [](const Tensor& x) { return tn::relu6(x); },
     [](Wide x) { return std::fmin(std::fmax(x, 0.0L), 6.0L); },
     [](Wide x) -> Wide { return x > 0 && x < 6; },
     zero,
     {-1.0, 0.0, 0.3, 5.9, 6.0, 7.0}},
    {"hardtanh",
     [](const Tensor& x) { return tn::hardtanh(x); },
     [](Wide x) { return std::fmin(std::fmax(x, -1.0L), 1.0L); },
     [](Wide x) -> Wide { return x > -1 && x < 1; },
     zero,
     {-2.0, -1.0, 0.3, 1.0, 7.0}},
    {"clamp",
     [](const Tensor& x) { return tn::clamp(x, -1, 1); },
     [](Wide x) { return std::fmin(std::fmax(x, -1.0L), 1.0L); },
     [](Wide x) -> Wide { return x >= -1 && x <= 1; },
     zero,
     {-2.0, -1.0, 0.3, 1.0, 7.0}},
    {"leaky_relu",
     [](const Tensor& x) { return tn::leaky_relu(x, 0.125); },
     [](Wide x) { return x > 0 ? x : x / 8; },
     [](Wide x) -> Wide { return x > 0 ? 1 : 0.125L; },
     zero,
     {-2.0, 0.0, 3.0}},
    {"elu",
     [](const Tensor& x) { return tn::elu(x); },
     elu,
     [](Wide x) { return x > 0 ? 1 : std::exp(x); },
     [](Wide x) { return x > 0 ? 0 : std::exp(x); },
     {-2.0, -0.1, 0.0, 3.0, 800.0}},
    {"celu",
     [](const Tensor& x) { return tn::celu(x, {.alpha = 2}); },
     [](Wide x) { return x > 0 ? x : 2 * std::expm1(x / 2); },
     [](Wide x) { return x > 0 ? 1 : std::exp(x / 2); },
     [](Wide x) { return x > 0 ? 0 : std::exp(x / 2) / 2; },
     {-2.0, -0.1, 0.0, 3.0}},
    {"selu", [](const Tensor& x) { return tn::selu(x); },
     [](Wide x) {
       return 1.0507009873554804934193349852946L * (x > 0 ? x : 1.6732632423543772848170429916717L * std::expm1(x));
     },
     [](Wide x) {
       return 1.0507009873554804934193349852946L * (x > 0 ? 1 : 1.6732632423543772848170429916717L * std::exp(x));
     },
     [](Wide x) {
       return x > 0 ? 0 : 1.0507009873554804934193349852946L * 1.6732632423543772848170429916717L * std::exp(x);
     }},
    {"mish", [](const Tensor& x) { return tn::mish(x); }, [](Wide x) { return x * std::tanh(std::log1p(std::exp(x))); },
     [](Wide x) {
       const Wide t = std::tanh(std::log1p(std::exp(x)));
       return t + x * (1 - t * t) * sigma(x);
     },
     [](Wide x) {
       const Wide t = std::tanh(std::log1p(std::exp(x))), s = sigma(x);
       return (1 - t * t) * s * (2 + x * (1 - s - 2 * t * s));
     }},
    {"softsign", [](const Tensor& x) { return tn::softsign(x); }, [](Wide x) { return x / (1 + std::fabs(x)); },
     [](Wide x) { return std::pow(1 + std::fabs(x), -2.0L); },
     [](Wide x) { return (x > 0 ? -2 : 2) * std::pow(1 + std::fabs(x), -3.0L); }},
    {"logsigmoid", [](const Tensor& x) { return tn::logsigmoid(x); }, [](Wide x) { return std::log(sigma(x)); },
     [](Wide x) { return sigma(-x); }, [](Wide x) { return -sigma(x) * sigma(-x); }},
    {"hardsigmoid",
     [](const Tensor& x) { return tn::hardsigmoid(x); },
     [](Wide x) { return std::fmin(std::fmax(x + 3, 0.0L), 6.0L) / 6; },
     [](Wide x) -> Wide { return x > -3 && x < 3 ? 1.0L / 6 : 0; },
     zero,
     {-4.0, -3.0, -1.0, 2.0, 3.0, 5.0}},
    {"hardswish",
     [](const Tensor& x) { return tn::hardswish(x); },
     [](Wide x) { return x * std::fmin(std::fmax(x + 3, 0.0L), 6.0L) / 6; },
     [](Wide x) -> Wide { return x <= -3  ? 0
                                 : x >= 3 ? 1
                                          : x / 3 + 0.5L; },
     [](Wide x) -> Wide { return x > -3 && x < 3 ? 1.0L / 3 : 0; },
     {-4.0, -3.0, -1.0, 2.0, 3.0, 5.0}},
    {"threshold",
     [](const Tensor& x) { return tn::threshold(x, 0.5, 20); },
     [](Wide x) { return x > 0.5L ? x : 20; },
     [](Wide x) -> Wide { return x > 0.5L; },
     zero,
     {-1.0, 0.5, 0.6}},
    {"gelu_tanh", [](const Tensor& x) { return tn::gelu(x, {.approximate = "tanh"}); },
     [](Wide x) { return 0.5L * x * (1 + std::tanh(gelu_angle(x))); },
     [](Wide x) {
       const Wide t = std::tanh(gelu_angle(x)), slope = std::sqrt(2 / pi) * (1 + 0.134145L * x * x);
       return 0.5L * (1 + t) + 0.5L * x * (1 - t * t) * slope;
     },
     [](Wide x) {
       const Wide t = std::tanh(gelu_angle(x)), s = std::sqrt(2 / pi) * (1 + 0.134145L * x * x);
       const Wide bend = std::sqrt(2 / pi) * 0.26829L * x;
       return (1 - t * t) * (s + 0.5L * x * (bend - 2 * t * s * s));
     }},
    {"softplus(2, 3)", [](const Tensor& x) { return tn::softplus(x, 2, 3); },
     [](Wide x) { return 2 * x > 3 ? x : std::log1p(std::exp(2 * x)) / 2; },
     [](Wide x) { return 2 * x > 3 ? 1 : sigma(2 * x); },
     [](Wide x) { return 2 * x > 3 ? 0 : 2 * sigma(2 * x) * sigma(-2 * x); }},
    {"tanhshrink", [](const Tensor& x) { return tn::tanhshrink(x); }, [](Wide x) { return x - std::tanh(x); },
     [](Wide x) { return std::pow(std::tanh(x), 2.0L); },
     [](Wide x) { return 2 * std::tanh(x) * (1 - std::pow(std::tanh(x), 2.0L)); }},
    {"softshrink",
     [](const Tensor& x) { return tn::softshrink(x); },
     [](Wide x) { return x > 0.5L    ? x - 0.5L
                         : x < -0.5L ? x + 0.5L
                                     : 0; },
     [](Wide x) -> Wide { return std::fabs(x) > 0.5L; },
     zero,
     {-2.0, -0.5, 0.1, 0.5, 0.75}},
    {"hardshrink",
     [](const Tensor& x) { return tn::hardshrink(x); },
     [](Wide x) { return std::fabs(x) > 0.5L ? x : 0; },
     [](Wide x) -> Wide { return std::fabs(x) > 0.5L; },
     zero,
     {-2.0, -0.5, 0.1, 0.5, 0.75}},
    {"nan_to_num", [](const Tensor& x) { return tn::nan_to_num(x); }, [](Wide x) { return x; },
     [](Wide) -> Wide { return 1; }, zero},
};

TEST(ElementwiseFunctions, ValuesAndDerivativesOfOneOperand) {
  for (const Unary& u : functions) {
    const auto total = [&u](const Tensor& v) { return tn::sum(u.f(v)); };
    const auto slope = [total](const Tensor& v) { return tn::sum(tn::grad(total)(v)); };
    const Tensor x = tn::tensor(u.at);
    const auto value = u.f(x).to_vector<double>(), first = tn::grad(total)(x).to_vector<double>(),
               second = tn::grad(slope)(x).to_vector<double>(), compiled = tn::jit(u.f)(x).to_vector<double>();
    const auto narrow = u.f(x.astype(tn::f32)).to_vector<double>();
    const auto shown = tn::jit(tn::grad(slope))(x).to_vector<double>();
    for (size_t i = 0; i < u.at.size(); ++i) {
      const Wide at = u.at[i], near = static_cast<float>(u.at[i]);
      EXPECT_TRUE(same(value[i], u.value(at), 1e-14)) << u.name << " at " << u.at[i] << ": " << value[i];
      // What cancels in f32 is as exact as its terms.
      const Wide allowed = 3e-7L * std::fmax(std::fabs(u.value(near)), std::fabs(near) / 2);
      EXPECT_NEAR(narrow[i], u.value(near), std::fmax(allowed, 3e-10L))
          << u.name << " in f32 at " << u.at[i] << ": " << narrow[i];
      EXPECT_TRUE(same(first[i], u.first(at), 1e-12))
          << u.name << "' at " << u.at[i] << ": " << first[i] << ", not " << static_cast<double>(u.first(at));
      EXPECT_TRUE(same(second[i], u.second(at), 1e-11))
          << u.name << "'' at " << u.at[i] << ": " << second[i] << ", not " << static_cast<double>(u.second(at));
      EXPECT_EQ(compiled[i], value[i]) << u.name;
      EXPECT_TRUE(same(shown[i], second[i], 0)) << u.name << ": " << shown[i] << " and " << second[i];
    }
  }
}

TEST(ElementwiseFunctions, SecondDerivativesWhereFormulasHaveKinks) {
  const auto second = [](auto f, double at) {
    const auto slope = [&f](const Tensor& v) {
      return tn::sum(tn::grad([&f](const Tensor& w) { return tn::sum(f(w)); })(v));
    };
    return tn::grad(slope)(tn::tensor(std::vector<double>{at})).template item<double>();
  };
  EXPECT_NEAR(second([](const Tensor& x) { return tn::logaddexp(x, 0.0); }, 0), 0.25, 1e-15);
  EXPECT_NEAR(second([](const Tensor& x) { return tn::hypot(x, 2.0); }, 0), 0.5, 1e-15);
  EXPECT_NEAR(second([](const Tensor& x) { return tn::xlogy(x, x + 1); }, 0), 2, 1e-15);
  EXPECT_NEAR(second([](const Tensor& x) { return tn::sinc(x); }, 1e-9), -3.28986813369645287, 1e-12);
}

}  // namespace
