// The importers of all operations, by family; templates stand with their family's other functions. operations.def lists them.
#pragma once

#include <functional>

#include "tenon/frontend/stablehlo/import.h"

namespace tenon::hlo {

// ---- element by element
// A row of the op table on the operands: of complex numbers by the formula of their parts.
std::vector<Value> row(Call& c, ir::Op op);
template <ir::Op op>
std::vector<Value> elementwise(Call& c) {
  c.operands(static_cast<size_t>(ir::def(op).arity));
  same_shapes(c);
  return row(c, op);
}
// On booleans another op says the same.
template <ir::Op op, ir::Op on_booleans>
std::vector<Value> arithmetic(Call& c) {
  c.operands(2);
  same_shapes(c);
  return row(c, c.in[0].dtype() == boolean ? on_booleans : op);
}
std::vector<Value> import_divide(Call& c);
std::vector<Value> import_power(Call& c);
std::vector<Value> import_round_away(Call& c);
std::vector<Value> import_shift_right(Call& c);
std::vector<Value> import_shift_right_logical(Call& c);
std::vector<Value> import_count_leading_zeros(Call& c);
std::vector<Value> import_compare(Call& c);
std::vector<Value> import_select(Call& c);
std::vector<Value> import_clamp(Call& c);
std::vector<Value> import_convert(Call& c);
std::vector<Value> import_bitcast_convert(Call& c);
std::vector<Value> import_reduce_precision(Call& c);
std::vector<Value> import_map(Call& c);
std::vector<Value> import_same(Call& c);
std::vector<Value> import_real(Call& c);
std::vector<Value> import_imag(Call& c);
std::vector<Value> import_complex(Call& c);
std::vector<Value> import_next_after(Call& c);
std::vector<Value> import_is_infinite(Call& c);
std::vector<Value> import_cosh(Call& c);
std::vector<Value> import_sinh(Call& c);
std::vector<Value> import_square(Call& c);
std::vector<Value> import_fft(Call& c);

// ---- matrices
std::vector<Value> import_cholesky(Call& c);
std::vector<Value> import_triangular_solve(Call& c);

// ---- movement
Value padded(Call& c, Value x, Value fill, const Axes& low, const Axes& high, const Axes& interior);
std::vector<Value> import_constant(Call& c);
std::vector<Value> import_iota(Call& c);
std::vector<Value> import_broadcast_in_dim(Call& c);
std::vector<Value> import_reshape(Call& c);
std::vector<Value> import_transpose(Call& c);
std::vector<Value> import_slice(Call& c);
std::vector<Value> import_concatenate(Call& c);
std::vector<Value> import_reverse(Call& c);
std::vector<Value> import_pad(Call& c);
std::vector<Value> import_dynamic_slice(Call& c);
std::vector<Value> import_dynamic_update_slice(Call& c);
std::vector<Value> import_dimension_size(Call& c);

// ---- movement whose shapes are operands
Axes known_numbers(Call& c, Value v);  // the elements of a vector; Error where one is not known
std::vector<Value> import_dynamic_iota(Call& c);
std::vector<Value> import_dynamic_broadcast(Call& c);
std::vector<Value> import_dynamic_reshape(Call& c);
std::vector<Value> import_dynamic_pad(Call& c);
std::vector<Value> import_dynamic_gather(Call& c);
std::vector<Value> import_dynamic_convolution(Call& c);
std::vector<Value> import_real_dynamic_slice(Call& c);

// ---- reductions
// By the region of `c`, or what it applies; `starts` are scalars.
std::vector<Value> reduced(Call& c, std::vector<Value> x, std::span<const Value> starts, const Axes& axes);
// The first axis of these tensors folded to nothing: neighbours are joined, in their order, until one is left.
using Join = std::function<std::vector<Value>(std::vector<Value> left, std::span<const Value> right)>;
std::vector<Value> folded(std::vector<Value> x, const Join& join);
// What a region does with each pair, by the name of the row that combines so, or "set" where it gives the second; nothing where it does
// something else.
std::vector<std::string> combine_names(Call& c, size_t count, size_t region = 0);
std::vector<Value> import_reduce(Call& c);
std::vector<Value> import_reduce_window(Call& c);
std::vector<Value> import_select_and_scatter(Call& c);

// ---- contractions
Value convolved(Call& c, Value x, Value kernel,
                const Axes* padding);  // padding: low and high of each axis, or as it is written
std::vector<Value> import_dot(Call& c);
std::vector<Value> import_dot_general(Call& c);
std::vector<Value> import_convolution(Call& c);

// ---- indexing and order
std::vector<Value> import_gather(Call& c);
std::vector<Value> import_scatter(Call& c);
std::vector<Value> import_sort(Call& c);
std::vector<Value> import_top_k(Call& c);

// ---- control flow
std::vector<Value> import_call(Call& c);
std::vector<Value> import_composite(Call& c);
std::vector<Value> import_while(Call& c);
std::vector<Value> import_if(Call& c);
std::vector<Value> import_case(Call& c);
std::vector<Value> import_barrier(Call& c);
std::vector<Value> import_custom_call(Call& c);
std::vector<Value> import_nothing(Call& c);  // never imported: a return

}  // namespace tenon::hlo
