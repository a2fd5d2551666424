// The demo's model: a multilayer perceptron 784-512-512-10 and its training step, as plain functions over aggregates.
#pragma once

#include <tenon/tenon.h>

#include <cmath>

namespace mlp {

namespace tn = tenon;
using tn::Tensor;

struct Layer {
  Tensor weight, bias;  // f32[in, out], f32[out]
};
struct Params {
  Layer first, second, last;
};
using State = tn::optim::AdamWState<Params>;

inline Layer layer(const Tensor& key, int64_t in, int64_t out) {
  return {tn::normal(key, {in, out}) * std::sqrt(2.0 / static_cast<double>(in)), tn::zeros({out})};
}

inline Params init(uint64_t seed) {
  const std::vector<Tensor> keys = tn::split(tn::key(seed), 3);
  return {layer(keys[0], 784, 512), layer(keys[1], 512, 512), layer(keys[2], 512, 10)};
}

// images u8[n, 784] -> logits f32[n, 10]
inline Tensor forward(const Params& p, const Tensor& images) {
  const Tensor x = images.astype(tn::f32) * (1.0 / 255.0);
  const Tensor h1 = tn::relu(tn::linear(x, p.first.weight, p.first.bias));
  const Tensor h2 = tn::relu(tn::linear(h1, p.second.weight, p.second.bias));
  return tn::linear(h2, p.last.weight, p.last.bias);
}

inline Tensor loss(const Params& p, const Tensor& images, const Tensor& labels) {
  return tn::cross_entropy(forward(p, images), labels);
}

struct Step {
  Params params;
  State state;
  Tensor loss;
};

// One step of adamw: forward, gradient and update. Jitted, it is one native function.
inline Step train_step(const Params& params, const State& state, const Tensor& images, const Tensor& labels) {
  const auto [value, gradient] = tn::value_and_grad(loss)(params, images, labels);
  auto [next, moments] = tn::optim::adamw(params, gradient, state, {.rate = 1e-3, .weight_decay = 1e-4});
  return {std::move(next), std::move(moments), value};
}

}  // namespace mlp
