// Complex tensors: values against std::complex, branch cuts and signed zeros, promotion, reductions, products, what is refused.
#include "tenon/tests/complex_values.h"

#include <cmath>
#include <limits>
#include <sstream>

#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::Complex;
using tenon::testing::distance;
using tenon::testing::drawn;
using tenon::testing::drawn_numbers;
using tenon::testing::message_of;
using tenon::testing::numbers;
using tn::Tensor;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor one(Complex z) { return tn::tensor(z); }
Complex value(const Tensor& t) { return t.item<Complex>(); }

TEST(Complex, GoesInAndOut) {
  const Tensor z = tn::tensor({std::complex<float>(1, 2), std::complex<float>(-3, 4)});
  EXPECT_EQ(z.dtype(), tn::c64);
  EXPECT_EQ(z.shape(), tn::Shape({2}));
  EXPECT_TRUE(tn::is_complex(z));
  EXPECT_EQ(z.to_vector<std::complex<float>>()[1], std::complex<float>(-3, 4));
  EXPECT_EQ(z[0].item<Complex>(), Complex(1, 2));
  EXPECT_EQ(z[1].item<double>(), -3);  // the real part
  EXPECT_EQ(tn::tensor({{Complex(1, 0), Complex(0, 1)}}).dtype(), tn::c128);
  std::ostringstream out;
  out << z << "\n" << tn::tensor({Complex(1.5, -2), Complex(0, 0.25)}) << "\n" << one({1, 2});
  EXPECT_EQ(
      out.str(),
      "tensor([ 1.+2.j, -3.+4.j])\ntensor([1.5000-2.0000j, 0.0000+0.2500j], dtype=c128)\ntensor(1.+2.j, dtype=c128)");
  EXPECT_EQ(tn::zeros({2}, {.dtype = tn::c64}).to_vector<Complex>(), (std::vector<Complex>{0, 0}));
  EXPECT_EQ(value(tn::full({}, Complex(2, 3))), Complex(2, 3));
  EXPECT_EQ(tn::full({1}, Complex(2, 3)).dtype(), tn::c64);
}

TEST(Complex, Promotes) {
  const Tensor z = tn::tensor(std::complex<float>(1, 2)), w = one({1, 2});
  const auto with = [&](const Tensor& t) { return (z + t).dtype(); };
  EXPECT_EQ(with(tn::ones({2})), tn::c64);
  EXPECT_EQ(with(tn::ones({2}, {.dtype = tn::f64})), tn::c128);
  EXPECT_EQ(with(tn::ones({2}, {.dtype = tn::f16})), tn::c64);
  EXPECT_EQ(with(tn::arange(2)), tn::c64);
  EXPECT_EQ(with(tn::tensor({true, false})), tn::c64);
  EXPECT_EQ(with(w), tn::c128);
  EXPECT_EQ((z * 2.5).dtype(), tn::c64);
  EXPECT_EQ((w / 2).dtype(), tn::c128);
  EXPECT_EQ((tn::ones({2}) * Complex(0, 1)).dtype(), tn::c64);
  EXPECT_EQ((tn::ones({2}, {.dtype = tn::f64}) * Complex(0, 1)).dtype(), tn::c128);
  EXPECT_EQ((tn::arange(2) * std::complex<float>(0, 1)).to_vector<Complex>(), (std::vector<Complex>{0, {0, 1}}));
  EXPECT_EQ(tn::abs(z).dtype(), tn::f32);
  EXPECT_EQ(tn::abs(w).dtype(), tn::f64);
  EXPECT_EQ((z == z).dtype(), tn::boolean);
  EXPECT_EQ(value(w.astype(tn::c64)), Complex(1, 2));
  EXPECT_EQ(value(tn::tensor(3).astype(tn::c128)), Complex(3, 0));
  EXPECT_EQ(w.astype(tn::f32).item<float>(), 1);
}

