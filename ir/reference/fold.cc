// Constant folding while building: an op on small constants becomes a constant, computed by the interpreter's own functions,
// so folding cannot disagree with running. A tensor of one repeated value stays a broadcast of a scalar: movement on it is
// another broadcast, elementwise ops on such tensors happen on the scalars. Bounded: results of at most 64 bytes.
#include <algorithm>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/reference/array.h"

namespace tenon::ir {
namespace {

constexpr int64_t folded_bytes = 64;

const Node* producer(const Graph& g, ValueId v) {  // none for an input, late ones included
  const NodeId n = g.producer(v);
  return n == no_node ? nullptr : &g.node(n);
}

bool is_constant(const Graph& g, ValueId v) {
  const Node* n = producer(g, v);
  return n && n->op == Op::constant;
}

// The scalar constant that v repeats, or no_value.
ValueId repeated(const Graph& g, ValueId v) {
  const Node* n = producer(g, v);
  if (!n) return no_value;
  if (n->op == Op::constant) return g.type(v).shape.rank() == 0 ? v : no_value;
  if (n->op != Op::broadcast) return no_value;
  const ValueId x = g.operands(*n)[0];
  return g.type(x).shape.rank() == 0 && is_constant(g, x) ? x : no_value;
}

bool is_small(const Type& type) {
  return type.shape.is_static() && byte_count(type.shape, bytes(type.dtype)) <= folded_bytes;
}

Array to_array(const Graph& g, ValueId v) {
  Array a(g.type(v));
  const std::string& raw = Constant(g, *producer(g, v)).value;
  std::copy(raw.begin(), raw.end(), a.data.begin());
  return a;
}

ConstantAttrs constant_attrs(const Array& a) {
  return {.dtype = a.type.dtype, .shape = a.type.shape.dims(), .value = std::string(a.data.begin(), a.data.end())};
}

// The op on whole constants.
Array evaluate(const Graph& g, const OpDef& row, std::span<const ValueId> operands, const Attrs& attrs,
               const Type& type) {
  std::vector<Array> arrays;
  std::vector<const Array*> pointers;
  for (ValueId v : operands) arrays.push_back(to_array(g, v));
  for (const Array& a : arrays) pointers.push_back(&a);
  return std::move(interpret(row.op, pointers, attrs, std::span(&type, 1))[0]);
}

}  // namespace

ValueId GraphBuilder::fold(const OpDef& row, std::span<const ValueId> operands, AttrsId attrs,
                           std::span<const TypeId> results) {
  if (operands.empty() || results.size() != 1) return no_value;
  if (row.family == Family::control || row.family == Family::transform || row.family == Family::effect ||
      row.family == Family::ranks || row.family == Family::random)
    return no_value;
  const Graph& g = *graph_;
  // Most ops have an operand that is computed: leave early.
  if (!is_constant(g, operands[0]) && repeated(g, operands[0]) == no_value) return no_value;
  const Type type = g.types_[static_cast<uint32_t>(results[0])];
  const ValueId scalar = repeated(g, operands[0]);
  if (row.whole && scalar != no_value) {
    if (type.shape.rank() == 0) return scalar;
    if (row.op == Op::broadcast && scalar == operands[0]) return no_value;  // it is the normal form
    return add(Op::broadcast, {scalar}, BroadcastAttrs{.shape = type.shape.dims()});
  }
  bool all_constant = true, all_repeated = row.family == Family::elementwise && type.shape.rank() > 0;
  std::vector<ValueId> scalars;
  for (ValueId v : operands) {
    all_constant &= is_constant(g, v);
    scalars.push_back(repeated(g, v));
    all_repeated &= scalars.back() != no_value;
  }
  if (!all_constant && !all_repeated) return no_value;
  const Attrs values = graph_->attrs(Node{.attrs = attrs});
  if (all_repeated) {
    const ValueId folded = add(row.op, scalars, values);
    return add(Op::broadcast, {folded}, BroadcastAttrs{.shape = type.shape.dims()});
  }
  if (!is_small(type)) return no_value;
  for (ValueId v : operands)
    if (!is_small(g.type(v))) return no_value;
  return add(Op::constant, {}, constant_attrs(evaluate(g, row, operands, values, type)));
}

}  // namespace tenon::ir
