// Initialisers: their bounds, means and deviations are PyTorch's formulas, in every dtype, and those of layers are PyTorch's defaults.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <cmath>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

namespace init = nn::init;

struct Seen {
  double mean = 0, std = 0, low = 0, high = 0;
};
Seen seen(const Tensor& t) {
  const std::vector<double> v = t.to_vector<double>();
  Seen s{0, 0, v[0], v[0]};
  for (double x : v)
    s.mean += x / static_cast<double>(v.size()), s.low = std::min(s.low, x), s.high = std::max(s.high, x);
  for (double x : v) s.std += (x - s.mean) * (x - s.mean) / static_cast<double>(v.size());
  s.std = std::sqrt(s.std);
  return s;
}
// Within the bound, and close to it; as wide as a uniform distribution.
void expect_uniform(const Tensor& t, double bound, const char* name) {
  const Seen s = seen(t);
  EXPECT_LE(std::max(-s.low, s.high), bound * 1.004) << name;
  EXPECT_GE(std::min(-s.low, s.high), bound * 0.98) << name;
  EXPECT_NEAR(s.std, bound / std::sqrt(3.0), bound * 0.03) << name;
}
void expect_normal(const Tensor& t, double std, const char* name) {
  const Seen s = seen(t);
  EXPECT_NEAR(s.mean, 0, std * 0.05) << name;
  EXPECT_NEAR(s.std, std, std * 0.05) << name;
  EXPECT_GT(s.high, std * 2.5) << name;
}

TEST(Init, ScalesByFans) {
  const Tensor k = key(1);
  EXPECT_EQ(init::fans({3, 5}), (std::pair<int64_t, int64_t>{3, 5}));  // [in, out]
  EXPECT_EQ(init::fans({8, 3, 2, 2}), (std::pair<int64_t, int64_t>{12, 32}));  // [out, in / groups, kernel..]
  for (const DType dtype : {f32, f64, f16, bf16}) {
    EXPECT_EQ(init::xavier_normal(k, {2, 3}, {.dtype = dtype}).dtype(), dtype);
    expect_uniform(init::kaiming_uniform(k, {40, 60}, {.dtype = dtype}), std::sqrt(6.0 / 40), "kaiming_uniform");
    expect_uniform(init::kaiming_uniform(k, {40, 60}, {.mode = "fan_out", .nonlinearity = "relu", .dtype = dtype}),
                   std::sqrt(6.0 / 60), "fan_out");
    expect_normal(init::kaiming_normal(k, {30, 20, 2, 2}, {.a = 2, .dtype = dtype}), std::sqrt(2.0 / 5 / 80),
                  "kaiming_normal");
    expect_uniform(init::xavier_uniform(k, {40, 60}, {.dtype = dtype}), std::sqrt(6.0 / 100), "xavier_uniform");
    expect_normal(init::xavier_normal(k, {40, 60}, {.gain = 3, .dtype = dtype}), 3 * std::sqrt(2.0 / 100),
                  "xavier_normal");
    expect_normal(init::normal(k, {2400}, {.std = 0.1, .dtype = dtype}), 0.1, "normal");
    expect_uniform(init::uniform(k, {2400}, {.low = -3, .high = 3, .dtype = dtype}), 3, "uniform");
    const Seen t = seen(init::truncated_normal(k, {2400}, {.mean = 1, .std = 2, .low = 0, .high = 2, .dtype = dtype}));
    EXPECT_GE(t.low, 0);
    EXPECT_LE(t.high, 2);
    EXPECT_NEAR(t.mean, 1, 0.05);
    EXPECT_EQ(seen(init::constant(k, {3}, 2.5, {.dtype = dtype})).mean, 2.5);
    EXPECT_EQ(seen(init::ones(k, {3}, {.dtype = dtype})).low, 1);
    EXPECT_EQ(seen(init::zeros(k, {3}, {.dtype = dtype})).high, 0);
  }
  EXPECT_EQ(init::gain("tanh"), 5.0 / 3);
  EXPECT_EQ(init::gain("relu"), std::sqrt(2.0));
  EXPECT_EQ(init::gain("leaky_relu"), std::sqrt(2 / (1 + 0.01 * 0.01)));
  EXPECT_EQ(init::gain("selu"), 0.75);
  EXPECT_EQ(init::gain("linear"), 1);
}

