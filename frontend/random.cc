// Keyed random numbers: Philox 4x32-10 (Salmon et al., SC 2011) as a primitive, distributions composed from its bits.
// Equal keys give equal draws on every route; integers never pass through floats.
#include "tenon/frontend/promote.h"
#include "tenon/frontend/trace.h"

namespace tenon {
namespace {

// The high counter words keep the uses of one key apart.
constexpr uint32_t draw_space = 0, split_space = 1, fold_space = 2;

Tensor counter(uint32_t space, const Location&) { return copy_from(std::vector<uint32_t>{space, 0}.data(), {2}, u32); }

Tensor bits(const Tensor& key, uint32_t space, const Shape& shape, DType dtype, const Location& at) {
  if (!key.defined() || key.dtype() != u32 || key.shape() != Shape{2})
    throw Error("a random key is u32[2], made by tn::key, not " + describe(key), at);
  // A literal in a trace, so that the counter is no captured input.
  Tensor high = counter(space, at);
  if (Trace* trace = Trace::current()) {
    const std::string raw(static_cast<const char*>(high.raw()), 8);
    high = make_traced({u32, {2}}, trace->number, ir::constant(trace->builder, u32, {2}, raw).id, at);
  }
  const Tensor inputs[] = {key, high};
  return apply_primitive(ir::Op::random_bits, ir::RandomBitsAttrs{dtype, shape.dims()}, inputs, at)[0];
}

}  // namespace

Tensor key(uint64_t seed) {
  const uint32_t words[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  return copy_from(words, {2}, u32);
}

std::vector<Tensor> split(const Tensor& key, int64_t count, const At& where) {
  const Location at = place(where);
  if (count < 1) throw Error("split: the number of keys is positive, not " + std::to_string(count), at);
  constexpr int64_t most = 1 << 20;  // each is a tensor of its own
  if (count > most)
    throw Error(
        "split: " + std::to_string(count) + " keys are more than 2^20; draw random_bits of shape {n, 2} instead", at);
  const Tensor all_bits = bits(key, split_space, Extents({count, 2}).checked("split", u32, at), u32, at);
  std::vector<Tensor> keys;
  Index row(0, where);
  for (int64_t i = 0; i < count; ++i) row.start = i, keys.push_back(all_bits[row]);
  return keys;
}
std::pair<Tensor, Tensor> split(const Tensor& key, const At& at) {
  std::vector<Tensor> two = split(key, 2, at);
  return {two[0], two[1]};
}

// A new key from a key and an integer: Philox with the integer mixed into the key's low word.
Tensor fold_in(const Tensor& key, Operand data) {
  const Location at = data.where();
  const Tensor word = reshape(Operand(cast_to(as_tensor(data, "fold_in"), u32, at), at), {1});
  const Tensor zero = zeros({1}, {.dtype = u32});
  const Tensor mixed = Operand(key, at) ^ concat({word, zero});
  return bits(mixed, fold_space, {2}, u32, at);
}

Tensor random_bits(const Tensor& key, const Extents& shape, DType dtype, const At& at) {
  if (dtype != u32 && dtype != u64) throw Error("random_bits: u32 or u64", place(at));
  return bits(key, draw_space, shape.checked("random_bits", dtype, place(at)), dtype, place(at));
}

// The top bits scaled by a power of two: every value is a multiple of 2^-24 (f32) or 2^-53 (f64), below 1.
Tensor uniform(const Tensor& key, const Extents& extents, Draw d, const At& where) {
  const Location at = place(where);
  if (!is_floating(d.dtype)) throw Error("uniform: a floating dtype", at);
  const Shape shape = extents.checked("uniform", d.dtype == f64 ? u64 : u32, at);
  if (d.dtype == f64)
    return Operand(cast_to((bits(key, draw_space, shape, u64, at) >> Operand(11)), f64, at), at) * 0x1p-53;
  const int keep = d.dtype == f16 ? 11 : d.dtype == bf16 ? 8 : 24;
  const Tensor top = bits(key, draw_space, shape, u32, at) >> Operand(32 - keep);
  return Operand(cast_to(top, d.dtype, at), at) * (1.0 / static_cast<double>(uint64_t{1} << keep));
}

// Box and Muller (1958): sqrt(-2 log u) * cos(2 pi v) from two uniforms per draw, u in (0, 1].
Tensor normal(const Tensor& key, const Extents& extents, Draw d, const At& where) {
  const Location at = place(where);
  if (!is_floating(d.dtype)) throw Error("normal: a floating dtype", at);
  const DType work = d.dtype == f64 ? f64 : f32;
  Shape two = extents.checked("normal", d.dtype == f64 ? u64 : u32, at);
  two.insert(0, Dim(2));
  const Tensor draws = uniform(key, two, {work}, where);
  const Tensor u = draws[0], v = draws[1];
  const Tensor one_minus = elementwise::neg(Operand(Operand(u, at) - 1, at));  // exact: u is a multiple of 2^-24
  const Tensor radius = sqrt(Operand(Operand(log(Operand(one_minus, at)), at) * -2.0, at));
  const Tensor value = Operand(radius, at) * cos(Operand(Operand(v, at) * 6.283185307179586477, at));
  return cast_to(value, d.dtype, at);
}

}  // namespace tenon
