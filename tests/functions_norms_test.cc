// Norms over several axes beside their formula written out in double and, to the bit, beside the norm of one axis that holds the same elements;
// running statistics that are the plain mean of all batches.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/tests/function_case.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

using Numbers = std::vector<double>;
Numbers values(const Tensor& t) { return t.to_vector<double>(); }
Tensor drawn(uint64_t seed, const Extents& shape, DType dtype = f64) { return normal(key(seed), shape, {dtype}); }

// Blocks of so many elements: (x - mean) / sqrt(var + epsilon) * weight + bias, or x / sqrt(mean(x^2) + epsilon) * weight.
Numbers written_out(const Numbers& x, size_t block, const Numbers& weight, const Numbers& bias, double epsilon,
                    bool centred) {
  Numbers y(x.size());
  for (size_t from = 0; from < x.size(); from += block) {
    double mean = 0, square = 0;
    for (size_t i = 0; centred && i < block; ++i) mean += x[from + i] / static_cast<double>(block);
    for (size_t i = 0; i < block; ++i) square += std::pow(x[from + i] - mean, 2) / static_cast<double>(block);
    for (size_t i = 0; i < block; ++i)
      y[from + i] = (x[from + i] - mean) / std::sqrt(square + epsilon) * weight[i] + bias[i];
  }
  return y;
}

void expect_near(const Numbers& got, const Numbers& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-13 * (1 + std::fabs(want[i]))) << i;
}

TEST(NormsOverAxes, AreTheFormulaWrittenOut) {
  const Tensor x = drawn(1, {3, 2, 4, 5}), w = drawn(2, {4, 5}), b = drawn(3, {4, 5});
  const Numbers none(20, 0.0), all(20, 1.0);
  expect_near(values(layer_norm(x, {4, 5}, {.weight = w, .bias = b, .epsilon = 1e-3})),
              written_out(values(x), 20, values(w), values(b), 1e-3, true));
  expect_near(values(layer_norm(x, {4, 5})), written_out(values(x), 20, all, none, 1e-5, true));
  expect_near(values(rms_norm(x, {4, 5}, {.weight = w, .eps = 1e-3})),
              written_out(values(x), 20, values(w), none, 1e-3, false));
  expect_near(values(nn::rms_norm(x, {4, 5})), written_out(values(x), 20, all, none, 1e-6, false));
  expect_near(values(nn::layer_norm(x, x.shape())),
              written_out(values(x), 120, Numbers(120, 1), Numbers(120, 0), 1e-5, true));
  expect_near(values(rms_norm(x, {5})), written_out(values(x), 5, all, none, 1e-6, false));
}

// The bits of the norm of one axis, eagerly and jitted, of values and of derivatives.
TEST(NormsOverAxes, HaveTheBitsOfOneAxis) {
  for (const DType dtype : {f32, f64, bf16}) {
    const Tensor x = drawn(4, {3, 4, 5}, dtype), w = drawn(5, {4, 5}, dtype), b = drawn(6, {4, 5}, dtype);
    const auto compare = [&](const auto& several, const auto& one) {
      EXPECT_EQ(values(several(x, w, b)), values(one(x, w, b)));
      EXPECT_EQ(values(jit(several)(x, w, b)), values(one(x, w, b)));
      const auto slope = [&](const auto& f) {
        return jit(grad([f](const Tensor& v, const Tensor& s, const Tensor& t) { return sum(sin(f(v, s, t))); }))(x, w,
                                                                                                                  b);
      };
      EXPECT_EQ(values(slope(several)), values(slope(one)));
    };
    using T = const Tensor&;
    compare([](T v, T s, T t) { return layer_norm(v, {4, 5}, {.weight = s, .bias = t}); },
            [](T v, T s, T t) {
              return layer_norm(v.reshape({3, 20}), s.reshape({20}), t.reshape({20})).reshape({3, 4, 5});
            });
    compare([](T v, T s, T) { return rms_norm(v, {4, 5}, {.weight = s}); },
            [](T v, T s, T) { return rms_norm(v.reshape({3, 20}), s.reshape({20})).reshape({3, 4, 5}); });
    // A shape of one axis is the form of one axis.
    EXPECT_EQ(values(layer_norm(x, {5}, {.weight = w[0], .bias = b[0]})), values(layer_norm(x, w[0], b[0])));
    EXPECT_EQ(values(rms_norm(x, {5}, {.weight = w[0]})), values(rms_norm(x, w[0])));
  }
}