struct Unary {
  const char* name;
  Tensor (*ours)(const Tensor&);
  Complex (*theirs)(const Complex&);
};
const Unary unary[] = {
    {"neg", [](const Tensor& z) { return -z; }, [](const Complex& z) { return -z; }},
    {"exp", [](const Tensor& z) { return tn::exp(z); }, [](const Complex& z) { return std::exp(z); }},
    {"log", [](const Tensor& z) { return tn::log(z); }, [](const Complex& z) { return std::log(z); }},
    {"sqrt", [](const Tensor& z) { return tn::sqrt(z); }, [](const Complex& z) { return std::sqrt(z); }},
    {"sin", [](const Tensor& z) { return tn::sin(z); }, [](const Complex& z) { return std::sin(z); }},
    {"cos", [](const Tensor& z) { return tn::cos(z); }, [](const Complex& z) { return std::cos(z); }},
    {"tan", [](const Tensor& z) { return tn::tan(z); }, [](const Complex& z) { return std::tan(z); }},
    {"sinh", [](const Tensor& z) { return tn::sinh(z); }, [](const Complex& z) { return std::sinh(z); }},
    {"cosh", [](const Tensor& z) { return tn::cosh(z); }, [](const Complex& z) { return std::cosh(z); }},
    {"tanh", [](const Tensor& z) { return tn::tanh(z); }, [](const Complex& z) { return std::tanh(z); }},
    {"rsqrt", [](const Tensor& z) { return tn::rsqrt(z); }, [](const Complex& z) { return 1.0 / std::sqrt(z); }},
    {"exp2", [](const Tensor& z) { return tn::exp2(z); }, [](const Complex& z) { return std::pow(Complex(2), z); }},
    {"log2", [](const Tensor& z) { return tn::log2(z); }, [](const Complex& z) { return std::log(z) / std::log(2.0); }},
    {"asin", [](const Tensor& z) { return tn::asin(z); }, [](const Complex& z) { return std::asin(z); }},
    {"acos", [](const Tensor& z) { return tn::acos(z); }, [](const Complex& z) { return std::acos(z); }},
    {"atan", [](const Tensor& z) { return tn::atan(z); }, [](const Complex& z) { return std::atan(z); }},
    {"asinh", [](const Tensor& z) { return tn::asinh(z); }, [](const Complex& z) { return std::asinh(z); }},
    {"acosh", [](const Tensor& z) { return tn::acosh(z); }, [](const Complex& z) { return std::acosh(z); }},
    {"atanh", [](const Tensor& z) { return tn::atanh(z); }, [](const Complex& z) { return std::atanh(z); }},
    {"expm1", [](const Tensor& z) { return tn::expm1(z); }, [](const Complex& z) { return std::exp(z) - 1.0; }},
    {"log1p", [](const Tensor& z) { return tn::log1p(z); }, [](const Complex& z) { return std::log(z + 1.0); }},
    {"log10", [](const Tensor& z) { return tn::log10(z); }, [](const Complex& z) { return std::log10(z); }},
    {"sigmoid", [](const Tensor& z) { return tn::sigmoid(z); },
     [](const Complex& z) { return 1.0 / (1.0 + std::exp(-z)); }},
    {"sign", [](const Tensor& z) { return tn::sign(z); }, [](const Complex& z) { return z / std::abs(z); }},
    {"conj", [](const Tensor& z) { return tn::conj(z); }, [](const Complex& z) { return std::conj(z); }},
    {"abs", [](const Tensor& z) { return tn::abs(z); }, [](const Complex& z) { return Complex(std::abs(z)); }},
    {"angle", [](const Tensor& z) { return tn::angle(z); }, [](const Complex& z) { return Complex(std::arg(z)); }},
    {"real", [](const Tensor& z) { return tn::real(z); }, [](const Complex& z) { return Complex(z.real()); }},
    {"imag", [](const Tensor& z) { return tn::imag(z); }, [](const Complex& z) { return Complex(z.imag()); }},
};

TEST(Complex, FunctionsOfOne) {
  for (const Unary& f : unary)
    for (const double size : {0.5, 2.0, 9.0}) {
      const std::vector<Complex> z = drawn_numbers(301, 5, size);
      std::vector<Complex> expected;
      for (const Complex& v : z) expected.push_back(f.theirs(v));
      EXPECT_LT(distance(numbers(f.ours(tn::tensor(z))), expected), 2e-15) << f.name << " to " << size;
      EXPECT_LT(distance(numbers(f.ours(tn::tensor(z).astype(tn::c64))), expected), 3e-6) << f.name << " to " << size;
    }
}

