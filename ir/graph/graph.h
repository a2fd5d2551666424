// The tensor-level IR: SSA in flat arrays with typed ids, in topological order, immutable once built.
// Passes never edit: they read one graph and build another through GraphBuilder, which infers types, folds constants and
// hash-conses (not across an optimization barrier, never an op with an effect). No recursion over depth anywhere.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/error.h"
#include "tenon/ir/op.h"

namespace tenon::ir {

enum class ValueId : uint32_t {};
enum class NodeId : uint32_t {};
enum class TypeId : uint32_t {};
enum class AttrsId : uint32_t {};
inline constexpr ValueId no_value{UINT32_MAX};
inline constexpr NodeId no_node{UINT32_MAX};
constexpr uint32_t index(ValueId v) { return static_cast<uint32_t>(v); }
constexpr uint32_t index(NodeId n) { return static_cast<uint32_t>(n); }

struct Node {
  Op op{};
  uint16_t result_count = 1;
  AttrsId attrs{};
  uint32_t first_operand = 0;  // in the graph's operand array
  uint32_t operand_count = 0;
  ValueId first_result{};
  uint32_t location = 0;  // in the graph's side table; 0 is unknown
};

// Sub-graphs (bodies of loops, branches) nest at most so deep: the builder refuses more, so whatever is built also prints, reads
// back, verifies and compiles.
inline constexpr uint32_t deepest_nesting = 64;

class Graph {
 public:
  std::string name = "main";
  std::shared_ptr<Symbols> symbols = std::make_shared<Symbols>();

  // Values 0 .. inputs-1 are the inputs; the others are results of nodes, ascending.
  uint32_t input_count() const { return input_count_; }
  uint32_t nesting() const { return nesting_; }  // levels of sub-graphs below this graph; 0: it has none
  std::span<const ValueId> outputs() const { return outputs_; }
  uint32_t value_count() const { return static_cast<uint32_t>(value_type_.size()); }
  uint32_t node_count() const { return static_cast<uint32_t>(nodes_.size()); }
  const Node& node(NodeId n) const { return nodes_[index(n)]; }
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const ValueId> operands(const Node& n) const {
    return std::span(operands_).subspan(n.first_operand, n.operand_count);
  }
  const Type& type(ValueId v) const { return types_[static_cast<uint32_t>(value_type_[index(v)])]; }
  TypeId type_id(ValueId v) const { return value_type_[index(v)]; }
  NodeId producer(ValueId v) const { return value_node_[index(v)]; }  // no_node for an input
  const Attrs& attrs(const Node& n) const { return attrs_[static_cast<uint32_t>(n.attrs)]; }
  const Location& location(const Node& n) const { return locations_[n.location]; }
  bool is_input(ValueId v) const { return index(v) < input_count_; }
  ValueId result(const Node& n, uint32_t i = 0) const { return ValueId{index(n.first_result) + i}; }
  // Optional notes about inputs, for errors and headers: "params.w". Not part of the canonical text.
  const std::string& input_note(uint32_t i) const;

  // Exact text; parse(text) reads it back. The canonical text has numbers only: no notes, no places.
  std::string text() const;
  std::string annotated_text() const;  // with a trailing "; file:line" per node

 private:
  friend class GraphBuilder;
  uint32_t input_count_ = 0, nesting_ = 0;
  std::vector<Node> nodes_;
  std::vector<ValueId> operands_, outputs_;
  std::vector<TypeId> value_type_;
  std::vector<NodeId> value_node_;
  std::deque<Type> types_;  // deques: references stay good while a graph grows
  std::deque<Attrs> attrs_{Attrs{}};
  std::vector<Location> locations_{Location{}};
  std::vector<std::string> input_notes_;
};

std::shared_ptr<const Graph> parse(std::string_view text);  // Error with line and column
std::vector<std::string> verify(const Graph& graph);  // every violation found; empty when sound
bool same_structure(const Graph& a, const Graph& b);
// Whether a node must stay, once and in order: a check, a print, a custom call with an effect, or control flow that contains one.
bool has_effect(const Graph& graph, const Node& node);
// Whether it merges with no equal one and keeps its place among others of which this holds. What ranks do together does, also where it
// may be dropped.
bool keeps_order(const Graph& graph, const Node& node);
std::string window(const Graph& graph, NodeId around, int lines = 10);  // text around a node, for errors

class GraphBuilder {
 public:
  explicit GraphBuilder(std::string name = "main", std::shared_ptr<Symbols> symbols = nullptr);
  ~GraphBuilder();
  GraphBuilder(const GraphBuilder&) = delete;
  GraphBuilder& operator=(const GraphBuilder&) = delete;

  // Inputs come before every node in the finished graph. One that is added after a node gets its final number from
  // finish(); until then is_input() does not know it, and its producer is no_node.
  ValueId input(const Type& type, std::string note = {});
  // One op. Infers result types (Error names the op, the operand types with their places, and `where`), folds what is
  // small and constant through the interpreter's own functions, merges equal pure nodes. Returns the first result.
  ValueId add(Op op, std::span<const ValueId> operands, Attrs attrs = {});
  ValueId add(Op op, std::initializer_list<ValueId> operands, Attrs attrs = {}) {
    return add(op, std::span(operands.begin(), operands.size()), std::move(attrs));
  }
  // Copies a node of another graph (same symbols table) onto new operands.
  ValueId copy(const Graph& from, const Node& node, std::span<const ValueId> operands);
  // Copies a whole graph of the same symbols table onto new operands; returns its outputs.
  std::vector<ValueId> splice(const Graph& from, std::span<const ValueId> operands);

  // The place given to nodes added from now on.
  void set_location(const Location& where);
  const Location& location() const { return where_; }

  // The graph so far, to look at; it grows as ops are added.
  const Graph& graph() const { return *graph_; }
  const Type& type(ValueId v) const { return graph_->type(v); }
  Symbols& symbols() { return *graph_->symbols; }
  bool folding = true;  // off: constants stay as written
  bool merging = true;  // off: no hash-consing

  std::shared_ptr<const Graph> finish(std::span<const ValueId> outputs);

 private:
  struct Tables;
  ValueId add_interned(Op op, std::span<const ValueId> operands, AttrsId attrs);
  AttrsId intern(const Attrs& attrs);
  TypeId intern(const Type& type);
  ValueId fold(const OpDef& row, std::span<const ValueId> operands, AttrsId attrs, std::span<const TypeId> results);
  std::span<const TypeId> infer(const OpDef& row, std::span<const ValueId> operands, AttrsId attrs);
  [[noreturn]] void refuse(const OpDef& row, std::span<const ValueId> operands, const std::string& message) const;
  std::shared_ptr<Graph> graph_;
  std::unique_ptr<Tables> tables_;
  Location where_;
  uint32_t where_id_ = 0;
  std::vector<ValueId> late_inputs_;
  void move_late_inputs();
};

}  // namespace tenon::ir
