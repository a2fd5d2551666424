// Whole tensors become one rank's parts, as constrain asks: the program of all ranks, which hold its inputs whole and alike, becomes
// one in which each computes its share, and its results are whole and alike again. Over a mesh {"model", 2}:
//   %2 = constrain %1 {axes = [-1, 0]} : f32[4, 8]     ->   %2 = rank_slice (%1 in blocks) : f32[4, 4]
//   %3 = dot_general %0, %2 : f32[2, 8]                ->   %3 = dot_general %0, %2 : f32[2, 4]
//   output %3                                          ->   output (all_gather %3 in its place) : f32[2, 8]
// A whole value is cut for nothing. What is reduced over a cut dimension becomes the tree over ranks of each one's reduction: another
// order than one process has; everything else keeps its bits. Loops and branches take their operands whole and are cut inside, if
// constrain stands there. Refuses to guess: without constrain the program stays as it is.
#include <algorithm>
#include <map>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/rules/windows.h"
#include "tenon/passes/ranks/resharding.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

bool cut_anywhere(const Cuts& cuts) {
  return std::any_of(cuts.begin(), cuts.end(), [](int8_t axis) { return axis >= 0; });
}

struct Partition {
  const Graph& g;
  const std::vector<MeshAxis> mesh;
  const std::vector<AxisSet> differs;
  const std::vector<bool> kept;
  const std::vector<Cuts> want;
  Rebuild to;
  // How a value lies, and its parts: as it was made first, then as it has been relaid.
  struct Laid {
    Cuts cuts;
    ValueId id;
  };
  std::vector<std::vector<Laid>> laid;
  // A result of which each rank has a part of the sum, until somebody reads it: sums of such are joined once.
  struct Partial {
    ValueId id;
    Cuts cuts;
    int8_t axis;
    std::string who;
    Location where;
  };
  std::map<uint32_t, Partial> partial;  // by value
  std::vector<uint32_t> reads;  // by value

  Partition(const Graph& graph, std::vector<MeshAxis> axes)
      : g(graph),
        mesh(std::move(axes)),
        differs(differing(graph, mesh)),
        kept(kept_nodes(graph)),
        want(wanted(graph, mesh, differs, kept)),
        to(graph),
        laid(graph.value_count()),
        reads(graph.value_count()) {
    for (uint32_t k = 0; k < g.node_count(); ++k)
      if (kept[k])
        for (ValueId v : g.operands(g.node(NodeId{k}))) ++reads[index(v)];
    for (ValueId v : g.outputs()) ++reads[index(v)];
    for (uint32_t v = 0; v < g.input_count(); ++v) set(ValueId{v}, whole(ValueId{v}), to.values[v]);
  }

  const Shape& shape(ValueId v) const { return g.type(v).shape; }
  Cuts whole(ValueId v) const { return Cuts(shape(v).size(), -1); }
  void set(ValueId v, Cuts cuts, ValueId id) { laid[index(v)].push_back({std::move(cuts), id}); }
  Value value(ValueId id) { return {&to.builder, id}; }

  // A value as somebody takes it, from where the fewest bytes move.
  ValueId as(ValueId v, const Cuts& cuts, const Reason& reason) {
    std::vector<Laid>& all = laid[index(v)];
    size_t best = 0;
    int64_t least = INT64_MAX;
    for (size_t k = 0; k < all.size() && least > 0; ++k) {
      if (all[k].cuts == cuts) return all[k].id;
      if (const int64_t moved = bytes_moved(g.type(v), all[k].cuts, cuts, mesh); moved < least) best = k, least = moved;
    }
    const ValueId made = relaid(value(all[best].id), shape(v), all[best].cuts, cuts, mesh, reason).id;
    all.push_back({cuts, made});
    return made;
  }

