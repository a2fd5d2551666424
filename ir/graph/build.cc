// Graph algebra: one function per elementwise row, generated from the table, and the movement, reduction and constant forms
// that rules and transforms are written with. Refuses promotion and implicit broadcast.
#include "tenon/ir/graph/build.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tenon/ir/base/half.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::ir {
namespace {

Value add_op(Op op, std::span<const Value> operands, Attrs attrs = {}) {
  ensure(!operands.empty() && operands[0].builder != nullptr, "an op was built on no value");
  GraphBuilder* b = operands[0].builder;
  ValueId ids[4];
  ensure(operands.size() <= 4, "an op of fixed arity has at most 4 operands");
  for (size_t i = 0; i < operands.size(); ++i) {
    ensure(operands[i].builder == b && operands[i], "an op was built on values of two graphs");
    ids[i] = operands[i].id;
  }
  return {b, b->add(op, std::span(ids, operands.size()), std::move(attrs))};
}

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string raw_integer(DType t, int64_t number) {
  if (t == DType::boolean) return raw<uint8_t>(number != 0);
  const auto bits = static_cast<uint64_t>(number);
  return std::string(reinterpret_cast<const char*>(&bits),
                     static_cast<size_t>(bytes(t)));  // little endian: the low bytes
}

std::string raw_number(DType t, double number) {
  switch (t) {
    case DType::f64: return raw(number);
    case DType::f32: return raw(static_cast<float>(number));
    case DType::f16: return raw(half_from_double(f16_format, number));
    case DType::bf16: return raw(half_from_double(bf16_format, number));
    case DType::c64:
    case DType::c128: return raw_number(part_of(t), number) + raw_number(part_of(t), 0);
    default: return raw_integer(t, static_cast<int64_t>(number));
  }
}

Value repeat(GraphBuilder& b, DType dtype, const Shape& shape, std::string raw_bytes) {
  const Value scalar = constant(b, dtype, {}, std::move(raw_bytes));
  return shape.rank() == 0 ? scalar : broadcast(scalar, shape, {});
}

}  // namespace

#define TENON_UNARY(name, ...) \
  Value name(Value x) { return add_op(Op::name, std::span(&x, 1)); }
#define TENON_BINARY(name, ...)        \
  Value name(Value x, Value y) {       \
    const Value operands[] = {x, y};   \
    return add_op(Op::name, operands); \
  }
#define TENON_TERNARY(name, ...)          \
  Value name(Value x, Value y, Value z) { \
    const Value operands[] = {x, y, z};   \
    return add_op(Op::name, operands);    \
  }
#define TENON_OP(name, ...)
#include "tenon/ir/ops.def"

Value cast(Value x, DType to) {
  const DType from = x.dtype();
  if (from == to) return x;
  if (is_complex(to)) {
    const Value re = cast(is_complex(from) ? real(x) : x, part_of(to));
    return complex(re, is_complex(from) ? cast(imag(x), part_of(to)) : zeros_like(re));
  }
  if (is_complex(from)) return cast(real(x), to);
  return add_op(Op::cast, std::span(&x, 1), ConvertAttrs{.dtype = to});
}

Value bitcast(Value x, DType to) { return add_op(Op::bitcast, std::span(&x, 1), ConvertAttrs{.dtype = to}); }

Value complex(Value re, Value im) {
  const Value parts[] = {re, im};
  return add_op(Op::complex, parts);
}
Value real(Value z) { return add_op(Op::real, std::span(&z, 1)); }
Value imag(Value z) { return add_op(Op::imag, std::span(&z, 1)); }

Value constant(GraphBuilder& b, DType dtype, const Shape& shape, std::string raw_bytes) {
  ensure(raw_bytes.size() <= 64, "a constant above 64 bytes is an input, not part of the graph");
  return {&b,
          b.add(Op::constant, {}, ConstantAttrs{.dtype = dtype, .shape = shape.dims(), .value = std::move(raw_bytes)})};
}

Value like(Value x, double number) { return splat(*x.builder, x.dtype(), number, x.shape()); }
Value zeros_like(Value x) { return splat(*x.builder, x.dtype(), 0, x.shape()); }

Value splat(GraphBuilder& b, DType dtype, double number, const Shape& shape) {
  const Shape copy = shape;  // the type it belongs to may move while ops are added
  return repeat(b, dtype, copy, raw_number(dtype, number));
}

Value splat_integer(GraphBuilder& b, DType dtype, int64_t number, const Shape& shape) {
  if (is_continuous(dtype)) return splat(b, dtype, static_cast<double>(number), shape);
  const Shape copy = shape;
  return repeat(b, dtype, copy, raw_integer(dtype, number));
}

