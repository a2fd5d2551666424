// nn::attention against softmax and two products written out: lengths around tiles and blocks, masks, biases, heads that share keys, dropout,
// derivatives of both modes, lanes, free extents; what is hidden, and what is refused. That all routes have the interpreter's bits, and
// derivatives to the second order, is the battery's business.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenon/tests/function_case.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::booleans;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::message_of;
using tn::Tensor;
using tn::nn::attention;

namespace {

using Doubles = std::vector<double>;
constexpr double infinity = std::numeric_limits<double>::infinity();
Doubles numbers(const Tensor& t) { return t.to_vector<double>(); }
Tensor drawn(uint64_t seed, const std::vector<int64_t>& shape) {
  return tn::normal(tn::key(seed), shape).astype(tn::f64);
}

int64_t extent(const Tensor& x, int axis) { return x.shape()[static_cast<size_t>(x.ndim() + axis)].number(); }

// Rows of q as they are, keys and values repeated for the heads that share them.
Tensor composed(const Tensor& q, const Tensor& k, const Tensor& v, const tn::nn::AttentionOptions& o = {}) {
  const int64_t heads = extent(q, -3) / extent(k, -3);
  const auto repeated = [&](const Tensor& x) { return heads == 1 ? x : tn::repeat_interleave(x, heads, -3); };
  const double scale = o.scale ? *o.scale : 1 / std::sqrt(static_cast<double>(extent(q, -1)));
  Tensor s = tn::matmul(q, tn::swapaxes(repeated(k), -1, -2)) * scale;
  if (o.bias) s = s + o.bias.tensor();
  if (o.mask) s = tn::where(o.mask.tensor(), s, -infinity);
  if (o.causal) {
    const Tensor i = tn::arange(0, extent(q, -2)).reshape({-1, 1}), j = tn::arange(0, extent(k, -2));
    s = tn::where(j <= i, s, -infinity);
  }
  const Tensor p = tn::softmax(s, -1);
  return tn::matmul(o.dropout == 0 ? p : tn::random::dropout(o.key, p, o.dropout), repeated(v));
}

void expect_near(const Tensor& expected, const Tensor& actual, double tolerance, const std::string& what) {
  ASSERT_EQ(expected.shape(), actual.shape()) << what;
  const Doubles x = numbers(expected), y = numbers(actual);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], tolerance) << what << ", element " << i;
}

TEST(Attention, Battery) {
  const std::vector<Drawn> plain = {{{2, 3, 5, 4}}, {{2, 3, 7, 4}}, {{2, 3, 7, 2}}},
                           shared = {{{4, 5, 3}}, {{2, 6, 3}}, {{2, 6, 3}}},
                           masked = {{{2, 5, 3}}, {{2, 6, 3}}, {{2, 6, 4}}, booleans({5, 6})},
                           biased = {{{2, 5, 3}}, {{2, 6, 3}}, {{2, 6, 4}}, {{2, 1, 6}}};
  check_functions({
      {"attention", TENON_CALL(attention(x[0], x[1], x[2])), plain, {{{{1, 70, 5}}, {{1, 150, 5}}, {{1, 150, 3}}}}},
      {"attention",
       TENON_CALL(attention(x[0], x[1], x[2], {.causal = true, .scale = 0.7})),
       shared,
       {{{{1, 140, 5}}, {{1, 150, 5}}, {{1, 150, 3}}}}},
      {"attention", TENON_CALL(attention(x[0], x[1], x[2], {.mask = x[3]})), masked},
      {"attention", TENON_CALL(attention(x[0], x[1], x[2], {.causal = true, .bias = x[3]})), biased},
      {"attention", TENON_CALL(attention(x[0], x[1], x[2])), {{{5, 4}}, {{7, 4}}, {{7, 2}}}},
      {"attention",
       TENON_CALL(attention(x[0], x[1], x[2], {.dropout = 0.4, .key = tn::key(5)})),
       {{{2, 5, 3}}, {{2, 6, 3}}, {{2, 6, 4}}}},
      {"attention", TENON_CALL(attention(x[0], x[1], x[2])), {{{6, 2, 33}}, {{3, 9, 33}}, {{3, 9, 5}}}},
  });
}

