// Losses at infinite and extreme operands and at kinks; labels that are no class; mistakes; free extents.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/tests/loss_inputs.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

using Numbers = std::vector<double>;
Numbers values(const Tensor& t) { return t.to_vector<double>(); }

// Where an operand is large or infinite, or stands at a kink: loss and gradient element by element, of PyTorch 1.13 in f64. NaN stands where
// PyTorch has one too; what it has beyond a finite answer (soft_margin_loss) is better here.
struct Point {
  const char* name;
  Tensor (*call)(const Tensor&);
  Numbers at, loss, slope;
};
constexpr double inf = INFINITY, none = NAN;
const Numbers far = {1e4, -1e4, 0, inf, -inf};

const Numbers edge = {1e4, -1e4, 0, inf, -inf, 1, -1}, unit = {0, 1, 1e-300, 0.5};
constexpr double steep = 1000000003995.8029;
const Point points[] = {
    {"mse",
     [](const Tensor& x) { return mse_loss(x, 0, {"none"}); },
     far,
     {1e8, 1e8, 0, inf, inf},
     {2e4, -2e4, 0, inf, -inf}},
    {"l1", [](const Tensor& x) { return l1_loss(x, 0, {"none"}); }, far, {1e4, 1e4, 0, inf, inf}, {1, -1, 0, 1, -1}},
    {"huber",
     [](const Tensor& x) { return huber_loss(x, 0, {.reduction = "none"}); },
     edge,
     {9999.5, 9999.5, 0, inf, inf, 0.5, 0.5},
     {1, -1, 0, 1, -1, 1, -1}},
    {"smooth_l1",
     [](const Tensor& x) { return smooth_l1_loss(x, 0, {.reduction = "none"}); },
     edge,
     {9999.5, 9999.5, 0, inf, inf, 0.5, 0.5},
     {1, -1, 0, 1, -1, 1, -1}},
    {"bce of 0",
     [](const Tensor& x) { return binary_cross_entropy(x, 0, {.reduction = "none"}); },
     unit,
     {0, 100, 0, 0.6931471805599453},
     {0, steep, steep * 1e-300, 2}},
    {"bce of 1",
     [](const Tensor& x) { return binary_cross_entropy(x, 1, {.reduction = "none"}); },
     unit,
     {100, 0, 100, 0.6931471805599453},
     {-steep, 0, -steep, -2}},
    {"bce of 1/2",
     [](const Tensor& x) { return binary_cross_entropy(x, 0.5, {.reduction = "none"}); },
     unit,
     {50, 50, 50, 0.6931471805599453},
     {-steep / 2, steep / 2, -steep / 2, 0}},
    {"logits, 0",
     [](const Tensor& x) { return binary_cross_entropy_with_logits(x, 0, {.reduction = "none"}); },
     far,
     {1e4, 0, 0.6931471805599453, inf, none},
     {1, 0, 0.5, 1, 0}},
    {"logits, 1",
     [](const Tensor& x) { return binary_cross_entropy_with_logits(x, 1, {.reduction = "none"}); },
     far,
     {0, 1e4, 0.6931471805599453, none, none},
     {0, -1, -0.5, 0, -1}},
    {"logits, 1/2",
     [](const Tensor& x) { return binary_cross_entropy_with_logits(x, 0.5, {.reduction = "none"}); },
     far,
     {5e3, 5e3, 0.6931471805599453, inf, none},
     {0.5, -0.5, 0, 0.5, -0.5}},
    {"kl of 1",
     [](const Tensor& x) { return kl_div(x, 1, {.reduction = "none"}); },
     far,
     {-1e4, 1e4, 0, -inf, inf},
     {-1, -1, -1, -1, -1}},
    {"kl of 0",
     [](const Tensor& x) { return kl_div(x, 0, {.reduction = "none"}); },
     far,
     {0, 0, 0, 0, 0},
     {0, 0, 0, 0, 0}},  // PyTorch: NaN at infinities
    {"soft margin",
     [](const Tensor& x) { return soft_margin_loss(x, 1, {"none"}); },
     far,
     {0, 1e4, 0.6931471805599453, 0, inf},
     {0, -1, -0.5, 0, -1}},
    {"hinge, 1",
     [](const Tensor& x) { return hinge_embedding_loss(x, 1, {.reduction = "none"}); },
     edge,
     {1e4, -1e4, 0, inf, -inf, 1, -1},
     {1, 1, 1, 1, 1, 1, 1}},
    {"hinge, -1",
     [](const Tensor& x) { return hinge_embedding_loss(x, -1, {.reduction = "none"}); },
     edge,
     {0, 10001, 1, 0, inf, 0, 2},
     {0, -1, -1, 0, -1, -1, -1}},
    {"ranking",
     [](const Tensor& x) { return margin_ranking_loss(x, 0, 1, {.reduction = "none"}); },
     far,
     {0, 1e4, 0, 0, inf},
     {0, -1, -1, 0, -1}},
    {"poisson",
     [](const Tensor& x) { return poisson_nll_loss(x, 1, {.full = true, .reduction = "none"}); },
     {-1e4, 0, -inf, 1},
     {1e4, 1, inf, 1.718281828459045},
     {-1, 0, -1, 1.718281828459045}},
    {"cross_entropy, 0", [](const Tensor& x) { return cross_entropy(x, int64_t{0}); }, {1e4, -1e4, 0}, {0}, {0, 0, 0}},
    {"cross_entropy, 1",
     [](const Tensor& x) { return cross_entropy(x, int64_t{1}); },
     {1e4, -1e4, 0},
     {2e4},
     {1, -1, 0}},
    {"cross_entropy beside -inf",
     [](const Tensor& x) { return cross_entropy(x, int64_t{0}); },
     {0, -inf, 1},
     {1.3132616875182228},
     {-0.7310585786300049, 0, 0.7310585786300049}},
    {"cross_entropy of -inf",
     [](const Tensor& x) { return cross_entropy(x, int64_t{1}); },
     {0, -inf, 1},
     {inf},
     {0.2689414213699951, -1, 0.7310585786300049}},
    {"multi_margin at a tie",
     [](const Tensor& x) { return multi_margin_loss(x, int64_t{0}); },
     {1, 0, 2},
     {2.0 / 3},
     {-1.0 / 3, 0, 1.0 / 3}},
    {"cosine of zeros",
     [](const Tensor& x) { return cosine_similarity(x, tensor({1.0, 2.0}), {.dim = 0}); },
     {0, 0},
     {0},
     {44721359.549995795, 89442719.09999159}},
    {"cosine embedding of zeros",
     [](const Tensor& x) { return cosine_embedding_loss(x, tensor({1.0, 2.0}), 1, {.reduction = "none"}); },
     {0, 0},
     {1},
     {-447213.5963934019, -894427.1927868038}},
    {"triplet of one point",
     [](const Tensor& x) { return triplet_margin_loss(tensor({1.0, 1.0}), x, tensor({1.0, 1.0})); },
     {1, 1},
     {1},
     {-0.7071067811865476, -0.7071067811865476}},
};

