// A small transformer of plain functions and its training step: what the report times as a whole model. Causal attention is a
// matmul, a mask by where, softmax and another matmul.
#pragma once

#include <tenon/tenon.h>

#include <cmath>

namespace transformer {

namespace tn = tenon;
using tn::Tensor;

struct Config {
  int64_t batch, tokens, width, heads, layers, vocabulary;
};
struct Block {
  Tensor norm1, shift1, qkv, qkv_bias, out, out_bias, norm2, shift2, up, up_bias, down, down_bias;
};
struct Model {
  Tensor embedding, positions;
  std::vector<Block> blocks;
  Tensor norm, shift, head;
};
using State = tn::optim::AdamWState<Model>;

inline Tensor weight(const Tensor& key, int64_t in, int64_t out) {
  return tn::normal(key, {in, out}) * std::sqrt(1.0 / static_cast<double>(in));
}

inline Model init(uint64_t seed, const Config& c, tn::DType dtype = tn::f32) {
  const std::vector<Tensor> keys = tn::split(tn::key(seed), 4 * c.layers + 3);
  size_t k = 0;
  Model m;
  m.embedding = weight(keys[k++], c.vocabulary, c.width);
  m.positions = weight(keys[k++], c.tokens, c.width);
  for (int64_t l = 0; l < c.layers; ++l) {
    const int64_t w = c.width;
    Block b{tn::ones({w}),
            tn::zeros({w}),
            weight(keys[k], w, 3 * w),
            tn::zeros({3 * w}),
            weight(keys[k + 1], w, w),
            tn::zeros({w}),
            tn::ones({w}),
            tn::zeros({w}),
            weight(keys[k + 2], w, 4 * w),
            tn::zeros({4 * w}),
            weight(keys[k + 3], 4 * w, w),
            tn::zeros({w})};
    k += 4;
    m.blocks.push_back(std::move(b));
  }
  m.norm = tn::ones({c.width});
  m.shift = tn::zeros({c.width});
  m.head = weight(keys[k], c.width, c.vocabulary);
  return tn::tree::map([&](const Tensor& t) { return t.astype(dtype); }, m);
}

inline Tensor attention(const Block& b, const Tensor& x, int64_t heads) {
  const int64_t batch = x.shape()[0].number(), tokens = x.shape()[1].number(), width = x.shape()[2].number();
  const Tensor qkv = tn::transpose(tn::reshape(tn::linear(x, b.qkv, b.qkv_bias), {batch, tokens, 3, heads, -1}),
                                   {2, 0, 3, 1, 4});  // [3, batch, heads, tokens, depth]
  const Tensor q = qkv[0], k = qkv[1], v = qkv[2];
  const double scale = 1 / std::sqrt(static_cast<double>(width / heads));
  const Tensor scores = tn::matmul(q, tn::transpose(k, {0, 1, 3, 2})) * scale;
  const Tensor at = tn::arange(tokens);
  const Tensor seen = tn::expand_dims(at, 1) >= tn::expand_dims(at, 0);
  const Tensor mixed = tn::matmul(tn::softmax(tn::where(seen, scores, -1e9)), v);
  return tn::linear(tn::reshape(tn::transpose(mixed, {0, 2, 1, 3}), {batch, tokens, width}), b.out, b.out_bias);
}

// tokens i64[batch, tokens] -> logits [batch, tokens, vocabulary]
inline Tensor forward(const Model& m, const Tensor& tokens, int64_t heads) {
  Tensor x = tn::take(m.embedding, tokens, 0) + m.positions;
  for (const Block& b : m.blocks) {
    x = x + attention(b, tn::layer_norm(x, b.norm1, b.shift1), heads);
    const Tensor inner = tn::gelu(tn::linear(tn::layer_norm(x, b.norm2, b.shift2), b.up, b.up_bias));
    x = x + tn::linear(inner, b.down, b.down_bias);
  }
  return tn::matmul(tn::layer_norm(x, m.norm, m.shift), m.head);
}

struct Step {
  Model model;
  State state;
  Tensor loss;
};

inline Step train_step(const Model& model, const State& state, const Tensor& tokens, const Tensor& labels,
                       int64_t heads) {
  const auto loss = [heads](const Model& m, const Tensor& in, const Tensor& next) {
    const Tensor logits = forward(m, in, heads);
    return tn::cross_entropy(tn::reshape(logits, {-1, logits.shape()[2]}), tn::reshape(next, {-1}));
  };
  const auto [value, gradient] = tn::value_and_grad(loss)(model, tokens, labels);
  auto [next, moments] = tn::optim::adamw(model, gradient, state, {.rate = 1e-3});
  return {std::move(next), std::move(moments), value};
}

}  // namespace transformer
