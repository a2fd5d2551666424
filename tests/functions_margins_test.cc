// multilabel_margin_loss and triplet_margin_with_distance_loss beside their sums written out in double: values, gradients, kinks, rows that end
// early, labels given twice, lanes, free extents, halves, mistakes.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/tests/function_case.h"
#include "tenon/tests/loss_inputs.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

using Numbers = std::vector<double>;
Numbers values(const Tensor& t) { return t.to_vector<double>(); }

// The loss of each row, and its derivative by every score.
struct WrittenOut {
  Numbers loss, slope;
};
WrittenOut written_out(const Numbers& x, const std::vector<int64_t>& labels, size_t classes) {
  WrittenOut w{Numbers(x.size() / classes), Numbers(x.size())};
  for (size_t n = 0; n < w.loss.size(); ++n) {
    const size_t row = n * classes;
    std::vector<bool> is_label(classes);
    size_t count = 0;
    for (; count < classes && labels[row + count] >= 0; ++count)
      is_label[static_cast<size_t>(labels[row + count])] = true;
    for (size_t j = 0; j < count; ++j)
      for (size_t i = 0; i < classes; ++i) {
        const size_t own = row + static_cast<size_t>(labels[row + j]);
        const double part = 1 - (x[own] - x[row + i]), share = 1 / static_cast<double>(classes);
        if (is_label[i] || part <= 0) continue;
        w.loss[n] += part * share, w.slope[row + i] += share, w.slope[own] -= share;
      }
  }
  return w;
}

void expect_near(const Numbers& got, const Numbers& want, double within) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], within * (1 + std::fabs(want[i]))) << i;
}

// Rows with no label, with some, with one twice, with numbers behind their end, and full.
Tensor scores() { return wave({5, 4}, 0.3, 1.3); }
Tensor sets() { return tensor({{-1, 2, 3, 0}, {3, 0, -1, 1}, {2, 2, -1, -1}, {1, -1, 1, 1}, {3, 2, 1, 0}}); }

TEST(MultilabelMargin, IsTheSumWrittenOut) {
  const WrittenOut w = written_out(values(scores()), sets().to_vector<int64_t>(), 4);
  const auto each = [](const Tensor& x) { return multilabel_margin_loss(x, sets(), {.reduction = "none"}); };
  expect_near(values(each(scores())), w.loss, 1e-14);
  EXPECT_EQ(values(each(scores())), values(jit(each)(scores())));
  double sum_of = 0;
  for (const double l : w.loss) sum_of += l;
  EXPECT_NEAR(multilabel_margin_loss(scores(), sets(), {.reduction = "sum"}).item<double>(), sum_of, 1e-13);
  EXPECT_NEAR(nn::multilabel_margin_loss(scores(), sets()).item<double>(), sum_of / 5, 1e-13);
  const auto total = [&](const Tensor& x) { return sum(each(x)); };
  expect_near(values(grad(total)(scores())), w.slope, 1e-14);
  Tensor leaf = scores();
  leaf.set_requires_grad(true);
  total(leaf).backward();
  expect_near(values(leaf.grad()), w.slope, 1e-14);
  // One row alone, and one in torch's documentation: 0.25 * ((1 - (0.1 - 0.2)) + (1 - (0.1 - 0.4)) + (1 - (0.8 - 0.2)) + (1 - (0.8 - 0.4))).
  const Tensor one = tensor({0.1, 0.2, 0.4, 0.8});
  EXPECT_NEAR(multilabel_margin_loss(one, tensor({3, 0, -1, 1})).item<double>(), 0.85, 1e-15);
  EXPECT_EQ(multilabel_margin_loss(one, tensor({3, 0, -1, 1}), {.reduction = "none"}).ndim(), 0);
}

// At a margin that is just met the derivative is 0, as in PyTorch; infinite scores of classes make an infinite loss and no NaN elsewhere.
TEST(MultilabelMargin, KinksAndInfinities) {
  constexpr double infinity = INFINITY;
  const Tensor x = tensor({1.0, 0.0, -1.0}), label = tensor({0, -1, -1});
  EXPECT_EQ(multilabel_margin_loss(x, label).item<double>(), 0);
  EXPECT_EQ(values(grad([&](const Tensor& s) { return multilabel_margin_loss(s, label); })(x)), (Numbers{0, 0, 0}));
  EXPECT_EQ(multilabel_margin_loss(tensor({1.0, infinity, 0.0}), label).item<double>(), infinity);
  EXPECT_EQ(multilabel_margin_loss(tensor({infinity, 2.0, 0.0}), label).item<double>(), 0);
  EXPECT_EQ(multilabel_margin_loss(tensor({1.0, -infinity, 0.5}), label).item<double>(), 0.5 / 3);
}

const std::vector<FunctionCase> cases = {
    {"multilabel_margin_loss",
     TENON_CALL(multilabel_margin_loss(x[0], x[1], {.reduction = "none"})),
     {apart({3, 4}, -0.45, 0.45), integers({3, 4}, -1, 4)},
     {{{{0, 4}}, integers({0, 4}, -1, 4)}, {{{17, 9}}, integers({17, 9}, -1, 9)}, {{{5}}, integers({5}, -1, 5)}}},
    {"multilabel_margin_loss",
     TENON_CALL(multilabel_margin_loss(x[0], x[1])),
     {apart({4}, -0.45, 0.45), integers({4}, -1, 4)}},
};
TEST(MultilabelMargin, Battery) { check_functions(cases); }

