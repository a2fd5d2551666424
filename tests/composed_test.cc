// Functions composed from primitives: on halves they compute in f32 throughout and round once, value and derivative; labels of
// cross_entropy that are no class.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

std::vector<double> numbers(const Tensor& t) { return t.to_vector<double>(); }

// ---- halves

struct Composed {
  const char* name;
  Tensor (*f)(const Tensor&);
};
const Composed composed[] = {
    {"relu", [](const Tensor& x) { return tn::relu(x); }},
    {"sigmoid", [](const Tensor& x) { return tn::sigmoid(x); }},
    {"silu", [](const Tensor& x) { return tn::silu(x); }},
    {"gelu", [](const Tensor& x) { return tn::gelu(x); }},
    {"softplus", [](const Tensor& x) { return tn::softplus(x); }},
    {"normal_cdf", [](const Tensor& x) { return tn::normal_cdf(x); }},
    {"tanh", [](const Tensor& x) { return tn::tanh(x); }},
    {"softmax", [](const Tensor& x) { return tn::softmax(x); }},
    {"log_softmax", [](const Tensor& x) { return tn::log_softmax(x, 0); }},
    {"logsumexp", [](const Tensor& x) { return tn::logsumexp(x, {{1}}); }},
    {"mean", [](const Tensor& x) { return tn::mean(x, {{0}}); }},
    {"var", [](const Tensor& x) { return tn::var(x, {{1}}); }},
    {"layer_norm", [](const Tensor& x) { return tn::layer_norm(x, 1.5, 0.25); }},
    {"layer_norm", [](const Tensor& x) { return tn::layer_norm(x, x[0], x[1]); }},
    {"rms_norm", [](const Tensor& x) { return tn::rms_norm(x, x[2]); }},
    {"linear", [](const Tensor& x) { return tn::linear(x, x.transpose(), x[0][0]); }},
    {"cross_entropy", [](const Tensor& x) { return tn::cross_entropy(x, tn::arange(0, x.shape()[0].number())); }},
};

// f in a half is f in f32, rounded; so is its gradient, to the bit.
TEST(Halves, RoundOnce) {
  const Tensor drawn = tn::normal(tn::key(3), {7, 37}) * 40;
  for (const tn::DType half : {tn::f16, tn::bf16}) {
    const Tensor x = drawn.astype(half), wide = x.astype(tn::f32);
    for (const Composed& c : composed) {
      SCOPED_TRACE(std::string(c.name) + " in " + std::string(tn::name(half)));
      const auto f = c.f;
      EXPECT_EQ(f(x).dtype(), half);
      EXPECT_EQ(numbers(f(x)), numbers(f(wide).astype(half)));
      EXPECT_EQ(numbers(tn::jit(f)(x)), numbers(f(x)));
      const Tensor weights = tn::normal(tn::key(5), f(x).shape()).astype(half);
      const auto weighted = [&](const Tensor& w) { return [f, w](const Tensor& v) { return tn::sum(f(v) * w); }; };
      const Tensor narrow_gradient = tn::grad(weighted(weights))(x);
      const Tensor wide_gradient = tn::grad(weighted(weights.astype(tn::f32)))(wide);
      const std::string what = c.name;
      if (what == "linear" || what == "layer_norm" || what == "rms_norm")
        continue;  // use x several times: cotangents add up
      EXPECT_EQ(numbers(narrow_gradient), numbers(wide_gradient.astype(half)));
    }
  }
}

TEST(Halves, LongRowsAndLargeElements) {
  for (const tn::DType half : {tn::f16, tn::bf16}) {
    const int64_t n = 70000;
    const Tensor flat = tn::zeros({n}, {.dtype = half}), ones = tn::ones({n}, {.dtype = half});
    const double logarithm = tn::full({1}, -std::log(70000.0)).astype(half).item<double>();
    EXPECT_EQ(tn::log_softmax(flat)[0].item<double>(), logarithm);
    EXPECT_EQ(tn::logsumexp(flat).item<double>(), -logarithm);
    EXPECT_EQ(tn::mean(ones).item<double>(), 1);
    EXPECT_EQ(tn::var(ones).item<double>(), 0);
    EXPECT_EQ(numbers(tn::layer_norm(tn::tensor({300.f, -300.f}).astype(half), 1, 0)), (std::vector<double>{1, -1}));
    EXPECT_EQ(numbers(tn::rms_norm(tn::tensor({300.f, -300.f}).astype(half), 1)), (std::vector<double>{1, -1}));
    EXPECT_EQ(tn::mean(tn::full({n}, 60000.0).astype(half)).item<double>(),
              tn::full({1}, 60000.0).astype(half).item<double>());
  }
}

// ---- a branch that is not taken

