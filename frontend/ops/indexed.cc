// The formulas of indexed.h: one general gather or scatter each, in which axes beside the indexed one go along with the indices.
#include "tenon/frontend/ops/indexed.h"

#include <algorithm>
#include <cstring>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::formula {
namespace {

bool is_part(Value x, Value indices, size_t axis) {
  for (size_t d = 0; d < x.shape().size(); ++d)
    if (d != axis && x.shape()[d] != indices.shape()[d]) return true;
  return false;
}

// x for as many elements as the indices have along other axes.
Value part_of(Value x, Value indices, size_t axis) {
  std::vector<Dim> sizes = x.shape().dims();
  for (size_t d = 0; d < sizes.size(); ++d)
    if (d != axis) sizes[d] = indices.shape()[d];
  if (Shape(sizes) == x.shape()) return x;
  return ir::slice(x, std::vector<Dim>(sizes.size(), 0), sizes, std::vector<int64_t>(sizes.size(), 1));
}

Axes others(size_t rank, size_t axis) {
  Axes list;
  for (size_t d = 0; d < rank; ++d)
    if (d != axis) list.push_back(static_cast<int64_t>(d));
  return list;
}

}  // namespace

Value from_end(Value indices, Dim extent) {
  const Value length = ir::broadcast(ir::extent_value(*indices.builder, extent), indices.shape(), {});
  return select(lt(indices, ir::zeros_like(indices)), indices + length, indices);
}

const char* combiner_of(const char* combine, DType dtype) {
  const std::string name = combine;
  if (dtype != boolean || name == "set") return combine;
  return name == "add" || name == "max" ? "bit_or" : "bit_and";
}

Value gather_along(Value x, Value indices, size_t axis) {
  const size_t rank = x.shape().size();
  const auto at = static_cast<int64_t>(axis);
  const Value operands[] = {part_of(x, indices, axis), indices};
  return ir::apply(*x.builder, ir::Op::gather, operands,
                   ir::GatherAttrs{.collapsed_slice_dims = {at},
                                   .operand_batching_dims = others(rank, axis),
                                   .start_indices_batching_dims = others(rank, axis),
                                   .start_index_map = {at},
                                   .index_vector_dim = static_cast<int64_t>(rank),
                                   .slice_sizes = std::vector<Dim>(rank, 1)})[0];
}

Value scatter_along(Value x, Value indices, Value updates, size_t axis, const char* combine) {
  const size_t rank = x.shape().size();
  const auto at = static_cast<int64_t>(axis);
  if (updates.shape() != indices.shape())
    updates = ir::slice(updates, std::vector<Dim>(rank, 0), indices.shape().dims(), std::vector<int64_t>(rank, 1));
  const Value operands[] = {part_of(x, indices, axis), indices, updates};
  const Value part = ir::apply(*x.builder, ir::Op::scatter, operands,
                               ir::ScatterAttrs{.combine = combine,
                                                .inserted_window_dims = {at},
                                                .input_batching_dims = others(rank, axis),
                                                .scatter_indices_batching_dims = others(rank, axis),
                                                .scatter_dims_to_operand_dims = {at},
                                                .index_vector_dim = static_cast<int64_t>(rank)})[0];
  if (!is_part(x, indices, axis)) return part;
  return ir::dynamic_update_slice(x, part, std::vector<Value>(rank, ir::splat_integer(*x.builder, i64, 0, {})));
}

namespace scattered {

const char* combiner(const std::string& reduce, DType dtype) {
  const char* of_numbers = reduce == "prod" ? "mul" : reduce == "amax" ? "max" : reduce == "amin" ? "min" : "add";
  return combiner_of(of_numbers, dtype);
}

Value start(Value x, const std::string& reduce) {
  if (x.dtype() == boolean)
    return ir::splat_integer(*x.builder, boolean, reduce == "prod" || reduce == "amin", x.shape());
  const ir::Op op = ir::find_op(combiner(reduce, x.dtype()))->op;
  const uint64_t bits = ir::identity_bits(op, x.dtype());
  std::string raw(static_cast<size_t>(bytes(x.dtype())), '\0');
  std::memcpy(raw.data(), &bits, std::min(raw.size(), sizeof bits));  // complex numbers are only added
  const Value one = op == ir::Op::add ? ir::splat_integer(*x.builder, x.dtype(), 0, {})
                                      : ir::constant(*x.builder, x.dtype(), {}, raw);
  return ir::broadcast(one, x.shape(), {});
}

Value divided(Value sum, Value count) {
  if (is_complex(sum.dtype())) return over_real(sum, cast(count, part_of(sum.dtype())));
  const Value n = cast(count, sum.dtype()), quotient = sum / n;
  if (is_floating(sum.dtype())) return quotient;
  const Value zero = ir::zeros_like(sum), left = sum - quotient * n;
  return select(lt(left, zero), quotient - ir::literal(quotient, 1), quotient);
}

}  // namespace scattered

void check_reduction(const std::string& reduce, DType dtype, const char* op, const Location& at) {
  bool known = false;
  for (const char* name : {"sum", "prod", "mean", "amax", "amin"}) known = known || reduce == name;
  if (!known)
    throw Error(std::string(op) + ": the reduction is \"sum\", \"prod\", \"mean\", \"amax\" or \"amin\", not \"" +
                    reduce + "\"",
                at);
  if (is_complex(dtype) && reduce != "sum" && reduce != "mean")
    throw Error(std::string(op) + ": \"" + reduce + "\" takes no complex numbers, and x is " +
                    std::string(name(dtype)) + "; apply it to tn::real(z) and tn::imag(z)",
                at);
  if (dtype == boolean && reduce == "mean")
    throw Error(std::string(op) + ": bools have no mean; cast x to an integer or a float", at);
}

}  // namespace tenon::formula
