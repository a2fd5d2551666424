// Elementwise functions of two operands and more, and what is not real numbers: values and derivatives, special values and ties
// included; predicates, integers, bools, 0-d tensors, shapes of their own; what is refused.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <limits>

namespace tn = tenon;
using tn::Tensor;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

bool same(double got, double wanted, double relative) {
  if (std::isnan(wanted) || std::isnan(got)) return std::isnan(wanted) && std::isnan(got);
  if (std::isinf(wanted) || std::isinf(got)) return got == wanted;
  return std::fabs(got - wanted) <= relative * std::fmax(1e-3, std::fabs(wanted));
}

struct Point {
  double x, y, value, by_x, by_y;
};
struct Binary {
  const char* name;
  Tensor (*f)(const Tensor&, const Tensor&);
  std::vector<Point> points;
};
const double log2 = std::log(2.0);
const Binary pairs[] = {
    {"hypot",
     [](const Tensor& x, const Tensor& y) { return tn::hypot(x, y); },
     {{3, 4, 5, 0.6, 0.8},
      {0, 0, 0, 0, 0},
      {3e300, 4e300, 5e300, 0.6, 0.8},
      {0, -2, 2, 0, -1},
      {inf, nan, inf, nan, nan}}},
    {"logaddexp",
     [](const Tensor& x, const Tensor& y) { return tn::logaddexp(x, y); },
     {{1, 1, 1 + log2, 0.5, 0.5},
      {-inf, -inf, -inf, 0.5, 0.5},
      {inf, inf, inf, 0.5, 0.5},
      {-inf, 3, 3, 0, 1},
      {inf, 1, inf, 1, 0},
      {800, 1, 800, 1, 0},
      {nan, 1, nan, nan, nan}}},
    {"logaddexp2",
     [](const Tensor& x, const Tensor& y) { return tn::logaddexp2(x, y); },
     {{1, 1, 2, 0.5, 0.5}, {-inf, 3, 3, 0, 1}}},
    {"xlogy",
     [](const Tensor& x, const Tensor& y) { return tn::xlogy(x, y); },
     {{2, 3, 2 * std::log(3.0), std::log(3.0), 2.0 / 3},
      {0, 0, 0, 0, 0},
      {0, 2, 0, log2, 0},
      {0, nan, nan, nan, nan},
      {0, -1, 0, 0, 0},
      {0, inf, 0, 0, 0}}},
    {"xlog1py",
     [](const Tensor& x, const Tensor& y) { return tn::xlog1py(x, y); },
     {{2, 2, 2 * std::log(3.0), std::log(3.0), 2.0 / 3}, {0, -1, 0, 0, 0}, {0, 1, 0, log2, 0}}},
    {"copysign",
     [](const Tensor& x, const Tensor& y) { return tn::copysign(x, y); },
     {{3, -2, -3, -1, 0}, {-3, -0.0, -3, 1, 0}, {-3, 2, 3, -1, 0}, {0, -1, -0.0, 0, 0}}},
    {"fmax",
     [](const Tensor& x, const Tensor& y) { return tn::fmax(x, y); },
     {{1, 2, 2, 0, 1}, {2, 2, 2, 1, 0}, {nan, 2, 2, 0, 1}, {2, nan, 2, 1, 0}}},
    {"fmin",
     [](const Tensor& x, const Tensor& y) { return tn::fmin(x, y); },
     {{1, 2, 1, 1, 0}, {2, 2, 2, 1, 0}, {nan, 2, 2, 0, 1}, {2, nan, 2, 1, 0}}},
    {"remainder",
     [](const Tensor& x, const Tensor& y) { return tn::remainder(x, y); },
     {{7, 3, 1, 1, -2}, {-7, 3, 2, 1, 3}, {7, -3, -2, 1, 3}, {-7, -3, -1, 1, -2}, {6, -3, 0, 1, 2}}},
    {"fmod", [](const Tensor& x, const Tensor& y) { return tn::fmod(x, y); }, {{7, 3, 1, 1, -2}, {-7, 3, -1, 1, 2}}},
    {"floor_divide",
     [](const Tensor& x, const Tensor& y) { return tn::floor_divide(x, y); },
     {{7, 2, 3, 0, 0}, {-7, 2, -4, 0, 0}, {1, 0.1, 9, 0, 0}, {1, 0, inf, 0, 0}, {-0.0, 2, 0, 0, 0}}},
    {"div trunc",
     [](const Tensor& x, const Tensor& y) { return tn::div(x, y, {.rounding = "trunc"}); },
     {{7, 2, 3, 0, 0}, {-7, 2, -3, 0, 0}}},
    {"heaviside",
     [](const Tensor& x, const Tensor& y) { return tn::heaviside(x, y); },
     {{-1, 5, 0, 0, 0}, {0, 5, 5, 0, 1}, {2, 5, 1, 0, 0}}},
    {"lerp", [](const Tensor& x, const Tensor& y) { return tn::lerp(x, y, 0.75); }, {{1, 3, 2.5, 0.25, 0.75}}},
    {"addcmul", [](const Tensor& x, const Tensor& y) { return tn::addcmul(x, y, y, 2); }, {{1, 3, 19, 1, 12}}},
    {"addcdiv",
     [](const Tensor& x, const Tensor& y) { return tn::addcdiv(x, y, x, {.value = 2}); },
     {{2, 3, 5, -0.5, 1}}},
    {"add", [](const Tensor& x, const Tensor& y) { return tn::add(x, y, {.alpha = 3}); }, {{2, 3, 11, 1, 3}}},
    {"prelu",
     [](const Tensor& x, const Tensor& y) { return tn::prelu(x, y); },
     {{-2, 0.5, -1, 0.5, -2}, {3, 0.5, 3, 1, 0}, {0, 0.5, 0, 0.5, 0}}},
};

