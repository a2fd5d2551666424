// Keyed random numbers: Philox 4x32-10 (Salmon et al., SC 2011) as a primitive, distributions composed from its bits.
// Equal keys give equal draws on every route; integers never pass through floats.
#include <cmath>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/random/draw.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using formula::bits, formula::uniform, formula::normal;
constexpr uint32_t draw_space = formula::draw_space, split_space = 1, fold_space = 2;

template <uint32_t space>
std::vector<ir::Value> build_bits(ir::GraphBuilder&, std::span<const ir::Value> key, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  return {bits(key[0], space, to.dtype, Shape(to.shape))};
}

std::vector<ir::Value> build_uniform(ir::GraphBuilder&, std::span<const ir::Value> key, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  return {uniform(key[0], to.dtype, Shape(to.shape))};
}
std::vector<ir::Value> build_normal(ir::GraphBuilder&, std::span<const ir::Value> key, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  return {normal(key[0], to.dtype, Shape(to.shape))};
}

// A new key from a key and an integer: Philox with the integer mixed into the key's low word.
std::vector<ir::Value> build_fold_in(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs&) {
  const ir::Value low = reshape(cast(x[1], u32), {1});
  const ir::Value words[] = {low, ir::splat_integer(b, u32, 0, {1})};
  const std::vector<ir::Value> both = formula::together({x[0], ir::concat(words, 0)}, u32);
  return {bits(bit_xor(both[0], both[1]), fold_space, u32, {2})};
}

Tensor draw(const Emit& emit, const Tensor& key, DType dtype, const Shape& shape, const Location& at) try {
  check_key(key, at);
  return apply_one(emit, ir::RandomBitsAttrs{dtype, shape.dims()}, {key}, at);
} catch (...) {
  leave_with_error(emit.name, at);
}

}  // namespace

Tensor key(uint64_t seed) try {
  const uint32_t words[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  return copy_from(words, {2}, u32);
} catch (...) {
  leave_with_error("key", Location{});
}

std::vector<Tensor> split(const Tensor& key, int64_t count, const At& where) try {
  const Location at = place(where);
  if (count < 1) throw Error("split: the number of keys is positive, not " + std::to_string(count), at);
  constexpr int64_t most = 1 << 20;  // each is a tensor of its own
  if (count > most)
    throw Error(
        "split: " + std::to_string(count) + " keys are more than 2^20; draw random_bits of shape {n, 2} instead", at);
  const Tensor all_bits =
      draw({"split", build_bits<split_space>}, key, u32, Extents({count, 2}).checked("split", u32, at), at);
  const std::vector<uint32_t> words = Trace::current() ? std::vector<uint32_t>() : all_bits.to_vector<uint32_t>(where);
  std::vector<Tensor> keys;
  Index row(0, where);
  for (int64_t i = 0; i < count; ++i) {
    row.start = i;
    keys.push_back(Trace::current() ? all_bits[row] : copy_from(words.data() + 2 * i, {2}, u32));
    keys.back() = beside(keys.back(), key, at);
    keys.back().cell()->made = at;
  }
  return keys;
} catch (...) {
  leave_with_error("split", place(where));
}
std::pair<Tensor, Tensor> split(const Tensor& key, const At& at) {
  std::vector<Tensor> two = split(key, 2, at);
  return {two[0], two[1]};
}

Tensor fold_in(const Tensor& key, Operand data) try {
  const Location& at = data.where();
  const Tensor number = as_tensor(data, "fold_in");
  if (number.shape().is_static() && number.numel() != 1)
    throw Error("reshape: " + describe(typed(number, u32, at)) + " has " + std::to_string(number.numel()) +
                    " elements, which do not fit [1]",
                at);
  const Operand given(key, at), word(stand_in({u32, {2}}, at), at);
  check_key(foreseen(ir::Op::bit_xor, {&given, &word}), at);
  return apply_one({"fold_in", build_fold_in}, {}, {key, number}, at);
} catch (...) {
  leave_with_error("fold_in", data.where());
}

Tensor random_bits(const Tensor& key, const Extents& shape, DType dtype, const At& at) try {
  if (dtype != u32 && dtype != u64) throw Error("random_bits: u32 or u64", place(at));
  return draw({"random_bits", build_bits<draw_space>}, key, dtype, shape.checked("random_bits", dtype, place(at)),
              place(at));
} catch (...) {
  leave_with_error("random_bits", place(at));
}

Tensor uniform(const Tensor& key, const Extents& shape, Draw d, const At& at) try {
  if (!is_floating(d.dtype)) throw Error("uniform: a floating dtype", place(at));
  return draw({"uniform", build_uniform}, key, d.dtype, shape.checked("uniform", d.dtype == f64 ? u64 : u32, place(at)),
              place(at));
} catch (...) {
  leave_with_error("uniform", place(at));
}

Tensor normal(const Tensor& key, const Extents& extents, Draw d, const At& at) try {
  if (!is_floating(d.dtype)) throw Error("normal: a floating dtype", place(at));
  const DType word = d.dtype == f64 ? u64 : u32;
  const Shape shape = extents.checked("normal", word, place(at));
  Shape two = shape;
  two.insert(0, Dim(2));
  (void)Extents(two).checked("uniform", word, place(at));
  return draw({"normal", build_normal}, key, d.dtype, shape, place(at));
} catch (...) {
  leave_with_error("normal", place(at));
}

}  // namespace tenon
