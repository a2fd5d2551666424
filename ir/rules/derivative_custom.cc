// Derivatives of the rules that callers give. A custom_jvp is its rule; a custom_vjp is its forward, and a linear map of which only the
// transpose is known, until it is transposed; a linear solve is differentiated by what it solves (dx = A^-1 (db - dA x)), never by how.
#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {
namespace {

bool any(std::span<const Value> values) {
  for (const Value& v : values)
    if (v) return true;
  return false;
}

std::vector<Value> joined(std::span<const Value> a, std::span<const Value> b) {
  std::vector<Value> result(a.begin(), a.end());
  result.insert(result.end(), b.begin(), b.end());
  return result;
}

// Tangents of the floating arguments, zeros where they have none.
std::vector<Value> directions(const JvpArgs& args, size_t arguments) {
  std::vector<Value> result;
  for (size_t i = 0; i < arguments; ++i)
    if (is_continuous(args.primals[i].dtype())) result.push_back(or_zeros(args.tangents[i], args.primals[i]));
  return result;
}

// Results as a control-flow row gives them, from results and the tangents of the floating ones.
std::vector<Value> tangents_then_results(std::span<const Value> results, std::span<const Value> tangents) {
  std::vector<Value> out = absent(results.size());
  size_t next = 0;
  for (size_t i = 0; i < results.size() && next < tangents.size(); ++i)
    if (is_continuous(results[i].dtype())) out[i] = tangents[next++];
  out.insert(out.end(), results.begin(), results.end());
  return out;
}

}  // namespace

std::vector<Value> custom_jvp_jvp(const JvpArgs& args) {
  const CustomJvp c(args.attrs);
  const size_t arguments = static_cast<size_t>(c.counts[0]), count = c.graph->outputs().size();
  if (!any(args.tangents.first(arguments)))  // only of constants, which have no derivative
    return tangents_then_results(apply(args.builder, args.op, args.primals, args.attrs), {});
  const auto all = splice(args.builder, *c.rule, joined(args.primals, directions(args, arguments)));
  return tangents_then_results(std::span(all).first(count), std::span(all).subspan(count));
}

std::vector<Value> custom_vjp_jvp(const JvpArgs& args) {
  const CustomVjp c(args.attrs);
  const size_t arguments = static_cast<size_t>(c.counts[0]), count = c.graph->outputs().size();
  if (!any(args.tangents.first(arguments)))
    return tangents_then_results(apply(args.builder, args.op, args.primals, args.attrs), {});
  const auto all = splice(args.builder, *c.forward, args.primals);
  const auto constants = joined(args.primals.subspan(arguments), std::span(all).subspan(count));
  const auto tangents =
      apply(args.builder, Op::custom_tangent, joined(constants, directions(args, arguments)),
            CustomTangentAttrs{.backward = c.backward, .counts = {static_cast<int64_t>(constants.size())}});
  return tangents_then_results(std::span(all).first(count), tangents);
}

// Derivatives are those of the function itself.
std::vector<Value> custom_batch_jvp(const JvpArgs& args) {
  const Attrs attrs = CallAttrs{.graph = CustomBatch(args.attrs).graph};
  return call_jvp(
      {args.builder, Op::call, attrs, args.primals, args.results, args.tangents, args.subgraph, args.wanted});
}

std::vector<Value> custom_tangent_transpose(const TransposeArgs& args) {
  const CustomTangent c(args.attrs);
  const size_t constants = static_cast<size_t>(c.counts[0]);
  std::vector<Value> operands(args.operands.begin(), args.operands.begin() + static_cast<std::ptrdiff_t>(constants));
  for (size_t i = 0; i < args.cotangents.size(); ++i) {
    const Type& type = c.backward->type(ValueId{static_cast<uint32_t>(constants + i)});
    operands.push_back(args.cotangents[i] ? args.cotangents[i] : zeros(args.builder, type));
  }
  const auto made = splice(args.builder, *c.backward, operands);
  std::vector<Value> result = absent(args.operands.size());
  for (size_t i = 0; i < made.size(); ++i)
    if (args.linear[constants + i]) result[constants + i] = made[i];
  return result;
}

// In its tangents it is linear; by its constants it would be differentiated through what it means, which passes make of it first.
std::vector<Value> custom_tangent_jvp(const JvpArgs& args) {
  const size_t constants = static_cast<size_t>(CustomTangent(args.attrs).counts[0]);
  if (any(args.tangents.first(constants)))
    throw InternalError("custom_tangent is differentiated by its constants before it was replaced");
  std::vector<Value> operands = joined(args.primals.first(constants), {});
  for (size_t i = constants; i < args.primals.size(); ++i)
    operands.push_back(or_zeros(args.tangents[i], args.primals[i]));
  return apply(args.builder, args.op, operands, args.attrs);
}

std::vector<Value> linear_solve_jvp(const JvpArgs& args) {
  const LinearSolve s(args.attrs);
  const size_t constants = static_cast<size_t>(s.counts[0]), count = args.results.size();
  std::vector<Value> right = absent(count);  // db - dA x
  for (size_t i = 0; i < count; ++i) right[i] = args.tangents[constants + i];
  if (any(args.tangents.first(constants))) {
    std::vector<bool> active(args.primals.size(), false);
    for (size_t i = 0; i < constants; ++i) active[i] = bool(args.tangents[i]);
    const SubgraphJvp product = args.subgraph(*s.matvec, active, std::vector<bool>(count, true));
    std::vector<Value> operands = joined(args.primals.first(constants), args.results);
    for (size_t i = 0; i < constants; ++i)
      if (args.tangents[i]) operands.push_back(args.tangents[i]);
    const auto made = splice(args.builder, *product.graph, operands);
    size_t next = count;
    for (size_t i = 0; i < count; ++i) {
      if (!product.output_has_tangent[i]) continue;
      const Value change = made[next++];
      right[i] = right[i] ? right[i] - change : -change;
    }
  }
  if (!any(right)) return absent(count);
  std::vector<Value> operands = joined(args.primals.first(constants), {});
  for (size_t i = 0; i < count; ++i) operands.push_back(or_zeros(right[i], args.results[i]));
  return apply(args.builder, args.op, operands, args.attrs);
}

std::vector<Value> linear_solve_transpose(const TransposeArgs& args) {
  const LinearSolve s(args.attrs);
  const size_t constants = static_cast<size_t>(s.counts[0]), all = args.operands.size();
  for (size_t i = 0; i < constants; ++i)
    if (args.linear[i]) throw Error("linear_solve: a linear function of the matrix itself has no transpose");
  std::vector<bool> linear(all, true);
  for (size_t i = 0; i < constants; ++i) linear[i] = false;
  std::vector<Value> operands = joined(args.operands.first(constants), {});
  for (size_t i = constants; i < all; ++i) {
    const Value ct = args.cotangents[i - constants];
    operands.push_back(ct ? ct : zeros(args.builder, args.operand_types[i]));
  }
  const auto made =
      apply(args.builder, Op::linear_solve, operands,
            LinearSolveAttrs{.solve = s.transposed,
                             .matvec = args.subgraph(*s.matvec, linear, std::vector<bool>(all - constants, true)),
                             .transposed = s.solve,
                             .counts = s.counts});
  std::vector<Value> result = absent(all);
  for (size_t i = constants; i < all; ++i)
    if (args.linear[i]) result[i] = made[i - constants];
  return result;
}

std::vector<Value> named_transpose(const TransposeArgs& args) { return {args.cotangents[0]}; }
std::vector<Value> named_jvp(const JvpArgs& args) { return {args.tangents[0]}; }

}  // namespace tenon::ir::rules
