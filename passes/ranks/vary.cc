// Which values differ between ranks, and where one that all hold alike meets one that does not. There it is marked with rank_vary: the
// cotangent that comes back to it is everybody's. So derivatives of a program over ranks are those of the whole, and what all hold
// alike has a cotangent that all hold alike.
//   %2 = mul %w, %x   with %w alike, %x not   ->   %1 = rank_vary %w;  %2 = mul %1, %x
// A loop or branch of which any operand differs is taken as a whole: so do its results.
#include "tenon/passes/ranks/vary.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

// Ranks of a group, and of an axis, differ in one digit: from its stride on, as far as its size reaches.
bool meets_axis(const RankAxis& a, int64_t size, int64_t stride) {
  return a.size > 1 && size > 1 && a.stride < size * stride && stride < a.size * a.stride;
}
bool spans(const RankAxis& a, int64_t size, int64_t stride) {
  return stride <= a.stride && a.size * a.stride <= size * stride;
}

// The axes of which a group of ranks has some, and those of which it has all.
struct Spanned {
  AxisSet some = 0, whole = 0;
};
Spanned spanned(std::span<const RankAxis> axes, int64_t size, int64_t stride) {
  Spanned group;
  for (size_t a = 0; a < axes.size(); ++a) {
    if (!meets_axis(axes[a], size, stride)) continue;
    group.some |= AxisSet{1} << a;
    if (spans(axes[a], size, stride)) group.whole |= AxisSet{1} << a;
  }
  return group;
}

struct Varying {
  std::span<const RankAxis> axes;
  Rebuild to;
  std::vector<AxisSet> differs;  // by value of the old graph: along which axes

  ValueId vary(ValueId v, AxisSet missing) {
    const DType dtype = to.builder.graph().type(v).dtype;
    if (!is_continuous(dtype)) return v;
    for (size_t a = 0; a < axes.size(); ++a)
      if (missing >> a & 1)
        v = to.builder.add(Op::rank_vary, {v},
                           CollectiveAttrs{.size = axes[a].size, .stride = axes[a].stride, .place = "rank_vary"});
    return v;
  }
};

}  // namespace

Met meets(const Graph& graph, const Node& n, std::span<const RankAxis> axes, AxisSet operands) {
  if (def(n.op).family != Family::ranks || n.op == Op::constrain || n.op == Op::in_turn) return {operands, operands};
  if (n.op == Op::rank_index) {
    const RankIndex group(graph, n);
    return {0, spanned(axes, group.size, group.stride).some};
  }
  const Collective c(graph, n);
  const auto [group, whole] = spanned(axes, c.size, c.stride);
  switch (n.op) {
    case Op::all_reduce_sum:
    case Op::all_reduce_prod:
    case Op::all_reduce_min:
    case Op::all_reduce_max:
    case Op::all_gather:
    case Op::collective_broadcast: return {operands | group, operands & ~whole};
    case Op::rank_slice: return {operands, operands | group};
    default: return {operands | group, operands | group};
  }
}

int64_t stride_of(const std::vector<int64_t>& sizes, size_t axis) {
  int64_t stride = 1;
  for (size_t k = sizes.size(); k-- > axis + 1;) stride *= sizes[k];
  return stride;
}

std::string axis_name(const std::string& names, size_t axis) {
  size_t begin = 0;
  for (size_t k = 0; k < axis && begin != std::string::npos; ++k) {
    begin = names.find(',', begin);
    if (begin != std::string::npos) ++begin;
  }
  const std::string name = begin == std::string::npos ? "" : names.substr(begin, names.find(',', begin) - begin);
  return name.empty() ? std::to_string(axis) : name;
}

namespace {

// In a node, in its loops and branches too: f(graph, constrain, name of the axis) where one cuts along some of these axes.
template <class F>
void each_cut(const Graph& graph, const Node& n, std::span<const RankAxis> axes, AxisSet along, F f) {
  for (const Attr& a : graph.attrs(n))  // recursion follows nesting
    if (a.graph)
      for (const Node& inner : a.graph->nodes()) each_cut(*a.graph, inner, axes, along, f);
  if (n.op != Op::constrain) return;
  const Constrain c(graph, n);
  for (int64_t k : c.axes) {
    if (k < 0) continue;
    const auto axis = static_cast<size_t>(k);
    if (spanned(axes, c.sizes[axis], stride_of(c.sizes, axis)).some & along) f(graph, n, axis_name(c.names, axis));
  }
}

[[noreturn]] void refuse_cut(const Graph& graph, const Node& constrain, const std::string& why) {
  throw Error("dist::constrain at " + Constrain(graph, constrain).place + ": " + why, graph.location(constrain));
}

}  // namespace

void check_constrained(const Graph& graph, const Node& node, std::span<const RankAxis> axes, AxisSet operands) {
  if (operands == 0) return;
  each_cut(graph, node, axes, operands, [](const Graph& g, const Node& n, const std::string& name) {
    refuse_cut(g, n,
               "ranks along '" + name +
                   "' have different values here, each its own; constrain cuts what all of them hold alike: leave '" +
                   name + "' out, or join them with all_gather");
  });
}

void check_stage(const Graph& graph, const RankAxis& axis) {
  for (const Node& node : graph.nodes())
    each_cut(graph, node, {&axis, 1}, 1, [](const Graph& g, const Node& n, const std::string& name) {
      refuse_cut(
          g, n,
          "the pipeline lies along '" + name +
              "' here, and each of its ranks runs stages of its own; constrain cuts what all of them do: leave '" +
              name + "' out, or name another axis of the mesh");
    });
}

Varied varied(const Graph& graph, std::span<const RankAxis> axes, std::span<const AxisSet> inputs) {
  Varying v{axes, Rebuild(graph), std::vector<AxisSet>(graph.value_count())};
  v.to.builder.folding = v.to.builder.merging = false;
  for (size_t i = 0; i < inputs.size(); ++i) v.differs[i] = inputs[i];
  Varied result;
  result.graph = v.to.sweep([&](const Node& n) {
    AxisSet all = 0;
    for (ValueId x : graph.operands(n)) all |= v.differs[index(x)];
    check_constrained(graph, n, axes, all);
    const auto [wanted, gives] = meets(graph, n, axes, all);
    std::vector<ValueId> operands(v.to.operands(n).begin(), v.to.operands(n).end());
    for (size_t k = 0; k < operands.size(); ++k)
      operands[k] = v.vary(operands[k], wanted & ~v.differs[index(graph.operands(n)[k])]);
    v.to.builder.set_location(graph.location(n));
    v.to.set_all(n, v.to.builder.copy(graph, n, operands));
    for (uint32_t r = 0; r < n.result_count; ++r) v.differs[index(graph.result(n, r))] = gives;
  });
  for (ValueId o : graph.outputs()) result.outputs.push_back(v.differs[index(o)]);
  return result;
}

}  // namespace tenon::passes
