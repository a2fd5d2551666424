// How a composed elementwise function is written: a formula over values of one dtype and shape, and what it takes. Operands meet
// through the door of the primitives (frontend/ops/promote.h): numbers are weak, tensors promote, shapes broadcast. A function is one
// eager program; halves compute in f32 and round once. Refuses functions whose results have another shape than their operands'.
#pragma once

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"

namespace tenon {

// What operands become when their common dtype is none of these. Complex numbers are refused where they are not named.
enum class Takes : uint8_t {
  floats,  // integers and bools as the default dtype
  fields,  // the same, and complex numbers
  numbers,  // bools as i64
  rings,  // the same, and complex numbers
  integers,  // bools as i64; floats are refused
  anything,
  everything,  // complex numbers too
};

// The dtype that operands of a composed function meet in.
DType meeting(const char* name, Takes takes, std::span<const Operand* const> operands, const Location& at);
// The shape that operands stretch to. Asked of handles, so that the error can say where each operand came from.
Shape check_broadcast(const char* op, std::span<const Tensor> inputs, const Location& at);
// A number of an option as an operand: a whole one is an integer, which keeps integers.
Operand number(double value, const Location& at);
// x to the power of y, both integers (frontend/ops/integers.cc).
Tensor integer_power(const Operand& x, const Operand& y);
// Applies a program made by build_composed, or one that reads made::Composed as that does.
Tensor compose(const Emit& emit, Takes takes, std::initializer_list<const Operand*> operands);

namespace formula {

using Values = std::span<const Value>;

// Operands in the dtype that is computed in, of one shape.
std::vector<Value> meet(Values x, DType computed);
template <Value (*f)(Values)>
std::vector<Value> build_composed(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const DType met = made::Composed(attrs).met;
  const Value result = f(meet(x, wide(met)));
  return {result.dtype() == boolean ? result : ir::cast(result, met)};
}
// The same where halves are not widened: for what looks at bits, or moves elements.
template <Value (*f)(Values)>
std::vector<Value> build_exact(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  return {f(meet(x, made::Composed(attrs).met))};
}

}  // namespace formula

#define TENON_COMPOSED_1(name, takes) \
  Tensor name(Operand x) { return compose({#name, formula::build_composed<formula::name>}, Takes::takes, {&x}); }
#define TENON_COMPOSED_2(name, takes)                                                        \
  Tensor name(Operand x, Operand y) {                                                        \
    return compose({#name, formula::build_composed<formula::name>}, Takes::takes, {&x, &y}); \
  }
#define TENON_COMPOSED_3(name, takes)                                                            \
  Tensor name(Operand x, Operand y, Operand z) {                                                 \
    return compose({#name, formula::build_composed<formula::name>}, Takes::takes, {&x, &y, &z}); \
  }

}  // namespace tenon
