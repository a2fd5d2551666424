// Derivatives of a replay. Its transpose is a replay the other way round; its tangents are those of the loops that it stands for.
// Refuses to be linear in the states or in the count: passes/grad makes loops of a replay that is differentiated by them.
#include "tenon/ir/base/error.h"
#include "tenon/ir/rules/replay.h"

namespace tenon::ir::rules {

std::vector<Value> replay_jvp(const JvpArgs& args) {
  Sketch s(args.builder.graph());
  std::vector<Value> inputs, operands(args.primals.begin(), args.primals.end());
  for (const Value& v : args.primals) inputs.push_back(s.input(v.type()));
  const auto loops = s.finish(replay_loops(s.builder, args.attrs, inputs));
  const SubgraphJvp jvp = args.subgraph(*loops, present(args.tangents), args.wanted);
  append_present(operands, args.tangents);
  const auto joint = apply(args.builder, Op::call, operands, CallAttrs{.graph = jvp.graph});
  return tangents_first(joint, jvp.output_has_tangent);
}

namespace {

// The body of a replay that is transposed. Its own constants: those of the replay that are not linear. Its carries: the cotangents
// of the carries that any can reach, and the sums of those of the linear constants.
struct TransposedBody {
  const TransposeArgs& args;
  const ReplayParts parts;
  const Graph& body;
  Flags linear, arrived, reached;  // linear, reached: per input of the body

  bool is_carry(size_t input) const { return input >= parts.shared + parts.own + parts.states; }
  size_t operand(size_t input) const { return input + 1; }
  bool taken(size_t i) const {
    return linear[i] && (is_carry(i) ? arrived[i - (parts.shared + parts.own + parts.states)] : reached[i]);
  }

  GraphPtr build() const {
    const auto transposed = args.subgraph(body, linear, arrived);
    Sketch s(body);
    std::vector<Value> inputs, sums, outputs, added;
    const size_t all = body.input_count();
    const auto type = [&](size_t i) { return body.type(ValueId{static_cast<uint32_t>(i)}); };
    for (size_t i = 0; i < all; ++i)
      if (!linear[i]) inputs.push_back(s.input(type(i)));
    for (size_t i = 0; i < all; ++i)
      if (is_carry(i) && taken(i)) inputs.push_back(s.input(type(i)));
    for (size_t i = 0; i < all; ++i)
      if (!is_carry(i) && taken(i)) sums.push_back(s.input(type(i)));
    const auto given = s.splice(*transposed, inputs);
    size_t next = 0;
    for (size_t i = 0; i < all; ++i) {
      if (!linear[i]) continue;
      const Value cotangent = given[next++];
      if (!taken(i)) continue;
      if (is_carry(i))
        outputs.push_back(cotangent);
      else
        added.push_back(sums[added.size()] + cotangent);
    }
    outputs.insert(outputs.end(), added.begin(), added.end());
    return s.finish(outputs);
  }
};

}  // namespace

std::vector<Value> replay_transpose(const TransposeArgs& args) {
  const ReplayParts parts = replay_parts(Replay(args.attrs), args.operands.size());
  const size_t first_carry = parts.shared + parts.own + parts.states;  // of the body
  TransposedBody t{args, parts, *parts.body, Flags(parts.body->input_count(), false), present(args.cotangents), {}};
  for (size_t i = 0; i < args.operands.size(); ++i) {
    const bool may_be =
        (i >= parts.first_own() && i < parts.first_state()) || (i >= parts.first_carry() && i < parts.first_mark());
    ensure(may_be || !args.linear[i], "a replay is transposed by what it is not linear in");
  }
  for (size_t i = 0; i < t.linear.size(); ++i) t.linear[i] = t.is_carry(i) || args.linear[t.operand(i)];
  const Loop like{.body = &t.body, .constants = first_carry, .carries = parts.carries};
  t.reached = reached_through_carries(t.body, like, t.arrived);

  std::vector<Value> operands{args.operands[0]};
  size_t own = 0, carries = 0;
  const auto zero = [&](size_t i) { return zeros(args.builder, args.operand_types[t.operand(i)]); };
  for (size_t i = 0; i < first_carry; ++i) {
    if (t.linear[i]) continue;
    operands.push_back(args.operands[t.operand(i)]);
    own += i >= parts.shared && i < parts.shared + parts.own;
  }
  for (size_t i = first_carry; i < t.linear.size(); ++i) {
    if (!t.taken(i)) continue;
    const Value arrives = args.cotangents[i - first_carry];
    operands.push_back(arrives ? arrives : zero(i));
    ++carries;
  }
  for (size_t i = 0; i < first_carry; ++i)
    if (t.taken(i)) operands.push_back(zero(i)), ++carries;
  for (size_t i = parts.first_mark(); i < args.operands.size(); ++i) operands.push_back(args.operands[i]);
  const auto number = [](size_t n) { return static_cast<int64_t>(n); };
  const Replay replay(args.attrs);
  const auto results =
      apply(args.builder, Op::replay, operands,
            ReplayAttrs{.advance = replay.advance,
                        .body = t.build(),
                        .counts = {number(parts.shared), number(own), number(parts.states), number(carries)},
                        .reverse = !parts.reverse,
                        .memory = parts.memory});
  std::vector<Value> out = absent(args.operands.size());
  size_t next = 0;
  for (size_t i = first_carry; i < t.linear.size(); ++i)
    if (t.taken(i)) out[t.operand(i)] = results[next++];
  for (size_t i = 0; i < first_carry; ++i)
    if (t.taken(i)) out[t.operand(i)] = results[next++];
  return out;
}

}  // namespace tenon::ir::rules
