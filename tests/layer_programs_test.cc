// Random stacks of layers with random options, in training: what they give, the state that they leave and their gradients. Eagerly,
// jitted, interpreted and on every route to machine code the bits are the same; gradients stand up to differences along random directions;
// and running without training gives the same whatever the key.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <random>

#include "tenon/frontend/transform/program.h"
#include "tenon/tests/routes.h"
#include "tenon/tests/thorough.h"

namespace tenon::testing {
namespace {

struct Act {
  std::string name;
  Tensor operator()(Operand x) const { return nn::activated(name, std::move(x)); }
};
using Body = nn::Sequential<nn::LayerNorm, nn::Linear, nn::Tanh>;
using Layer = std::variant<nn::Linear, nn::Conv1d, nn::ConvTranspose1d, nn::BatchNorm, nn::LayerNorm, nn::RmsNorm,
                           nn::GroupNorm, nn::InstanceNorm, nn::MultiHeadAttention, nn::TransformerBlock, nn::Mlp,
                           nn::Lstm, nn::Gru, nn::Dropout, nn::Dropout1d, nn::AlphaDropout, nn::Residual<Body>, Act>;
struct Net {
  std::vector<Layer> layers;
};

// x [n, channels or length, width] through all of them; the layers after it.
std::pair<Tensor, Net> run(const Net& net, Tensor x, const nn::Mode& mode) {
  Net after;
  uint64_t n = 0;
  for (const Layer& layer : net.layers) {
    const auto one = [&](const auto& l) {
      auto [y, next] = nn::detail::run(l, x, mode, n, {});
      x = y, after.layers.push_back(std::move(next));
    };
    std::visit(one, layer);
    ++n;
  }
  return {x, after};
}

class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed), seed_(seed) {}
  int64_t number(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  bool coin() { return number(0, 1) == 1; }
  double share() { return coin() ? 0 : 0.25; }
  Tensor fresh_key() { return key(seed_ * 1000 + static_cast<uint64_t>(number(0, 999))); }

  struct Shape {
    int64_t length, width;
  };
  Layer layer(Shape& s, DType dtype) {
    const Tensor k = fresh_key();
    const int64_t out = number(2, 6);
    switch (number(0, 15)) {
      case 0: return in_width(s, out, nn::linear(k, s.width, out, {.bias = coin(), .dtype = dtype}));
      case 1: {
        const int64_t taps = number(1, 3), in = s.length;
        const bool same = coin();
        if (!same && s.width < 5) return act();
        const nn::ConvOptions o{.stride = same ? 1 : number(1, 2),
                                .padding = same ? ConvolutionPadding("same") : ConvolutionPadding(number(0, 1)),
                                .dilation = number(1, 2),
                                .bias = coin(),
                                .dtype = dtype};
        return settled(s, nn::conv1d(k, in, out, taps, o), dtype);
      }
      case 2:
        return settled(
            s, nn::conv_transpose1d(k, s.length, out, number(1, 3), {.stride = number(1, 2), .dtype = dtype}), dtype);
      case 3: {
        const auto momentum = coin() ? std::optional<double>(0.25) : std::nullopt;
        return nn::batch_norm(s.length, {.momentum = momentum, .affine = coin(), .dtype = dtype});
      }
      case 4: return nn::layer_norm(normed(s), {.affine = coin(), .bias = coin(), .dtype = dtype});
      case 5: return nn::rms_norm(normed(s), {.affine = coin(), .dtype = dtype});
      case 6: return nn::group_norm(s.length % 2 == 0 ? 2 : 1, s.length, {.affine = coin(), .dtype = dtype});
      case 7: return nn::instance_norm(s.length, {.affine = coin(), .dtype = dtype});
      case 8: {
        const int64_t kv_heads = number(1, 2);
        const nn::MultiHeadAttentionOptions o{.dropout = share(),
                                              .bias = coin(),
                                              .kv_heads = kv_heads,
                                              .head_width = 2 * number(1, 2),
                                              .causal = coin(),
                                              .rope = turned(),
                                              .dtype = dtype};
        return nn::multi_head_attention(k, s.width, kv_heads * number(1, 2), o);
      }
      case 9: {
        if (s.width % 2 != 0) return act();
        return nn::transformer_block(k, s.width, s.width % 4 == 0 ? 2 : 1,
                                     {.hidden = number(2, 6),
                                      .dropout = share(),
                                      .activation = name(),
                                      .norm_first = coin(),
                                      .bias = coin(),
                                      .causal = coin(),
                                      .rope = turned(),
                                      .dtype = dtype});
      }
      case 10:
        return in_width(
            s, out,
            nn::mlp(k, {s.width, number(2, 5), out}, {.activation = name(), .dropout = share(), .dtype = dtype}));
      case 11: {
        const bool both = coin();
        return in_width(
            s, both ? 2 * out : out,
            nn::lstm(
                k, s.width, out,
                {.layers = number(1, 2), .bias = coin(), .dropout = share(), .bidirectional = both, .dtype = dtype}));
      }
      case 12: {
        const bool both = coin();
        return in_width(
            s, both ? 2 * out : out,
            nn::gru(
                k, s.width, out,
                {.layers = number(1, 2), .bias = coin(), .dropout = share(), .bidirectional = both, .dtype = dtype}));
      }
      case 13:
        if (coin()) return nn::dropout(0.25);
        return coin() ? Layer(nn::dropout1d(0.25)) : Layer(nn::alpha_dropout(0.25));
      case 14:
        return nn::residual(nn::sequential(nn::layer_norm(s.width, {.dtype = dtype}),
                                           nn::linear(k, s.width, s.width, {.dtype = dtype}), nn::tanh()));
      default: return act();
    }
  }

 private:
  template <class L>
  static Layer in_width(Shape& s, int64_t width, L l) {
    s.width = width;
    return l;
  }
  template <class L>  // the layer tells its own result's extents
  static Layer settled(Shape& s, L l, DType dtype) {
    const Tensor y = l(zeros({1, s.length, s.width}, {.dtype = dtype}));
    s = {y.shape()[1].number(), y.shape()[2].number()};
    return l;
  }
  std::string name() {
    static const char* const smooth[] = {"gelu",    "gelu_tanh", "silu",     "tanh",
                                         "sigmoid", "mish",      "softplus", "identity"};
    return smooth[number(0, 7)];
  }
  std::vector<int64_t> normed(const Shape& s) { return coin() ? std::vector{s.width} : std::vector{s.length, s.width}; }
  Layer act() { return Act{name()}; }
  std::optional<nn::Rope> turned() {
    if (coin()) return std::nullopt;
    return nn::Rope{.base = 100, .interleaved = coin(), .width = 2};
  }
  std::mt19937_64 random_;
  uint64_t seed_;
};

struct Drawn {
  Net net;
  Tensor x, key;
  std::string text;
};
Drawn drawn(uint64_t seed, DType dtype) {
  Draw draw(seed);
  Draw::Shape s{draw.number(2, 5), 2 * draw.number(1, 4)};
  Drawn d;
  d.x = normal(draw.fresh_key(), {2, s.length, s.width}, {dtype});
  d.key = draw.fresh_key();
  for (int64_t n = draw.number(2, 4); n > 0; --n) {
    d.net.layers.push_back(draw.layer(s, dtype));
    d.text += " " + std::to_string(d.net.layers.back().index());
  }
  return d;
}

std::pair<Tensor, Net> loss(const Net& net, const Tensor& x, const Tensor& k) {
  auto [y, next] = run(net, x, {.training = true, .key = k});
  return {mean(y * y) + mean(tanh(y)), next};
}

std::vector<std::vector<double>> bits(const Net& net) {
  std::vector<std::vector<double>> all;
  for (const Tensor& t : tree::leaves(net)) all.push_back(t.to_vector<double>());
  return all;
}

ir::Array array_of(const Tensor& t) {
  ir::Array a(ir::Type{t.dtype(), t.shape()});
  std::copy_n(static_cast<const unsigned char*>(t.raw()), a.data.size(), a.data.begin());
  return a;
}

int programs() { return thorough() ? 200 : 8; }

TEST(LayerPrograms, HaveTheSameBitsEagerlyAndJitted) {
  for (uint64_t seed = 0; seed < static_cast<uint64_t>(programs()); ++seed) {
    const Drawn d = drawn(seed, seed % 4 == 3 ? f16 : f32);
    SCOPED_TRACE("seed " + std::to_string(seed) + ":" + d.text);
    const auto [value, next] = loss(d.net, d.x, d.key);
    const auto [jitted, after] = jit(loss)(d.net, d.x, d.key);
    EXPECT_EQ(value.item<double>(), jitted.item<double>());
    EXPECT_EQ(bits(next), bits(after));
    EXPECT_EQ(run(d.net, d.x, {}).first.to_vector(),
              run(d.net, d.x, {.training = false, .key = d.key}).first.to_vector());
  }
}

TEST(LayerPrograms, HaveTheInterpretersBitsOnEveryRoute) {
  for (uint64_t seed = 100; seed < 100 + static_cast<uint64_t>(programs()) / 4; ++seed) {
    const Drawn d = drawn(seed, f32);
    SCOPED_TRACE("seed " + std::to_string(seed) + ":" + d.text);
    const auto program = trace(value_and_grad(loss), d.net, d.x, d.key).program();
    std::vector<Tensor> given = tree::leaves(d.net);
    given.push_back(d.x), given.push_back(d.key);
    std::vector<ir::Array> arrays;
    for (const Tensor& t : program->inputs(given)) arrays.push_back(array_of(t));
    const auto wrong = first_disagreement(program->graph, arrays, NaNs::one_value);
    EXPECT_FALSE(wrong) << *wrong;
  }
}

// Differences of L along d beside the product of the gradient with d, d being drawn for every parameter.
TEST(LayerPrograms, GradientsStandUpToDifferences) {
  for (uint64_t seed = 200; seed < 200 + static_cast<uint64_t>(programs()); ++seed) {
    const Drawn d = drawn(seed, f64);
    SCOPED_TRACE("seed " + std::to_string(seed) + ":" + d.text);
    const auto gradient = [](const Net& net, const Tensor& x, const Tensor& k) {
      return value_and_grad<0, 1>([&](const Net& n, const Tensor& at) { return loss(n, at, k).first; })(net, x);
    };
    const auto [value, slopes] = jit(gradient)(d.net, d.x, d.key);
    const auto value_at = jit([](const Net& net, const Tensor& x, const Tensor& k) { return loss(net, x, k).first; });
    const Tensor along_x = normal(key(seed + 1), d.x.shape(), {f64});
    double product = sum(std::get<1>(slopes) * along_x).item<double>();
    Net pull = std::get<0>(slopes);
    // Undefined gradients are no leaves: both trees are walked side by side by their items.
    const auto g = detail::items_of(pull);
    const auto along_of = [&](size_t i) {
      return normal(fold_in(key(seed), static_cast<int64_t>(i)), g[i].tensor->shape(), {f64});
    };
    for (size_t i = 0; i < g.size(); ++i)
      if (g[i].tag == 't') product += sum(*g[i].tensor * along_of(i)).item<double>();
    const auto moved = [&](double by) {
      Net net = d.net;
      const auto items = detail::items_of(net);
      EXPECT_EQ(g.size(), items.size());
      for (size_t i = 0; i < g.size(); ++i)
        if (g[i].tag == 't') *items[i].tensor = *items[i].tensor + along_of(i) * by;
      return value_at(net, d.x + along_x * by, d.key).item<double>();
    };
    constexpr double step = 1e-5;  // differences of order four
    const double slope = (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step);
    EXPECT_NEAR(slope, product, 1e-6 * std::max(1.0, std::abs(product)));
  }
}

}  // namespace
}  // namespace tenon::testing