TEST(Complex, TangentsFarFromTheMiddle) {
  for (const double far : {12.0, -12.0, 25.0, -25.0, 400.0, -400.0})
    for (const double near : {1.0, -0.5}) {
      const auto apart = [](const Tensor& found, Complex expected) { return std::abs(value(found) - expected); };
      const Complex along(far, near), across(near, far);
      EXPECT_LT(apart(tn::tanh(one(along)), std::tanh(along)), 1e-15) << along;
      EXPECT_LT(apart(tn::tan(one(across)), std::tan(across)), 1e-15) << across;
      EXPECT_LT(apart(tn::tanh(one(along).astype(tn::c64)).astype(tn::c128), std::tanh(along)), 1e-6) << along;
    }
}

TEST(Complex, FunctionsOfTwo) {
  const std::vector<Complex> x = drawn_numbers(301, 1), y = drawn_numbers(301, 2);
  const Tensor a = tn::tensor(x), b = tn::tensor(y);
  const auto each = [&](auto f) {
    std::vector<Complex> all;
    for (size_t i = 0; i < x.size(); ++i) all.push_back(f(x[i], y[i]));
    return all;
  };
  EXPECT_LT(distance(numbers(a + b), each([](Complex v, Complex w) { return v + w; })), 1e-16);
  EXPECT_LT(distance(numbers(a - b), each([](Complex v, Complex w) { return v - w; })), 1e-16);
  EXPECT_LT(distance(numbers(a * b), each([](Complex v, Complex w) { return v * w; })), 4e-16);
  EXPECT_LT(distance(numbers(a / b), each([](Complex v, Complex w) { return v / w; })), 1e-15);
  EXPECT_LT(distance(numbers(tn::pow(a, b)), each([](Complex v, Complex w) { return std::pow(v, w); })), 1e-14);
  EXPECT_LT(distance(numbers(tn::pow(a, 3)), each([](Complex v, Complex) { return v * v * v; })), 1e-14);
  EXPECT_LT(distance(numbers(tn::polar(tn::abs(a), tn::angle(a))), x), 1e-15);
  EXPECT_LT(distance(numbers(tn::complex(tn::real(a), tn::imag(a))), x), 0x1p-1000);
  const Tensor same = tn::where(tn::real(a) > 0, a, b);
  const auto flags = (same == a).to_vector<bool>(), others = (same != a).to_vector<bool>();
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(flags[i], x[i].real() > 0);
    EXPECT_EQ(others[i], !flags[i]);
  }
  // Quotients that overflow on the way by the school's formula.
  EXPECT_EQ(value(one({1e300, 1e300}) / one({1e300, 1e300})), Complex(1, 0));
  EXPECT_EQ(value(one({1e-300, 1e-300}) / one({1e-300, 1e-300})), Complex(1, 0));
  EXPECT_EQ(value(one({1, 0}) / one({0, 0})).real(), infinity);
}

void expect_exactly(const Tensor& found, double re, double im, const char* what) {
  const Complex z = value(found);
  EXPECT_EQ(z.real(), re) << what;
  EXPECT_EQ(z.imag(), im) << what;
  EXPECT_EQ(std::signbit(z.real()), std::signbit(re)) << what;
  EXPECT_EQ(std::signbit(z.imag()), std::signbit(im)) << what;
}

