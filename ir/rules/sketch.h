// A sub-graph being written by a rule: over the symbols of the graph that its op stands in.
#pragma once

#include <vector>

#include "tenon/ir/graph/build.h"

namespace tenon::ir::rules {

struct Sketch {
  GraphBuilder builder;
  explicit Sketch(const Graph& like, bool merging = true) : builder(like.name, like.symbols) {
    builder.merging = merging;
  }
  explicit Sketch(std::shared_ptr<Symbols> symbols) : builder("body", std::move(symbols)) { builder.merging = false; }
  Value input(const Type& type) { return {&builder, builder.input(type)}; }
  std::vector<Value> splice(const Graph& g, std::span<const Value> operands) {
    std::vector<ValueId> ids;
    for (const Value& v : operands) ids.push_back(v.id);
    std::vector<Value> out;
    for (ValueId v : builder.splice(g, ids)) out.push_back({&builder, v});
    return out;
  }
  std::shared_ptr<const Graph> finish(std::span<const Value> outputs) {
    std::vector<ValueId> ids;
    for (const Value& v : outputs) ids.push_back(v.id);
    return builder.finish(ids);
  }
};

}  // namespace tenon::ir::rules