TEST(Attention, IsSoftmaxOfProducts) {
  for (const bool causal : {false, true})
    for (const int64_t queries : {1, 15, 63, 64, 65, 130, 257})
      for (const int64_t keys : {1, 5, 64, 127, 128, 129, 300})
        for (const int64_t depth : {1, 3, 16, 32}) {
          const Tensor q = drawn(1, {2, queries, depth}), k = drawn(2, {2, keys, depth}),
                       v = drawn(3, {2, keys, depth + 1});
          const std::string what =
              std::to_string(queries) + " x " + std::to_string(keys) + " x " + std::to_string(depth);
          expect_near(composed(q, k, v, {.causal = causal}), attention(q, k, v, {.causal = causal}), 1e-12, what);
        }
}

TEST(Attention, MasksAndBiasesStretch) {
  const Tensor q = drawn(1, {2, 4, 70, 8}), k = drawn(2, {2, 2, 150, 8}), v = drawn(3, {2, 2, 150, 5});
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{2, 4, 70, 150}, {70, 150}, {150}, {2, 1, 1, 150}, {4, 70, 1}, {1}}) {
    const Tensor bias = drawn(4, shape), mask = drawn(5, shape) > -0.5;
    const std::string what = "a bias of rank " + std::to_string(shape.size());
    const tn::nn::AttentionOptions biased{.bias = bias, .scale = 0.4};
    expect_near(composed(q, k, v, biased), attention(q, k, v, biased), 1e-12, what);
    if (shape.size() == 1 || shape.back() == 1) continue;  // some rows have no key, which softmax makes NaN
    const tn::nn::AttentionOptions masked{.causal = false, .mask = mask, .bias = bias};
    expect_near(composed(q, k, v, masked), attention(q, k, v, masked), 1e-12, what + " with a mask");
  }
}

TEST(Attention, DerivativesAreThoseOfTheFormula) {
  const auto loss = [](auto f, const tn::nn::AttentionOptions& o, const Tensor& c) {
    return [=](const std::vector<Tensor>& x) { return tn::sum(f(x[0], x[1], x[2], o) * c); };
  };
  for (const bool causal : {false, true})
    for (const auto& [heads, queries, keys] :
         {std::tuple<int64_t, int64_t, int64_t>{2, 5, 7}, {4, 64, 128}, {2, 131, 129}, {4, 70, 200}}) {
      const tn::nn::AttentionOptions o{.causal = causal};
      const Tensor c = drawn(4, {heads, queries, 9});
      const std::vector<Tensor> x{drawn(1, {heads, queries, 6}), drawn(2, {2, keys, 6}), drawn(3, {2, keys, 9})};
      const auto own = [](const Tensor& q, const Tensor& k, const Tensor& v, const tn::nn::AttentionOptions& options) {
        return attention(q, k, v, options);
      };
      const auto expected = tn::grad(loss(composed, o, c))(x), actual = tn::jit(tn::grad(loss(own, o, c)))(x);
      for (size_t i = 0; i < 3; ++i)
        expect_near(expected[i], actual[i], 1e-11, "the gradient by " + std::string(1, "qkv"[i]));
      const std::vector<Tensor> t{drawn(5, {heads, queries, 6}), drawn(6, {2, keys, 6}), drawn(7, {2, keys, 9})};
      const auto of = [&](auto f) {
        return tn::jvp([&](const std::vector<Tensor>& y) { return f(y[0], y[1], y[2], o); }, x, t).second;
      };
      expect_near(of(composed), of(own), 1e-11, "the tangent");
    }
}