  std::string named(const Node& n) const {
    const std::string op(def(n.op).name);
    return g.location(n).known() ? op + " at " + to_string(g.location(n)) : op;
  }
  // Of the indices that stay whole because an axis does not divide them.
  std::string indivisible(const Node& n, const Factors& f, const Cuts& shares) const {
    for (size_t k = 0; k < f.operands.size(); ++k)
      for (size_t d = 0; d < f.operands[k].size(); ++d) {
        const int at = f.operands[k][d];
        const int8_t axis = laid[index(g.operands(n)[k])][0].cuts[d];
        if (at < 0 || axis < 0 || shares[static_cast<size_t>(at)] >= 0) continue;
        const int64_t extent = f.all[static_cast<size_t>(at)].extent, size = mesh[static_cast<size_t>(axis)].size;
        if (extent % size != 0) return ", since " + std::to_string(size) + " ranks do not divide what it becomes";
      }
    return "";
  }

  static Cuts through(const std::vector<int>& indices, const Cuts& shares) {
    Cuts cuts;
    for (int at : indices) cuts.push_back(at < 0 ? int8_t{-1} : shares[static_cast<size_t>(at)]);
    return cuts;
  }

  // The attributes of an op that says its result's extents.
  Attrs attributes(const Node& n, const Shape& part) const {
    switch (n.op) {
      case Op::reshape: return ReshapeAttrs{.shape = part.dims()};
      case Op::broadcast: return BroadcastAttrs{.shape = part.dims(), .axes = Broadcast(g, n).axes};
      case Op::slice:
        return SliceAttrs{.starts = Slice(g, n).starts, .sizes = part.dims(), .strides = Slice(g, n).strides};
      case Op::dynamic_slice: return DynamicSliceAttrs{.sizes = part.dims()};
      case Op::unset: return UnsetAttrs{.dtype = Unset(g, n).dtype, .shape = part.dims()};
      case Op::gather: return windows_cut(n, part);
      case Op::iota: return IotaAttrs{.dtype = Iota(g, n).dtype, .shape = part.dims(), .axis = Iota(g, n).axis};
      default: return g.attrs(n);
    }
  }

  // Windows that have a dimension whole have the part of it that there is.
  Attrs windows_cut(const Node& n, const Shape& part) const {
    const rules::Windows w = rules::windows_of(g, n);
    std::vector<Dim> sizes;
    for (const rules::Windows::Dimension& d : w.x)
      sizes.push_back(d.window >= 0 ? part[static_cast<size_t>(d.window)] : d.size);
    return rules::with_sizes(Gather(g, n), std::move(sizes));
  }

  Value rank_along(const MeshAxis& axis) {
    return apply(to.builder, Op::rank_index, {}, RankIndexAttrs{.size = axis.size, .stride = axis.stride})[0];
  }
  // Counts that begin where the rank's part does.
  Value counted_on(const Node& n, Value counts, const Cuts& cuts) {
    const size_t along = Iota(g, n).axis;
    if (cuts[along] < 0) return counts;
    const Value part = splat_integer(to.builder, DType::i64, counts.shape()[along].number(), {});
    const Value first = rank_along(mesh[static_cast<size_t>(cuts[along])]) * part;
    return counts + broadcast_to(cast(first, counts.dtype()), counts.shape());
  }

  // What a scatter adds to counts once: for the first of the ranks that share out its updates.
  Value once(Value base, const Factors& f, const Cuts& shares) {
    for (size_t k = 0; k < f.all.size(); ++k) {
      if (!f.all[k].joins || shares[k] < 0) continue;
      const MeshAxis& axis = mesh[static_cast<size_t>(shares[k])];
      const Value first = eq(rank_along(axis), splat_integer(to.builder, DType::i64, 0, {}));
      base = select(broadcast_to(first, base.shape()), base, zeros_like(base));
    }
    return base;
  }

