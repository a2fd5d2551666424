// Layers give PyTorch's numbers, and their derivatives do; eagerly to the same bits as jitted with a free batch.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <map>

#include "tenon/tests/layer_numbers.h"

namespace tenon::testing {
namespace {

// sin(c + 0.37 i) of the i-th element.
Tensor wave(const Extents& shape, double c) {
  const Tensor like = zeros(shape, {.dtype = f64});
  return sin(arange(0, like.numel()).astype(f64) * 0.37 + c).reshape(shape);
}
Tensor weight(const Extents& shape, double c) { return wave(shape, c) * 0.5; }
nn::Linear linear_of(int64_t in, int64_t out, double c) { return {weight({in, out}, c), weight({out}, c + 1)}; }

void ask(std::vector<double>& numbers, const Tensor& y) {
  const Tensor flat = y.reshape({-1});
  const std::vector<double> all = flat.to_vector<double>();
  numbers.push_back(sum(flat * wave({flat.numel()}, 1)).item<double>());
  for (size_t i : {size_t{0}, all.size() / 2, all.size() - 1}) numbers.push_back(all[i]);
}

nn::MultiHeadAttention attention_of(bool causal) {
  nn::MultiHeadAttention a{.q_proj = {weight({8, 8}, 0), weight({8}, 1)},
                           .k_proj = {weight({8, 8}, 2), weight({8}, 3)},
                           .v_proj = {weight({8, 8}, 4), weight({8}, 5)},
                           .out_proj = {weight({8, 8}, 6), weight({8}, 7)},
                           .heads = 2,
                           .kv_heads = 2};
  a.causal = causal;
  return a;
}
nn::TransformerBlock block_of(bool norm_first, const char* activation, bool causal) {
  return {.self_attn = attention_of(causal),
          .linear1 = linear_of(8, 16, 8),
          .linear2 = linear_of(16, 8, 10),
          .norm1 = {wave({8}, 12), wave({8}, 13), 8},
          .norm2 = {wave({8}, 14), wave({8}, 15), 8},
          .activation = activation,
          .norm_first = norm_first};
}
std::vector<nn::RecurrentCell> cells_of(int64_t gates, int64_t layers, int64_t directions) {
  std::vector<nn::RecurrentCell> cells;
  for (int64_t k = 0; k < layers * directions; ++k) {
    const int64_t in = k < directions ? 3 : 4 * directions;
    const double c = 4.0 * static_cast<double>(k);
    cells.push_back({weight({in, 4 * gates}, c), weight({4, 4 * gates}, c + 1), weight({4 * gates}, c + 2),
                     weight({4 * gates}, c + 3)});
  }
  return cells;
}
nn::BatchNorm batch_norm_of() {
  nn::BatchNorm b{weight({3}, 0), weight({3}, 1)};
  b.running_mean = wave({3}, 3), b.running_var = wave({3}, 4) * wave({3}, 4) + 0.5;
  b.num_batches_tracked = zeros({}, {.dtype = i64});
  b.momentum = 0.2, b.epsilon = 1e-3;
  return b;
}

// A layer's result, and what else it gives.
using Result = std::pair<Tensor, std::vector<Tensor>>;
template <class Layer>
auto alone(Layer layer) {
  return [layer](const Tensor& x) { return Result{layer(x), {}}; };
}
// Calls one(name, x, layer) for every layer.
template <class Each>
void for_each_layer(Each one) {
  one("linear", wave({2, 5, 3}, 0.5), alone(linear_of(3, 4, 0)));
  one("conv1d", wave({2, 4, 9}, 0.5),
      alone(nn::Conv1d{.weight = weight({6, 2, 3}, 0),
                       .bias = weight({6}, 1),
                       .stride = {2},
                       .padding = {1},
                       .dilation = {2},
                       .groups = 2}));
  one("conv2d", wave({2, 3, 5, 6}, 0.5),
      alone(nn::Conv2d{.weight = weight({4, 3, 3, 2}, 0), .bias = weight({4}, 1), .same = true}));
  one("conv3d", wave({2, 2, 4, 5, 3}, 0.5),
      alone(nn::Conv3d{.weight = weight({3, 2, 2, 2, 2}, 0), .stride = {1, 2, 1}}));
  one("conv_transpose1d", wave({2, 3, 5}, 0.5),
      alone(nn::ConvTranspose1d{.weight = weight({3, 4, 3}, 0),
                                .bias = weight({4}, 1),
                                .stride = {2},
                                .padding = {1},
                                .output_padding = {1}}));
  one("conv_transpose2d", wave({2, 4, 3, 4}, 0.5),
      alone(
          nn::ConvTranspose2d{.weight = weight({4, 3, 3, 3}, 0), .bias = weight({6}, 1), .stride = {2}, .groups = 2}));
  one("conv_transpose3d", wave({1, 2, 2, 3, 2}, 0.5),
      alone(nn::ConvTranspose3d{.weight = weight({2, 3, 2, 2, 2}, 0), .bias = weight({3}, 1), .stride = {2}}));
  one("batch_norm in use", wave({4, 3, 2, 5}, 0.5), alone(batch_norm_of()));
  one("batch_norm in training", wave({4, 3, 2, 5}, 0.5), [](const Tensor& x) {
    auto [y, next] = batch_norm_of().train(x);
    return Result{y, {next.running_mean, next.running_var, next.num_batches_tracked}};
  });
  one("layer_norm", wave({2, 3, 6}, 0.5), alone(nn::LayerNorm{weight({6}, 0), weight({6}, 1), 6}));
  one("group_norm", wave({2, 6, 3, 2}, 0.5), alone(nn::GroupNorm{weight({6}, 0), weight({6}, 1), 2, 6}));
  one("instance_norm", wave({2, 3, 4, 2}, 0.5), alone(nn::InstanceNorm{.channels = 3}));
  one("multi_head_attention", wave({2, 5, 8}, 0.5), alone(attention_of(false)));
  one("multi_head_attention causal", wave({2, 5, 8}, 0.5), alone(attention_of(true)));
  for (const bool both : {false, true}) {
    const std::string name = both ? " of two layers, both ways" : "";
    one("lstm" + name, wave({2, 5, 3}, 0.5), [both](const Tensor& x) {
      auto [y, state] = nn::Lstm{cells_of(4, both ? 2 : 1, both ? 2 : 1), both}(x);
      return Result{y, {state.h, state.c}};
    });
    one("gru" + name, wave({2, 5, 3}, 0.5), [both](const Tensor& x) {
      auto [y, state] = nn::Gru{cells_of(3, both ? 2 : 1, both ? 2 : 1), both}(x);
      return Result{y, {state}};
    });
  }
  one("transformer_block, norm first", wave({2, 5, 8}, 0.5), alone(block_of(true, "gelu", false)));
  one("transformer_block, norm last, causal", wave({2, 5, 8}, 0.5), alone(block_of(false, "relu", true)));
}

std::vector<double> expected(const std::string& name) {
  for (const LayerNumbers& l : layer_numbers())
    if (l.name == name) return l.numbers;
  ADD_FAILURE() << "no numbers for " << name;
  return {};
}

TEST(LayerNumbers, ArePyTorchs) {
  size_t count = 0;
  for_each_layer([&](const std::string& name, const Tensor& x, const auto& layer) {
    ++count;
    const auto loss = [&](const Tensor& at) {
      Result r = layer(at);
      return std::pair(sum(r.first * wave(r.first.shape(), 2)), std::pair(r.first, r.second));
    };
    const auto [both, gradient] = jit(value_and_grad(loss))(x);
    std::vector<double> numbers;
    ask(numbers, both.second.first);
    ask(numbers, gradient);
    for (const Tensor& more : both.second.second) {
      if (name.starts_with("batch_norm"))
        for (double v : more.reshape({-1}).to_vector<double>()) numbers.push_back(v);
      else
        ask(numbers, more);
    }
    const std::vector<double> wanted = expected(name);
    ASSERT_EQ(numbers.size(), wanted.size()) << name;
    for (size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(numbers[i], wanted[i], 1e-11 * std::max(1.0, std::abs(wanted[i]))) << name << ", number " << i;
  });
  EXPECT_EQ(count, layer_numbers().size());
}

// One program for every batch.
TEST(LayerNumbers, HaveTheSameBitsWithAFreeBatch) {
  for_each_layer([&](const std::string& name, const Tensor& x, const auto& layer) {
    const auto f = jit(layer, {.dynamic = {{0, 0}}});
    const Tensor twice = concat({x, x * 0.5}, 0);
    for (const Tensor& t : {x, twice})
      EXPECT_EQ(layer(t).first.template to_vector<double>(), f(t).first.template to_vector<double>()) << name;
  });
}

}  // namespace
}  // namespace tenon::testing
