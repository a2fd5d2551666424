// Cuts move along the indices of ops (ir/rules/factors.cc) from value to value, by a list of what has newly been cut. Refuses to weigh
// costs on the way: where two cuts meet in one op, shared_out decides when all of them are known.
#include "tenon/passes/ranks/lying.h"

#include <algorithm>
#include <deque>
#include <memory>

#include "tenon/ir/graph/attributes.h"

namespace tenon::passes {

using namespace ir;

namespace {

AxisSet bit(int8_t axis) { return AxisSet{1} << axis; }

bool divides(const MeshAxis& axis, int64_t extent) { return extent > 0 && extent % axis.size == 0; }

// The cuts that a constrain node asks for, as far as axes divide extents.
Cuts asked(const Graph& g, const Node& n, std::span<const MeshAxis> mesh) {
  const Constrain c(g, n);
  const Shape& shape = g.type(g.result(n)).shape;
  Cuts cuts(c.axes.size(), -1);
  for (size_t d = 0; d < c.axes.size(); ++d) {
    if (c.axes[d] < 0 || !shape[d].is_number()) continue;
    const auto k = static_cast<size_t>(c.axes[d]);
    for (size_t m = 0; m < mesh.size(); ++m)
      if (mesh[m].size == c.sizes[k] && mesh[m].stride == stride_of(c.sizes, k) && divides(mesh[m], shape[d].number()))
        cuts[d] = static_cast<int8_t>(m);
  }
  return cuts;
}

// ---- moving cuts along

struct Use {
  uint32_t node, slot;
};

// What is known of a node when a cut first arrives there.
struct Reached {
  Factors factors;
  AxisSet taken = 0;
  Cuts assigned;  // by index
  struct Place {
    bool result;
    uint32_t value, dimension;
  };
  std::vector<std::vector<Place>> places;  // by index: where it runs
};

struct Moving {
  const Graph& g;
  std::span<const MeshAxis> mesh;
  std::span<const AxisSet> differs;
  std::vector<uint32_t> first_use;  // by value, into `uses`; one more at the end
  std::vector<Use> uses;
  std::vector<char> fixed;  // by value: it lies as it does
  std::vector<Cuts> cuts;  // by value
  struct Wish {
    int8_t axis = -1;
    uint32_t votes = 0;
  };
  std::vector<std::vector<Wish>> wishes;  // by value and dimension, of what reads it
  std::vector<std::unique_ptr<Reached>> reached;  // by node
  struct Claim {
    uint32_t node;
    int index;
    int8_t axis;
  };
  std::deque<Claim> claims;

  Moving(const Graph& graph, std::span<const MeshAxis> axes, std::span<const AxisSet> apart,
         const std::vector<bool>& kept)
      : g(graph),
        mesh(axes),
        differs(apart),
        first_use(graph.value_count() + 1),
        fixed(graph.value_count()),
        cuts(graph.value_count()),
        wishes(graph.value_count()),
        reached(graph.node_count()) {
    for (uint32_t n = 0; n < g.node_count(); ++n)
      if (kept[n])
        for (ValueId v : g.operands(g.node(NodeId{n}))) ++first_use[index(v) + 1];
    for (uint32_t v = 0; v < g.value_count(); ++v) {
      first_use[v + 1] += first_use[v];
      cuts[v].assign(g.type(ValueId{v}).shape.size(), -1);
      wishes[v].resize(cuts[v].size());
    }
    uses.resize(first_use.back());
    std::vector<uint32_t> next(first_use.begin(), first_use.end() - 1);
    for (uint32_t n = 0; n < g.node_count(); ++n)
      for (uint32_t slot = 0; kept[n] && slot < g.node(NodeId{n}).operand_count; ++slot)
        uses[next[index(g.operands(g.node(NodeId{n}))[slot])]++] = {n, slot};
    for (ValueId v : g.outputs()) fixed[index(v)] |= 2;  // read whole besides: nothing backward
    for (uint32_t v = 0; v < g.input_count(); ++v) fixed[v] = 1;  // cut for nothing wherever it is read
  }

  Reached& at(uint32_t n) {
    if (reached[n]) return *reached[n];
    const Node& node = g.node(NodeId{n});
    reached[n] = std::make_unique<Reached>();
    Reached& made = *reached[n];
    made.factors = factors_of(g, node);
    made.taken = taken_axes(g, node, mesh, differs);
    made.assigned.assign(made.factors.all.size(), -1);
    made.places.resize(made.factors.all.size());
    for (const bool result : {true, false}) {
      const auto& values = result ? made.factors.results : made.factors.operands;
      for (uint32_t k = 0; k < values.size(); ++k)
        for (uint32_t d = 0; d < values[k].size(); ++d)
          if (values[k][d] >= 0) made.places[static_cast<size_t>(values[k][d])].push_back({result, k, d});
    }
    return made;
  }

  // Whether constrain says nothing of a dimension.
  bool open(uint32_t n, size_t d) const { return Constrain(g, g.node(NodeId{n})).axes[d] == -2; }

