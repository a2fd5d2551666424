// Attention and its derivatives as formulas over whole matrices of scores: what rows of attention are differentiated through where they
// are not linear, and what they are written as where another language has no word for them. Near the rows, not equal to the bit.
#pragma once

#include "tenon/ir/graph/build.h"
#include "tenon/ir/rules/attention.h"

namespace tenon::ir::rules {

class AttentionFormula {
 public:
  // operands: those of the row `op`.
  AttentionFormula(Op op, const Attrs& attrs, std::span<const Value> operands);
  std::vector<Value> results() const;
  // What the results of attention_tangent get from a change of the bias.
  std::vector<Value> moved_by(Value bias) const;

 private:
  std::vector<Value> attention() const;
  std::vector<Value> tangent() const;
  std::vector<Value> gradient() const;
  Value scores(Value q, Value k) const;  // scaled, without what is hidden
  Value hidden(Value scores) const;
  Value weights() const;  // by the logarithms
  Value dropped(Value weights) const;
  Value by_heads(Value x) const;  // [.., heads, rows, columns] -> [.., heads', rows of the heads that share, columns]
  Value apart(Value x, Dim columns) const;  // and back
  Value times(Value x, Value y, bool turned) const;  // x y of scores and k or v, y^T where it is turned
  Value over_queries(Value x, Value y) const;  // x^T y
  Value like_scores(Value x) const;

  Op op_;
  Attention attrs_;
  AttentionOperands at_;
  std::vector<Value> x_;
  AttentionExtents e_;
  DType type_, sum_;
};

// The formula of a row of attention as a graph of its operands.
std::shared_ptr<const Graph> attention_graph(Op op, const Attrs& attrs, std::span<const Type> operands,
                                             std::shared_ptr<Symbols> symbols);

}  // namespace tenon::ir::rules