Value extent_value(GraphBuilder& b, Dim extent) {
  const Dim one_more = b.symbols().sum(extent, 1);
  return reshape(slice(iota(b, DType::i64, {one_more}, 0), {extent}, {Dim(1)}, {1}), {});
}
Value iota(GraphBuilder& b, DType dtype, const Shape& shape, int64_t axis) {
  return {&b, b.add(Op::iota, {}, IotaAttrs{.dtype = dtype, .shape = shape.dims(), .axis = static_cast<size_t>(axis)})};
}

Value reshape(Value x, const Shape& shape) {
  return x.shape() == shape ? x : add_op(Op::reshape, std::span(&x, 1), ReshapeAttrs{.shape = shape.dims()});
}

Value broadcast(Value x, const Shape& shape, std::vector<int64_t> axes) {
  return x.shape() == shape
             ? x
             : add_op(Op::broadcast, std::span(&x, 1), BroadcastAttrs{.shape = shape.dims(), .axes = std::move(axes)});
}

Value broadcast_to(Value x, const Shape& shape) {
  std::vector<int64_t> axes;
  const int missing = shape.rank() - x.shape().rank();
  if (missing < 0)
    throw Error("a tensor of " + std::to_string(x.shape().rank()) + " axes does not broadcast to " +
                std::to_string(shape.rank()) + " axes");
  for (int i = 0; i < x.shape().rank(); ++i) axes.push_back(missing + i);
  return broadcast(x, shape, std::move(axes));
}

Value spread(Value x, Value over) {
  const Shape shape = over.shape();  // the type it belongs to may move while ops are added
  return broadcast_to(x, shape);
}

Value transpose(Value x, std::vector<int64_t> permutation) {
  return add_op(Op::transpose, std::span(&x, 1), TransposeAttrs{.permutation = std::move(permutation)});
}

Value slice(Value x, std::vector<Dim> starts, std::vector<Dim> sizes, std::vector<int64_t> strides) {
  return add_op(Op::slice, std::span(&x, 1),
                SliceAttrs{.starts = std::move(starts), .sizes = std::move(sizes), .strides = std::move(strides)});
}

Value pad(Value x, Value fill, std::vector<Dim> low, std::vector<Dim> high, std::vector<int64_t> interior) {
  const Value operands[] = {x, fill};
  return add_op(Op::pad, operands,
                PadAttrs{.low = std::move(low), .high = std::move(high), .interior = std::move(interior)});
}

Value concat(std::span<const Value> parts, int64_t axis) {
  ensure(!parts.empty(), "concat of nothing");
  return apply(*parts[0].builder, Op::concat, parts, ConcatAttrs{.axis = static_cast<size_t>(axis)})[0];
}

Value reverse(Value x, std::vector<int64_t> axes) {
  return add_op(Op::reverse, std::span(&x, 1), ReverseAttrs{.axes = std::move(axes)});
}

Value windows(Value x, WindowsAttrs attrs) { return add_op(Op::windows, std::span(&x, 1), std::move(attrs)); }

Value dynamic_slice(Value x, std::span<const Value> starts, std::vector<Dim> sizes) {
  std::vector<Value> operands = {x};
  operands.insert(operands.end(), starts.begin(), starts.end());
  return apply(*x.builder, Op::dynamic_slice, operands, DynamicSliceAttrs{.sizes = std::move(sizes)})[0];
}

Value dynamic_update_slice(Value x, Value update, std::span<const Value> starts) {
  std::vector<Value> operands = {x, update};
  operands.insert(operands.end(), starts.begin(), starts.end());
  return apply(*x.builder, Op::dynamic_update_slice, operands)[0];
}

namespace {
// 0, 1, ... but for those from `first` on, `count` of them.
std::vector<int64_t> all_but(size_t rank, size_t first, size_t count) {
  std::vector<int64_t> dims;
  for (size_t i = 0; i < rank; ++i)
    if (i < first || i >= first + count) dims.push_back(static_cast<int64_t>(i));
  return dims;
}
}  // namespace

Attrs take_attrs(const Shape& x, size_t index_rank, size_t axis) {
  const auto at = static_cast<int64_t>(axis);
  std::vector<Dim> sizes = x.dims();
  if (axis < sizes.size()) sizes[axis] = 1;  // else the type rule says what is wrong
  const size_t rank = std::max<size_t>(x.size(), 1) - 1 + index_rank;
  return GatherAttrs{.offset_dims = all_but(rank, axis, index_rank),
                     .collapsed_slice_dims = {at},
                     .start_index_map = {at},
                     .index_vector_dim = static_cast<int64_t>(index_rank),
                     .slice_sizes = std::move(sizes)};
}
Attrs scatter_attrs(std::string combine, size_t rank, size_t index_rank, size_t axis) {
  const auto at = static_cast<int64_t>(axis);
  return ScatterAttrs{.combine = std::move(combine),
                      .update_window_dims = all_but(std::max<size_t>(rank, 1) - 1 + index_rank, axis, index_rank),
                      .inserted_window_dims = {at},
                      .scatter_dims_to_operand_dims = {at},
                      .index_vector_dim = static_cast<int64_t>(index_rank)};
}
Value take(Value x, Value indices, size_t axis) {
  const Value operands[] = {x, indices};
  return add_op(Op::gather, operands, take_attrs(x.shape(), indices.shape().size(), axis));
}
Value scatter(Value x, Value indices, Value updates, size_t axis, std::string combine) {
  const Value operands[] = {x, indices, updates};
  return add_op(Op::scatter, operands,
                scatter_attrs(std::move(combine), x.shape().size(), indices.shape().size(), axis));
}