TEST(Losses, ExtremesAndKinks) {
  const auto expect = [](const Numbers& got, const Numbers& want, const char* what) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      if (std::isnan(want[i]) || std::isinf(want[i]))
        EXPECT_TRUE(std::isnan(want[i]) ? std::isnan(got[i]) : got[i] == want[i]) << what << ' ' << i << ": " << got[i];
      else
        EXPECT_NEAR(got[i], want[i], 1e-11 * std::fabs(want[i]) + 1e-300) << what << ' ' << i;
    }
  };
  for (const Point& point : points) {
    SCOPED_TRACE(point.name);
    const Tensor x = tensor(point.at);
    expect(values(point.call(x)), point.loss, "loss");
    expect(values(grad([&](const Tensor& t) { return sum(point.call(t)); })(x)), point.slope, "slope");
  }
}

// ---- doors

TEST(Losses, LabelsOutsideAreRefusedOrNaN) {
  const Tensor x = wave({2, 3, 2}, 0, 1), bad = tensor({{0, 3}, {1, -100}});
  EXPECT_HAS(message_of([&] { cross_entropy(x, bad); }), "label 3 of row 1");
  EXPECT_HAS(message_of([&] { nll_loss(x, bad); }), "nll_loss: label 3");
  EXPECT_HAS(message_of([&] { multi_margin_loss(wave({1, 3}, 0, 1), tensor({-1})); }), "label -1");
  const Numbers rows =
      values(jit([](const Tensor& a, const Tensor& l) { return cross_entropy(a, l, {.reduction = "none"}); })(x, bad));
  EXPECT_TRUE(!std::isnan(rows[0]) && std::isnan(rows[1]) && !std::isnan(rows[2]) && rows[3] == 0);
}

