// Graph algebra over matrices, which stand in the last two axes of values; axes before them are a batch, alike in all operands.
// Derivatives of the rows over matrices and the functions of tn::linalg are written with it.
#pragma once

#include "tenon/ir/graph/build.h"

namespace tenon::ir::matrices {

inline size_t rank(Value x) { return x.shape().size(); }
inline Dim height(Value x) { return x.shape()[rank(x) - 2]; }
inline Dim width(Value x) { return x.shape()[rank(x) - 1]; }
Shape batch_of(Value x);

Value transposed(Value x);
Value product(Value a, Value b);
Value solve(Value a, Value b, bool upper, bool unit = false);  // x of a x = b, a being triangular
Value solve_right(Value a, Value b, bool upper, bool unit = false);  // x of x a = b
Value lower(Value x, int64_t above = 0);  // and zeros where it is more than `above` over the diagonal
Value upper(Value x);
Value identity(GraphBuilder& b, DType dtype, Shape batch, Dim height, Dim width);
Value diagonal_of(Value square);
// A row of numbers for every matrix, in the shape of x: one for each column, or one for each row.
Value for_columns(Value row, Value x);
Value for_rows(Value row, Value x);
Value for_matrices(Value number, Value x);  // one for every matrix
Value part(Value x, size_t axis, Dim start, Dim size);
Value joined(Value a, Value b, size_t axis);
Value reciprocal_gaps(Value values, Value x);  // 1 / (value of the column - value of the row), 0 on the diagonal
Value rows_in_order(Value x, Value order);  // row i is row order[i]; order: i64, a row for every matrix

}  // namespace tenon::ir::matrices