TEST(Arithmetic, ValuesAndDerivativesOfTwoOperands) {
  for (const Binary& b : pairs)
    for (const Point& p : b.points) {
      const Tensor x = tn::tensor(std::vector<double>{p.x}), y = tn::tensor(std::vector<double>{p.y});
      const auto total = [&b](const Tensor& u, const Tensor& v) { return tn::sum(b.f(u, v)); };
      const auto [by_x, by_y] = tn::grad<0, 1>(total)(x, y);
      const double value = b.f(x, y).item<double>(), dx = by_x.item<double>(), dy = by_y.item<double>();
      SCOPED_TRACE(std::string(b.name) + " at " + std::to_string(p.x) + ", " + std::to_string(p.y));
      EXPECT_TRUE(same(value, p.value, 1e-15)) << value;
      EXPECT_EQ(std::signbit(value), std::signbit(p.value) && !std::isnan(p.value)) << value;
      if (!std::isnan(p.value) && !std::isnan(p.by_x)) {
        EXPECT_TRUE(same(dx, p.by_x, 1e-15)) << "by x: " << dx;
        EXPECT_TRUE(same(dy, p.by_y, 1e-15)) << "by y: " << dy;
      }
    }
}

TEST(Arithmetic, PredicatesAndBits) {
  const Tensor x = tn::tensor(std::vector<double>{-inf, -1.0, -0.0, 0.0, 2.0, inf, nan});
  const auto bits = [](const Tensor& t) { return t.to_vector<bool>(); };
  using B = std::vector<bool>;
  for (const tn::DType t : {tn::f64, tn::f32, tn::f16, tn::bf16}) {
    const Tensor v = x.astype(t);
    EXPECT_EQ(bits(tn::isnan(v)), (B{0, 0, 0, 0, 0, 0, 1}));
    EXPECT_EQ(bits(tn::isinf(v)), (B{1, 0, 0, 0, 0, 1, 0}));
    EXPECT_EQ(bits(tn::isposinf(v)), (B{0, 0, 0, 0, 0, 1, 0}));
    EXPECT_EQ(bits(tn::isneginf(v)), (B{1, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(bits(tn::isfinite(v)), (B{0, 1, 1, 1, 1, 0, 0}));
    EXPECT_EQ(bits(tn::signbit(v)), (B{1, 1, 1, 0, 0, 0, 0}));
  }
  EXPECT_EQ(bits(tn::isfinite(tn::arange(2))), (B{1, 1}));
  EXPECT_EQ(bits(tn::isnan(tn::arange(2))), (B{0, 0}));
  EXPECT_EQ(bits(tn::signbit(tn::arange(2) - 1)), (B{1, 0}));
  EXPECT_EQ(bits(tn::logical_xor(x, tn::tensor(1))), (B{0, 0, 1, 1, 0, 0, 0}));
  const Tensor from = tn::tensor(std::vector<double>{0, 0, 1, -1, 1, inf, 3}),
               to = tn::tensor(std::vector<double>{1, -1, 2, 0, -inf, 0, 3});
  const auto stepped = tn::nextafter(from, to).to_vector<double>();
  const auto a = from.to_vector<double>(), b = to.to_vector<double>();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(stepped[i], std::nextafter(a[i], b[i])) << i;
  EXPECT_EQ(tn::nextafter(tn::ones({1}, {.dtype = tn::bf16}), 2.0).to_vector<float>()[0], 1.0078125f);
  EXPECT_TRUE(std::isnan(tn::nextafter(x, 1.0).to_vector<double>()[6]));
  const auto clean = tn::nan_to_num(x.astype(tn::f32), 5, 7.0).to_vector<float>();
  EXPECT_EQ(clean[6], 5);
  EXPECT_EQ(clean[5], 7);
  EXPECT_EQ(clean[0], -std::numeric_limits<float>::max());
}

TEST(Arithmetic, Integers) {
  const Tensor i = tn::tensor({-7, 7, -7, 7, 0, 5}), j = tn::tensor({2, 2, -2, -2, 3, 0});
  using V = std::vector<int64_t>;
  EXPECT_EQ(tn::floor_divide(i, j).to_vector<int64_t>(), (V{-4, 3, 3, -4, 0, 0}));
  EXPECT_EQ(tn::div(i, j, {.rounding_mode = "trunc"}).to_vector<int64_t>(), (V{-3, 3, 3, -3, 0, 0}));
  EXPECT_EQ(tn::remainder(i, j).to_vector<int64_t>(), (V{1, 1, -1, -1, 0, 5}));
  EXPECT_EQ(tn::floor_divide(i, j).dtype(), tn::i32);
  EXPECT_EQ(tn::true_divide(i, j).dtype(), tn::f32);
  EXPECT_EQ(tn::div(i, j).to_vector<float>()[0], -3.5f);
  EXPECT_EQ(tn::gcd(tn::tensor({12, -18, 0, 7}), tn::tensor({18, 12, 0, 0})).to_vector<int64_t>(), (V{6, 6, 0, 7}));
  EXPECT_EQ(tn::lcm(tn::tensor({4, -6, 0, 7}), tn::tensor({6, 4, 3, 0})).to_vector<int64_t>(), (V{12, 12, 0, 0}));
  for (const auto f : {+[](const Tensor& x) { return tn::floor(x); }, +[](const Tensor& x) { return tn::ceil(x); },
                       +[](const Tensor& x) { return tn::round(x); }, +[](const Tensor& x) { return tn::trunc(x); }}) {
    EXPECT_EQ(f(i).dtype(), tn::i32);
    EXPECT_EQ(f(i).to_vector<int64_t>(), i.to_vector<int64_t>());
  }
  EXPECT_EQ(tn::pow(i, 3).to_vector<int64_t>(), (V{-343, 343, -343, 343, 0, 125}));
  EXPECT_EQ(tn::pow(i, 0).to_vector<int64_t>(), V(6, 1));
  EXPECT_EQ(tn::pow(i, 3).dtype(), tn::i32);
  EXPECT_EQ(tn::pow(tn::tensor({2, -1, -1, 1, 0, 3}), tn::tensor({-1, -3, -4, -9, 0, 40})).to_vector<int64_t>(),
            (V{0, -1, 1, 1, 1, static_cast<int32_t>(static_cast<uint32_t>(12157665459056928801ull))}));
  EXPECT_EQ(tn::pow(i, 0.5).dtype(), tn::f32);
  EXPECT_THROW(tn::pow(i, -1), tn::Error);
  EXPECT_THROW(tn::gcd(tn::ones({2}), 2), tn::Error);
  EXPECT_EQ(tn::bitwise_left_shift(tn::tensor({1, 3}), 2).to_vector<int64_t>(), (V{4, 12}));
  EXPECT_EQ(tn::square(i).dtype(), tn::i32);
  EXPECT_EQ(tn::clamp(i, -1, 5).to_vector<int64_t>(), (V{-1, 5, -1, 5, 0, 5}));
}

TEST(Arithmetic, BoolsAreTruthValues) {
  const Tensor a = tn::tensor({true, true, false}), b = tn::tensor({true, false, false});
  using B = std::vector<bool>;
  EXPECT_EQ((a + b).dtype(), tn::boolean);
  EXPECT_EQ((a + b).to_vector<bool>(), (B{1, 1, 0}));
  EXPECT_EQ((a * b).to_vector<bool>(), (B{1, 0, 0}));
  EXPECT_EQ(tn::maximum(a, b).dtype(), tn::boolean);
  EXPECT_EQ((a + 1).dtype(), tn::i64);
  for (const Tensor& bounded : {tn::clip(a, b, a), tn::clamp(a, b, a), tn::clamp_min(a, b), tn::fmax(a, b)}) {
    EXPECT_EQ(bounded.dtype(), tn::boolean);
    EXPECT_EQ(bounded.to_vector<bool>(), (B{1, 1, 0}));
  }
  EXPECT_EQ(tn::clamp_max(a, b).to_vector<bool>(), (B{1, 0, 0}));
  EXPECT_EQ(tn::clip(a, b, 0).dtype(), tn::i64);
  EXPECT_EQ(tn::clip(a, 0, b).to_vector<int64_t>(), (std::vector<int64_t>{1, 0, 0}));
  EXPECT_EQ(tn::pow(b, a).dtype(), tn::i64);
  EXPECT_EQ(tn::pow(b, a).to_vector<int64_t>(), (std::vector<int64_t>{1, 0, 1}));
  EXPECT_EQ(tn::sum(a).item<int64_t>(), 2);
  try {
    static_cast<void>(a - b);
    FAIL();
  } catch (const tn::Error& e) {
    EXPECT_NE(std::string(e.what()).find("logical_xor"), std::string::npos);
  }
}

TEST(Arithmetic, ScalarsDoNotWidenTensorsOfTheirCategory) {
  const Tensor x = tn::ones({3}), h = tn::ones({3}, {.dtype = tn::f16}), i = tn::arange(3).astype(tn::i32);
  const Tensor wide = tn::tensor(2.0), whole = tn::tensor(int64_t{2});
  EXPECT_EQ((x * wide).dtype(), tn::f32);
  EXPECT_EQ((h * wide).dtype(), tn::f16);
  EXPECT_EQ((i * whole).dtype(), tn::i32);
  EXPECT_EQ((i * wide).dtype(), tn::f64);  // another category: its own dtype
  EXPECT_EQ((wide * tn::tensor(1.0f)).dtype(), tn::f64);  // two 0-d tensors meet as tensors do
  EXPECT_EQ((tn::sum(wide) * x).dtype(), tn::f32);  // whatever made it
  EXPECT_EQ(tn::where(x > 0, x, wide).dtype(), tn::f32);
  EXPECT_EQ(tn::jit([](const Tensor& a, const Tensor& b) { return a + b; })(x, wide).dtype(), tn::f32);
  EXPECT_EQ(tn::hypot(x, wide).dtype(), tn::f32);
}

TEST(Arithmetic, ShapesOfTheirOwn) {
  const Tensor x = tn::arange(12).reshape({3, 4}).astype(tn::f64) - 5.5;
  const Tensor g = tn::glu(x);
  EXPECT_EQ(g.shape(), (tn::Shape{3, 2}));
  const auto v = x.to_vector<double>(), w = g.to_vector<double>();
  EXPECT_NEAR(w[3], v[5] / (1 + std::exp(-v[7])), 1e-15);
  EXPECT_THROW(tn::glu(x, 0), tn::Error);
  const Tensor weight = tn::tensor(std::vector<double>{0.1, 0.2, 0.3, 0.4});
  EXPECT_NEAR(tn::prelu(x, weight).to_vector<double>()[2], -3.5 * 0.3, 1e-15);
  EXPECT_NEAR(tn::prelu(x.reshape({1, 3, 4}), tn::tensor(std::vector<double>{0.1, 0.2, 0.3})).to_vector<double>()[5],
              -0.5 * 0.2, 1e-15);
  EXPECT_THROW(tn::prelu(x, tn::ones({3})), tn::Error);
  EXPECT_NEAR(tn::sum(tn::softmin(x, 1)).item<double>(), 3, 1e-12);
  EXPECT_THROW(tn::clamp(x, tn::Bounds{}), tn::Error);
  EXPECT_EQ(tn::clamp(x, {.min = 0.0}).to_vector<double>()[0], 0);
  EXPECT_THROW(tn::gelu(x, "erf"), tn::Error);
  EXPECT_THROW(tn::polygamma(-1, x), tn::Error);
  EXPECT_THROW(tn::div(x, 2, {.rounding = "up"}), tn::Error);
}

TEST(Arithmetic, HalvesRoundOnce) {
  const Tensor x = tn::tensor(std::vector<float>{-60000, -3, -0.3f, 0.01f, 2, 60000});
  for (const tn::DType t : {tn::f16, tn::bf16}) {
    const Tensor h = x.astype(t), wide = h.astype(tn::f32);
    for (const auto f :
         {+[](const Tensor& v) { return tn::gelu_tanh(v); }, +[](const Tensor& v) { return tn::mish(v); },
          +[](const Tensor& v) { return tn::sinc(v); }, +[](const Tensor& v) { return tn::elu(v, 0.3); },
          +[](const Tensor& v) { return tn::addcdiv(v, v, v + 1); }})
      EXPECT_EQ(f(h).to_vector<float>(), f(wide).astype(t).to_vector<float>());
  }
}

}  // namespace