TEST(Losses, MistakesAreNamed) {
  const Tensor x = wave({3, 4}, 0, 1);
  EXPECT_HAS(message_of([&] { mse_loss(x, x, {"avg"}); }),
             "mse_loss: .reduction is \"mean\", \"sum\" or \"none\", and is \"avg\"");
  EXPECT_HAS(message_of([&] { mse_loss(x, wave({3, 5}, 0, 1)); }), "mse_loss");
  EXPECT_HAS(message_of([&] { kl_div(1, 2, {.reduction = "batchmean"}); }), "batchmean");
  EXPECT_HAS(message_of([&] { huber_loss(x, x, {.delta = 0}); }), ".delta is above 0");
  EXPECT_HAS(message_of([&] { smooth_l1_loss(x, x, {.beta = -1}); }), ".beta is 0 or more");
  EXPECT_HAS(message_of([&] { cross_entropy(x, labels(), {.weight = ones({3})}); }), ".weight is one number per class");
  EXPECT_HAS(message_of([&] { cross_entropy(x, labels(), {.label_smoothing = 2}); }),
             ".label_smoothing lies in [0, 1]");
  EXPECT_HAS(message_of([&] { cross_entropy(x, tensor({0, 1})); }), "integer labels");
  EXPECT_HAS(message_of([&] { cross_entropy(x, ones({3})); }), "labels.astype(tn::i64)");
  EXPECT_HAS(message_of([&] { cross_entropy(x, one_hot(labels(), 4, i64)); }), "tn::argmax(labels, axis)");
  EXPECT_HAS(message_of([&] { nll_loss(x, labels().reshape({3, 1})); }), "tn::squeeze(labels, -1)");
  EXPECT_HAS(message_of([&] { huber_loss(x, x, {.delta = -1}); }), "and not -1");
  EXPECT_HAS(message_of([&] { multi_margin_loss(x, labels(), {.p = 3}); }), ".p is 1 or 2");
  EXPECT_HAS(message_of([&] { cosine_similarity(x, x, {.dim = 2}); }), "cosine_similarity");
  EXPECT_HAS(message_of([&] { cosine_embedding_loss(x, x, ones({2})); }), "one number for each pair");
  EXPECT_HAS(message_of([&] { triplet_margin_loss(x, x, x, {.p = -1}); }), ".p is 0 or more");
  EXPECT_HAS(message_of([&] { l1_loss(complex(x, x), x); }), "losses_points_test.cc");
}

// Sizes that are known when the program runs.
TEST(Losses, FreeExtents) {
  const auto f = [](const Tensor& a, const Tensor& l) {
    return cross_entropy(a, l, {.weight = w(), .label_smoothing = 0.1}) + mse_loss(a, 0.5) +
           kl_div(a, a * a, {.reduction = "batchmean"});
  };
  const Dim rows = dim("rows", 1, 64);
  const auto program = jit(f, {.dynamic = {{0, 0, rows}, {1, 0, rows}}});
  for (const int64_t n : {1, 3, 17}) {
    const Tensor x = wave({n, 4}, 0.2, 1.3), l = arange(0, n) % 4;
    EXPECT_NEAR(program(x, l).item<double>(), f(x, l).item<double>(), 1e-13);
  }
}

}  // namespace
}  // namespace tenon::testing
