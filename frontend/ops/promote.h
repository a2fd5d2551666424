// Promotion: how operands of an op come to one dtype (docs/numbers.md), and what errors say of them. Internal to the frontend.
// Promotion is a cast written into the IR; primitives stay strict. Refuses graph values: frontend/ops/formula.h casts and broadcasts those.
#pragma once

#include "tenon/frontend/ops/attributes.h"
#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"

namespace tenon {

// The dtype that two tensors meet in. Error for u64 with a signed type.
DType promote(DType a, DType b, const char* op, const Location& at);
// The dtype of operands of which some may be weak scalars; all weak: i64, the default dtype or bool. A 0-d tensor is weak among tensors with axes
// of its category (bool < integer < floating).
DType common_dtype(std::span<const Operand* const> operands, const char* op);
// An operand as a tensor of a dtype: a weak scalar becomes a rank-0 tensor (a literal in a trace).
Tensor materialize(const Operand& x, DType dtype, const char* op);
// Error for an integer that the dtype does not hold.
void check_fits(const Operand& x, DType dtype, const char* op);
// The tensor of an operand that must be one, or a scalar in its own dtype.
Tensor as_tensor(const Operand& x, const char* op);
// Where to report a call: the first known place among its operands.
Location place_of(std::initializer_list<const Operand*> operands);
// Normalises an axis (negative counts from the end); Error names the range.
int64_t axis_of(int64_t axis, int rank, const char* op, const Location& at);
// Whether broadcasting takes `from` to `to`: axes align from the last, and only extent 1 stretches.
bool stretches(const Shape& from, const Shape& to);
// x cast to a dtype, x itself when it has it already.
Tensor cast_to(const Tensor& x, DType dtype, const Location& at);
// Error unless x has integers, to point at elements.
void check_index(const Tensor& x, const char* op, const Location& at);
// Error for a complex dtype, or operand: by the name of the function that was called, at its caller's place, whatever it is made of.
void check_real(DType dtype, const char* op, const Location& at);
void check_real(const char* op, std::initializer_list<const Operand*> operands);
// A function of real numbers under another name, which refuses complex ones by that name.
template <class... X>
Tensor renamed(const char* name, Tensor (*function)(X...), const X&... x) {
  check_real(name, {&x...});
  return function(x...);
}
// as_tensor for functions of real numbers.
Tensor real_tensor(const Operand& x, const char* op);
// The axes that a reduction names, ascending; all of them when it names none. A scalar has none, and lets 0 and -1 pass.
std::vector<int64_t> axes_of(const Reduce& r, int rank, const char* op, const Location& at);
// A reduction's inputs: x, and the mask if it has one. Error for a mask that is no bool tensor, or does not stretch to x.
std::vector<Tensor> masked_inputs(const Tensor& x, const Reduce& r, const char* op, const Location& at);

// ---- what a formula will meet inside, asked of handles before it is built, so that errors name operands and their places

// A handle with a type and a place and no value.
Tensor stand_in(ir::Type type, const Location& made);
// The same of x's dtype, place and kind: a part of a traced tensor has its extents, a part of a spec brings its own.
Tensor stand_in_for(const Tensor& x, Shape shape);
// x as a cast would give it, without the cast.
Tensor typed(const Tensor& x, DType dtype, const Location& at);
// An operand that formulas widen: a half is an f32.
Operand widened(const Operand& x);
// What an elementwise op, or matmul, would give. Errors are those of the op.
Tensor foreseen(ir::Op op, std::initializer_list<const Operand*> operands);
Tensor foreseen_matmul(const Operand& a, const Operand& b);
// The shape of one_hot(indices, classes), likewise.
Shape one_hot_shape(const Tensor& indices, Extent classes, DType dtype, const Location& at);
// An operand as the input of a formula: a tensor as it is, since the formula casts; a number as a tensor of the dtype.
Tensor entered(const Operand& x, DType dtype, const char* op);
// An operand of a primitive that its formula casts: eagerly as it is, so that nothing is converted by a program of its own; in a
// trace in the dtype already.
Tensor met_in(const Operand& x, DType dtype, const char* op);

}  // namespace tenon
