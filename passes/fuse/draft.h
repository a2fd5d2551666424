// The state of fusion: a role for every node, drafts of groups that grow and merge, and the edges between real nodes.
// Drafts carry levels: an edge between two drafts always climbs, so groups can never form a cycle; a draft may be raised
// as long as it stays below its first consumer. Refuses to lower anything.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "tenon/passes/fuse/access.h"
#include "tenon/passes/fuse/cost.h"
#include "tenon/passes/fuse/reason.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

// free: computed again wherever it is read (constants, iotas, a few ops on scalars). moved: a view of its operand.
// point: one element per index of its space. alias: shares its operand's buffer (a reshape, a barrier). alone: a nest,
// control flow, a custom call, a copy of whole runs. data: a constant too long for code, which lies in memory.
enum class Role : uint8_t { free, moved, point, reduction, contraction, alone, alias, data };

inline constexpr uint32_t no_draft = UINT32_MAX;

// What the loops of a draft run over.
struct DraftLoops {
  GroupKind kind = GroupKind::map;
  SpaceId space = 0, outer = 0;  // outer: the space of a reduction's result
  int reduced_begin = 0, reduced_end = 0;  // axes of space that a row or column group reduces
  bool split = false;  // one long reduction, dealt to threads as partial results
  bool operator==(const DraftLoops&) const = default;
};

struct Draft : DraftLoops {
  uint32_t level = 1, first_consumer = UINT32_MAX;
  int cost = 0;
  uint32_t into = no_draft;  // merged into
  ir::NodeId root = ir::no_node;
};

struct Edge {
  Access access;  // access.base is the value read
  ir::NodeId consumer = ir::no_node;
  Refusal refusal;  // by the sweep that looked at it last; none while the two are one group
};

class Fusion {
 public:
  Fusion(const ir::Graph& graph, const Target& target, bool enabled, std::vector<char> lent);
  FusionPlan run();

  const ir::Graph& graph;
  const Target& target;
  const bool enabled;
  const std::vector<char> lent;  // per input; none at all where there is none
  const FusionLimits& limits;
  Axes axes;
  OpCosts costs;
  std::vector<Role> roles;  // per node
  std::vector<char> forced;  // per value: must be in a buffer
  std::vector<uint32_t> draft_of;  // per node
  std::vector<Draft> drafts;
  std::vector<Edge> edges;  // grouped by consumer, ascending
  std::vector<uint32_t> first_edge;  // per node, and one past the last

  uint32_t find(uint32_t draft);
  uint32_t draft_of_value(ir::ValueId v);  // no_draft for an input or a value that is computed where it is read
  uint32_t draft_of_reader(uint32_t edge) { return find(draft_of[index(edges[edge].consumer)]); }
  bool is_elementwise(const ir::Node& n) const { return ir::def(n.op).family == ir::Family::elementwise; }
  bool is_number(SpaceId space) const { return axes.extents(space).empty(); }
  int cost(ir::NodeId n) { return costs.of(graph, graph.node(n)); }
  Access access(ir::ValueId v);

 private:
  // A draft that a point reads from: its host, a member of the merged draft, or left outside for a reason.
  struct Candidate {
    uint32_t draft;
    bool joins;
    Refusal refusal = {};
    bool member = false;
  };

  void assign_roles();  // fuse/roles.cc
  Role role_of(ir::NodeId n);
  bool is_stored(ir::ValueId v) const;
  bool is_copy(const ir::Node& n) const;
  void find_updates();
  void find_orders();  // fuse/orders.cc
  bool is_nest(ir::NodeId n) const {
    return ir::def(graph.node(n).op).nest && (!ir::def(graph.node(n).op).lower || updates_[index(n)]);
  }

  void place(ir::NodeId n);  // fuse/place.cc: the forward sweep
  void place_alone(ir::NodeId n);
  void read_operands(ir::NodeId n);
  uint32_t new_draft(ir::NodeId n, const DraftLoops& loops);
  void merge(uint32_t host, uint32_t other);
  void connect(ir::NodeId n);
  Why barred(const Access& a) const;
  Why at_contraction(const Edge& edge);

