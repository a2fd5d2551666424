// MultiHeadAttention over nn::attention, rope and caches.
#include "tenon/frontend/nn/multi_head_attention.h"

#include <cmath>

#include "tenon/frontend/nn/init.h"
#include "tenon/frontend/nn/refusals.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon::nn {
namespace {

constexpr const char* layer = "nn::MultiHeadAttention";

std::vector<int64_t> heads_first(int rank) {  // and back: the two axes in front of the last change places
  std::vector<int64_t> order;
  for (int64_t i = 0; i < rank; ++i) order.push_back(i);
  std::swap(order[static_cast<size_t>(rank - 2)], order[static_cast<size_t>(rank - 3)]);
  return order;
}

// [.., length, heads * width] -> [.., heads, length, width]
Tensor apart(const Tensor& x, int64_t heads, const Location& at) {
  std::vector<Extent> shape(x.shape().begin(), x.shape().end());
  shape.back() = Extent(x.shape()[x.shape().size() - 1]) / heads;
  shape.insert(shape.end() - 1, Extent(heads));
  return tenon::transpose(Operand(tenon::reshape(Operand(x, at), shape), at), heads_first(x.ndim() + 1));
}
Tensor together(const Tensor& x, const Location& at) {
  const Tensor rows = tenon::transpose(Operand(x, at), heads_first(x.ndim()));
  std::vector<Extent> shape(rows.shape().begin(), rows.shape().end());
  const Extent width = shape.back();
  shape.pop_back();
  shape.back() = shape.back() * width;
  return tenon::reshape(Operand(rows, at), shape);
}

void check_layer(const MultiHeadAttention& a, const Location& at) {
  const auto columns = [&](const Linear& l) { return weight_of(l.weight, layer, 2, at).shape()[1]; };
  const Dim q = columns(a.q_proj), k = columns(a.k_proj), v = columns(a.v_proj);
  const bool fits = a.heads > 0 && a.kv_heads > 0 && a.heads % a.kv_heads == 0 && q.is_number() && k.is_number() &&
                    v.is_number() && q.number() % a.heads == 0 && k.number() % a.kv_heads == 0 &&
                    v.number() % a.kv_heads == 0 && q.number() / a.heads == k.number() / a.kv_heads;
  if (!fits)
    throw Error(std::string(layer) + ": " + std::to_string(a.heads) + " heads, " + std::to_string(a.kv_heads) +
                    " of keys and values, do not fit the projections " + describe(a.q_proj.weight) + ", " +
                    describe(a.k_proj.weight) + " and " + describe(a.v_proj.weight),
                at);
}

Operand sequence(const Operand& x, const char* name, const Linear& projection) {
  const Location& at = x.where();
  const Dim width = weight_of(projection.weight, layer, 2, at).shape()[0];
  const std::string wants = std::string(name) + "[batch, length, " + extent_text(width) + "]";
  return Operand(entering(x, layer, 2, -1, width, wants), at);
}

AttentionOptions options_of(const MultiHeadAttention& a, const Attend& o, const Location& at) {
  AttentionOptions to{.causal = o.causal.value_or(a.causal), .mask = o.mask, .bias = o.bias};
  if (!o.training || a.dropout == 0) return to;
  to.dropout = a.dropout, to.key = key_of(o.key, layer, at);
  return to;
}

Tensor turned(const MultiHeadAttention& a, const Tensor& x, const Operand& offset, const Location& at) {
  return a.rope ? nn::rope(Operand(x, at), offset, *a.rope) : x;
}

Tensor attended(const MultiHeadAttention& a, const Tensor& q, const Tensor& k, const Tensor& v,
                const AttentionOptions& to, const Location& at) {
  const Tensor mixed = attention(Operand(q, at), Operand(k, at), Operand(v, at), to);
  return a.out_proj(Operand(together(mixed, at), at));
}

}  // namespace

Tensor MultiHeadAttention::operator()(Operand x, const Attend& o) const { return (*this)(x, x, x, o); }

Tensor MultiHeadAttention::operator()(Operand query, Operand key, Operand value, const Attend& o) const try {
  const Location at = place_of({&query, &key, &value});
  check_layer(*this, at);
  const Operand first(0, at);
  const Tensor q = turned(*this, apart(q_proj(sequence(query, "query", q_proj)), heads, at), first, at);
  const Tensor k = turned(*this, apart(k_proj(sequence(key, "key", k_proj)), kv_heads, at), first, at);
  const Tensor v = apart(v_proj(sequence(value, "value", v_proj)), kv_heads, at);
  return attended(*this, q, k, v, options_of(*this, o, at), at);
} catch (...) {
  leave_with_error(layer, query.where());
}

