// A transformer over characters: what it consists of, its loss, one step of training, one character of sampling. Each is a plain function
// over aggregates; jitted, a step is one native function.
#pragma once

#include <tenon/tenon.h>

#include <vector>

#include "tenon/examples/gpt/text.h"

namespace gpt {

struct Gpt {
  tn::nn::Embedding tokens;
  Tensor positions;  // f32[length, width], learned
  std::vector<tn::nn::TransformerBlock> blocks;
  tn::nn::LayerNorm norm;
  tn::nn::Linear head;
};
struct Sizes {
  int64_t vocabulary, length = 128, width = 128, heads = 4, blocks = 4;
};

inline Gpt make(const Tensor& key, const Sizes& s) {
  const std::vector<Tensor> keys = tn::split(key, s.blocks + 3);
  const auto small = [](const Tensor& t) { return t * 0.02; };
  Gpt g{.tokens = tn::nn::embedding(keys[0], s.vocabulary, s.width),
        .positions = small(tn::normal(keys[1], {s.length, s.width})),
        .blocks = {},
        .norm = tn::nn::layer_norm(s.width),
        .head = tn::nn::linear(keys[2], s.width, s.vocabulary)};
  g.tokens.weight = small(g.tokens.weight);
  for (int64_t i = 0; i < s.blocks; ++i)
    g.blocks.push_back(tn::nn::transformer_block(keys[static_cast<size_t>(i + 3)], s.width, s.heads, {.causal = true}));
  return g;
}

// i64[batch, length] -> f32[batch, length, vocabulary]: of each position, the scores of the character behind it
inline Tensor logits(const Gpt& g, const Tensor& tokens) {
  Tensor x = g.tokens(tokens) + g.positions[{tn::slice(0, tokens.shape()[1])}];
  for (const tn::nn::TransformerBlock& block : g.blocks) x = block(x);
  return g.head(g.norm(x));
}

// Of windows i64[batch, length + 1]: the mean cross entropy, of every character after those before it.
inline Tensor loss(const Gpt& g, const Tensor& windows) {
  const Tensor seen = windows[{tn::all, tn::slice(0, -1)}], next = windows[{tn::all, tn::slice(1, INT64_MAX)}];
  const Tensor scores = logits(g, seen);
  return tn::cross_entropy(scores.reshape({-1, scores.shape()[2]}), next.reshape({-1}));
}

using State = tn::optim::AdamWState<Gpt>;
struct Step {
  Gpt model;
  State state;
  Tensor loss;
};
inline Step train_step(const Gpt& g, const State& state, const Tensor& windows, const Tensor& rate) {
  auto [value, gradient] = tn::value_and_grad(loss)(g, windows);
  auto [model, next] = tn::optim::adamw(g, gradient, state, {.rate = rate, .weight_decay = 1e-2});
  return {std::move(model), std::move(next), value};
}

// ---- sampling: what attention has seen stays in a cache, so that a character costs one position
struct Sampler {
  std::vector<tn::nn::KvCache> caches;  // one for each block
  Tensor token;  // i64[1, 1], the last character
  Tensor key;
};
inline Sampler begin(const Gpt& g, const Tensor& key, int64_t first) {
  Sampler s{.caches = {}, .token = tn::full({1, 1}, first, {.dtype = tn::i64}), .key = key};
  for (const tn::nn::TransformerBlock& block : g.blocks)
    s.caches.push_back(block.cache(1, g.positions.shape()[0].number()));
  return s;
}
struct Sampled {
  Sampler sampler;
  Tensor logits;  // f32[vocabulary], of the character that was drawn
};
inline Sampled sample(const Gpt& g, const Sampler& s, double temperature) {
  Sampled out{s, {}};
  Tensor x = g.tokens(s.token) + tn::take(g.positions, s.caches[0].position.reshape({1}));
  for (size_t i = 0; i < g.blocks.size(); ++i) std::tie(x, out.sampler.caches[i]) = g.blocks[i](x, s.caches[i]);
  out.logits = g.head(g.norm(x)).reshape({-1});
  const auto [now, later] = tn::split(s.key);
  out.sampler.token = tn::random::categorical(now, out.logits / temperature).reshape({1, 1});
  out.sampler.key = later;
  return out;
}

}  // namespace gpt
