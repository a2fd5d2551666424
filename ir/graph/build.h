// Writing graphs as algebra: Value is a handle on a value in a GraphBuilder, with one function per op of the table and
// operators. Derivative rules, transforms and composed functions are written with it; all primitives are strict: operands
// of one dtype and shape, no promotion, no implicit broadcast (only literals adapt: `like`).
#pragma once

#include <span>
#include <type_traits>
#include <vector>

#include "tenon/ir/graph/graph.h"

namespace tenon::ir {

struct WindowsAttrs;  // ir/graph/attributes.h

struct Value {
  GraphBuilder* builder = nullptr;
  ValueId id = no_value;
  explicit operator bool() const { return id != no_value; }  // false: structurally absent
  const Type& type() const { return builder->type(id); }
  const Shape& shape() const { return type().shape; }
  DType dtype() const { return type().dtype; }
};

// Elementwise ops by name, one function per row: sin(x), add(x, y), select(p, x, y) ...
#define TENON_UNARY(name, ...) Value name(Value x);
#define TENON_BINARY(name, ...) Value name(Value x, Value y);
#define TENON_TERNARY(name, ...) Value name(Value x, Value y, Value z);
#define TENON_OP(name, ...)
#include "tenon/ir/ops.def"

inline Value operator+(Value x, Value y) { return add(x, y); }
inline Value operator-(Value x, Value y) { return sub(x, y); }
inline Value operator*(Value x, Value y) { return mul(x, y); }
inline Value operator/(Value x, Value y) { return div(x, y); }
inline Value operator-(Value x) { return neg(x); }

// To a complex dtype a real value gets the imaginary part 0; to a real one a complex value loses it.
Value cast(Value x, DType to);
Value bitcast(Value x, DType to);
Value complex(Value re, Value im);
Value real(Value z);
Value imag(Value z);
// A scalar constant of x's dtype, broadcast to x's shape.
Value like(Value x, double number);
Value zeros_like(Value x);
Value splat(GraphBuilder& b, DType dtype, double number, const Shape& shape);
Value splat_integer(GraphBuilder& b, DType dtype, int64_t number, const Shape& shape);
Value constant(GraphBuilder& b, DType dtype, const Shape& shape, std::string raw_bytes);  // at most 64 bytes
Value iota(GraphBuilder& b, DType dtype, const Shape& shape, int64_t axis);
// An i64 scalar: the extent as a value, computed from the extents of the call. It is the last number of a count up to it, of
// which fused code computes that one.
Value extent_value(GraphBuilder& b, Dim extent);

// A number beside a value is a literal of the value's dtype and shape: 1 / x, x * 0.5. Integers keep all their bits.
template <class N>
  requires std::is_arithmetic_v<N>
Value literal(Value x, N number) {
  if constexpr (std::is_integral_v<N>)
    return splat_integer(*x.builder, x.dtype(), static_cast<int64_t>(number), x.shape());
  else
    return like(x, number);
}
#define TENON_BESIDE_A_NUMBER(op)        \
  template <class N>                     \
    requires std::is_arithmetic_v<N>     \
  Value operator op(Value x, N number) { \
    return x op literal(x, number);      \
  }                                      \
  template <class N>                     \
    requires std::is_arithmetic_v<N>     \
  Value operator op(N number, Value x) { \
    return literal(x, number) op x;      \
  }
TENON_BESIDE_A_NUMBER(+)
TENON_BESIDE_A_NUMBER(-)
TENON_BESIDE_A_NUMBER(*)
TENON_BESIDE_A_NUMBER(/)
#undef TENON_BESIDE_A_NUMBER

Value reshape(Value x, const Shape& shape);
// Operand axis i becomes result axis axes[i]; operand extent is the result's, or 1.
Value broadcast(Value x, const Shape& shape, std::vector<int64_t> axes);
Value broadcast_to(Value x, const Shape& shape);  // trailing axes aligned, as in NumPy
Value spread(Value x, Value over);  // broadcast to the shape of another value
Value transpose(Value x, std::vector<int64_t> permutation);
Value slice(Value x, std::vector<Dim> starts, std::vector<Dim> sizes, std::vector<int64_t> strides);
Value pad(Value x, Value fill, std::vector<Dim> low, std::vector<Dim> high, std::vector<int64_t> interior);
Value concat(std::span<const Value> parts, int64_t axis);
Value reverse(Value x, std::vector<int64_t> axes);
Value windows(Value x, WindowsAttrs attrs);  // the row of ir/ops.def
Value dynamic_slice(Value x, std::span<const Value> starts, std::vector<Dim> sizes);
Value dynamic_update_slice(Value x, Value update, std::span<const Value> starts);

// Gather and scatter in their simplest form, one number pointing into one axis: its rows, an axis of x being replaced by the shape of the
// indices; and updates of that shape combined with them.
Attrs take_attrs(const Shape& x, size_t index_rank, size_t axis);
Attrs scatter_attrs(std::string combine, size_t rank, size_t index_rank, size_t axis);
Value take(Value x, Value indices, size_t axis);
Value scatter(Value x, Value indices, Value updates, size_t axis, std::string combine = "add");

Value reduce(Op reduction, Value x, std::vector<int64_t> axes);  // reduced axes are dropped
Value reduce_kept(Op reduction, Value x,
                  const std::vector<int64_t>& axes);  // they stay, with extent 1; x itself for none
Value dot_general(Value lhs, Value rhs, std::vector<int64_t> lhs_batch, std::vector<int64_t> rhs_batch,
                  std::vector<int64_t> lhs_contract, std::vector<int64_t> rhs_contract);

// The sum over axis 0, which is dropped, by the tree over ranks (runtime/tenon_ranks.h): neighbours, then pairs of them, an odd last
// one waiting for the next level.
Value tree_sum(Value x);

Value move_axis(Value x, size_t from, size_t to);  // the others keep their order
Value split_blocks(Value x, size_t axis, int64_t count);  // [.., n, ..] -> [count, .., n / count, ..]
Value merge_blocks(Value blocks, size_t axis);  // and back

// A graph of the same symbols on new operands, as values.
std::vector<Value> splice(GraphBuilder& b, const Graph& graph, std::span<const Value> operands);
// One op by number, all results.
std::vector<Value> apply(GraphBuilder& b, Op op, std::span<const Value> operands, Attrs attrs = {});

}  // namespace tenon::ir