TEST(NotTaken, LeavesTheGradientAlone) {
  const Tensor x = tn::tensor({0.f, 100.f}), w = tn::tensor({1.f, 0.f});
  const auto loss = [w](const Tensor& v) { return tn::log(tn::sum(tn::where(w > 0, tn::exp(v), 0))); };
  EXPECT_EQ(numbers(tn::grad(loss)(x)), (std::vector<double>{1, 0}));
  EXPECT_EQ(numbers(tn::jit(tn::grad(loss))(x)), (std::vector<double>{1, 0}));
  Tensor leaf = tn::tensor({0.f, 100.f}, {.requires_grad = true});
  loss(leaf).backward();
  EXPECT_EQ(numbers(leaf.grad()), (std::vector<double>{1, 0}));

  const Tensor zero = tn::tensor({0.f, -0.f});
  using Function = Tensor (*)(const Tensor&);
  const Function functions[] = {[](const Tensor& p) { return -p * tn::elementwise::log2(p); },
                                [](const Tensor& v) { return 1 / v; },
                                [](const Tensor& v) { return v / v; },
                                [](const Tensor& v) { return v * tn::log(v); },
                                [](const Tensor& v) { return tn::sin(v) / v; },
                                [](const Tensor& v) { return tn::pow(v, v - 1); },
                                [](const Tensor& v) { return tn::rsqrt(v * v); },
                                [](const Tensor& v) { return tn::prod(1 / v) + v; }};
  for (const Function f : functions) {
    const auto masked = [f](const Tensor& v) { return tn::sum(tn::where(v != 0, f(v), 0)); };
    const auto slope = [masked](const Tensor& v) { return tn::sum(tn::grad(masked)(v)); };
    EXPECT_EQ(numbers(tn::grad(masked)(zero)), (std::vector<double>{0, 0}));
    EXPECT_EQ(numbers(tn::jit(tn::grad(masked))(zero)), (std::vector<double>{0, 0}));
    EXPECT_EQ(numbers(tn::grad(slope)(zero)), (std::vector<double>{0, 0}));
    EXPECT_EQ(numbers(tn::jvp(masked, zero, tn::ones({2})).second), (std::vector<double>{0}));
  }
}

// Errors and listings name the caller's line, never one of the library's own.
TEST(Places, AreTheCallers) {
  const Tensor x = tn::ones({4, 3}), labels = tn::tensor({0, 1, 2, -100}), some = tn::tensor({true, false, true});
  const auto foreign = [](const std::string& text) {
    std::string found;
    for (size_t at = 0; (at = text.find("; ", at)) != std::string::npos; ++at) {
      const std::string place = text.substr(at, text.find('\n', at) - at);
      if (place.find("composed_test.cc:") == std::string::npos) found += place + "\n";
    }
    return found;
  };
  for (const Composed& c : composed) EXPECT_EQ(foreign(tn::trace(c.f, x).annotated()), "") << c.name;
  EXPECT_EQ(foreign(tn::trace([](Tensor l, Tensor y) { return tn::cross_entropy(l, y); }, x, labels).annotated()), "");
  EXPECT_EQ(foreign(tn::trace(
                        [](Tensor a, Tensor b) {
                          return tn::logical_or(tn::logical_and(a, b), tn::logical_not(tn::clip(a, 0, 1)));
                        },
                        x, some)
                        .annotated()),
            "");
}

TEST(Norm, IsFlatAtZero) {
  const auto norm = [](const Tensor& v) { return tn::sqrt(tn::sum(v * v)); };
  EXPECT_EQ(numbers(tn::grad(norm)(tn::zeros({3}))), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(tn::jvp(norm, tn::zeros({3}), tn::ones({3})).second.item<double>(), 0);
}

// The Hessian of a logistic regression at zero weights is X^T X / 4n.
TEST(Softplus, HasASecondDerivativeAtZero) {
  const auto slope = [](const Tensor& x) { return tn::grad([](const Tensor& v) { return tn::softplus(v); })(x); };
  EXPECT_EQ(tn::grad(slope)(tn::tensor(0.f)).item<double>(), 0.25);
}

// ---- labels

TEST(CrossEntropy, LabelsOutside) {
  const Tensor logits = tn::tensor({{1.f, 2.f, 3.f}, {1.f, 0.f, 0.f}});
  EXPECT_NE(message_of([&] {
              tn::cross_entropy(logits, tn::tensor({0, 3}));
            }).find("label 3 of row 1 is no class: they go from 0 to 2"),
            std::string::npos);
  EXPECT_NE(message_of([&] { tn::cross_entropy(logits, tn::tensor({-1, 1})); }).find("label -1 of row 0"),
            std::string::npos);
  const auto compiled = tn::jit([](const Tensor& x, const Tensor& l) { return tn::cross_entropy(x, l); });
  EXPECT_TRUE(std::isnan(compiled(logits, tn::tensor({0, 3})).item<double>()));
  EXPECT_TRUE(std::isnan(compiled(logits, tn::tensor({-1, 0})).item<double>()));
  EXPECT_EQ(compiled(logits, tn::tensor({0, 2})).item<double>(),
            tn::cross_entropy(logits, tn::tensor({0, 2})).item<double>());
}

TEST(CrossEntropy, IgnoredRowsDoNotCount) {
  const Tensor logits = tn::tensor({{1.f, 2.f, 3.f}, {1.f, 0.f, 0.f}, {7.f, 7.f, 7.f}});
  const double one = tn::cross_entropy(tn::tensor({{1.f, 0.f, 0.f}}), tn::tensor({1})).item<double>();
  EXPECT_EQ(tn::cross_entropy(logits, tn::tensor({-100, 1, -100})).item<double>(), one);
  EXPECT_EQ(tn::cross_entropy(logits, tn::tensor({2, 1, 2}), {.ignore_index = 2}).item<double>(), one);
  const auto loss = [](const Tensor& x) { return tn::cross_entropy(x, tn::tensor({-100, 1, -100})); };
  const std::vector<double> gradient = numbers(tn::grad(loss)(logits));
  for (int i : {0, 1, 2, 6, 7, 8}) EXPECT_EQ(gradient[i], 0);
  EXPECT_LT(gradient[4], -0.5);
  EXPECT_TRUE(std::isnan(tn::cross_entropy(logits, tn::tensor({-100, -100, -100})).item<double>()));
}

}  // namespace