TEST(Complex, BranchCutsAndSignedZeros) {
  expect_exactly(tn::sqrt(one({-4, 0.0})), 0, 2, "sqrt above the cut");
  expect_exactly(tn::sqrt(one({-4, -0.0})), 0, -2, "sqrt below the cut");
  expect_exactly(tn::sqrt(one({0.0, 0.0})), 0, 0, "sqrt of 0");
  expect_exactly(tn::sqrt(one({0.0, -0.0})), 0, -0.0, "sqrt of 0 - 0i");
  expect_exactly(tn::sqrt(one({4, -0.0})), 2, -0.0, "sqrt on the positive axis");
  expect_exactly(tn::sqrt(one({-infinity, 1})), 0, infinity, "sqrt of -inf + i");
  expect_exactly(tn::sqrt(one({1, -infinity})), infinity, -infinity, "sqrt of 1 - inf i");
  const double pi = std::acos(-1.0);
  expect_exactly(tn::log(one({-1, 0.0})), 0, pi, "log above the cut");
  expect_exactly(tn::log(one({-1, -0.0})), 0, -pi, "log below the cut");
  expect_exactly(tn::log(one({0.0, 0.0})), -infinity, 0, "log of 0");
  expect_exactly(tn::log(one({-0.0, 0.0})), -infinity, pi, "log of -0");
  expect_exactly(tn::log(one({-infinity, infinity})), infinity, 3 * pi / 4, "log of -inf + inf i");
  EXPECT_EQ(tn::angle(one({-0.0, -0.0})).item<double>(), -pi);
  EXPECT_EQ(tn::angle(one({0.0, -0.0})).item<double>(), -0.0);
  EXPECT_EQ(tn::angle(tn::tensor({-2.0, 0.0, 3.0})).to_vector<double>(), (std::vector<double>{pi, 0, 0}));
  expect_exactly(tn::exp(one({infinity, 0.0})), infinity, 0, "exp of inf");
  expect_exactly(tn::pow(one({0, 0}), 2), 0, 0, "0^2");
  expect_exactly(tn::pow(one({0, 0}), 0), 1, 0, "0^0");
  for (const double size : {1e308, 1e-308, 5e-324}) {
    EXPECT_NEAR(tn::abs(one({size * 0.75, size})).item<double>() / std::hypot(size * 0.75, size), 1, 1e-15) << size;
    EXPECT_NEAR(value(tn::log(one({size, 0}))).real(), std::log(size), 1e-12) << size;
  }
  EXPECT_EQ(tn::abs(one({infinity, std::nan("")})).item<double>(), infinity);
  EXPECT_EQ(tn::abs(one({3, 4})).item<double>(), 5);
  // On the cuts of the inverse functions the sign of the zero says from which side; far out they do not overflow.
  for (const double side : {0.0, -0.0}) {
    const double up = std::signbit(side) ? -1 : 1, log_root = std::acosh(2.0);
    const auto near = [&](const Tensor& found, Complex expected, const char* what) {
      EXPECT_LT(std::abs(value(found) - expected), 1e-15 * std::abs(expected)) << what << " from " << up;
    };
    near(tn::asin(one({2, side})), {pi / 2, up * log_root}, "asin");
    near(tn::acos(one({2, side})), {0, -up * log_root}, "acos");
    near(tn::acosh(one({-2, side})), {log_root, up * pi}, "acosh");
    near(tn::atanh(one({2, side})), {std::atanh(0.5), up * pi / 2}, "atanh");
    near(tn::asinh(one({side, 2})), {up * log_root, pi / 2}, "asinh");
    near(tn::atan(one({side, 2})), {up * pi / 2, std::atanh(0.5)}, "atan");
  }
  EXPECT_NEAR(value(tn::asinh(one({1e300, 1e300}))).real(),
              std::log(2.0) + std::log(std::hypot(1.0, 1.0)) + std::log(1e300), 1e-12);
  EXPECT_EQ(value(tn::atanh(one({1e300, 0}))).imag(), pi / 2);
  EXPECT_NEAR(value(tn::expm1(one({1e-12, 1e-12}))).real() / 1e-12, 1, 2e-12);
  EXPECT_NEAR(value(tn::log1p(one({1e-12, 1e-12}))).real() / 1e-12, 1, 2e-12);
  EXPECT_LT(std::abs(value(tn::sigmoid(one({-800, 1})))), 1e-300);
  EXPECT_EQ(value(tn::sign(one({0, 0}))), Complex(0, 0));
  // Next to the unit circle log |z| keeps its digits.
  const double near = 1e-9;
  EXPECT_NEAR(value(tn::log(one({1, near}))).real(), near * near / 2, 1e-33);
}

