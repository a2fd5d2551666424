// Positions as rotations of pairs (Su and others, "RoFormer", 2021, section 3.2.2), and the keys and values that a decoder keeps. Refuses an
// odd number of numbers to rotate.
#pragma once

#include <utility>

#include "tenon/frontend/ops/ops.h"

namespace tenon::nn {

struct Rope {
  double base = 10000;  // pair i of n numbers turns by position * base^(-2 i / n)
  bool interleaved = false;  // pairs are (2 i, 2 i + 1), as in GPT-J; else (i, i + n / 2), as in GPT-NeoX and Llama
  int64_t width = 0;  // so many numbers of each row turn, the first ones; 0: all
  double scale = 1;  // positions are multiplied by it
};
// x [.., length, width], with row i at position i + offset, an integer, a tensor i64[], or one [n] for axis 0 of x. Angles are computed in
// f32, those of f64 in f64. Extents may be free, but for the width.
Tensor rope(Operand x, const Rope& o = {});
Tensor rope(Operand x, Operand offset, const Rope& o = {});

// What a decoder has seen: room for `capacity` positions, of which the first `position` are taken.
struct KvCache {
  Tensor keys, values;  // [batch, heads, capacity, width]
  Tensor position;  // i64[]
  // With the keys and values of the next positions, [batch, heads, length, width]. Error, when it runs, where there is no room.
  KvCache append(Operand k, Operand v) const;
  // bool[length, capacity]: which positions are there for a query among `length` that have been appended last; causal: which of them do
  // not come after it.
  Tensor mask(Extent length, bool causal, const At& at = At::current()) const;
};
struct KvCacheOptions {
  DType dtype = default_dtype();
};
KvCache kv_cache(Extent batch, int64_t heads, int64_t capacity, int64_t width, const KvCacheOptions& o = {},
                 const At& at = At::current());

}  // namespace tenon::nn
