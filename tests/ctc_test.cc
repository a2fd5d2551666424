// ctc_loss beside PyTorch and beside the sum over every alignment, written out; gradients, lengths, batches, halves, what cannot be.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <functional>

#include "tenon/tests/loss_inputs.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

using Numbers = std::vector<double>;
Numbers values(const Tensor& t) { return t.to_vector<double>(); }
double weighed(const Numbers& x, double a) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * std::cos(a * static_cast<double>(i));
  return sum;
}

Tensor logits() { return wave({6, 3, 4}, 0.3, 1.3); }
Tensor targets() { return tensor({{1, 1, 2}, {3, 0, 0}, {2, 1, 3}}); }
Tensor steps() { return tensor({6, 4, 5}); }
Tensor lengths() { return tensor({3, 1, 2}); }

// PyTorch 1.13 in f64: F.ctc_loss(log_softmax(x, -1), ...): sum(loss * cos(0.4 i)) and, of the gradient by x of that, sum(grad * cos(0.7 i)).
TEST(Ctc, IsPyTorchs) {
  const struct {
    const char* name;
    std::function<Tensor(const Tensor&)> loss;
    double value, slope;
  } rows[] = {
      {"mean", [](const Tensor& l) { return ctc_loss(l, targets(), steps(), lengths()); }, 3.077569191849689,
       -0.09164762089975756},
      {"sum", [](const Tensor& l) { return ctc_loss(l, targets(), steps(), lengths(), {.reduction = "sum"}); },
       15.924682781666467, -0.5602447303865425},
      {"none", [](const Tensor& l) { return nn::ctc_loss(l, targets(), steps(), lengths(), {.reduction = "none"}); },
       13.769205728309712, -0.5286476260073298},
      {"blank 3",
       [](const Tensor& l) {
         return ctc_loss(l, tensor({{1, 1, 2}, {0, 9, 9}, {2, 1, 0}}), steps(), tensor({3, 1, 0}),
                         {.blank = 3, .reduction = "none"});
       },
       13.41710904724085, -0.14210416401116494},
      {"impossible counts 0",
       [](const Tensor& l) {
         return ctc_loss(l, targets(), tensor({3, 4, 5}), lengths(), {.reduction = "none", .zero_infinity = true});
       },
       8.203296296168542, -0.15664652781003174},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const auto f = [&](const Tensor& x) { return row.loss(log_softmax(x, -1)); };
    const Numbers eager = values(f(logits()));
    EXPECT_EQ(eager, values(jit(f)(logits())));
    EXPECT_NEAR(weighed(eager, 0.4), row.value, 1e-11 * row.value);
    const auto slope = jit(grad([&](const Tensor& x) {
      const Tensor r = f(x).reshape({-1});
      return sum(r * cos(0.4 * arange(0, r.shape()[0].number(), 1, {.dtype = f64})));
    }));
    EXPECT_NEAR(weighed(values(slope(logits())), 0.7), row.slope, 1e-11);
  }
  const Tensor one = log_softmax(logits(), -1)[{all, 0}];
  EXPECT_NEAR(ctc_loss(one, tensor({1, 2}), 6, 2).item<double>(), 2.679815011622374, 1e-12);
}

// The sum over all sequences of classes that become the targets when repeats and blanks are left out.
double written_out(const Numbers& logs, int64_t time, int64_t classes, const std::vector<int64_t>& want) {
  int64_t count = 1;
  for (int64_t t = 0; t < time; ++t) count *= classes;
  double total = 0;
  for (int64_t path = 0; path < count; ++path) {
    std::vector<int64_t> read;
    double log = 0;
    int64_t rest = path, before = -1;
    for (int64_t t = 0; t < time; ++t, rest /= classes) {
      const int64_t c = rest % classes;
      log += logs[static_cast<size_t>(t * classes + c)];
      if (c != 0 && c != before) read.push_back(c);
      before = c;
    }
    if (read == want) total += std::exp(log);
  }
  return -std::log(total);
}

TEST(Ctc, IsTheSumOverAllAlignments) {
  const std::vector<std::vector<int64_t>> all_targets = {{}, {1}, {1, 1}, {2, 1}, {1, 2, 1}, {2, 2, 2}, {1, 1, 2, 2}};
  const Tensor logs = log_softmax(wave({6, 3}, 0.4, 0.9), -1);
  for (const auto& want : all_targets) {
    std::vector<int64_t> padded = want;
    padded.resize(4, 77);
    const double loss =
        ctc_loss(logs, tensor(padded), 6, static_cast<int64_t>(want.size()), {.reduction = "sum"}).item<double>();
    const double exact = written_out(values(logs), 6, 3, want);
    if (std::isinf(exact))
      EXPECT_EQ(loss, exact);
    else
      EXPECT_NEAR(loss, exact, 1e-12 * (1 + exact)) << want.size();
  }
  EXPECT_NEAR(ctc_loss(logs, zeros({0}, {.dtype = i64}), 6, 0).item<double>(), written_out(values(logs), 6, 3, {}),
              1e-12);
}

