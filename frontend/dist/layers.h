// Layers whose weights lie in parts over the ranks of a group, as plain functions: each says with constrain how its tensors lie, and is
// outside of a program, and in a world of one, the layer that it is named after. Every rank passes the same whole tensors.
//   h = column_parallel(x, w1, b1, g); y = row_parallel(gelu(h), w2, b2, g)     one all_reduce, that of y
#pragma once

#include "tenon/frontend/dist/world.h"
#include "tenon/frontend/nn/losses.h"
#include "tenon/frontend/ops/ops.h"

namespace tenon::dist {

// x[.., in] w[in, out] + b[out], each rank computing its part of `out`; the result stays cut along its last dimension.
Tensor column_parallel(Operand x, Operand w, Operand b, const Group& group);
// The same, each rank multiplying its part of `in`: the partial sums are joined, then b is added.
Tensor row_parallel(Operand x, Operand w, Operand b, const Group& group);
// Rows of a table[vocabulary, width], of which each rank holds its part; the bits are those of tn::take.
Tensor embedding(Operand indices, Operand table, const Group& group);
// tn::cross_entropy of logits[n, vocabulary], of which each rank holds its part of the vocabulary: maxima and sums are joined, logits
// never put together.
Tensor cross_entropy(Operand logits, Operand labels, const Group& group, const CrossEntropy& c = {});

struct AttentionOptions {
  bool causal = false;  // a row sees itself and those before it
};
// softmax(q k^T / sqrt(width)) v of [.., heads, length, width], each rank having its part of the heads. Nothing is joined.
Tensor attention(Operand q, Operand k, Operand v, const Group& group, const AttentionOptions& options = {});

}  // namespace tenon::dist
