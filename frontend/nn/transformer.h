// Blocks of several layers: a transformer's, and perceptrons of several layers. Refuses widths that heads do not divide, and activations
// that nobody knows.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tenon/frontend/nn/activations.h"
#include "tenon/frontend/nn/multi_head_attention.h"
#include "tenon/frontend/nn/norms.h"

namespace tenon::nn {

// Attention and two linear maps, each beside a shortcut and with a norm: in front of it, x + f(norm(x)) (Xiong and others, "On layer
// normalization in the transformer architecture", ICML 2020, table 1), or after it, norm(x + f(x)), as in 2017. x [batch, length, width].
struct TransformerBlock {
  MultiHeadAttention self_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2;
  std::string activation = "gelu";
  bool norm_first = true;
  double dropout = 0;  // of both branches and between the linear maps, in training
  Tensor operator()(Operand x, const Attend& o = {}) const;
  std::pair<Tensor, KvCache> operator()(Operand x, const KvCache& cache, const Attend& o = {}) const;
  KvCache cache(Extent batch, int64_t capacity, const At& at = At::current()) const;
};
struct TransformerBlockOptions {
  int64_t hidden = 0;  // between the linear maps; 0: 4 times the width
  double dropout = 0;  // of the softmax's weights, too
  std::string activation = "gelu";  // what nn::activated takes
  double epsilon = 1e-5, eps = epsilon;
  bool norm_first = true, bias = true;
  int64_t kv_heads = 0;
  bool causal = false;
  std::optional<Rope> rope = {};
  DType dtype = default_dtype();
};
TransformerBlock transformer_block(const Tensor& key, int64_t width, int64_t heads,
                                   const TransformerBlockOptions& o = {}, const At& at = At::current());

// Linear maps with an activation, and in training dropout, between them.
struct Mlp {
  std::vector<Linear> layers;
  std::string activation = "relu";
  double dropout = 0;
  Tensor operator()(Operand x, const Mode& mode = {}) const;
};
struct MlpOptions {
  std::string activation = "relu";
  double dropout = 0;
  bool bias = true;
  DType dtype = default_dtype();
};
// widths: of x, of every layer's result: {784, 128, 10}.
Mlp mlp(const Tensor& key, const std::vector<int64_t>& widths, const MlpOptions& o = {}, const At& at = At::current());

}  // namespace tenon::nn