std::pair<Tensor, KvCache> MultiHeadAttention::operator()(Operand x, const KvCache& cache, const Attend& o) const try {
  const Location& at = x.where();
  check_layer(*this, at);
  const Operand rows = sequence(x, "x", q_proj), first(cache.position, at);
  const Tensor q = turned(*this, apart(q_proj(rows), heads, at), first, at);
  const Tensor k = turned(*this, apart(k_proj(rows), kv_heads, at), first, at);
  const KvCache next = cache.append(Operand(k, at), Operand(apart(v_proj(rows), kv_heads, at), at));
  AttentionOptions to = options_of(*this, o, at);
  const Tensor there = next.mask(q.shape()[2], to.causal);
  to.causal = false;
  to.mask = to.mask ? Mask(Operand(to.mask.tensor(), at) & Operand(there, at)) : Mask(there);
  return {attended(*this, q, next.keys, next.values, to, at), next};
} catch (...) {
  leave_with_error(layer, x.where());
}

KvCache MultiHeadAttention::cache(Extent batch, int64_t capacity, const At& at) const {
  check_layer(*this, place(at));
  const int64_t width = k_proj.weight.shape()[1].number() / kv_heads;
  KvCache empty = kv_cache(batch, kv_heads, capacity, width, {.dtype = k_proj.weight.dtype()}, at);
  const int64_t values = v_proj.weight.shape()[1].number() / kv_heads;
  if (values != width) empty.values = zeros({batch, kv_heads, capacity, values}, {.dtype = k_proj.weight.dtype()}, at);
  return empty;
}

MultiHeadAttention multi_head_attention(const Tensor& key, int64_t width, int64_t heads,
                                        const MultiHeadAttentionOptions& o, const At& from) try {
  constexpr const char* maker = "nn::multi_head_attention";
  const Location at = place(from);
  check_count(maker, "width", width, at);
  check_count(maker, "heads", heads, at);
  const int64_t kv_heads = o.kv_heads == 0 ? heads : o.kv_heads;
  check_count(maker, ".kv_heads", kv_heads, at);
  if (o.head_width == 0 && width % heads != 0)
    throw Error(std::string(maker) + ": " + std::to_string(heads) + " heads do not divide a width of " +
                    std::to_string(width) + "; take a divisor, or say .head_width",
                at);
  if (heads % kv_heads != 0)
    throw Error(std::string(maker) + ": .kv_heads is " + std::to_string(kv_heads) + ", which does not divide " +
                    std::to_string(heads) + " heads",
                at);
  check_probability(maker, o.dropout, at);
  const int64_t each = o.head_width == 0 ? width / heads : o.head_width;
  check_count(maker, ".head_width", each, at);
  const int64_t key_width = o.key_width == 0 ? width : o.key_width;
  const int64_t value_width = o.value_width == 0 ? width : o.value_width;
  const std::vector<Tensor> keys = split(key, 4, from);
  const double outs = static_cast<double>(each) * static_cast<double>(heads + 2 * kv_heads);
  const auto into = [&](size_t k, int64_t in, int64_t many) {
    const double bound = std::sqrt(6 / (static_cast<double>(in) + outs));
    check_count(maker, "the width of a projection", in, at);
    return Linear{init::uniform(keys[k], {in, each * many}, {.low = -bound, .high = bound, .dtype = o.dtype}, from),
                  o.bias ? zeros({each * many}, {.dtype = o.dtype}, from) : Tensor()};
  };
  Linear out = linear(keys[3], each * heads, width, {.bias = o.bias, .dtype = o.dtype}, from);
  if (o.bias) out.bias = zeros({width}, {.dtype = o.dtype}, from);
  return {.q_proj = into(0, width, heads),
          .k_proj = into(1, key_width, kv_heads),
          .v_proj = into(2, value_width, kv_heads),
          .out_proj = std::move(out),
          .heads = heads,
          .kv_heads = kv_heads,
          .causal = o.causal,
          .dropout = o.dropout,
          .rope = o.rope};
} catch (...) {
  leave_with_error("nn::multi_head_attention", place(from));
}

}  // namespace tenon::nn
