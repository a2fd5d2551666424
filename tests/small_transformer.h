// A transformer of two layers over a vocabulary of 64: pre-norm, causal attention, MLP. Its layers are plain functions, or those of
// tn::dist over a group of ranks.
#pragma once

#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <limits>
#include <optional>
#include <random>

namespace tenon::testing {

struct TransformerBlock {
  Tensor norm1, norm2;  // scales
  Tensor query, key, value, out;  // [width, width]
  Tensor query_bias, key_bias, value_bias, out_bias;
  Tensor up, up_bias, down, down_bias;
};
struct Transformer {
  Tensor table;  // [vocabulary, width]
  Tensor positions;  // [length, width]
  std::vector<TransformerBlock> blocks;
  Tensor norm, head, head_bias;  // head: [width, vocabulary]
};

// group: nothing for the plain functions.
struct TransformerLayers {
  std::optional<dist::Group> group;
  static constexpr int64_t heads = 4, width = 16, vocabulary = 64, length = 8;

  Tensor columns(const Tensor& x, const Tensor& w, const Tensor& b) const {
    return group ? dist::column_parallel(x, w, b, *group) : linear(x, w, b);
  }
  Tensor rows(const Tensor& x, const Tensor& w, const Tensor& b) const {
    return group ? dist::row_parallel(x, w, b, *group) : linear(x, w, b);
  }
  Tensor embedded(const Tensor& tokens, const Tensor& table) const {
    return group ? dist::embedding(tokens, table, *group) : take(table, tokens);
  }
  Tensor loss_of(const Tensor& logits, const Tensor& labels) const {
    return group ? dist::cross_entropy(logits, labels, *group) : cross_entropy(logits, labels);
  }
  Tensor attended(const Tensor& q, const Tensor& k, const Tensor& v) const {
    if (group) return dist::attention(q, k, v, *group, {.causal = true});
    const Tensor scores = matmul(q, k.transpose({0, 1, 3, 2})) * (1 / std::sqrt(static_cast<double>(width / heads)));
    const Tensor seen = arange(0, length).reshape({length, 1}) >= arange(0, length).reshape({1, length});
    return matmul(softmax(where(seen, scores, -std::numeric_limits<double>::infinity()), -1), v);
  }

  // Of [batch, length, width], before it is projected.
  Tensor attention_of(const TransformerBlock& b, const Tensor& x) const {
    const int64_t batch = x.shape()[0].number();
    const Tensor h = rms_norm(x, b.norm1);
    const auto by_heads = [&](const Tensor& t) {
      return t.reshape({batch, length, heads, width / heads}).transpose({0, 2, 1, 3});
    };
    const Tensor a = attended(by_heads(columns(h, b.query, b.query_bias)), by_heads(columns(h, b.key, b.key_bias)),
                              by_heads(columns(h, b.value, b.value_bias)));
    return a.transpose({0, 2, 1, 3}).reshape({batch, length, width});
  }
  Tensor block(const TransformerBlock& b, const Tensor& x) const {
    const Tensor y = x + rows(attention_of(b, x), b.out, b.out_bias);
    return y + rows(gelu(columns(rms_norm(y, b.norm2), b.up, b.up_bias)), b.down, b.down_bias);
  }
  Tensor begin(const Transformer& t, const Tensor& tokens) const { return embedded(tokens, t.table) + t.positions; }
  // tokens, labels: [batch, length]
  Tensor loss(const Transformer& t, const Tensor& tokens, const Tensor& labels) const {
    Tensor x = begin(t, tokens);
    for (const TransformerBlock& b : t.blocks) x = block(b, x);
    const int64_t rows = tokens.shape()[0].number() * length;
    return loss_of(columns(rms_norm(x, t.norm).reshape({rows, width}), t.head, t.head_bias), labels.reshape({rows}));
  }
};

inline Transformer small_transformer() {
  std::mt19937_64 draw(7);
  const auto tensor_of = [&](std::initializer_list<int64_t> shape, double size, double middle = 0) {
    int64_t count = 1;
    for (int64_t n : shape) count *= n;
    std::vector<double> v(static_cast<size_t>(count));
    for (double& x : v) x = middle + size * (static_cast<double>(draw() >> 40) / (1 << 24) * 2 - 1);
    return copy_from(v.data(), Shape::from(std::vector<int64_t>(shape)), f64);
  };
  constexpr int64_t w = TransformerLayers::width, v = TransformerLayers::vocabulary;
  Transformer t{tensor_of({v, w}, 0.5),
                tensor_of({TransformerLayers::length, w}, 0.1),
                {},
                tensor_of({w}, 0.1, 1),
                tensor_of({w, v}, 0.3),
                tensor_of({v}, 0.1)};
  for (int k = 0; k < 2; ++k)
    t.blocks.push_back({tensor_of({w}, 0.1, 1), tensor_of({w}, 0.1, 1), tensor_of({w, w}, 0.4), tensor_of({w, w}, 0.4),
                        tensor_of({w, w}, 0.4), tensor_of({w, w}, 0.4), tensor_of({w}, 0.1), tensor_of({w}, 0.1),
                        tensor_of({w}, 0.1), tensor_of({w}, 0.1), tensor_of({w, 4 * w}, 0.4), tensor_of({4 * w}, 0.1),
                        tensor_of({4 * w, w}, 0.2), tensor_of({w}, 0.1)});
  return t;
}

inline Tensor small_tokens(uint64_t seed, int64_t batch) {
  std::mt19937_64 draw(seed);
  std::vector<int64_t> v(static_cast<size_t>(batch * TransformerLayers::length));
  for (int64_t& token : v) token = static_cast<int64_t>(draw() % TransformerLayers::vocabulary);
  return copy_from(v.data(), {batch, TransformerLayers::length}, i64);
}

}  // namespace tenon::testing