  // Positions along an axis that is cut count from where the rank's part begins. A scatter drops what lies outside; of a gather: which lie
  // inside, and nothing of a scatter.
  Value found_here(const Node& n, std::vector<ValueId>& operands, const Factors& f, const Cuts& shares) {
    const Shape x = shape(g.operands(n)[0]);
    const std::optional<size_t> axis = rules::windows_of(g, n).only_axis(x);
    const int at = axis ? f.operands[0][*axis] : -1;
    if (at < 0 || shares[static_cast<size_t>(at)] < 0) return {};
    const int64_t all = x[*axis].number();
    const MeshAxis& ranks = mesh[static_cast<size_t>(shares[static_cast<size_t>(at)])];
    Value i = value(operands[1]);
    if (n.op == Op::gather) i = max(min(i, literal(i, all - 1)), literal(i, 0));  // reading clamps
    const Value first = rank_along(ranks) * splat_integer(to.builder, DType::i64, all / ranks.size, {});
    i = i - broadcast_to(first, i.shape());
    operands[1] = i.id;
    return n.op == Op::gather ? bit_and(ge(i, literal(i, 0)), lt(i, literal(i, all / ranks.size))) : Value{};
  }
  // What is known by index, by element of a gather's result.
  Value over_indices(const Node& n, Value x, Value result) {
    const std::vector<int> along = rules::windows_of(g, n).along;
    return broadcast(x, result.shape(), std::vector<int64_t>(along.begin(), along.end()));
  }

  // What ranks have of a result is joined, along one axis after the other; a sum along the last of them when it is read.
  void join(const Node& n, Value x, Cuts cuts, const Factors& f, const Cuts& shares) {
    const ValueId result = g.result(n);
    std::vector<size_t> shared;
    for (size_t k = 0; k < f.all.size(); ++k)
      if (f.all[k].joins && shares[k] >= 0) shared.push_back(k);
    for (size_t k : shared) {
      const Op with = *f.all[k].joins;
      if (with == Op::all_reduce_sum && k == shared.back()) {
        partial.emplace(index(result), Partial{x.id, std::move(cuts), shares[k], named(n), to.builder.location()});
        return;
      }
      const Reason reason{named(n), with == Op::all_reduce_sum ? "the partial sums" : "the parts"};
      x = joined(x, with, mesh[static_cast<size_t>(shares[k])], reason);
    }
    set(result, std::move(cuts), x.id);
  }
  // Whoever reads a value finds it joined; cut, where it is wanted cut along that axis.
  void settle(ValueId v) {
    const auto found = partial.find(index(v));
    if (found == partial.end()) return;
    Partial p = std::move(found->second);
    partial.erase(found);
    const Location here = to.builder.location();
    to.builder.set_location(p.where);
    const MeshAxis& axis = mesh[static_cast<size_t>(p.axis)];
    const Reason reason{p.who, "the partial sums"};
    const Cuts& wish = want[index(v)];
    const auto d = static_cast<size_t>(std::find(wish.begin(), wish.end(), p.axis) - wish.begin());
    if (d < wish.size() && p.cuts[d] < 0) {
      p.id = sum_scattered(value(p.id), d, axis, reason).id;
      p.cuts[d] = p.axis;
    } else {
      p.id = joined(value(p.id), Op::all_reduce_sum, axis, reason).id;
    }
    to.builder.set_location(here);
    set(v, std::move(p.cuts), p.id);
  }
  // The sum of two values that are parts of sums over the same ranks, and that nothing else reads, is one.
  bool added(const Node& n) {
    if (n.op != Op::add) return false;
    const auto a = partial.find(index(g.operands(n)[0])), b = partial.find(index(g.operands(n)[1]));
    if (a == partial.end() || b == partial.end() || a == b) return false;
    const Partial &p = a->second, &q = b->second;
    if (p.axis != q.axis || p.cuts != q.cuts || reads[a->first] != 1 || reads[b->first] != 1) return false;
    const ValueId sum = to.builder.add(Op::add, {p.id, q.id});
    const std::string who = p.who.size() < 200 ? p.who + " and " + q.who : p.who;  // a long sum names its first few
    Partial both{sum, p.cuts, p.axis, who, to.builder.location()};
    partial.erase(a);
    partial.erase(b);
    partial.emplace(index(g.result(n)), std::move(both));
    return true;
  }

