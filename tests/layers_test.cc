// Layers as callers write them: every form of a call compiles, what layers say of operands that do not fit, what they hold, and how they
// run in training and in use. Numbers are in layer_numbers_test.cc.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <functional>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

namespace tn = tenon;

std::vector<float> values(const Tensor& t) { return t.to_vector(); }

TEST(Layers, FormsOfCalls) {
  const Tensor key = tn::key(1), image = tn::normal(key, {2, 3, 8, 8}), rows = tn::normal(key, {2, 5, 8});
  const int64_t in = 8, out = 4, n = 10, width = 8, heads = 2, k = 3, groups = 2;
  const double p = 0.25;
  const tn::nn::Linear l = tn::nn::linear(key, in, out);
  EXPECT_EQ(l.weight.shape(), (tn::Shape{in, out}));
  const tn::nn::Linear made = tn::nn::Linear{l.weight, l.bias};
  EXPECT_EQ(values(made(rows)), values(l(rows)));
  EXPECT_EQ(tn::nn::embedding(key, n, width)(tn::tensor({{1, 2}, {3, 9}})).shape(), (tn::Shape{2, 2, width}));
  EXPECT_EQ(tn::nn::layer_norm(width)(rows).shape(), rows.shape());
  EXPECT_EQ(tn::nn::rms_norm(width)(rows).shape(), rows.shape());
  EXPECT_EQ(tn::nn::conv2d(key, 3, out, k, {.padding = 1})(image).shape(), (tn::Shape{2, 4, 8, 8}));
  EXPECT_EQ(tn::nn::conv(key, 3, out, {k, k}, {.stride = 2, .padding = 1})(image).shape(), (tn::Shape{2, 4, 4, 4}));
  EXPECT_EQ(tn::nn::conv(key, 3, out, {3, 3}, {.padding = "same"})(image).shape(), (tn::Shape{2, 4, 8, 8}));
  EXPECT_EQ(tn::nn::conv(key, 8, out, {3})(rows.transpose({0, 2, 1})).shape(), (tn::Shape{2, 4, 3}));
  EXPECT_EQ(tn::nn::conv2d(image, tn::ones({4, 3, 3, 3}), {.padding = 1}).shape(), (tn::Shape{2, 4, 8, 8}));
  EXPECT_EQ(tn::nn::conv1d(key, 8, 4, 3)(rows.transpose({0, 2, 1})).shape(), (tn::Shape{2, 4, 3}));
  EXPECT_EQ(tn::nn::conv3d(key, 1, 2, {1, 2, 3})(tn::ones({1, 3, 4, 5})).shape(), (tn::Shape{2, 3, 3, 3}));
  EXPECT_EQ(tn::nn::conv_transpose2d(key, 3, 5, 2, {.stride = 2})(image).shape(), (tn::Shape{2, 5, 16, 16}));
  EXPECT_EQ(tn::nn::multi_head_attention(key, width, heads)(rows).shape(), rows.shape());
  EXPECT_EQ(tn::nn::transformer_block(key, width, heads)(rows).shape(), rows.shape());
  {
    const auto [outputs, state] = tn::nn::lstm(key, in, out)(rows);
    EXPECT_EQ(outputs.shape(), (tn::Shape{2, 5, out}));
    EXPECT_EQ(values(state.h), values(outputs[{tn::all, 4}]));
  }
  {
    const auto [outputs, state] = tn::nn::gru(key, in, out)(rows);
    EXPECT_EQ(values(state), values(outputs[{tn::all, 4}]));
  }
  const tn::nn::BatchNorm b = tn::nn::batch_norm(3);
  auto [y, next] = b(image, {.training = true});
  EXPECT_EQ(values(b.train(image).first), values(y));
  EXPECT_EQ(next.num_batches_tracked.item<int64_t>(), 1);
  EXPECT_NE(values(b(image)), values(next(image)));
  EXPECT_EQ(values(b(image, {.training = false}).first), values(b(image)));
  const Tensor dropped = tn::nn::dropout(key, rows, p);
  EXPECT_EQ(values(dropped), values(tn::random::dropout(key, rows, p)));
  EXPECT_EQ(values(tn::nn::dropout(p)(rows)), values(rows));
  EXPECT_EQ(values(tn::nn::dropout(p)(rows, {.training = true, .key = key})), values(dropped));
  const Tensor q = tn::normal(key, {1, 4, 3, 2}), kv = tn::normal(key, {1, 2, 3, 2});
  const Tensor mask = tn::ones({3, 3}) > 0;
  EXPECT_EQ(tn::nn::attention(q, kv, kv, {.causal = true, .mask = mask}).shape(), q.shape());
  EXPECT_EQ(tn::nn::group_norm(tn::ones({2, 4, 3}), groups).shape(), (tn::Shape{2, 4, 3}));
  EXPECT_EQ(tn::nn::group_norm(groups, 4)(tn::ones({2, 4, 3})).shape(), (tn::Shape{2, 4, 3}));
  EXPECT_EQ(values(tn::nn::relu(rows)), values(tn::relu(rows)));
  EXPECT_EQ(values(tn::nn::relu()(rows)), values(tn::relu(rows)));
  EXPECT_EQ(tn::nn::max_pool2d(image, 2).shape(), tn::nn::max_pool2d(2)(image).shape());
  EXPECT_EQ(tn::nn::mlp(key, {8, 16, 3})(rows).shape(), (tn::Shape{2, 5, 3}));
}