  void place_point(ir::NodeId n);  // fuse/point.cc
  Why elsewhere(const Draft& d) const;
  Why joins(const Draft& d, const Access& a, SpaceId space) const;
  Why absorbs(const Draft& host, const Draft& other, SpaceId space) const;
  std::vector<Candidate> candidates(ir::NodeId n, SpaceId space);
  bool hosts(Candidate& host, std::vector<Candidate>& candidates, ir::NodeId n, SpaceId space);
  bool raises(Candidate& host, std::vector<Candidate>& candidates);
  bool joins_numbers(ir::NodeId n, uint32_t fresh);

  void place_reduction(ir::NodeId n);  // fuse/reduction.cc
  DraftLoops loops_of(ir::NodeId reduction) const;
  Why follows(const Draft& before, const Access& a, const DraftLoops& wanted) const;
  uint32_t& last_like(const Access& a, const DraftLoops& wanted);

  void index_edges();  // fuse/sink.cc: the backward sweep over groups
  void sink_groups();
  void sink_group(uint32_t d);
  uint32_t only_reader(uint32_t d, std::vector<uint32_t>& uses);
  Refusal sinks(uint32_t from, uint32_t into, const std::vector<uint32_t>& uses);
  Refusal sinks_through(const Draft& from, const Draft& into, const Edge& edge) const;
  Refusal recompute(const Edge& edge) const;
  int64_t places(std::span<const uint32_t> uses) const;

  void sink_nodes();  // fuse/sink_nodes.cc: the backward sweep over single nodes
  void sink_node(ir::NodeId n, std::vector<char>& stored);
  uint32_t only_reader_of(ir::NodeId n);
  bool moves_fewer_bytes(ir::NodeId n, uint32_t reader, const std::vector<char>& stored);
  bool is_read_by(ir::ValueId v, uint32_t draft);
  bool can_store(const Draft& d, ir::ValueId v) const;

  void place_side_by_side();  // fuse/beside.cc

  FusionPlan finish();  // fuse/finish.cc
  std::vector<uint32_t> deal(FusionPlan& plan);
  void complete(Group& group, uint32_t number, std::vector<uint32_t>& seen) const;
  void sequence(FusionPlan& plan, std::vector<uint32_t>& tops);  // fuse/sequence.cc
  void store_what_is_read(FusionPlan& plan, const std::vector<uint32_t>& tops);
  void report(FusionPlan& plan);

  std::vector<char> updates_;  // per node: it stores a small part into a tensor that a loop carries
  std::vector<uint8_t> through_;  // per node: its operands, as bits, that it reads through a transposition
  std::vector<ir::NodeId> behind_;  // per transposition: the node that stores its result
  std::vector<char> copied_;  // per node: its result is copied together from whole runs
  std::vector<int64_t> times_;  // per node: at how many places its draft computes it, at most
  std::vector<int> free_cost_;  // per value
  std::vector<ir::ValueId> storage_;  // per value: the value whose buffer it shares, through aliases
  std::vector<uint32_t> access_number_;  // per value, into accesses_; UINT32_MAX when not moved
  std::vector<Access> accesses_;
  std::vector<uint32_t> use_begin_, uses_;  // edges that read a value, by value
  std::vector<std::vector<ir::NodeId>> members_;  // per draft that stands
  std::map<std::tuple<uint32_t, SpaceId, int, int, bool>, uint32_t> reductions_;  // the last draft of each (last_like)
  uint32_t scalars_ = no_draft;  // the last draft that computes single numbers
  uint32_t effect_level_ = 0;
  // Behind a barrier: by value, the level above which whoever reads it is placed, since all that the barrier waits for comes first.
  std::vector<uint32_t> floor_;
  uint32_t above_ = 0;  // of the node at hand
  void place_fence(const ir::Node& node);
};

}  // namespace tenon::passes
