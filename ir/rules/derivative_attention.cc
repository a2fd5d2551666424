// Derivatives of attention. Its tangent is a row that is linear in the tangents of q, k and v; the transpose of that row is the
// backward one, and its transpose the tangent row again, so that derivatives of the first order never hold a score. By the operands
// that a derivative is not linear in, and by a bias, it is differentiated through the formula, which does.
#include "tenon/ir/rules/attention.h"
#include "tenon/ir/rules/attention_formula.h"
#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {
namespace {

using Values = std::vector<Value>;

bool any(std::span<const Value> values) {
  for (const Value& v : values)
    if (v) return true;
  return false;
}

Value over_row(Value x, Value row) {  // one number a row
  Shape shape = row.shape();
  shape.push_back(Dim(1));
  return spread(reshape(row, shape), x);
}

// The row on tangents of its linear operands alone, and by the others through its formula, to any order.
Values linear_jvp(const JvpArgs& args, size_t linear) {
  if (!any(args.tangents.subspan(linear))) {
    Values operands(args.primals.begin(), args.primals.end());
    for (size_t i = 0; i < linear; ++i) operands[i] = or_zeros(args.tangents[i], args.primals[i]);
    return apply(args.builder, args.op, operands, args.attrs);
  }
  std::vector<Type> types;
  std::vector<bool> active;
  for (size_t i = 0; i < args.primals.size(); ++i) {
    types.push_back(args.primals[i].type());
    active.push_back(bool(args.tangents[i]));
  }
  const auto formula = attention_graph(args.op, args.attrs, types, args.builder.graph().symbols);
  const size_t count = formula->outputs().size();
  const SubgraphJvp made = args.subgraph(*formula, active, std::vector<bool>(count, true));
  Values operands(args.primals.begin(), args.primals.end());
  for (const Value& t : args.tangents)
    if (t) operands.push_back(t);
  const Values all = splice(args.builder, *made.graph, operands);
  Values result = absent(count);
  size_t next = count;
  for (size_t r = 0; r < count; ++r)
    if (made.output_has_tangent[r]) result[r] = all[next++];
  return result;
}

}  // namespace

Values attention_jvp(const JvpArgs& args) {
  const Attention a(args.attrs);
  const AttentionOperands at(args.op, a);
  const Value out = args.results[0], logarithms = args.results[1];
  Values operands;
  for (uint32_t i = 0; i < 3; ++i) operands.push_back(or_zeros(args.tangents[i], args.primals[i]));
  operands.insert(operands.end(), args.primals.begin(), args.primals.begin() + 3);
  operands.push_back(logarithms);
  operands.insert(operands.end(), args.primals.begin() + 3, args.primals.end());
  Value moved, mean;
  if (any(args.tangents.first(3))) {
    const Values made = apply(args.builder, Op::attention_tangent, operands, args.attrs);
    moved = made[0], mean = made[1];
  }
  if (at.bias != AttentionOperands::none && args.tangents[at.bias]) {
    const Values by_bias =
        AttentionFormula(Op::attention_tangent, args.attrs, operands).moved_by(args.tangents[at.bias]);
    moved = moved ? moved + by_bias[0] : by_bias[0];
    mean = mean ? mean + by_bias[1] : by_bias[1];
  }
  if (!moved) return absent(2);
  return {cast(moved - over_row(moved, mean) * cast(out, moved.dtype()), out.dtype()), mean};
}

Values attention_tangent_jvp(const JvpArgs& args) { return linear_jvp(args, 3); }
Values attention_gradient_jvp(const JvpArgs& args) { return linear_jvp(args, 2); }

// t_ij p_ij gets g_i v_j and the cotangent of its row's sum.
Values attention_tangent_transpose(const TransposeArgs& args) {
  const AttentionExtents e(args.operand_types[3].shape, args.operand_types[4].shape, args.operand_types[5].shape);
  const DType sums = attention_sums(args.operand_types[3].dtype);
  const Value g = args.cotangents[0], total = args.cotangents[1];
  Values operands{g ? g : zeros(args.builder, {sums, e.of({e.heads, e.queries, e.width})}),
                  total ? -total : zeros(args.builder, {sums, e.of({e.heads, e.queries})})};
  operands.insert(operands.end(), args.operands.begin() + 3, args.operands.end());
  const Values made = apply(args.builder, Op::attention_gradient, operands, args.attrs);
  Values result = absent(args.operands.size());
  for (size_t i = 0; i < 3; ++i)
    if (args.linear[i]) result[i] = made[i];
  return result;
}

Values attention_gradient_transpose(const TransposeArgs& args) {
  Values operands;
  for (size_t i = 0; i < 3; ++i)
    operands.push_back(args.cotangents[i] ? args.cotangents[i] : zeros(args.builder, args.operand_types[2 + i]));
  operands.insert(operands.end(), args.operands.begin() + 2, args.operands.end());
  const Values made = apply(args.builder, Op::attention_tangent, operands, args.attrs);
  Values result = absent(args.operands.size());
  if (args.linear[0]) result[0] = made[0];
  if (args.linear[1]) result[1] = -made[1];
  return result;
}

}  // namespace tenon::ir::rules