const std::vector<FunctionCase> cases = {
    {"layer_norm",
     TENON_CALL(layer_norm(x[0], x[1].shape(), {.weight = x[1], .bias = x[2]})),
     {apart({2, 2, 3}), {{2, 3}}, {{2, 3}}},
     {{{{0, 2, 3}}, {{2, 3}}, {{2, 3}}}, {{{7, 30}}, {{7, 30}}, {{7, 30}}}}},
    {"layer_norm", TENON_CALL(layer_norm(x[0], {2, 3})), {apart({2, 2, 3})}},
    {"rms_norm",
     TENON_CALL(rms_norm(x[0], x[1].shape(), {.weight = x[1]})),
     {apart({2, 2, 3}), {{2, 3}}},
     {{{{2, 2, 1}}, {{2, 1}}}}},
};
TEST(NormsOverAxes, Battery) { check_functions(cases); }

TEST(NormsOverAxes, Layers) {
  const Tensor x = drawn(7, {3, 4, 5}, f32);
  const nn::LayerNorm l = nn::layer_norm({4, 5}, {.epsilon = 1e-3});
  EXPECT_EQ(l.weight.shape(), (Shape{4, 5}));
  EXPECT_EQ(l.width, 20);
  EXPECT_EQ(values(l(x)), values(layer_norm(x, {4, 5}, {.epsilon = 1e-3})));
  EXPECT_EQ(values(nn::rms_norm({4, 5})(x)), values(rms_norm(x, {4, 5})));
  EXPECT_EQ(values(nn::layer_norm({4, 5}, {.affine = false})(x)), values(layer_norm(x, {4, 5})));
  EXPECT_FALSE(nn::layer_norm({4, 5}, {.bias = false}).bias.defined());
  // Of one axis: the layer of a width.
  EXPECT_EQ(nn::layer_norm(std::vector<int64_t>{5}).width, 5);
  EXPECT_TRUE(nn::layer_norm(std::vector<int64_t>{5}).shape.empty());
  EXPECT_EQ(values(nn::layer_norm({5})(x)), values(nn::layer_norm(5)(x)));
  const auto net = nn::sequential(nn::layer_norm({4, 5}), nn::flatten(), nn::linear(key(1), 20, 2));
  EXPECT_EQ(jit([](const auto& n, const Tensor& v) { return n(v); })(net, x).shape(), (Shape{3, 2}));
  const auto free = jit([&](const Tensor& v) { return l(v); }, {.dynamic = {{0, 0, dim("norm_rows", 1, 64)}}});
  for (const int64_t n : {1, 2, 3}) EXPECT_EQ(values(free(x[{slice(0, n)}])), values(l(x[{slice(0, n)}])));
  const Tensor lanes = vmap([&](const Tensor& v) { return l(v); })(x);
  EXPECT_EQ(values(lanes), values(l(x)));
}

TEST(NormsOverAxes, MistakesAreNamed) {
  const Tensor x = ones({3, 4, 5});
  EXPECT_HAS(message_of([&] { layer_norm(x, {5, 4}); }),
             "the shape [5, 4] is that of the last axes of x, and x is f32[3, 4, 5]");
  EXPECT_HAS(message_of([&] { rms_norm(x, {2, 3, 4, 5}); }), "rms_norm: the shape [2, 3, 4, 5]");
  EXPECT_HAS(message_of([&] { layer_norm(x, {4, 5}, {.weight = ones({20})}); }),
             ".weight has the shape [4, 5], and is f32[20]");
  EXPECT_HAS(message_of([&] { layer_norm(x, {4, 5}, {.bias = ones({5})}); }), ".bias has the shape [4, 5]");
  EXPECT_HAS(message_of([&] { layer_norm(x, Shape{}); }), "one axis or more");
  EXPECT_HAS(message_of([&] { layer_norm(x, {-1, 5}); }), "layer_norm");
  EXPECT_HAS(message_of([&] { layer_norm(x, {4, 5}, {.eps = -1}); }), ".epsilon is 0 or more");
  EXPECT_HAS(message_of([&] { nn::layer_norm({4, 5})(ones({3, 4, 6})); }),
             "nn::LayerNorm: takes x[.., 4, 5], and is applied to f32[3, 4, 6]");
  EXPECT_HAS(message_of([&] { nn::layer_norm({4, 5})(ones({3, 6, 5})); }), "its axis -2 has 6 elements");
  EXPECT_HAS(message_of([&] { nn::rms_norm({4, 5})(ones({5})); }), "nn::RmsNorm: takes x[.., 4, 5]");
  EXPECT_HAS(message_of([&] { nn::layer_norm({4, 0}); }), "nn::layer_norm: the number of channels is 0");
  EXPECT_HAS(message_of([&] { nn::layer_norm(std::vector<int64_t>{}); }), "one axis or more");
  EXPECT_HAS(message_of([&] { nn::layer_norm({INT32_MAX, INT32_MAX, INT32_MAX}, {.affine = false}); }),
             "nn::layer_norm");
  EXPECT_HAS(message_of([&] { layer_norm(x, {5, 4}); }), "functions_norms_test.cc");
}

