// The axes that count. An extent of 1 holds one index and tells nothing apart, so it is stripped once, before fusion: here
// "the axes of a value" are those whose extent is not the number 1, numbered from 0, and a space is the list of their
// extents, interned, so that equal spaces are equal numbers. All of fusion and lowering speaks of these axes; full-rank
// indices are what rows lower themselves by, and one file turns one kind into the other (passes/lower/border.cc). A table
// over one graph, built once, which a fusion plan carries on to lowering; refuses to decide anything.
#pragma once

#include <map>
#include <vector>

#include "tenon/ir/graph/graph.h"

namespace tenon::passes {

using SpaceId = uint32_t;

// A read by the index, axis by axis (ir::AxisMap).
struct AxisReads {
  std::vector<std::vector<int>> result_axis;  // per operand and axis: the axis of the result that reads it, or -1
  std::vector<char> moved;  // per axis of the result
  bool moves = false;  // some axis of the result is moved, be it one that does not count
};

// The axes [begin, end) of the operand that a reduction reduces; both are the rank when it reduces nothing that counts.
struct ReducedAxes {
  int begin = 0, end = 0;
};

// One axis of a contraction where it stands in operands and result, -1 where it does not. Batch axes come first, then
// summed ones, rows (of lhs alone) and columns (of rhs alone), each in the op's order.
struct ContractedAxis {
  enum Part : uint8_t { batch, summed, row, column } part;
  int lhs = -1, rhs = -1, result = -1;
};
inline bool is_contracted(const ir::OpDef& row) { return row.family == ir::Family::contraction && !row.nest; }

// Axes of a reshape that correspond: equal products, in order.
struct Regrouping {
  int from_begin, from_end, to_begin, to_end;
};
std::vector<Regrouping> regroup(const std::vector<Dim>& from, const std::vector<Dim>& to);

class Axes {
 public:
  Axes() = default;
  explicit Axes(const ir::Graph& graph);
  SpaceId space(ir::ValueId v) const { return form(v).space; }
  SpaceId no_axes() const { return no_axes_; }  // of a scalar, and of what gives nothing
  const std::vector<Dim>& extents(ir::ValueId v) const { return spaces_[space(v)]; }
  const std::vector<Dim>& extents(SpaceId s) const { return spaces_[s]; }
  int rank(ir::ValueId v) const { return static_cast<int>(form(v).places.size()); }
  // Elements, or -1 when an extent is a symbol.
  int64_t numel(SpaceId s) const;

  // Of a node whose row has .axes, that reduces, that is contracted.
  const AxisReads& reads(ir::NodeId n) const { return reads_[number_[index(n)]]; }
  ReducedAxes reduced(ir::NodeId n) const { return reduced_[number_[index(n)]]; }
  const std::vector<ContractedAxis>& contracted(ir::NodeId n) const { return contracted_[number_[index(n)]]; }

  // For the border alone: the rank of the type, and where each axis that counts stands in it.
  int full_rank(ir::ValueId v) const { return form(v).full_rank; }
  const std::vector<int>& places(ir::ValueId v) const { return form(v).places; }

 private:
  struct Form {  // of a type
    SpaceId space = 0;
    int full_rank = 0;
    std::vector<int> places;
  };
  const Form& form(ir::ValueId v) const { return forms_[form_of_[index(v)]]; }
  std::vector<int> numbered(ir::ValueId v) const;  // per axis of the type: its number, or -1
  Form form_of(const Shape& shape);
  AxisReads reads_of(const ir::Graph& graph, const ir::Node& n) const;
  ReducedAxes reduced_by(const ir::Graph& graph, ir::NodeId n) const;
  std::vector<ContractedAxis> contracted_by(const ir::Graph& graph, const ir::Node& n) const;

  SpaceId no_axes_ = 0;
  std::map<std::vector<int64_t>, SpaceId> known_;
  std::vector<std::vector<Dim>> spaces_;
  std::vector<Form> forms_;
  std::vector<uint32_t> form_of_;  // per value
  std::vector<uint32_t> number_;  // per node, into the list of its family
  std::vector<AxisReads> reads_;
  std::vector<ReducedAxes> reduced_;
  std::vector<std::vector<ContractedAxis>> contracted_;
};

}  // namespace tenon::passes