  void claim(uint32_t n, bool result, size_t value, size_t d, int8_t axis) {
    if (g.node(NodeId{n}).op == Op::constrain && !open(n, d)) return;
    Reached& node = at(n);
    const int i = (result ? node.factors.results : node.factors.operands)[value][d];
    if (i >= 0 && node.assigned[static_cast<size_t>(i)] < 0) claims.push_back({n, i, axis});
  }
  // A dimension of a value is cut: all that read it, and what makes it, hear of it.
  void cut(ValueId v, size_t d, int8_t axis) {
    cuts[index(v)][d] = axis;
    for (uint32_t u = first_use[index(v)]; u < first_use[index(v) + 1]; ++u)
      claim(uses[u].node, false, uses[u].slot, d, axis);
    if (const NodeId from = g.producer(v); from != no_node)
      claim(index(from), true, index(v) - index(g.node(from).first_result), d, axis);
  }
  void may_cut(ValueId v, size_t d, int8_t axis) {
    Cuts& own = cuts[index(v)];
    const NodeId from = g.producer(v);
    if (from != no_node && g.node(from).op == Op::constrain && !open(index(from), d)) return;
    if ((fixed[index(v)] & 1) || own[d] >= 0 || std::find(own.begin(), own.end(), axis) != own.end()) return;
    cut(v, d, axis);
  }
  void vote(ValueId v, size_t d, int8_t axis) {
    Wish& wish = wishes[index(v)][d];
    if (wish.votes == 0) wish.axis = axis;
    if (wish.axis != axis || fixed[index(v)]) return;
    if (++wish.votes == first_use[index(v) + 1] - first_use[index(v)]) may_cut(v, d, axis);
  }

  void settle(const Claim& c) {
    const Node& n = g.node(NodeId{c.node});
    Reached& node = *reached[c.node];
    const auto i = static_cast<size_t>(c.index);
    Cuts& own = node.assigned;
    if (own[i] >= 0 || (!node.factors.apart && std::find(own.begin(), own.end(), c.axis) != own.end())) return;
    if (!divides(mesh[static_cast<size_t>(c.axis)], node.factors.all[i].extent) || (node.taken & bit(c.axis))) return;
    own[i] = c.axis;
    for (const Reached::Place& p : node.places[i])
      if (p.result)
        may_cut(g.result(n, p.value), p.dimension, c.axis);
      else
        vote(g.operands(n)[p.value], p.dimension, c.axis);
  }