TEST(Complex, ReductionsAndProducts) {
  const Tensor z = drawn({4, 5}, 3);
  const std::vector<Complex> v = numbers(z);
  Complex total = 0, product = 1;
  for (const Complex& w : v) total += w, product *= w;
  EXPECT_LT(std::abs(value(tn::sum(z)) - total), 1e-14);
  EXPECT_LT(std::abs(value(tn::prod(z)) - product) / std::abs(product), 1e-14);
  EXPECT_LT(std::abs(value(tn::mean(z)) - total / 20.0), 1e-15);
  double spread = 0;
  for (const Complex& w : v) spread += std::norm(w - total / 20.0) / 20;
  EXPECT_EQ(tn::var(z).dtype(), tn::f64);
  EXPECT_NEAR(tn::var(z).item<double>(), spread, 1e-14);
  EXPECT_EQ(tn::prod(z, {.axes = {1}, .keepdims = true}).shape(), tn::Shape({4, 1}));
  EXPECT_EQ(value(tn::prod(tn::zeros({0}, {.dtype = tn::c64}))), Complex(1));
  EXPECT_LT(std::abs(numbers(tn::cumsum(z.reshape({20})))[19] - total), 1e-14);
  EXPECT_TRUE(tn::any_of(z).item<bool>());
  EXPECT_FALSE(tn::any_of(z * 0).item<bool>());

  const Tensor a = drawn({3, 4, 5}, 4), b = drawn({3, 5, 2}, 5), real = tn::real(a);
  std::vector<Complex> expected;
  const std::vector<Complex> x = numbers(a), y = numbers(b);
  for (size_t l = 0; l < 3; ++l)
    for (size_t i = 0; i < 4; ++i)
      for (size_t j = 0; j < 2; ++j) {
        Complex s = 0;
        for (size_t k = 0; k < 5; ++k) s += x[(l * 4 + i) * 5 + k] * y[(l * 5 + k) * 2 + j];
        expected.push_back(s);
      }
  EXPECT_LT(distance(numbers(tn::matmul(a, b)), expected), 1e-15);
  EXPECT_LT(distance(numbers(tn::einsum("lik,lkj->lij", {a, b})), expected), 1e-15);
  EXPECT_LT(distance(numbers(tn::matmul(real, b)), numbers(tn::matmul(real.astype(tn::c128), b))), 1e-15);
  EXPECT_LT(distance(numbers(tn::dot(a[{0, 0}], a[{0, 1}])), numbers(tn::sum(a[{0, 0}] * a[{0, 1}]))), 1e-15);
}

TEST(Complex, ArithmeticByOtherNames) {
  const Tensor a = drawn({3}, 31), b = drawn({3}, 32), c = drawn({3}, 33);
  const auto near = [](const Tensor& found, const Tensor& expected, const char* what) {
    EXPECT_EQ(found.dtype(), expected.dtype()) << what;
    EXPECT_LT(distance(numbers(found), numbers(expected)), 1e-15) << what;
  };
  near(tn::square(a), a * a, "square");
  near(tn::reciprocal(a), 1 / a, "reciprocal");
  near(tn::div(a, b), a / b, "div");
  near(tn::add(a, b, {.alpha = 2}), a + b * 2, "add");
  near(tn::addcmul(a, b, c, {.value = 0.5}), a + b * c * 0.5, "addcmul");
  near(tn::addcdiv(a, b, c), a + b / c, "addcdiv");
  near(tn::var_mean(a).second, tn::mean(a), "var_mean");
  near(tn::norm(a), tn::sqrt(tn::sum(tn::real(a * tn::conj(a)))), "norm");
  near(tn::linalg::vector_norm(a, 1), tn::sum(tn::abs(a)), "vector_norm");
  near(tn::linalg::vecdot(a, b), tn::sum(tn::conj(a) * b), "vecdot");
  near(tn::tensordot(a, b, 1), tn::sum(a * b), "tensordot");
  near(tn::cross(a, b)[0], a[1] * b[2] - a[2] * b[1], "cross");
  near(tn::linalg::trace(tn::outer(a, b)), tn::sum(a * b), "trace");
  const Tensor odd = tn::tensor({Complex(infinity, 1), Complex(1, std::nan("")), Complex(1, 2)});
  EXPECT_EQ(tn::isnan(odd).to_vector<bool>(), (std::vector<bool>{false, true, false}));
  EXPECT_EQ(tn::isinf(odd).to_vector<bool>(), (std::vector<bool>{true, false, false}));
  EXPECT_EQ(tn::isfinite(odd).to_vector<bool>(), (std::vector<bool>{false, false, true}));
  EXPECT_EQ(value(tn::nansum(odd[tn::slice(1, 3)])), Complex(1, 2));
}

