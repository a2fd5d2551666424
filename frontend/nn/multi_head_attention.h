// Attention with its projections: x [batch, length, width] goes to heads, attends, and comes back. Refuses widths that heads do not divide
// and mode of training without a key, where weights are dropped.
#pragma once

#include <optional>
#include <utility>

#include "tenon/frontend/nn/attention.h"
#include "tenon/frontend/nn/linear.h"
#include "tenon/frontend/nn/rope.h"

namespace tenon::nn {

struct Attend {
  std::optional<bool> causal = {};  // unless given, as the layer was made
  Mask mask = {};  // bool, stretches to [batch, heads, queries, keys]; a true element takes part
  Weights bias = {};  // is added to the scores
  bool training = false;
  Tensor key = {};  // what dropout draws from in training
};

// softmax(q k^T / sqrt(head width)) v over heads (Vaswani and others, "Attention is all you need", 2017, section 3.2), by nn::attention.
// Query head h reads head h / (heads / kv_heads) of keys and values. With .rope queries and keys are turned by their positions.
struct MultiHeadAttention {
  Linear q_proj, k_proj, v_proj, out_proj;
  int64_t heads = 1, kv_heads = 1;
  bool causal = false;
  double dropout = 0;  // of the softmax's weights, in training
  std::optional<Rope> rope = {};
  Tensor operator()(Operand x, const Attend& o = {}) const;  // to itself
  // [.., queries, width] to [.., keys, width]
  Tensor operator()(Operand query, Operand key, Operand value, const Attend& o = {}) const;
  // The next positions of a sequence, to themselves and to what the cache holds: the result, and the cache with them.
  std::pair<Tensor, KvCache> operator()(Operand x, const KvCache& cache, const Attend& o = {}) const;
  // An empty cache for sequences of so many positions.
  KvCache cache(Extent batch, int64_t capacity, const At& at = At::current()) const;
};
struct MultiHeadAttentionOptions {
  double dropout = 0;
  bool bias = true;
  int64_t kv_heads = 0;  // 0: as many as heads
  int64_t head_width = 0;  // 0: width / heads
  int64_t key_width = 0, value_width = 0;  // of the keys and values that are given; 0: width
  bool causal = false;
  std::optional<Rope> rope = {};
  DType dtype = default_dtype();
};
// Projections as torch.nn.MultiheadAttention's: those into heads uniform as one matrix by xavier, out as a Linear's; biases 0.
MultiHeadAttention multi_head_attention(const Tensor& key, int64_t width, int64_t heads,
                                        const MultiHeadAttentionOptions& o = {}, const At& at = At::current());

}  // namespace tenon::nn