// Of few queries: all that read a head of keys go together.
TEST(Attention, FewQueries) {
  for (const int64_t heads : {1, 2, 8, 9})
    for (const int64_t queries : {1, 3})
      for (const int64_t keys : {1, 127, 128, 300}) {
        const Tensor q = drawn(1, {2, heads, queries, 36}), k = drawn(2, {2, 1, keys, 36}),
                     v = drawn(3, {2, 1, keys, 20}), bias = drawn(4, {heads, 1, keys}),
                     mask = drawn(5, {2, 1, queries, keys}) > -1;
        for (const tn::nn::AttentionOptions& o :
             {tn::nn::AttentionOptions{}, {.causal = true}, {.bias = bias}, {.dropout = 0.3, .key = tn::key(6)}})
          expect_near(composed(q, k, v, o), attention(q, k, v, o), 1e-12, std::to_string(keys) + " keys");
        if (keys > 1)
          expect_near(composed(q, k, v, {.mask = mask}), attention(q, k, v, {.mask = mask}), 1e-12, "a mask");
      }
}

TEST(Attention, DropoutIsThatOfItsKey) {
  const tn::nn::AttentionOptions o{.causal = true, .dropout = 0.3, .key = tn::key(9)};
  for (const int64_t keys : {20, 150, 131}) {
    const std::vector<Tensor> x{drawn(1, {2, 4, 70, 6}), drawn(2, {2, 2, keys, 6}), drawn(3, {2, 2, keys, 5})};
    const Tensor c = drawn(4, {2, 4, 70, 5});
    const auto own = [&](const std::vector<Tensor>& y) { return attention(y[0], y[1], y[2], o); };
    const auto written = [&](const std::vector<Tensor>& y) { return composed(y[0], y[1], y[2], o); };
    expect_near(written(x), own(x), 1e-12, "dropout");
    const auto loss = [&](auto f) { return [=](const std::vector<Tensor>& y) { return tn::sum(f(y) * c); }; };
    const auto expected = tn::grad(loss(written))(x), actual = tn::grad(loss(own))(x);
    for (size_t i = 0; i < 3; ++i) expect_near(expected[i], actual[i], 1e-11, "a gradient");
    const std::vector<Tensor> t{drawn(5, {2, 4, 70, 6}), drawn(6, {2, 2, keys, 6}), drawn(7, {2, 2, keys, 5})};
    expect_near(tn::jvp(written, x, t).second, tn::jvp(own, x, t).second, 1e-11, "the tangent");
  }
  // Halves and f32 draw the same, and another key other numbers.
  const Tensor q = drawn(1, {2, 5, 4}).astype(tn::f32), v = tn::ones({2, 5, 3});
  expect_near(composed(q, q, v, o), attention(q, q, v, o), 1e-5, "f32");
  const Tensor half = q.astype(tn::f16);
  expect_near(attention(q, q, v, o), attention(half, half, v.astype(tn::f16), o), 1e-2, "f16");
  EXPECT_NE(numbers(attention(q, q, v, o)),
            numbers(attention(q, q, v, {.causal = true, .dropout = 0.3, .key = tn::key(8)})));
  EXPECT_EQ(numbers(attention(q, q, v, {.dropout = 0, .key = tn::key(8)})), numbers(attention(q, q, v)));
}

// A lane is the call by itself, whether it shares the key or has its own.
TEST(Attention, LanesOfDropout) {
  const Tensor q = drawn(1, {3, 2, 6, 4}), k = drawn(2, {3, 2, 9, 4});
  const auto f = [](const Tensor& a, const Tensor& b, const Tensor& key) {
    return attention(a, b, b, {.dropout = 0.5, .key = key});
  };
  const Tensor keys = tn::stack(tn::split(tn::key(3), 3));
  const Tensor shared = tn::vmap(f, {.in_axes = {0, 0, tn::none}})(q, k, keys[0]), own = tn::vmap(f)(q, k, keys);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(numbers(shared[i]), numbers(f(q[i], k[i], keys[0])));
    EXPECT_EQ(numbers(own[i]), numbers(f(q[i], k[i], keys[i])));
  }
}