TEST(Init, OrthogonalRowsOrColumns) {
  for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{4, 4}, {3, 7}, {7, 3}, {1, 5}}) {
    const Tensor q = init::orthogonal(key(2), {rows, columns}, {.gain = 2, .dtype = f64});
    const Tensor product = rows < columns ? matmul(q, q.T()) : matmul(q.T(), q);
    EXPECT_TRUE(allclose(product, eye(std::min(rows, columns), {.dtype = f64}) * 4, 1e-12, 1e-12).item<bool>());
  }
  EXPECT_EQ(init::orthogonal(key(2), {4, 3, 2, 2}).shape(), (Shape{4, 3, 2, 2}));
  const Tensor flat = init::orthogonal(key(2), {4, 3, 2, 2}, {.dtype = f64}).reshape({4, 12});
  EXPECT_TRUE(allclose(matmul(flat, flat.T()), eye(4, {.dtype = f64}), 1e-12, 1e-12).item<bool>());
}

// What torch.nn draws unless told otherwise.
TEST(Init, OfLayersIsPyTorchs) {
  const Tensor k = key(3);
  const auto l = nn::linear(k, 25, 100);
  expect_uniform(l.weight, 0.2, "linear");
  expect_uniform(nn::linear(k, 25, 2000).bias, 0.2, "bias of linear");
  expect_uniform(nn::conv2d(k, 6, 30, 3, {.groups = 2}).weight, 1 / std::sqrt(27.0), "conv2d");
  expect_uniform(nn::conv_transpose1d(k, 30, 20, 5).weight, 0.1, "conv_transpose1d");
  expect_normal(nn::embedding(k, 100, 30).weight, 1, "embedding");
  const auto padded = nn::embedding(k, 5, 3, {.padding_idx = -1});
  EXPECT_EQ(seen(padded.weight[4]).high, 0);
  EXPECT_NE(seen(padded.weight[3]).high, 0);
  const auto a = nn::multi_head_attention(k, 48, 4);
  expect_uniform(a.k_proj.weight, std::sqrt(6.0 / (48 * 4)), "in_proj");
  expect_uniform(a.out_proj.weight, 1 / std::sqrt(48.0), "out_proj");
  EXPECT_EQ(seen(a.q_proj.bias).high, 0);
  EXPECT_EQ(seen(a.out_proj.bias).high, 0);
  expect_uniform(nn::lstm(k, 30, 16).cells[0].weight_ih, 0.25, "lstm");
  expect_uniform(nn::gru(k, 10, 25).cells[0].weight_hh, 0.2, "gru");
  EXPECT_NE(l.weight[0][0].item(), nn::linear(key(4), 25, 100).weight[0][0].item());
  EXPECT_EQ(l.weight[0][0].item(), nn::linear(k, 25, 100).weight[0][0].item());
}

TEST(Init, RefusesWhatMakesNoSense) {
  const Tensor k = key(1);
  EXPECT_HAS(message_of([&] { init::kaiming_uniform(k, {3, 4}, {.mode = "fan"}); }), "\"fan_in\" or \"fan_out\"");
  EXPECT_HAS(message_of([&] { init::xavier_uniform(k, {3}); }),
             "nn::init::xavier_uniform: a weight of two axes or more");
  EXPECT_HAS(message_of([&] { init::orthogonal(k, {3}); }), "nn::init::orthogonal: takes two axes or more");
  EXPECT_HAS(message_of([&] { init::uniform(k, {3}, {.low = 1, .high = 0}); }),
             "nn::init::uniform: .low is 1 and .high 0");
  EXPECT_HAS(message_of([&] { init::truncated_normal(k, {3}, {.std = 0}); }),
             "nn::init::truncated_normal: .std is above 0");
  EXPECT_HAS(message_of([&] { init::normal(k, {3}, {.std = -1}); }), "nn::init::normal: .std is 0 or more");
  EXPECT_HAS(message_of([&] { init::normal(k, {-3}); }), "nn::init::normal");
  EXPECT_HAS(message_of([&] { init::normal(k, {dim("n"), 2}); }), "weights have fixed extents");
  EXPECT_HAS(message_of([&] { init::ones(k, {3}, {.dtype = i32}); }), ".dtype is f32, f64, f16 or bf16");
  EXPECT_HAS(message_of([&] { init::normal(ones({3}), {3}); }), "key");
}

}  // namespace
}  // namespace tenon::testing