TEST(Complex, Moves) {
  const Tensor z = drawn({3, 4}, 6);
  EXPECT_EQ(numbers(z.transpose()[{1}]), numbers(z[{tn::all, 1}]));
  EXPECT_EQ(numbers(tn::concat({z, z * 2}, 1)[{tn::all, tn::slice(4, 8)}]), numbers(z * 2));
  EXPECT_EQ(numbers(tn::flip(tn::flip(z, {1}), {1})), numbers(z));
  EXPECT_EQ(numbers(tn::pad(z, {{1, 1}, {0, 2}})[{tn::slice(1, 4), tn::slice(0, 4)}]), numbers(z));
  EXPECT_EQ(numbers(tn::take(z, tn::tensor({2, 0}), 0)), numbers(tn::stack({z[2], z[0]})));
  EXPECT_EQ(numbers(tn::view_as_complex(tn::view_as_real(z))), numbers(z));
  EXPECT_EQ(tn::view_as_real(z).shape(), tn::Shape({3, 4, 2}));
  const Tensor added = tn::scatter_add(z, tn::tensor({1, 1, 0}), z, 0);
  EXPECT_LT(distance(numbers(added[1]), numbers(z[1] + z[0] + z[1])), 1e-15);
  EXPECT_EQ(numbers(tn::gather(z, 1, tn::tensor({{3}, {0}, {1}}))),
            numbers(tn::stack({z[{0, 3}], z[{1, 0}], z[{2, 1}]})));
  EXPECT_EQ(numbers(tn::index_copy(z, 0, tn::tensor({2}), z[tn::slice(0, 1)])[2]), numbers(z[0]));
  EXPECT_EQ(numbers(tn::masked_fill(z, tn::real(z) > 0, Complex(1, 2))),
            numbers(tn::where(tn::real(z) > 0, Complex(1, 2), z)));
  Tensor changed = z;
  changed[{1, 2}] = Complex(7, 8);
  EXPECT_EQ(value(changed[{1, 2}]), Complex(7, 8));
  EXPECT_EQ(numbers(changed[0]), numbers(z[0]));
}

TEST(Complex, RefusesWhatNeedsAnOrder) {
  const Tensor z = drawn({3}, 7, tn::c64);
  const auto refused = [](const std::string& said) { return said.find("complex") != std::string::npos; };
  EXPECT_TRUE(refused(message_of([&] { (void)(z < z); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::maximum(z, 1); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::max(z); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::argmax(z); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::sort(z); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::floor(z); })));
  EXPECT_TRUE(refused(message_of([&] { (void)(z % z); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::complex(z, z); })));
  const auto prints = [](const Tensor& w) {
    tn::debug::print("{}", w);
    return w;
  };
  EXPECT_TRUE(refused(message_of([&] { (void)tn::jit(prints)(z); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::view_as_real(tn::ones({2})); })));
  // No imaginary part gets lost on the way into real numbers.
  Tensor into = tn::ones({3});
  EXPECT_TRUE(refused(message_of([&] { into[0] = z[0]; })));
  EXPECT_TRUE(refused(message_of([&] { into[0] = Complex(1, 2); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::scatter_add(into, tn::tensor({0, 1, 2}), z, 0); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::masked_fill(into, into > 0, Complex(1, 2)); })));
  EXPECT_TRUE(refused(message_of([&] { (void)tn::full({2}, Complex(1, 2), {.dtype = tn::f32}); })));
  const Tensor m = drawn({3, 3}, 8, tn::c64), real = tn::eye(3);
  const auto said = [&](const char* name, const std::string& text) {
    EXPECT_NE(text.find(std::string("linalg::") + name), std::string::npos) << text;
    EXPECT_NE(text.find("c64"), std::string::npos) << text;
  };
  said("cholesky", message_of([&] { (void)tn::linalg::cholesky(m); }));
  said("lu", message_of([&] { (void)tn::linalg::lu(m); }));
  said("qr", message_of([&] { (void)tn::linalg::qr(m); }));
  said("eigh", message_of([&] { (void)tn::linalg::eigh(m); }));
  said("svd", message_of([&] { (void)tn::linalg::svd(m); }));
  said("det", message_of([&] { (void)tn::linalg::det(m); }));
  said("inv", message_of([&] { (void)tn::linalg::inv(m); }));
  said("pinv", message_of([&] { (void)tn::linalg::pinv(m); }));
  said("matrix_exp", message_of([&] { (void)tn::linalg::matrix_exp(m); }));
  said("solve", message_of([&] { (void)tn::linalg::solve(real, m); }));
  said("solve_triangular", message_of([&] { (void)tn::linalg::solve_triangular(m, real); }));
  said("lstsq", message_of([&] { (void)tn::linalg::lstsq(m, real); }));
  EXPECT_NE(message_of([&] { (void)tn::grad([](const Tensor& w) { return tn::sum(w); })(z); }).find("tn::real"),
            std::string::npos);
}

}  // namespace
