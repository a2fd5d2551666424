// The two models that the service serves: a small convolutional network over images and a transformer of two layers over tokens.
// Their weights are drawn from keys; a real service would load them. Refuses to train.
#pragma once

#include <tenon/tenon.h>

#include <cmath>
#include <vector>

namespace service {

namespace tn = tenon;
using tn::Tensor;

inline Tensor drawn(const Tensor& key, const tn::Extents& shape, double fan_in) {
  return tn::normal(key, shape) / std::sqrt(fan_in);
}

// ---- images f32[n, 28, 28, 1] to the probabilities of ten classes f32[n, 10]

struct Cnn {
  Tensor first, second;  // kernels f32[3, 3, in, out]
  Tensor weight, bias;
};

inline Cnn init_cnn(uint64_t seed) {
  const std::vector<Tensor> k = tn::split(tn::key(seed), 4);
  return {drawn(k[0], {3, 3, 1, 16}, 9), drawn(k[1], {3, 3, 16, 32}, 144), drawn(k[2], {32, 10}, 32),
          drawn(k[3], {10}, 100)};
}

inline Tensor classify(const Cnn& net, const Tensor& images) {
  const tn::Convolution halving{.strides = {2, 2}, .low = {1, 1}, .high = {1, 1}};
  const Tensor edges = tn::relu(tn::convolution(images, net.first, halving));
  const Tensor shapes = tn::relu(tn::convolution(edges, net.second, halving));
  const Tensor pooled = tn::mean(shapes, {.axes = {1, 2}});
  return tn::softmax(tn::linear(pooled, net.weight, net.bias), -1);
}

// ---- tokens i32[n, t] and their positions i32[t] to the logits of the next token f32[n, t, 256]

constexpr int64_t vocabulary = 256, width = 64, heads = 4, head = width / heads, hidden = 4 * width, longest = 512;

struct Block {
  Tensor scale_1, shift_1, query, key, value, out;  // f32[width, heads, head], out f32[heads, head, width]
  Tensor scale_2, shift_2, up, up_bias, down, down_bias;
};
struct Transformer {
  Tensor tokens, positions;
  std::vector<Block> blocks;
  Tensor scale, shift;
};

inline Block init_block(const Tensor& key) {
  const std::vector<Tensor> k = tn::split(key, 6);
  const Tensor ones = tn::ones({width}), zeros = tn::zeros({width});
  return {ones,
          zeros,
          drawn(k[0], {width, heads, head}, width),
          drawn(k[1], {width, heads, head}, width),
          drawn(k[2], {width, heads, head}, width),
          drawn(k[3], {heads, head, width}, width),
          ones,
          zeros,
          drawn(k[4], {width, hidden}, width),
          tn::zeros({hidden}),
          drawn(k[5], {hidden, width}, hidden),
          zeros};
}

inline Transformer init_transformer(uint64_t seed) {
  const std::vector<Tensor> k = tn::split(tn::key(seed), 4);
  return {drawn(k[0], {vocabulary, width}, 1),
          drawn(k[1], {longest, width}, 1),
          {init_block(k[2]), init_block(k[3])},
          tn::ones({width}),
          tn::zeros({width})};
}

inline Tensor attend(const Block& b, const Tensor& x) {
  const Tensor q = tn::einsum("ntd,dhk->nhtk", {x, b.query}), k = tn::einsum("ntd,dhk->nhtk", {x, b.key});
  const Tensor v = tn::einsum("ntd,dhk->nhtk", {x, b.value});
  const Tensor weights = tn::softmax(tn::einsum("nhtk,nhsk->nhts", {q, k}) / std::sqrt(static_cast<double>(head)), -1);
  return tn::einsum("nhtk,hkd->ntd", {tn::einsum("nhts,nhsk->nhtk", {weights, v}), b.out});
}

inline Tensor predict(const Transformer& net, const Tensor& tokens, const Tensor& positions) {
  Tensor x = tn::take(net.tokens, tokens) + tn::take(net.positions, positions);
  for (const Block& b : net.blocks) {
    x = x + attend(b, tn::layer_norm(x, b.scale_1, b.shift_1));
    const Tensor h = tn::gelu(tn::linear(tn::layer_norm(x, b.scale_2, b.shift_2), b.up, b.up_bias));
    x = x + tn::linear(h, b.down, b.down_bias);
  }
  x = tn::layer_norm(x, net.scale, net.shift);
  return tn::einsum("ntd,vd->ntv", {x, net.tokens});
}

}  // namespace service
