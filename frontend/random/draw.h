// What distributions are made of: bits, uniform and normal numbers as formulas of a key, and the door through which draws with
// parameters go. Every draw is a function of key, space and stream: recomputed, it is the same. Integers never pass through floats.
#pragma once

#include <optional>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"

namespace tenon {

void check_key(const Tensor& key, const Location& at);

namespace formula {

using Values = std::span<const Value>;

// The high counter words keep the uses of one key apart: the space says what for, the stream which of several draws it is. Spaces of
// their own: those of split and fold_in (frontend/ops/random.cc), and of draws that repeat until they are accepted.
constexpr uint32_t draw_space = 0, accepted_space = 3, second_space = 4;

Value bits(Value key, uint32_t space, DType dtype, const Shape& shape);  // stream 0; dtype: u32 or u64
Value bits(Value key, uint32_t space, Value stream, DType dtype, const Shape& shape);  // stream: a u32 scalar
// [0, 1): multiples of 2^-24 (f32), 2^-53 (f64), of what they hold (halves), from u32 or u64 bits.
Value unit_interval(Value drawn, DType dtype);
// (0, 1): odd multiples of 2^-24 (f32) or 2^-53 (f64).
Value open_interval(Value drawn, DType dtype);
Value uniform(Value key, DType dtype, const Shape& shape);
Value normal(Value key, DType dtype, const Shape& shape);
// Standard normal numbers from two blocks of bits (Box and Muller, 1958).
Value normal_of(Value first, Value second, DType dtype);
// Which bits a dtype is drawn from.
DType word(DType dtype);
Value stretched(Value x, DType dtype, const Shape& shape);  // a parameter in the dtype and shape of the draws
Value row(Value x, int64_t i);  // x[i]

}  // namespace formula

// A draw of `shape`: its parameters broadcast to it, which is checked here. Inputs of the program: the key, the parameters. Its
// attributes are ir::RandomBits: dtype and shape.
Tensor draw_with(const Emit& emit, const Tensor& key, std::initializer_list<const Operand*> parameters, DType dtype,
                 const Shape& shape, const Location& at);
// The dtype of floating draws: what is asked for, else that of the parameters, the default dtype where they are none.
DType drawn_dtype(const char* name, std::optional<DType> asked, std::initializer_list<const Operand*> parameters,
                  const Location& at);
// The shape that parameters alone ask for.
Shape shape_of(const char* name, std::initializer_list<const Operand*> parameters, const Location& at);

}  // namespace tenon