TEST(Attention, WhatIsHiddenIsNotSeen) {
  Tensor q = drawn(1, {1, 3, 2}), k = drawn(2, {1, 4, 2}), v = drawn(3, {1, 4, 2});
  const Tensor mask = tn::tensor({{true, true, false, false}, {false, false, false, false}, {true, true, true, true}});
  const Doubles out = numbers(attention(q, k, v, {.mask = mask}));
  EXPECT_EQ(out[2], 0);  // no key takes part
  EXPECT_EQ(out[3], 0);
  const auto gradients = tn::grad([&](const std::vector<Tensor>& x) {
    return tn::sum(attention(x[0], x[1], x[2], {.mask = mask}));
  })(std::vector<Tensor>{q, k, v});
  for (const Tensor& g : gradients)
    for (double d : numbers(g)) EXPECT_TRUE(std::isfinite(d));
  EXPECT_EQ(numbers(gradients[0])[2], 0);

  // Keys of later blocks may be anything.
  const int64_t n = 300;
  q = drawn(1, {1, n, 4}), k = drawn(2, {1, n, 4}), v = drawn(3, {1, n, 4});
  const Tensor before = attention(q, k, v, {.causal = true});
  const Tensor late = tn::arange(0, n).reshape({n, 1}) >= 192;
  const Tensor after = attention(q, tn::where(late, NAN, k), tn::where(late, NAN, v), {.causal = true});
  const Doubles x = numbers(before), y = numbers(after);
  for (size_t i = 0; i < x.size(); ++i) {
    if (i < 192 * 4)
      EXPECT_EQ(x[i], y[i]) << i;
    else
      EXPECT_TRUE(std::isnan(y[i])) << i;
  }
  EXPECT_TRUE(
      std::isnan(numbers(attention(tn::full({1, 1, 1}, infinity), tn::ones({1, 2, 1}), tn::ones({1, 2, 1})))[0]));
}

TEST(Attention, LanesAndFreeExtents) {
  const Tensor q = drawn(1, {3, 2, 40, 8}), k = drawn(2, {3, 2, 60, 8}), v = drawn(3, {3, 2, 60, 8});
  const auto f = [](const Tensor& a, const Tensor& b, const Tensor& c) { return attention(a, b, c, {.causal = true}); };
  const Tensor whole = f(q, k, v);
  EXPECT_EQ(numbers(tn::vmap(f)(q, k, v)), numbers(whole));
  const Tensor shared = tn::vmap(f, {.in_axes = {0, tn::none, tn::none}})(q, k[0], v[0]);
  EXPECT_EQ(numbers(shared[1]), numbers(f(q[1], k[0], v[0])));
  const auto traced = tn::trace(f, tn::spec({tn::dim("attention_batch"), 2, tn::dim("attention_queries"), 8}, tn::f64),
                                tn::spec({tn::dim("attention_batch"), 2, tn::dim("attention_keys"), 8}, tn::f64),
                                tn::spec({tn::dim("attention_batch"), 2, tn::dim("attention_keys"), 8}, tn::f64));
  EXPECT_EQ(numbers(traced({q, k, v})[0]), numbers(whole));
  EXPECT_EQ(numbers(traced({q[{tn::slice(0, 1)}], k[{tn::slice(0, 1)}], v[{tn::slice(0, 1)}]})[0]),
            numbers(whole[{tn::slice(0, 1)}]));
}

