// Attention as a function: one op, whose forward and backward passes hold no matrix of scores.
#pragma once

#include "tenon/frontend/ops/ops.h"

namespace tenon::nn {

struct AttentionOptions {
  bool causal = false;  // query i sees keys 0 to i
  Mask mask = {};  // bool; a true element takes part
  Weights bias = {};  // is added to the scores
  std::optional<double> scale = {};  // of the scores; 1 / sqrt(depth) unless given
  double dropout = 0;  // the probability, below 1, that a weight is dropped
  Tensor key = {};  // u32[2], what is drawn from; asked for where dropout is not 0
};

// softmax(scale q k^T + bias) v over the keys: for every query the mean of the values, weighted by how its products with the keys compare.
//
//   q [.., heads, queries, depth]   k [.., heads', keys, depth]   v [.., heads', keys, width]   ->   [.., heads, queries, width]
//
// heads is a multiple of heads': query head h reads key head h / (heads / heads') (grouped queries), nothing being copied. Tensors of two
// axes have one head. The axes in front are the same for all three. mask and bias stretch to [.., heads, queries, keys] as operands of `+`
// do, and are read where they are. A key takes part for a query where the mask is true and, with `causal`, does not come after it; a query
// that no key takes part for gives zeros, as in PyTorch from 2.5 on.
//
// With dropout p a weight of the softmax is multiplied by 0 with probability p, and otherwise by 1 / (1 - p): by what
// tn::random::dropout(key, x, p) multiplies x of the scores' shape and the result's dtype. The numbers are a function of the key and the
// weight's place, and drawn again where derivatives need them. Under vmap each lane counts from 0, and one key gives all of them the same.
//
// Floating dtypes, one for q, k, v and bias after promotion; halves compute in f32 and round once. Extents may be free, but for depth
// where no scale is given. Error for other dtypes, heads that are no multiple, extents that do not fit, a mask that is not bool, and
// a probability outside [0, 1) or without a key.
//
// Keys are taken in blocks, and what has been summed is brought to the maximum so far (Milakov and Gimelshein, "Online normalizer
// calculation for softmax", 2018, section 3; Rabe and Staats, "Self-attention does not need O(n^2) memory", 2021; Dao et al.,
// "FlashAttention", 2022, section 3.1). Numbers: docs/numbers.md, Attention. Derivatives of the first order, forward and reverse, compute
// the scores again and take memory that grows with queries plus keys; by a bias, and from the second order on, they go through whole
// matrices of scores.
Tensor attention(Operand q, Operand k, Operand v, const AttentionOptions& options = {});

}  // namespace tenon::nn