  void run() {
    for (const Node& n : g.nodes()) {
      if (n.op != Op::constrain) continue;
      const Cuts cuts_here = asked(g, n, mesh);
      for (size_t d = 0; d < cuts_here.size(); ++d) {
        if (cuts_here[d] < 0) continue;
        cut(g.result(n), d, cuts_here[d]);
        vote(g.operands(n)[0], d, cuts_here[d]);
      }
    }
    for (; !claims.empty(); claims.pop_front()) settle(Claim(claims.front()));
  }
};

// Of a type whose free extents count as 1.
int64_t known_bytes(const Type& type) {
  int64_t all = bytes(type.dtype);
  for (Dim d : type.shape)
    if (d.is_number()) all *= d.number();
  return all;
}

bool same_ranks(const MeshAxis& axis, int64_t size, int64_t stride) {  // some of them
  return stride < axis.size * axis.stride && axis.stride < size * stride;
}

}  // namespace

std::vector<MeshAxis> mesh_of(const Graph& graph) {
  std::vector<MeshAxis> mesh;
  std::vector<const Node*> exchanges;  // ranks that take part in one have programs of their own
  for (const Node& n : graph.nodes())
    if (n.op == Op::exchange) exchanges.push_back(&n);
  for (const Node& n : graph.nodes()) {
    if (n.op != Op::constrain) continue;
    const Constrain c(graph, n);
    const auto refuse = [&](const std::string& why) {
      throw Error("dist::constrain at " + c.place + ": " + why, graph.location(n));
    };
    for (size_t d = 0; d < c.axes.size(); ++d) {
      if (c.axes[d] < 0 || c.sizes[static_cast<size_t>(c.axes[d])] == 1) continue;
      const auto k = static_cast<size_t>(c.axes[d]);
      const MeshAxis axis{c.sizes[k], stride_of(c.sizes, k), axis_name(c.names, k)};
      if (graph.type(graph.result(n)).shape[d].is_symbol())
        refuse("dimension " + std::to_string(d) + " is cut along '" + axis.name +
               "', and its extent is free; give the program tensors whose extent there is a number");
      bool known = false;
      for (const MeshAxis& other : mesh) {
        known |= other.size == axis.size && other.stride == axis.stride;
        if (!known && same_ranks(axis, other.size, other.stride))
          refuse("the axis '" + axis.name + "' and the axis '" + other.name +
                 "' of another constrain are of different meshes over the same ranks; give both the same mesh");
        if (known) break;
      }
      if (known) continue;
      for (const Node* e : exchanges)
        if (const Collective own(graph, *e); same_ranks(axis, own.size, own.stride))
          refuse("each rank along '" + axis.name + "' has a part of its own in " + own.place +
                 ", and constrain cuts what all of them do: leave '" + axis.name +
                 "' out, or name another axis of the mesh");
      mesh.push_back(axis);
    }
  }
  return mesh;
}

std::vector<AxisSet> differing(const Graph& graph, std::span<const MeshAxis> mesh) {
  std::vector<RankAxis> axes;
  for (const MeshAxis& a : mesh) axes.push_back({a.size, a.stride});
  std::vector<AxisSet> differs(graph.value_count());
  for (const Node& n : graph.nodes()) {
    AxisSet all = 0;
    for (ValueId x : graph.operands(n)) all |= differs[index(x)];
    const AxisSet gives = meets(graph, n, axes, all).results;
    for (uint32_t r = 0; r < n.result_count; ++r) differs[index(graph.result(n, r))] = gives;
    check_constrained(graph, n, axes, all);
  }
  return differs;
}

AxisSet taken_axes(const Graph& graph, const Node& node, std::span<const MeshAxis> mesh,
                   std::span<const AxisSet> differs) {
  AxisSet taken = 0;
  for (ValueId x : graph.operands(node)) taken |= differs[index(x)];
  for (uint32_t r = 0; r < node.result_count; ++r) taken |= differs[index(graph.result(node, r))];
  if (def(node.op).family != Family::ranks || node.op == Op::constrain || node.op == Op::in_turn) return taken;
  std::vector<RankAxis> axes;
  for (const MeshAxis& a : mesh) axes.push_back({a.size, a.stride});
  return taken | meets(graph, node, axes, 0).operands | meets(graph, node, axes, 0).results;
}

std::vector<bool> kept_nodes(const Graph& graph) {
  std::vector<bool> read(graph.value_count()), kept(graph.node_count());
  for (ValueId v : graph.outputs()) read[index(v)] = true;
  for (uint32_t k = graph.node_count(); k-- > 0;) {
    const Node& n = graph.node(NodeId{k});
    kept[k] = has_effect(graph, n);
    for (uint32_t r = 0; r < n.result_count; ++r) kept[k] = kept[k] || read[index(graph.result(n, r))];
    for (ValueId v : graph.operands(n)) read[index(v)] = read[index(v)] || kept[k];
  }
  return kept;
}

std::vector<Cuts> wanted(const Graph& graph, std::span<const MeshAxis> mesh, std::span<const AxisSet> differs,
                         const std::vector<bool>& kept) {
  Moving moving(graph, mesh, differs, kept);
  moving.run();
  return std::move(moving.cuts);
}

Cuts shared_out(const Graph& graph, const Node& node, const Factors& factors, std::span<const MeshAxis> mesh,
                AxisSet taken, std::span<const Cuts> operands, std::span<const Cuts> results) {
  struct Claim {
    int64_t bytes;  // that move unless it is met, less those that move because it is
    int index;
    int8_t axis;
  };
  std::vector<Claim> claims;
  Cuts cuts(factors.all.size(), -1);
  if (factors.apart) {
    for (size_t k = 0; k < operands.size(); ++k)
      for (size_t d = 0; d < operands[k].size(); ++d)
        if (operands[k][d] >= 0 && !(taken & bit(operands[k][d])))
          cuts[static_cast<size_t>(factors.operands[k][d])] = operands[k][d];
    return cuts;
  }
  const auto bytes_of = [&](ValueId v) { return std::min<int64_t>(known_bytes(graph.type(v)), int64_t{1} << 40); };
  const auto add = [&](int at, int8_t axis, int64_t bytes) {
    if (at < 0 || axis < 0) return;
    for (Claim& c : claims)
      if (c.index == at && c.axis == axis) return void(c.bytes += bytes);
    const int64_t joining = factors.all[static_cast<size_t>(at)].joins ? -2 * bytes_of(graph.result(node)) : 0;
    claims.push_back({bytes + joining, at, axis});
  };
  for (size_t k = 0; k < operands.size(); ++k)
    for (size_t d = 0; d < operands[k].size(); ++d)
      add(factors.operands[k][d], operands[k][d], bytes_of(graph.operands(node)[k]));
  for (size_t r = 0; r < results.size(); ++r)
    for (size_t d = 0; d < results[r].size(); ++d) add(factors.results[r][d], results[r][d], 0);
  std::stable_sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) { return a.bytes > b.bytes; });
  for (const Claim& c : claims) {
    const auto at = static_cast<size_t>(c.index);
    if (cuts[at] >= 0 || std::find(cuts.begin(), cuts.end(), c.axis) != cuts.end() || (taken & bit(c.axis))) continue;
    if (divides(mesh[static_cast<size_t>(c.axis)], factors.all[at].extent)) cuts[at] = c.axis;
  }
  return cuts;
}

}  // namespace tenon::passes