// By log_probs themselves, not by logits: the probability that a path goes through each, negated.
TEST(Ctc, TheGradientIsTheFunctions) {
  const Tensor logs = log_softmax(logits(), -1);
  const auto loss = [](const Tensor& l) { return ctc_loss(l, targets(), steps(), lengths(), {.reduction = "sum"}); };
  const Numbers g = values(jit(grad(loss))(logs)), at = values(logs);
  const auto f = jit(loss);
  for (size_t i = 0; i < at.size(); ++i) {
    const auto moved = [&](double by) {
      Numbers x = at;
      x[i] += by;
      return f(tensor(x).reshape(logs.shape())).item<double>();
    };
    EXPECT_NEAR(g[i], (moved(1e-6) - moved(-1e-6)) / 2e-6, 1e-8) << i;
  }
  const size_t used[] = {6, 4, 5};
  for (size_t n = 0; n < 3; ++n)
    for (size_t t = 0; t < 6; ++t) {
      double sum = 0;
      for (size_t c = 0; c < 4; ++c) sum += g[(t * 3 + n) * 4 + c];
      EXPECT_NEAR(sum, t < used[n] ? -1 : 0, 1e-12) << t << ' ' << n;
    }
}

TEST(Ctc, ImpossibleProbabilitiesBatchesAndHalves) {
  Tensor logs = log_softmax(logits(), -1);
  const auto each = [](const Tensor& l) {
    return ctc_loss(l, targets(), tensor({3, 4, 5}), lengths(), {.reduction = "none"});
  };
  EXPECT_EQ(values(each(logs))[0], INFINITY);
  for (const double g : values(jit(grad([&](const Tensor& l) { return sum(each(l)); }))(logs)))
    EXPECT_FALSE(std::isnan(g));
  // A class that never is: -inf among the logarithms.
  const Tensor masked = where(arange(0, 4) == 1, -INFINITY, logs);
  const Numbers with = values(ctc_loss(masked, targets(), steps(), lengths(), {.reduction = "none"}));
  EXPECT_EQ(with[0], INFINITY);
  EXPECT_FALSE(std::isinf(with[1]) || std::isnan(with[1]));
  const Tensor lanes =
      vmap([](const Tensor& l) { return ctc_loss(l, targets(), steps(), lengths()); })(stack({logs, logs * 0.5}));
  EXPECT_NEAR(values(lanes)[1], ctc_loss(logs * 0.5, targets(), steps(), lengths()).item<double>(), 1e-13);
  const Tensor half = ctc_loss(logs.astype(bf16), targets(), steps(), lengths());
  EXPECT_EQ(half.dtype(), bf16);
  EXPECT_NEAR(half.item<double>(), 3.077569191849689, 0.05);
}

// Targets that stand one behind the other are the padded ones: eagerly to the bit, and inside a program.
TEST(Ctc, TargetsOneBehindTheOther) {
  const Tensor joined = tensor({1, 1, 2, 3, 2, 1});  // of 3, 1 and 2 labels
  for (const char* reduction : {"none", "sum", "mean"})
    for (const bool zero : {false, true}) {
      const CtcLoss o{.reduction = reduction, .zero_infinity = zero};
      const auto f = [o](const Tensor& x, const Tensor& all, const Tensor& t, const Tensor& s) {
        return ctc_loss(log_softmax(x, -1), all, t, s, o);
      };
      const Tensor t = tensor({3, 4, 5});  // the first is impossible
      const Numbers want = values(f(logits(), targets(), t, lengths()));
      EXPECT_EQ(values(f(logits(), joined, t, lengths())), want);
      const Numbers jitted = values(jit(f)(logits(), joined, t, lengths()));
      for (size_t i = 0; i < want.size(); ++i)
        EXPECT_TRUE(jitted[i] == want[i] || std::fabs(jitted[i] - want[i]) < 1e-13) << jitted[i];
      if (o.reduction != "mean") continue;
      const auto slope = [&](const Tensor& labels) {
        return values(jit(grad([&](const Tensor& x) { return f(x, labels, steps(), lengths()); }))(logits()));
      };
      const Numbers wanted = slope(targets()), got = slope(joined);
      for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-14) << i;
    }
  // A sequence without labels, and none with any; free numbers of labels; lanes.
  const Tensor l = log_softmax(logits(), -1);
  const auto f = [](const Tensor& x, const Tensor& all, const Tensor& s) { return ctc_loss(x, all, steps(), s); };
  const Tensor none = zeros({0}, {.dtype = i64}), zero = tensor({0, 0, 0});
  EXPECT_EQ(values(f(l, none, zero)), values(f(l, zeros({3, 0}, {.dtype = i64}), zero)));
  EXPECT_NEAR(jit(f)(l, none, zero).item<double>(), f(l, none, zero).item<double>(), 1e-13);
  const auto free = jit(f, {.dynamic = {{1, 0, dim("ctc_labels", 1, 64)}}});
  const Tensor some = tensor({2, 0, 1});
  EXPECT_NEAR(free(l, tensor({1, 2, 3}), some).item<double>(),
              f(l, tensor({{1, 2}, {0, 0}, {3, 0}}), some).item<double>(), 1e-13);
  EXPECT_NEAR(free(l, joined, lengths()).item<double>(), f(l, joined, lengths()).item<double>(), 1e-13);
  const Tensor lanes = vmap(f)(stack({l, l * 0.5}), stack({joined, flip(joined, {0})}), stack({lengths(), lengths()}));
  EXPECT_NEAR(values(lanes)[0], f(l, joined, lengths()).item<double>(), 1e-13);
  EXPECT_NEAR(values(lanes)[1], f(l * 0.5, flip(joined, {0}), lengths()).item<double>(), 1e-13);
}

