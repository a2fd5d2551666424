// The table of simplify's rules, to be listed and tested by name; and what decompose takes from another file.
#pragma once

#include <span>

#include "tenon/ir/graph/build.h"

namespace tenon::passes {

// What a rule sees: one op about to be added to the new graph.
struct Match {
  ir::GraphBuilder& builder;
  ir::Op op;
  std::span<const ir::Value> operands;
  const ir::Attrs& attrs;
  const ir::Value& x() const { return operands[0]; }
  const ir::Value& y() const { return operands[1]; }
};

struct Rule {
  const char* name;
  ir::Op op;
  const char* law;  // why the bits are the same
  std::vector<ir::Value> (*apply)(const Match&);  // the op's results; empty where the rule does not hold
};
std::span<const Rule> simplify_rules();

// One op, simplified: what rules use to build their results. Every rule's result has fewer ops, or a cheaper op, so this ends.
std::vector<ir::Value> add_simplified(ir::GraphBuilder& builder, ir::Op op, std::span<const ir::Value> operands,
                                      const ir::Attrs& attrs);

// What stands for a scan that says `unroll`: scans of fewer iterations (simplify/unroll.cc).
std::vector<ir::Value> unrolled(ir::GraphBuilder& builder, const ir::Attrs& attrs, std::span<const ir::Value> operands);

}  // namespace tenon::passes
