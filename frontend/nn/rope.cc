// rope as one formula, part of the contract on numbers; caches over dynamic_update_slice.
#include "tenon/frontend/nn/rope.h"

#include <cmath>

#include "tenon/frontend/nn/attributes.h"
#include "tenon/frontend/nn/refusals.h"
#include "tenon/frontend/ops/effects.h"
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::formula {
namespace {

Value part(Value x, int64_t start, int64_t size, int64_t stride) {  // of the last axis
  std::vector<Dim> starts(x.shape().size(), Dim(0)), sizes = x.shape().dims();
  std::vector<int64_t> strides(x.shape().size(), 1);
  starts.back() = Dim(start), sizes.back() = Dim(size), strides.back() = stride;
  return ir::slice(x, starts, sizes, strides);
}

// Inputs: x, offset. The angle of pair i at a position, in the dtype computed in: its rate is base^(-2 i / n), rounded once from f64.
std::vector<Value> build_rope(ir::GraphBuilder& b, std::span<const Value> inputs, const ir::Attrs& attrs) {
  const made::Roped to(attrs);
  const Value x = ir::cast(inputs[0], wide(to.dtype));
  const int64_t rank = x.shape().rank(), n = to.width, half = n / 2;
  const Dim length = x.shape()[static_cast<size_t>(rank - 2)];
  const Value offset = position(inputs[1]);
  Shape at({length, Dim(half)});
  Axes axes{rank - 2, rank - 1}, of_offset;
  if (to.offset_rank == 1) {
    at.insert(0, x.shape()[0]);
    axes.insert(axes.begin(), 0), of_offset.push_back(0);
  }
  const int64_t along = at.rank() - 2;
  const Value places = ir::iota(b, i64, at, along) + ir::broadcast(offset, at, of_offset);
  const Value pair = ir::iota(b, f64, Shape({Dim(half)}), 0);
  const Value rates = ir::cast(exp(pair * (-2 * std::log(to.base) / static_cast<double>(n))) * to.scale, x.dtype());
  const Value angles = ir::cast(places, x.dtype()) * ir::broadcast(rates, at, {along + 1});
  Shape pairs = x.shape();
  pairs[static_cast<size_t>(rank - 1)] = Dim(half);
  const Value c = ir::broadcast(cos(angles), pairs, axes), s = ir::broadcast(sin(angles), pairs, axes);
  const int64_t second = to.interleaved ? 1 : half, stride = to.interleaved ? 2 : 1;
  const Value u = part(x, 0, half, stride), v = part(x, second, half, stride);
  const Value turned[] = {u * c - v * s, v * c + u * s};
  Value y;
  if (to.interleaved) {
    Shape apart = pairs, together = x.shape();
    apart.push_back(Dim(1)), together[static_cast<size_t>(rank - 1)] = Dim(n);
    const Value columns[] = {ir::reshape(turned[0], apart), ir::reshape(turned[1], apart)};
    y = ir::reshape(ir::concat(columns, rank), together);
  } else {
    y = ir::concat(turned, rank - 1);
  }
  if (to.rest > 0) {
    const Value parts[] = {y, part(x, n, to.rest, 1)};
    y = ir::concat(parts, rank - 1);
  }
  return {ir::cast(y, to.dtype)};
}

}  // namespace
}  // namespace tenon::formula

