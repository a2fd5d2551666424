// What the derivative rules of control flow share: sub-graphs while they are built, and which of their inputs reach what.
#pragma once

#include "tenon/ir/graph/loops.h"
#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {

using GraphPtr = std::shared_ptr<const Graph>;
using Flags = std::vector<bool>;

inline size_t count(const Flags& flags, size_t begin, size_t end) {
  size_t n = 0;
  for (size_t i = begin; i < end; ++i) n += flags[i];
  return n;
}

inline Flags present(std::span<const Value> values) {
  Flags flags;
  for (const Value& v : values) flags.push_back(static_cast<bool>(v));
  return flags;
}

inline void append_present(std::vector<Value>& to, std::span<const Value> values) {
  for (const Value& v : values)
    if (v) to.push_back(v);
}

// Results then tangents, as JvpArgs wants them: tangents (absent where they are) then results.
inline std::vector<Value> tangents_first(std::span<const Value> joint, const Flags& has_tangent) {
  std::vector<Value> out = absent(has_tangent.size());
  size_t next = has_tangent.size();
  for (size_t i = 0; i < has_tangent.size(); ++i)
    if (has_tangent[i]) out[i] = joint[next++];
  out.insert(out.end(), joint.begin(), joint.begin() + static_cast<std::ptrdiff_t>(has_tangent.size()));
  return out;
}

// A graph being built with inputs of given types.
struct Sketch {
  GraphBuilder builder;
  explicit Sketch(const Graph& like, bool merging = true) : builder(like.name, like.symbols) {
    builder.merging = merging;
  }
  // A body of a rule over lanes: values written twice stay two, as in a trace.
  explicit Sketch(std::shared_ptr<Symbols> symbols, const char* name = "body") : builder(name, std::move(symbols)) {
    builder.merging = false;
  }
  Value input(const Type& type) { return {&builder, builder.input(type)}; }
  std::vector<Value> splice(const Graph& g, std::span<const Value> operands) {
    return ir::splice(builder, g, operands);
  }
  GraphPtr finish(std::span<const Value> outputs) {
    std::vector<ValueId> ids;
    for (const Value& v : outputs) ids.push_back(v.id);
    return builder.finish(ids);
  }
};

inline std::vector<Value> inputs_like(Sketch& s, const Graph& g) {
  std::vector<Value> inputs;
  for (uint32_t i = 0; i < g.input_count(); ++i) inputs.push_back(s.input(g.type(ValueId{i})));
  return inputs;
}

// Which inputs of a graph the given outputs are made from.
Flags made_from(const Graph& g, const Flags& outputs);
// What the cotangents of a loop's results reach in its body. One reaches a carry from after the loop, or in it from what reaches
// the carries and ys, which `arrived` then says too. The others have none, not zeros.
Flags reached_through_carries(const Graph& body, const Loop& loop, Flags& arrived);

}  // namespace tenon::ir::rules
