// Promotion and broadcasting: how operands of an op come to one dtype and shape (docs/numbers.md, Dtypes of results).
// Internal to the frontend. Promotion is a cast written into the IR; primitives stay strict.
#pragma once

#include "tenon/frontend/apply.h"
#include "tenon/frontend/attributes.h"
#include "tenon/frontend/cell.h"
#include "tenon/frontend/ops.h"

namespace tenon {

// The dtype that two tensors meet in. Error for u64 with a signed type.
DType promote(DType a, DType b, const char* op, const Location& at);
// The dtype of operands of which some may be weak scalars; all weak: i64, f32 or bool.
DType common_dtype(std::span<const Operand* const> operands, const char* op);
// An operand as a tensor of a dtype: a weak scalar becomes a rank-0 tensor (a literal in a trace).
Tensor materialize(const Operand& x, DType dtype, const char* op);
// Tensors of one dtype for the operands, scalars included.
std::vector<Tensor> promoted(const char* op, std::initializer_list<const Operand*> operands, const Location& at);
// The tensor of an operand that must be one, or a scalar in its own dtype.
Tensor as_tensor(const Operand& x, const char* op);
// Where to report a call: the first known place among its operands.
Location place_of(std::initializer_list<const Operand*> operands);
// Normalises an axis (negative counts from the end); Error names the range.
int64_t axis_of(int64_t axis, int rank, const char* op, const Location& at);
// x cast to a dtype, x itself when it has it already.
// Integers as i64 positions. A u64 beyond i64 becomes the largest i64: it lies behind every end, and does not wrap to the front.
Tensor as_index(const Tensor& x, const char* op, const Location& at);
Tensor cast_to(const Tensor& x, DType dtype, const Location& at);
// A half as f32, anything else as it is: composed functions compute so throughout and round once, at their end.
Tensor widened(const Tensor& x, const Location& at);
// Values broadcast to their common shape, in graph algebra. Error names the shapes.
std::vector<ir::Value> broadcast_together(std::span<const ir::Value> values, const char* op);
Shape broadcast_shape(std::span<const ir::Value> values, const char* op);

// The maximum of floating numbers, as composed functions subtract it: of none it is -inf, where `max` is an error.
Tensor peak(const Operand& x, const Reduce& r);

}  // namespace tenon
