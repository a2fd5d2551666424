// Bits, uniform and normal numbers as formulas, and the door of distributions.
#include "tenon/frontend/random/draw.h"

#include <cmath>
#include <cstring>

#include "tenon/frontend/ops/composed.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/ir/base/door.h"

namespace tenon {

void check_key(const Tensor& key, const Location& at) {
  if (!key.defined() || key.dtype() != u32 || key.shape() != Shape{2})
    throw Error("a random key is u32[2], made by tn::key, not " + describe(key), at);
}

namespace formula {

namespace {
Value bits_at(Value key, Value counter, DType dtype, const Shape& shape) {
  const Value operands[] = {key, counter};
  return ir::apply(*key.builder, ir::Op::random_bits, operands, ir::RandomBitsAttrs{dtype, shape.dims()})[0];
}
}  // namespace

Value bits(Value key, uint32_t space, DType dtype, const Shape& shape) {
  const uint32_t high[2] = {space, 0};
  const std::string raw(reinterpret_cast<const char*>(high), sizeof high);
  return bits_at(key, ir::constant(*key.builder, u32, {2}, raw), dtype, shape);
}
Value bits(Value key, uint32_t space, Value stream, DType dtype, const Shape& shape) {
  const Value words[] = {ir::splat_integer(*key.builder, u32, space, {1}), reshape(stream, {1})};
  return bits_at(key, ir::concat(words, 0), dtype, shape);
}

DType word(DType dtype) { return dtype == f64 ? u64 : u32; }

namespace {
Value top(Value drawn, int keep) { return shr(drawn, literal(drawn, tenon::bits(drawn.dtype()) - keep)); }
}  // namespace

// The top bits scaled by a power of two.
Value unit_interval(Value drawn, DType dtype) {
  const int keep = dtype == f64 ? 53 : dtype == f16 ? 11 : dtype == bf16 ? 8 : 24;
  return cast(top(drawn, keep), dtype) * std::ldexp(1.0, -keep);
}
Value open_interval(Value drawn, DType dtype) {
  const int keep = dtype == f64 ? 52 : 23;
  const Value twice = shl(top(drawn, keep), literal(drawn, 1));
  return cast(bit_or(twice, literal(drawn, 1)), dtype) * std::ldexp(1.0, -keep - 1);
}

Value uniform(Value key, DType dtype, const Shape& shape) {
  return unit_interval(bits(key, draw_space, word(dtype), shape), dtype);
}

// x[i]
Value row(Value x, int64_t i) {
  Shape rest = x.shape();
  std::vector<Dim> starts(rest.size(), Dim(0)), sizes = rest.dims();
  starts[0] = Dim(i), sizes[0] = Dim(1);
  rest.erase(0);
  return reshape(slice(x, starts, sizes, std::vector<int64_t>(sizes.size(), 1)), rest);
}

// sqrt(-2 log u) * cos(2 pi v) from two uniforms per draw, u in (0, 1].
Value normal_of(Value first, Value second, DType dtype) {
  const Value u = unit_interval(first, dtype), v = unit_interval(second, dtype);
  const Value one_minus = -(u - 1);  // exact: u is a multiple of 2^-24
  const Value radius = sqrt(log(one_minus) * -2.0);
  return radius * cos(v * 6.283185307179586477);
}
Value normal(Value key, DType dtype, const Shape& shape) {
  Shape two = shape;
  two.insert(0, Dim(2));
  const DType computed = dtype == f64 ? f64 : f32;
  const Value draws = bits(key, draw_space, word(computed), two);
  return cast(normal_of(row(draws, 0), row(draws, 1), computed), dtype);
}

Value stretched(Value x, DType dtype, const Shape& shape) {
  const Value v = cast(x, dtype);
  return v.shape() == shape ? v : broadcast_to(v, shape);
}

}  // namespace formula

DType drawn_dtype(const char* name, std::optional<DType> asked, std::initializer_list<const Operand*> parameters,
                  const Location& at) {
  if (asked) {
    if (!is_floating(*asked)) throw Error(std::string(name) + ": a floating dtype", at);
    return *asked;
  }
  bool any = false;
  for (const Operand* x : parameters) any = any || x->weak() == Operand::Weak::no;
  return any ? meeting(name, Takes::floats, std::span(parameters.begin(), parameters.size()), at) : default_dtype();
}

Shape shape_of(const char* name, std::initializer_list<const Operand*> parameters, const Location& at) {
  std::vector<Tensor> shown;
  for (const Operand* x : parameters)
    shown.push_back(x->weak() == Operand::Weak::no ? x->tensor() : stand_in({f32, {}}, x->where()));
  return check_broadcast(name, shown, at);
}

Tensor draw_with(const Emit& emit, const Tensor& key, std::initializer_list<const Operand*> parameters, DType dtype,
                 const Shape& shape, const Location& at) {
  check_key(key, at);
  std::vector<Tensor> inputs{key};
  for (const Operand* x : parameters) {
    inputs.push_back(entered(*x, formula::wide(dtype), emit.name));
    const Tensor both[] = {inputs.back(), stand_in({dtype, shape}, at)};
    if (check_broadcast(emit.name, both, at) != shape)
      throw Error(std::string(emit.name) + ": a parameter is " + describe(inputs.back()) +
                      ", which does not stretch to the draws' shape " + describe(both[1]),
                  at);
  }
  return std::move(apply(emit, ir::RandomBitsAttrs{dtype, shape.dims()}, inputs, at)[0]);
}

}  // namespace tenon
