// The state of fusion: a role for every node, drafts of groups that grow and merge, and the edges between real nodes.
// Drafts carry levels: an edge between two drafts always climbs, so groups can never form a cycle; a draft may be raised
// as long as it stays below its first consumer. Refuses to lower anything.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tenon/passes/fuse_cost.h"
#include "tenon/passes/fuse_space.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

// free: computed again wherever it is read (constants, iotas, a few ops on scalars). moved: a view of its operand.
// point: one element per index of its space. alias: shares its operand's buffer (a reshape, a barrier). alone: a nest,
// control flow, a custom call.
enum class Role : uint8_t { free, moved, point, reduction, contraction, alone, alias };

inline constexpr uint32_t no_draft = UINT32_MAX;

struct Draft {
  GroupKind kind = GroupKind::map;
  SpaceId space = 0, outer = 0;  // outer: the space of a reduction's result
  int reduced_begin = 0, reduced_end = 0;  // axes of space that a row or column group reduces
  bool split = false;  // one long reduction, dealt to threads as partial results
  uint32_t level = 1, first_consumer = UINT32_MAX;
  int cost = 0;
  uint32_t into = no_draft;  // merged into
  ir::NodeId root = ir::no_node;
};

struct Edge {
  Access access;  // access.base is the value read
  ir::NodeId consumer = ir::no_node;
};

class Fusion {
 public:
  Fusion(const ir::Graph& graph, const Target& target, bool enabled);
  FusionPlan run();

  const ir::Graph& graph;
  const Target& target;
  const bool enabled;
  Spaces spaces;
  OpCosts costs;
  std::vector<Role> roles;  // per node
  std::vector<char> forced;  // per value: must be in a buffer
  std::vector<uint32_t> draft_of;  // per node
  std::vector<char> full;  // per node: stayed apart because the kernel was full
  std::vector<Draft> drafts;
  std::vector<Edge> edges;  // grouped by consumer, ascending
  std::vector<uint32_t> first_edge;  // per node, and one past the last

  uint32_t find(uint32_t draft);
  uint32_t draft_of_value(ir::ValueId v);  // no_draft for an input or a value that is computed where it is read
  bool is_elementwise(const ir::Node& n) const { return ir::def(n.op).family == ir::Family::elementwise; }
  int cost(ir::NodeId n) { return costs.of(graph, graph.node(n)); }
  Access access(ir::ValueId v);

 private:
  void assign_roles();  // fuse_roles.cc
  Role role_of(ir::NodeId n);
  void place(ir::NodeId n);  // fuse_place.cc
  void place_point(ir::NodeId n);
  void place_reduction(ir::NodeId n);
  uint32_t new_draft(ir::NodeId n, GroupKind kind, SpaceId space);
  bool joins(const Draft& d, const Access& a, SpaceId space);
  bool absorbs(const Draft& host, const Draft& other, SpaceId space) const;
  void merge(uint32_t host, uint32_t other);
  void connect(ir::NodeId n);
  void sink_groups();  // fuse_sink.cc
  void sink_nodes();
  bool stores(const Draft& d, ir::ValueId v);
  bool sinks(uint32_t from, uint32_t into, const std::vector<uint32_t>& uses);
  FusionPlan finish();  // fuse_finish.cc
  std::string reason(const Edge& edge);

  std::vector<int> free_cost_;  // per value
  std::vector<ir::ValueId> storage_;  // per value: the value whose buffer it shares, through aliases
  std::vector<uint32_t> access_number_;  // per value, into accesses_; UINT32_MAX when not moved
  std::vector<Access> accesses_;
  std::vector<uint32_t> use_begin_, uses_;  // edges that read a value, by value
  std::vector<std::vector<ir::NodeId>> members_;  // per draft that stands
  std::map<std::tuple<SpaceId, int, int, bool>, uint32_t> columns_;  // last column draft over a space
  std::map<std::tuple<uint32_t, SpaceId, int, int, bool>, uint32_t> rows_;  // row drafts by the value they reduce
  uint32_t scalars_ = no_draft;  // the last draft that computes single numbers
  uint32_t effect_level_ = 0;
};

}  // namespace tenon::passes