TEST(Layers, StandInASequence) {
  const Tensor x = normal(key(2), {4, 3, 6, 6});
  const auto net = nn::sequential(
      nn::conv2d(key(1), 3, 8, 3, {.padding = 1}), nn::batch_norm(8), nn::relu(), nn::max_pool2d(2),
      nn::residual(nn::conv2d(key(2), 8, 8, 3, {.padding = "same"})), nn::flatten(),
      [](const Tensor& t) { return t * 2; }, nn::dropout(0.5), nn::linear(key(3), 72, 5));
  EXPECT_EQ(
      tree::paths(net),
      (std::vector<std::string>{"layers[0].weight", "layers[0].bias", "layers[1].weight", "layers[1].bias",
                                "layers[1].running_mean", "layers[1].running_var", "layers[1].num_batches_tracked",
                                "layers[4].body.weight", "layers[4].body.bias", "layers[8].weight", "layers[8].bias"}));
  using Net = std::remove_const_t<decltype(net)>;
  const auto loss = [](const Net& n, const Tensor& images, const Tensor& k) {
    auto [y, next] = n(images, {.training = true, .key = k});
    return std::pair(sum(y * y), next);
  };
  const auto [result, gradient] = value_and_grad(loss)(net, x, key(5));
  const auto [jitted, again] = jit(value_and_grad(loss))(net, x, key(5));
  EXPECT_EQ(values(result.first), values(jitted.first));
  EXPECT_EQ(values(std::get<0>(gradient.layers).weight), values(std::get<0>(again.layers).weight));
  EXPECT_FALSE(std::get<1>(gradient.layers).running_mean.defined());
  const nn::BatchNorm& moved = std::get<1>(result.second.layers);
  EXPECT_EQ(moved.num_batches_tracked.item<int64_t>(), 1);
  EXPECT_NE(values(moved.running_mean), values(std::get<1>(net.layers).running_mean));
  EXPECT_EQ(values(net(x, {.training = false}).first), values(net(x)));
  // Optimizers move what has a gradient and keep the rest.
  auto state = optim::adamw_init(result.second);
  const Net stepped = optim::adamw(result.second, gradient, state).first;
  EXPECT_EQ(values(std::get<1>(stepped.layers).running_mean), values(moved.running_mean));
  EXPECT_NE(values(std::get<0>(stepped.layers).weight), values(std::get<0>(net.layers).weight));
}