TEST(Attention, ExplainAdvisesIt) {
  const Tensor q = tn::ones({2, 32, 8}), k = tn::ones({2, 48, 8}), v = tn::ones({2, 48, 8});
  const auto written_out =
      tn::jit([](const Tensor& a, const Tensor& b, const Tensor& c) { return composed(a, b, c, {.causal = true}); });
  const auto own = tn::jit([](const Tensor& a, const Tensor& b, const Tensor& c) { return attention(a, b, c); });
  const auto plain =
      tn::jit([](const Tensor& a, const Tensor& b) { return tn::softmax(tn::matmul(a, tn::swapaxes(b, 1, 2)), -1); });
  EXPECT_HAS(written_out.lower(q, k, v).compile().explain(),
             "tn::nn::attention computes it without a matrix of scores");
  EXPECT_EQ(own.lower(q, k, v).compile().explain().find("matrix of scores"), std::string::npos);
  EXPECT_EQ(plain.lower(q, k).compile().explain().find("matrix of scores"), std::string::npos);
}

// Neither pass holds scores: memory grows with the lengths.
TEST(Attention, MemoryGrowsWithLengths) {
  const auto arena = [](int64_t n, bool gradient) {
    const Tensor x = tn::ones({1, n, 16});
    const auto loss = [](const Tensor& t) { return tn::sum(attention(t, t, t)); };
    const auto f = [](const Tensor& t) { return attention(t, t, t); };
    return gradient ? tn::jit(tn::grad(loss)).lower(x).compile().memory().arena_bytes
                    : tn::jit(f).lower(x).compile().memory().arena_bytes;
  };
  for (const bool gradient : {false, true}) {
    EXPECT_LE(arena(4096, gradient), 4 * arena(1024, gradient) + 4096 * 64);
    EXPECT_LT(arena(4096, gradient), 4096 * 16 * 4 * 20);
  }
}

TEST(Attention, Refusals) {
  const Tensor q = tn::ones({4, 5, 8}), k = tn::ones({2, 6, 8}), v = tn::ones({2, 6, 3});
  const auto says = [](auto call) { return message_of(call); };
  EXPECT_HAS(says([&] { attention(q, tn::ones({2, 6, 7}), v); }), "the depths of q and k, their last axes, differ");
  EXPECT_HAS(says([&] { attention(q, tn::ones({3, 6, 8}), tn::ones({3, 6, 3})); }), "or a multiple of them");
  EXPECT_HAS(says([&] { attention(q, k, tn::ones({2, 5, 3})); }), "one value for each key");
  EXPECT_HAS(says([&] { attention(q, k, tn::ones({1, 6, 3})); }), "different numbers of heads");
  EXPECT_HAS(says([&] { attention(q, tn::ones({1, 2, 6, 8}), v); }), "equally many axes");
  EXPECT_HAS(says([&] { attention(q.astype(tn::i32), k, v); }), "cast it with astype");
  EXPECT_HAS(says([&] { attention(q, k, v, {.mask = tn::ones({5, 6})}); }), ".mask is a bool tensor");
  EXPECT_HAS(says([&] { attention(q, k, v, {.mask = tn::ones({5, 7}) > 0}); }), ".mask stretches to the scores");
  EXPECT_HAS(says([&] { attention(q, k, v, {.bias = tn::ones({4, 5, 5})}); }), ".bias stretches to the scores");
  EXPECT_HAS(says([&] { attention(q, k, v, {.bias = tn::ones({5, 6}) > 0}); }), "which keys take part says .mask");
  EXPECT_HAS(says([&] { attention(q, tn::ones({2, 6, 7}), v); }), "attention_test.cc");
  EXPECT_HAS(says([&] { attention(q, k, v, {.dropout = 0.1}); }), ".dropout draws from a .key");
  EXPECT_HAS(says([&] { attention(q, k, v, {.dropout = 0.1, .key = k}); }), "a random key is u32[2]");
  for (const double p : {-0.1, 1.0, static_cast<double>(NAN)})
    EXPECT_HAS(says([&] { attention(q, k, v, {.dropout = p, .key = tn::key(1)}); }),
               ".dropout is a probability below 1");
}

}  // namespace
