// Where the rows of attention have their operands, and what its extents are called. The linear operands stand in front, a mask and a
// bias and a key behind; in between q, k, v and, but for `attention` itself, the logarithms of the rows' sums.
#pragma once

#include <cmath>

#include "tenon/ir/graph/attributes.h"

namespace tenon::ir::rules {

struct AttentionOperands {
  static constexpr uint32_t none = UINT32_MAX;
  uint32_t q = 0, k = 1, v = 2, logarithms = none, mask = none, bias = none, key = none, count = 3;
  AttentionOperands(Op op, const Attention& a) {
    q = op == Op::attention ? 0 : op == Op::attention_tangent ? 3 : 2;
    k = q + 1, v = q + 2, count = q + 3;
    if (op != Op::attention) logarithms = count++;
    if (a.masked) mask = count++;
    if (a.biased) bias = count++;
    if (a.dropout != 0) key = count++;
  }
  // Whether scores may be -inf by what hides keys: their weights are 0 then, whatever they are measured against. Of a whole block
  // `causal` hides none.
  bool hides(const Attention& a, bool whole) const { return (a.causal && !whole) || a.masked || a.biased; }
};

struct AttentionExtents {
  std::vector<Dim> batch;  // in front of the heads
  Dim heads, key_heads, queries, keys, depth, width;
  AttentionExtents(const Shape& q, const Shape& k, const Shape& v) {
    const size_t rank = q.size();
    for (size_t d = 0; d + 3 < rank; ++d) batch.push_back(q[d]);
    heads = q[rank - 3], queries = q[rank - 2], depth = q[rank - 1];
    key_heads = k[rank - 3], keys = k[rank - 2], width = v[rank - 1];
  }
  // How many heads of q read one of k. They are the same, or numbers.
  int64_t sharing() const { return heads == key_heads ? 1 : heads.number() / std::max<int64_t>(key_heads.number(), 1); }
  Shape of(std::initializer_list<Dim> behind) const {
    Shape shape(batch);
    for (Dim d : behind) shape.push_back(d);
    return shape;
  }
};

inline DType attention_sums(DType t) { return is_half(t) ? DType::f32 : t; }

// Dropout: a weight is kept where the top bits of its random word, those of tn::random's uniform numbers, are not below `threshold`; it is
// then multiplied by `factor`, 1 / (1 - p), and otherwise by 0. The word is that of random_bits with the key, for the weight's number
// among [.., heads, queries, keys] behind the axes that the key has.
struct AttentionDropout {
  int64_t per_block = 4, shift = 8;  // words in a block of the generator; bits that are left out
  int64_t threshold = 0;
  double factor = 1;
  AttentionDropout(double p, DType sum) {
    if (sum == DType::f64) per_block = 2, shift = 11;
    const double rounded = sum == DType::f64 ? p : static_cast<float>(p);
    threshold = static_cast<int64_t>(std::ceil(std::ldexp(rounded, sum == DType::f64 ? 53 : 24)));
    factor = sum == DType::f64 ? 1 / (1 - rounded) : 1 / (1 - static_cast<float>(p));
  }
};

}  // namespace tenon::ir::rules