// What does not fit is NaN inside a program, and leaves other sequences alone.
TEST(Ctc, MisfitsInsideAProgramAreNaN) {
  const auto f = jit([](const Tensor& x, const Tensor& y, const Tensor& t, const Tensor& s) {
    return ctc_loss(log_softmax(x, -1), y, t, s, {.reduction = "none"});
  });
  const auto nans = [&](const Tensor& y, const Tensor& t, const Tensor& s) {
    std::string text;
    for (const double v : values(f(logits(), y, t, s))) text += std::isnan(v) ? 'n' : '-';
    return text;
  };
  const Tensor joined = tensor({1, 1, 2, 3, 2, 1});
  EXPECT_EQ(nans(targets(), steps(), lengths()), "---");
  EXPECT_EQ(nans(targets(), tensor({7, 4, -1}), lengths()), "n-n");
  EXPECT_EQ(nans(targets(), steps(), tensor({4, 1, -1})), "n-n");
  EXPECT_EQ(nans(targets(), steps(), tensor({3, 2, 2})), "-n-");  // a label is the blank
  EXPECT_EQ(nans(targets() + 1, steps(), lengths()), "-n-");
  EXPECT_EQ(nans(joined, steps(), lengths()), "---");
  EXPECT_EQ(nans(joined, steps(), tensor({3, 1, 1})), "nnn");
  EXPECT_EQ(nans(tensor({1, 1, 2, 9, 2, 1}), steps(), lengths()), "-n-");
}

TEST(Ctc, MistakesAreNamed) {
  const Tensor l = log_softmax(logits(), -1);
  EXPECT_HAS(message_of([&] { ctc_loss(l, targets(), tensor({7, 4, 5}), lengths()); }), "input length 7");
  EXPECT_HAS(message_of([&] { ctc_loss(l, targets(), steps(), tensor({4, 1, 2})); }), "target length 4");
  EXPECT_HAS(message_of([&] { ctc_loss(l, targets(), steps(), tensor({3, 2, 2})); }),
             "label 0 is the blank of sequence 1");
  EXPECT_HAS(message_of([&] { ctc_loss(l, targets() + 2, steps(), lengths()); }), "is no class");
  EXPECT_HAS(message_of([&] { ctc_loss(l, targets(), steps(), lengths(), {.blank = 4}); }), ".blank is a class");
  EXPECT_HAS(message_of([&] { ctc_loss(l, targets().reshape({3, 3, 1}), steps(), lengths()); }), "padded");
  EXPECT_HAS(message_of([&] { ctc_loss(l, tensor({1, 2, 3}), steps(), lengths()); }),
             "one behind the other, are i32[3], and target_lengths sum to 6");
  EXPECT_HAS(message_of([&] { ctc_loss(l, tensor({1, 2, 3}), steps(), tensor({1, -1, 3})); }),
             "target length -1 is below 0");
  EXPECT_HAS(message_of([&] { ctc_loss(l, tensor({1, 2, 3}), steps(), tensor({INT64_MAX, INT64_MAX, int64_t{3}})); }),
             "sum to 9223372036854775807");
  EXPECT_HAS(message_of([&] { ctc_loss(l, tensor({1, 1, 2, 0, 2, 1}), steps(), lengths()); }),
             "label 0 is the blank of sequence 1");
  EXPECT_HAS(message_of([&] { ctc_loss(l, targets(), steps(), lengths(), {.reduction = "avg"}); }), "reduction");
}

}  // namespace
}  // namespace tenon::testing