TEST(Layers, SayWhatDoesNotFit) {
  const Tensor k = key(1);
  const struct {
    const char* name;
    std::function<void()> call;
    std::vector<const char*> parts;
  } cases[] = {
      {"linear",
       [&] { nn::linear(k, 3, 5)(ones({2, 4})); },
       {"nn::Linear: takes x[.., 3], and is applied to f32[2, 4]", "make the layer for 4", "layers_test.cc:"}},
      {"PyTorch's weight",
       [&] { nn::Linear{ones({5, 3})}(ones({2, 3})); },
       {"nn::Linear: takes x[.., 5]", "make the layer for 3", "where the weight f32[5, 3]", "transpose it",
        "layers_test.cc:"}},
      {"bias",
       [&] { nn::Linear{ones({3, 5}), ones({3})}(ones({2, 3})); },
       {"nn::Linear: its bias is [out], 5 numbers", "f32[3]"}},
      {"scalar", [&] { nn::linear(k, 3, 5)(tensor(1.f)); }, {"nn::Linear", "0 axes", "unsqueeze"}},
      {"no weight", [&] { nn::Linear{}(ones({2, 4})); }, {"nn::Linear: has no weight"}},
      {"none in", [&] { nn::linear(k, 0, 5); }, {"nn::linear: in is 0"}},
      {"integers", [&] { nn::linear(k, 2, 5, {.dtype = i32}); }, {"nn::linear", ".dtype is f32, f64, f16 or bf16"}},
      {"no key", [&] { nn::linear(ones({2}), 2, 5); }, {"key"}},
      {"embedding", [&] { nn::embedding(k, 5, 2)(ones({2})); }, {"nn::Embedding: takes integers", "astype"}},
      {"padding_idx", [&] { nn::embedding(k, 5, 2, {.padding_idx = 5}); }, {"nn::embedding", "none of 5 rows"}},
      {"conv2d",
       [&] { nn::conv2d(k, 3, 8, 3)(ones({2, 4, 8, 8})); },
       {"nn::Conv2d: takes x[n, 3, 2 extents]", "f32[2, 4, 8, 8]", "make the layer for 4"}},
      {"conv2d of rows", [&] { nn::conv2d(k, 3, 8, 3)(ones({2, 3})); }, {"nn::Conv2d", "reshape or unsqueeze"}},
      {"groups", [&] { nn::conv2d(k, 3, 8, 3, {.groups = 2}); }, {"nn::conv2d", "does not divide 3 channels"}},
      {"strided same",
       [&] { nn::conv1d(k, 3, 8, 3, {.stride = 2, .padding = "same"}); },
       {"nn::conv1d", "stride of 1"}},
      {"kernel", [&] { nn::conv3d(k, 3, 8, {3, 3}); }, {"nn::conv3d: kernel_size has 2 entries for 3"}},
      {"batch_norm",
       [&] { nn::batch_norm(3)(ones({2, 4})); },
       {"nn::BatchNorm: takes x[n, 3, ..]", "make the layer for 4"}},
      {"one number",
       [&] { nn::batch_norm(4).train(ones({1, 4})); },
       {"nn::BatchNorm", "more than one number a channel"}},
      {"layer_norm", [&] { nn::layer_norm(4)(ones({2, 3})); }, {"nn::LayerNorm: takes x[.., 4]"}},
      {"group_norm",
       [&] { nn::group_norm(ones({2, 4}), 3); },
       {"nn::group_norm: 3 groups do not divide the 4 channels"}},
      {"no dropout key",
       [&] { nn::dropout(0.5)(ones({2}), {.training = true}); },
       {"nn::Dropout", ".key = tn::key(1)"}},
      {"all dropped", [&] { nn::dropout(1.0); }, {"nn::dropout", "[0, 1)"}},
      {"heads",
       [&] { nn::multi_head_attention(k, 8, 3); },
       {"nn::multi_head_attention: 3 heads do not divide a width of 8"}},
      {"attention",
       [&] { nn::multi_head_attention(k, 8, 2)(ones({2, 3, 4})); },
       {"nn::MultiHeadAttention: takes query[batch, length, 8]", "f32[2, 3, 4]"}},
      {"block",
       [&] { nn::transformer_block(k, 8, 2)(ones({2, 3, 4})); },
       {"nn::TransformerBlock: takes x[batch, length, 8]"}},
      {"activation", [&] { nn::mlp(k, {2, 3}, {.activation = "step"}); }, {"no activation \"step\"", "relu, gelu"}},
      {"widths", [&] { nn::mlp(k, {2}); }, {"nn::mlp", "{784, 128, 10}"}},
      {"lstm", [&] { nn::lstm(k, 3, 4)(ones({2, 5, 6})); }, {"nn::Lstm: takes x[batch, length, 3]", "f32[2, 5, 6]"}},
      {"state", [&] { nn::gru(k, 3, 4)(ones({2, 5, 3}), ones({1, 3, 4})); }, {"nn::Gru", "[1, 2, 4]", "f32[1, 3, 4]"}},
      {"rope", [&] { nn::rope(ones({2, 3})); }, {"nn::rope: turns pairs of numbers", "3"}},
      {"cache",
       [&] { nn::multi_head_attention(k, 8, 2)(ones({1, 2, 8}), nn::kv_cache(2, 2, 4, 4)); },
       {"nn::KvCache: holds f32[2, 2, 4, 4]", "f32[1, 2, 2, 4]"}},
      {"full",
       [&] { nn::multi_head_attention(k, 8, 2)(ones({1, 5, 8}), nn::kv_cache(1, 2, 4, 4)); },
       {"nn::KvCache: there is no room for 5 more positions in a capacity of 4"}},
      {"gain", [&] { nn::init::gain("step"); }, {"no gain is known of \"step\""}},
      {"fans", [&] { nn::init::kaiming_uniform(k, {3}); }, {"nn::init::kaiming_uniform", "two axes or more"}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string message = message_of(c.call);
    for (const char* part : c.parts) EXPECT_HAS(message, part);
  }
}

// Weights of every dtype; halves compute in f32.
TEST(Layers, TakeADtype) {
  for (const DType dtype : {f32, f64, f16, bf16}) {
    const Tensor k = key(3), x = normal(k, {2, 4, 6}).astype(dtype);
    EXPECT_EQ(nn::linear(k, 6, 3, {.dtype = dtype})(x).dtype(), dtype);
    EXPECT_EQ(nn::conv1d(k, 4, 3, 3, {.dtype = dtype})(x).dtype(), dtype);
    EXPECT_EQ(nn::batch_norm(4, {.dtype = dtype}).train(x).first.dtype(), dtype);
    EXPECT_EQ(nn::batch_norm(4, {.dtype = dtype}).running_mean.dtype(), dtype == f64 ? f64 : f32);
    EXPECT_EQ(nn::layer_norm(6, {.dtype = dtype})(x).dtype(), dtype);
    EXPECT_EQ(nn::group_norm(2, 4, {.dtype = dtype})(x).dtype(), dtype);
    EXPECT_EQ(nn::transformer_block(k, 6, 2, {.rope = nn::Rope{.width = 2}, .dtype = dtype})(x).dtype(), dtype);
    EXPECT_EQ(nn::lstm(k, 6, 3, {.dtype = dtype})(x).first.dtype(), dtype);
    EXPECT_EQ(nn::embedding(k, 6, 3, {.dtype = dtype})(tensor({1, 2})).dtype(), dtype);
  }
}

TEST(Layers, EpsilonHasTwoNames) {
  EXPECT_EQ(nn::layer_norm(4, {.epsilon = 1e-3}).epsilon, 1e-3);
  EXPECT_EQ(nn::layer_norm(4, {.eps = 1e-3}).epsilon, 1e-3);
  EXPECT_EQ(nn::batch_norm(4).epsilon, 1e-5);
  const Tensor x = normal(key(1), {2, 4, 3});
  EXPECT_EQ(values(nn::group_norm(x, 2, {.eps = 0.5})), values(nn::group_norm(x, 2, {.epsilon = 0.5})));
  EXPECT_NE(values(nn::group_norm(x, 2, {.eps = 0.5})), values(nn::group_norm(x, 2)));
}

TEST(Layers, TrainingDropsAndUseDoesNot) {
  const Tensor k = key(4), x = normal(k, {2, 5, 8});
  const auto block = nn::transformer_block(k, 8, 2, {.dropout = 0.3});
  EXPECT_EQ(values(block(x, {.training = false, .key = k})), values(block(x)));
  EXPECT_NE(values(block(x, {.training = true, .key = k})), values(block(x)));
  EXPECT_EQ(values(block(x, {.training = true, .key = k})), values(block(x, {.training = true, .key = k})));
  EXPECT_NE(values(block(x, {.training = true, .key = key(5)})), values(block(x, {.training = true, .key = k})));
  const auto net = nn::sequential(nn::dropout(0.5), nn::dropout(0.5));  // of keys of their own
  const std::vector<float> twice = values(net(ones({64}), {.training = true, .key = k}).first);
  EXPECT_GT(std::count(twice.begin(), twice.end(), 4.f), 4);
  EXPECT_LT(std::count(twice.begin(), twice.end(), 4.f), 30);
}

}  // namespace
}  // namespace tenon::testing