namespace tenon::nn {
namespace {

constexpr const char* what = "nn::rope";

int64_t turned(const Tensor& x, const Rope& o, const Location& at) {
  if (x.ndim() < 2) throw Error(std::string(what) + ": takes x[.., length, width], not " + describe(x), at);
  const Dim width = x.shape()[static_cast<size_t>(x.ndim() - 1)];
  if (width.is_symbol()) throw Error(std::string(what) + ": the width of " + describe(x) + " is free; fix it", at);
  const int64_t n = o.width == 0 ? width.number() : o.width;
  if (n < 2 || n % 2 != 0 || n > width.number())
    throw Error(std::string(what) + ": turns pairs of numbers, and " + std::to_string(n) + " of " +
                    std::to_string(width.number()) + " in a row of " + describe(x) +
                    " are none; .width says how many turn, an even number",
                at);
  if (!(o.base > 0)) throw Error(std::string(what) + ": .base is above 0, not " + shortest(o.base), at);
  return n;
}

}  // namespace

Tensor rope(Operand x, const Rope& o) {
  const Location at = x.where();
  return rope(std::move(x), Operand(0, at), o);
}

Tensor rope(Operand x, Operand offset, const Rope& o) try {
  const Location at = place_of({&x, &offset});
  const Tensor t = as_tensor(x, what);
  check_real(t.dtype(), what, at);
  const int64_t n = turned(t, o, at);
  const Tensor first = entered(offset, i64, what);
  const bool fits =
      first.ndim() == 0 || (first.ndim() == 1 && t.ndim() > 2 && stretches(first.shape(), {t.shape()[0]}));
  if (!is_integer(first.dtype()) || !fits)
    throw Error(std::string(what) + ": the offset is an integer, or one for each of axis 0 of " + describe(t) +
                    ", not " + describe(first),
                at);
  return apply_one({what, formula::build_rope},
                   made::RopedAttrs{.base = o.base,
                                    .scale = o.scale,
                                    .width = n,
                                    .rest = t.shape()[static_cast<size_t>(t.ndim() - 1)].number() - n,
                                    .interleaved = o.interleaved,
                                    .offset_rank = first.ndim(),
                                    .dtype = formula::floating(t.dtype())},
                   {t, first}, at);
} catch (...) {
  leave_with_error(what, x.where());
}

KvCache kv_cache(Extent batch, int64_t heads, int64_t capacity, int64_t width, const KvCacheOptions& o, const At& at) {
  check_count("nn::kv_cache", "heads", heads, place(at));
  check_count("nn::kv_cache", "capacity", capacity, place(at));
  check_count("nn::kv_cache", "width", width, place(at));
  check_floating("nn::kv_cache", o.dtype, place(at));
  const Extents shape{batch, heads, capacity, width};
  return {zeros(shape, {.dtype = o.dtype}, at), zeros(shape, {.dtype = o.dtype}, at), zeros({}, {.dtype = i64}, at)};
}

KvCache KvCache::append(Operand k, Operand v) const try {
  constexpr const char* name = "nn::KvCache";
  const Location at = place_of({&k, &v});
  const Tensor more[] = {as_tensor(k, name), as_tensor(v, name)};
  const Tensor* const kept[] = {&keys, &values};
  for (size_t i = 0; i < 2; ++i) {
    bool fits = kept[i]->defined() && kept[i]->ndim() == 4 && more[i].ndim() == 4;
    for (size_t d : {0u, 1u, 3u}) fits = fits && kept[i]->shape()[d] == more[i].shape()[d];
    if (!fits)
      throw Error(std::string(name) + ": holds " + describe(*kept[i]) + ", [batch, heads, capacity, width], and " +
                      describe(more[i]) + " is to be appended; make it by tn::nn::kv_cache for this batch and layer",
                  at);
  }
  const Dim capacity = keys.shape()[2], length = more[0].shape()[2];
  const Tensor next = Operand(position, at) + Operand(Extent(length), at);
  check(Operand(Operand(next, at) <= Operand(Extent(capacity), at), at),
        "nn::KvCache: there is no room for " + extent_text(length) + " more positions in a capacity of " +
            extent_text(capacity));
  const Tensor zero = zeros({}, {.dtype = i64});
  const Tensor starts[] = {zero, zero, position, zero};
  KvCache after = *this;
  after.position = next;
  after.keys = dynamic_update_slice(Operand(keys, at), Operand(more[0].astype(keys.dtype()), at), starts);
  after.values = dynamic_update_slice(Operand(values, at), Operand(more[1].astype(values.dtype()), at), starts);
  return after;
} catch (...) {
  leave_with_error("nn::KvCache", k.where());
}

Tensor KvCache::mask(Extent length, bool causal, const At& from) const {
  const Location at = place(from);
  const Tensor places = arange(Operand(0, at), Operand(Extent(keys.shape()[2]), at));
  if (!causal) return broadcast_to(Operand(places < Operand(position, at), at), {length, keys.shape()[2]});
  const Tensor queries =
      Operand(arange(Operand(0, at), Operand(length, at)), at) + Operand(position - Operand(length, at), at);
  return Operand(unsqueeze(Operand(places, at), 0), at) <= Operand(unsqueeze(Operand(queries, at), 1), at);
}

}  // namespace tenon::nn