  void constrain(const Node& n) {
    const ValueId from = g.operands(n)[0], result = g.result(n);
    const Constrain c(g, n);
    const Cuts& have = laid[index(from)][0].cuts;
    Cuts cuts = want[index(result)];
    for (size_t d = 0; d < cuts.size(); ++d)
      if (c.axes[d] == -2) cuts[d] = -1;
    for (size_t d = 0; d < cuts.size(); ++d) {  // as it comes
      if (c.axes[d] != -2) continue;
      const int8_t axis = have[d] >= 0 ? have[d] : want[index(result)][d];
      if (axis >= 0 && std::find(cuts.begin(), cuts.end(), axis) == cuts.end()) cuts[d] = axis;
    }
    const ValueId made = as(from, cuts, {"constrain at " + c.place, ""});
    set(result, std::move(cuts), made);
    for (const Laid& same : std::vector<Laid>(laid[index(from)]))  // it is the same value
      if (std::none_of(laid[index(result)].begin(), laid[index(result)].end(),
                       [&](const Laid& l) { return l.cuts == same.cuts; }))
        laid[index(result)].push_back(same);
  }

  void visit(const Node& n) {
    to.builder.set_location(g.location(n));
    if (added(n)) return;
    for (ValueId v : g.operands(n)) settle(v);
    if (n.op == Op::constrain) return constrain(n);
    const Factors f = factors_of(g, n);
    std::vector<Cuts> have, wish;
    for (ValueId v : g.operands(n)) have.push_back(laid[index(v)][0].cuts);
    for (uint32_t r = 0; r < n.result_count; ++r) wish.push_back(want[index(g.result(n, r))]);
    const Cuts shares = shared_out(g, n, f, mesh, taken_axes(g, n, mesh, differs), have, wish);
    const Reason reason{named(n), indivisible(n, f, shares)};
    std::vector<ValueId> operands;
    for (size_t k = 0; k < f.operands.size(); ++k)
      operands.push_back(as(g.operands(n)[k], through(f.operands[k], shares), reason));
    if (!cut_anywhere(shares)) {
      const ValueId first = to.builder.copy(g, n, operands);
      for (uint32_t r = 0; r < n.result_count; ++r)
        set(g.result(n, r), whole(g.result(n, r)), ValueId{index(first) + r});
      return;
    }
    if (n.op == Op::scatter) operands[0] = once(value(operands[0]), f, shares).id;
    const Value inside = n.op == Op::gather || n.op == Op::scatter ? found_here(n, operands, f, shares) : Value{};
    Cuts cuts = through(f.results[0], shares);
    const Shape part = part_of(shape(g.result(n)), cuts, mesh);
    const ValueId first = to.builder.add(n.op, operands, attributes(n, part));
    for (uint32_t r = 1; r < n.result_count; ++r)
      set(g.result(n, r), through(f.results[r], shares), ValueId{index(first) + r});
    Value made = n.op == Op::iota ? counted_on(n, value(first), cuts) : value(first);
    if (inside) made = select(over_indices(n, inside, made), made, like(made, -0.0));  // -0 + x is x
    join(n, made, std::move(cuts), f, shares);
  }

  GraphPtr run() {
    for (uint32_t k = 0; k < g.node_count(); ++k)
      if (kept[k]) visit(g.node(NodeId{k}));
    std::vector<ValueId> outputs;
    for (size_t k = 0; k < g.outputs().size(); ++k) {
      const ValueId v = g.outputs()[k];
      settle(v);
      outputs.push_back(as(v, whole(v), {"result " + std::to_string(k) + " of the program", ""}));
    }
    return to.builder.finish(outputs);
  }
};

}  // namespace

GraphPtr partition(const Graph& graph) {
  const std::vector<MeshAxis> mesh = mesh_of(graph);
  if (mesh.empty()) return std::make_shared<Graph>(graph);
  return Partition(graph, mesh).run();
}

}  // namespace tenon::passes