Value reduce(Op reduction, Value x, std::vector<int64_t> axes) {
  return add_op(reduction, std::span(&x, 1), ReduceAttrs{.axes = std::move(axes)});
}

Value reduce_kept(Op reduction, Value x, const std::vector<int64_t>& axes) {
  if (axes.empty()) return x;
  Shape kept = x.shape();
  for (int64_t a : axes) kept[static_cast<size_t>(a)] = Dim(1);
  return reshape(reduce(reduction, x, axes), kept);
}

Value dot_general(Value lhs, Value rhs, std::vector<int64_t> lhs_batch, std::vector<int64_t> rhs_batch,
                  std::vector<int64_t> lhs_contract, std::vector<int64_t> rhs_contract) {
  const Value operands[] = {lhs, rhs};
  return add_op(Op::dot_general, operands,
                DotGeneralAttrs{.lhs_batch = std::move(lhs_batch),
                                .rhs_batch = std::move(rhs_batch),
                                .lhs_contract = std::move(lhs_contract),
                                .rhs_contract = std::move(rhs_contract)});
}

Value move_axis(Value x, size_t from, size_t to) {
  if (from == to) return x;
  std::vector<int64_t> order(x.shape().size());
  std::iota(order.begin(), order.end(), 0);
  order.erase(order.begin() + static_cast<std::ptrdiff_t>(from));
  order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), static_cast<int64_t>(from));
  return transpose(x, std::move(order));
}

Value tree_sum(Value x) {
  while (x.shape()[0].number() > 1) {
    const int64_t n = x.shape()[0].number(), pairs = n / 2;
    const auto rows = [&](int64_t first, int64_t count, int64_t stride) {
      Shape shape = x.shape();
      std::vector<Dim> starts(shape.size(), 0), sizes(shape.begin(), shape.end());
      std::vector<int64_t> strides(shape.size(), 1);
      starts[0] = first, sizes[0] = count, strides[0] = stride;
      return slice(x, std::move(starts), std::move(sizes), std::move(strides));
    };
    const Value sums = rows(0, pairs, 2) + rows(1, pairs, 2);
    if (n % 2 == 0) {
      x = sums;
    } else {
      const Value both[] = {sums, rows(n - 1, 1, 1)};
      x = concat(both, 0);
    }
  }
  Shape shape = x.shape();
  shape.erase(0);
  return reshape(x, shape);
}

Value split_blocks(Value x, size_t axis, int64_t count) {
  Shape split = x.shape();
  split[axis] = x.builder->symbols().quotient(split[axis], count);
  split.insert(axis, count);
  return move_axis(reshape(x, split), axis, 0);
}

Value merge_blocks(Value blocks, size_t axis) {
  const Value moved = move_axis(blocks, 0, axis);
  Shape merged = moved.shape();
  merged[axis] = blocks.builder->symbols().product(merged[axis], merged[axis + 1]);
  merged.erase(axis + 1);
  return reshape(moved, merged);
}

std::vector<Value> splice(GraphBuilder& b, const Graph& graph, std::span<const Value> operands) {
  std::vector<ValueId> ids;
  for (const Value& v : operands) ids.push_back(v.id);
  std::vector<Value> results;
  for (ValueId v : b.splice(graph, ids)) results.push_back({&b, v});
  return results;
}

std::vector<Value> apply(GraphBuilder& b, Op op, std::span<const Value> operands, Attrs attrs) {
  std::vector<ValueId> ids;
  ids.reserve(operands.size());
  for (const Value& v : operands) {
    ensure(v.builder == &b && v, "an op was built on values of two graphs");
    ids.push_back(v.id);
  }
  const ValueId first = b.add(op, ids, std::move(attrs));
  if (index(first) >= b.graph().value_count()) return {};  // an op without results
  const NodeId node = b.graph().producer(first);
  // Folding may answer with a value that exists already: an input, or one result of a node.
  const uint32_t count = node == no_node || b.graph().node(node).op != op ? 1 : b.graph().node(node).result_count;
  std::vector<Value> results;
  for (uint32_t r = 0; r < count; ++r) results.push_back({&b, ValueId{index(first) + r}});
  return results;
}

}  // namespace tenon::ir