// ---- running statistics without a momentum

TEST(CumulativeBatchNorm, RunningStatisticsAreTheMeanOfAllBatches) {
  nn::BatchNorm b = nn::batch_norm(3, {.momentum = std::nullopt, .dtype = f64});
  EXPECT_FALSE(b.momentum);
  Numbers means(3), variances(3);
  const auto step = jit([](const nn::BatchNorm& layer, const Tensor& x) { return layer.train(x); });
  for (int k = 1; k <= 7; ++k) {
    const Tensor x = drawn(10 + static_cast<uint64_t>(k), {4, 3, 5}) * k + k;
    const Numbers v = values(x);
    for (size_t c = 0; c < 3; ++c) {
      double mean = 0, square = 0;
      for (size_t n = 0; n < 4; ++n)
        for (size_t i = 0; i < 5; ++i) mean += v[(n * 3 + c) * 5 + i] / 20;
      for (size_t n = 0; n < 4; ++n)
        for (size_t i = 0; i < 5; ++i) square += std::pow(v[(n * 3 + c) * 5 + i] - mean, 2) / 19;
      means[c] += (mean - means[c]) / k, variances[c] += (square - variances[c]) / k;
    }
    const auto [eager, after] = b.train(x);
    auto [y, next] = step(b, x);
    EXPECT_EQ(values(eager), values(y));
    EXPECT_EQ(values(after.running_var), values(next.running_var));
    // What it gives does not depend on how statistics run.
    EXPECT_EQ(values(eager), values(nn::batch_norm(3, {.dtype = f64}).train(x).first));
    b = next;
    EXPECT_EQ(b.num_batches_tracked.item<int64_t>(), k);
    expect_near(values(b.running_mean), means);
    expect_near(values(b.running_var), variances);
  }
  // They go on where a file left them.
  const std::string folder = temporary_folder("norms");
  save(folder + "/b.safetensors", b);
  nn::BatchNorm loaded = nn::batch_norm(3, {.momentum = std::nullopt, .dtype = f64});
  load(folder + "/b.safetensors", loaded);
  const Tensor x = drawn(30, {4, 3, 5});
  EXPECT_EQ(values(loaded.train(x).second.running_mean), values(b.train(x).second.running_mean));
}

TEST(CumulativeBatchNorm, InLoopsLanesAndHalves) {
  const nn::BatchNorm b = nn::batch_norm(2, {.momentum = std::nullopt});
  const Tensor xs = drawn(40, {6, 8, 2}, f32);
  const auto step = [](const nn::BatchNorm& layer, const Tensor& x) {
    auto [y, next] = layer.train(x);
    return std::pair(next, mean(y));
  };
  const nn::BatchNorm last = jit([&](const nn::BatchNorm& l) { return scan(step, l, xs); })(b).first;
  const Numbers want = values(mean(xs, {.axes = {0, 1}}));
  for (size_t c = 0; c < 2; ++c) EXPECT_NEAR(values(last.running_mean)[c], want[c], 1e-6);
  EXPECT_EQ(last.num_batches_tracked.item<int64_t>(), 6);
  const auto lanes = vmap([&](const Tensor& x) { return b.train(x).second.running_mean; })(xs);
  EXPECT_EQ(values(lanes[3]), values(b.train(xs[3]).second.running_mean));
  const auto half = nn::batch_norm(2, {.momentum = std::nullopt, .dtype = f16}).train(xs[0].astype(f16));
  EXPECT_EQ(half.first.dtype(), f16);
  EXPECT_EQ(half.second.running_mean.dtype(), f32);
  EXPECT_HAS(message_of([] { nn::batch_norm(2, {.momentum = 1.5}); }), "std::nullopt");
  nn::BatchNorm late = nn::batch_norm(2);
  late.momentum = -1;
  EXPECT_HAS(message_of([&] { late.train(ones({3, 2})); }), "nn::BatchNorm: .momentum lies in [0, 1]");
}

}  // namespace
}  // namespace tenon::testing