TEST(MultilabelMargin, LanesAndFreeExtents) {
  const auto f = [](const Tensor& x, const Tensor& l) { return multilabel_margin_loss(x, l); };
  const Tensor x = stack({scores(), scores() * 0.5}), l = stack({sets(), flip(sets(), {0})});
  const Numbers lanes = values(jit(vmap(f))(x, l));
  EXPECT_NEAR(lanes[0], f(x[0], l[0]).item<double>(), 1e-15);
  EXPECT_NEAR(lanes[1], f(x[1], l[1]).item<double>(), 1e-15);
  const auto free = jit(f, {.dynamic = {{0, 0, dim("mm_rows", 1, 64)}, {1, 0, dim("mm_rows", 1, 64)}}});
  for (const int64_t n : {1, 3, 5})
    EXPECT_NEAR(free(x[0][{slice(0, n)}], l[0][{slice(0, n)}]).item<double>(),
                f(x[0][{slice(0, n)}], l[0][{slice(0, n)}]).item<double>(), 1e-15);
  // Inside a program a label that is no class makes the loss of its row NaN.
  const Numbers bad = values(jit([](const Tensor& s, const Tensor& of) {
    return multilabel_margin_loss(s, of, {.reduction = "none"});
  })(scores(), where(arange(0, 4) == 3, tensor({{4}, {0}, {-2}, {1}, {0}}), sets())));
  EXPECT_TRUE(std::isnan(bad[0]) && !std::isnan(bad[1]) && std::isnan(bad[2]) && !std::isnan(bad[3]));
}

TEST(MultilabelMargin, MistakesAreNamed) {
  EXPECT_HAS(message_of([] { multilabel_margin_loss(scores(), tensor({1, 0, 2, 3, 0})); }),
             "integer labels of their shape");
  EXPECT_HAS(message_of([] { multilabel_margin_loss(scores(), scores()); }), "integer labels of their shape");
  EXPECT_HAS(message_of([] { multilabel_margin_loss(scores(), sets() + 1); }), "label 4 of row 0 is no class");
  EXPECT_HAS(message_of([] { multilabel_margin_loss(scores(), sets() - 1); }), "label -2 of row 0");
  EXPECT_HAS(message_of([] { multilabel_margin_loss(scores(), sets(), {"avg"}); }),
             "multilabel_margin_loss: .reduction");
  EXPECT_HAS(message_of([] { multilabel_margin_loss(scores(), sets() + 1); }), "functions_margins_test.cc");
}

// ---- triplets by a distance of the caller's

Tensor city(const Tensor& a, const Tensor& b) { return sum(abs(a - b), {.axes = {-1}}); }

TEST(TripletWithDistance, IsTheSumWrittenOut) {
  const Tensor a = wave({3, 4}, 0.3, 1.3), p = wave({3, 4}, 1.1, 0.9), n = wave({3, 4}, 2.2, 0.7);
  const Numbers as = values(a), ps = values(p), ns = values(n);
  for (const bool swap : {false, true}) {
    Numbers want(3);
    for (size_t i = 0; i < 3; ++i) {
      double near = 0, far = 0, between = 0;
      for (size_t j = 4 * i; j < 4 * i + 4; ++j)
        near += std::fabs(as[j] - ps[j]), far += std::fabs(as[j] - ns[j]), between += std::fabs(ps[j] - ns[j]);
      want[i] = std::max(0.0, near - (swap ? std::min(far, between) : far) + 2.5);
    }
    const TripletMarginWithDistanceLoss o{.margin = 2.5, .swap = swap, .reduction = "none"};
    const auto f = [&](const Tensor& x, const Tensor& y, const Tensor& z) {
      return triplet_margin_with_distance_loss(x, y, z, city, o);
    };
    expect_near(values(f(a, p, n)), want, 1e-14);
    expect_near(values(jit(f)(a, p, n)), want, 1e-14);
    expect_near(values(vmap(f)(a, p, n)), want, 1e-14);
  }
  // By the distance that triplet_margin_loss has: its numbers and its derivatives.
  const auto by_function = [](const Tensor& x, const Tensor& y, const Tensor& z) {
    return triplet_margin_with_distance_loss(
        x, y, z, [](const Tensor& s, const Tensor& t) { return pairwise_distance(s, t); }, {.swap = true});
  };
  const auto own = [](const Tensor& x, const Tensor& y, const Tensor& z) {
    return nn::triplet_margin_loss(x, y, z, {.swap = true});
  };
  EXPECT_NEAR(by_function(a, p, n).item<double>(), own(a, p, n).item<double>(), 1e-15);
  const auto [ga, gp, gn] = grad<0, 1, 2>(by_function)(a, p, n);
  const auto [oa, op, on] = grad<0, 1, 2>(own)(a, p, n);
  expect_near(values(ga), values(oa), 1e-14);
  expect_near(values(gp), values(op), 1e-14);
  expect_near(values(gn), values(on), 1e-14);
}

TEST(TripletWithDistance, MistakesAreNamed) {
  const Tensor a = ones({3, 4});
  EXPECT_HAS(message_of([&] { triplet_margin_with_distance_loss(a, a, a, city, {.reduction = "avg"}); }),
             "triplet_margin_with_distance_loss: .reduction");
  EXPECT_HAS(message_of([&] { triplet_margin_with_distance_loss(a, a, a, city, {.reduction = "avg"}); }),
             "functions_margins_test.cc");
  EXPECT_HAS(message_of([&] { triplet_margin_with_distance_loss(a, a, ones({3, 5}), city); }),
             "functions_margins_test.cc");
}

}  // namespace
}  // namespace tenon::testing
