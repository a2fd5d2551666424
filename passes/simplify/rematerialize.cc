// A large value that takes a few operations on small parts is made anew for each of its readers: storing it would cost more than
// making it, and what is made where it is read is fused there.
//   %3 = mul (broadcast %0), (broadcast %1) : f32[64, 784, 512], read by two nodes   ->   one for each
// The same operations on the same values: no bit changes. Refuses free extents, outputs, and readers that need a buffer.
#include <algorithm>

#include "tenon/passes/fuse/cost.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int64_t fewest_bytes = 256 << 10;  // less stays in a cache
constexpr int64_t smaller = 8;  // times, that parts must be
constexpr uint32_t most_readers = 4;

struct Makings {
  const Graph& g;
  OpCosts costs{Target::portable()};
  const int most = costs.limits.free;  // operations per element
  std::vector<int> cost;  // by value: of making it from small parts; -1: it is not
  std::vector<uint32_t> readers;  // by value: nodes
  std::vector<char> anew;

  explicit Makings(const Graph& graph)
      : g(graph), cost(graph.value_count(), -1), readers(graph.value_count()), anew(graph.value_count()) {
    for (const Node& n : g.nodes()) {
      if (n.result_count != 1) continue;
      const Type& type = g.type(g.result(n));
      if (type.shape.is_static()) cost[index(g.result(n))] = cost_of(n, type);
    }
    std::vector<char> needs_buffer(g.value_count());
    for (ValueId v : g.outputs()) needs_buffer[index(v)] = 1;
    for (const Node& n : g.nodes()) {
      const Family family = def(n.op).family;
      const auto operands = g.operands(n);
      for (auto at = operands.begin(); at != operands.end(); ++at) {
        if (std::find(operands.begin(), at, *at) != at) continue;
        ++readers[index(*at)];
        if (family != Family::elementwise && family != Family::reduction) needs_buffer[index(*at)] = 1;
      }
    }
    for (uint32_t v = 0; v < g.value_count(); ++v)
      anew[v] = cost[v] > 0 && !needs_buffer[v] && readers[v] > 1 && readers[v] <= most_readers &&
                size(ValueId{v}) >= fewest_bytes;
  }

  int64_t size(ValueId v) const { return byte_count(g.type(v).shape, bytes(g.type(v).dtype)); }

  int cost_of(const Node& n, const Type& type) {
    const Family family = def(n.op).family;
    if (family == Family::source) return 0;
    if (n.op == Op::broadcast) {
      const ValueId part = g.operands(n)[0];
      return smaller * size(part) <= byte_count(type.shape, bytes(type.dtype)) ? 0 : -1;
    }
    if (family != Family::elementwise) return -1;
    int total = costs.of(g, n);
    for (ValueId v : g.operands(n)) {
      if (cost[index(v)] < 0 || total > most) return -1;
      total += cost[index(v)];
    }
    return total <= most ? total : -1;
  }
};

// What makes v, in the new graph. As deep as it has operations, which are few.
ValueId make(Rebuild& to, ValueId v) {
  const Graph& g = to.from;
  const Node& n = g.node(g.producer(v));
  if (def(n.op).family != Family::elementwise) return to.values[index(v)];
  std::vector<ValueId> operands;
  for (ValueId operand : g.operands(n)) operands.push_back(make(to, operand));
  to.builder.set_location(g.location(n));
  return to.builder.copy(g, n, operands);
}

}  // namespace

GraphPtr rematerialize(const Graph& graph) {
  const Makings of(graph);
  Rebuild to(graph);
  to.builder.folding = to.builder.merging = false;
  return dce(*to.sweep([&](const Node& n) {
    std::vector<ValueId> operands(to.operands(n).begin(), to.operands(n).end());
    const auto old = graph.operands(n);
    for (size_t i = 0; i < operands.size(); ++i) {
      if (!of.anew[index(old[i])]) continue;
      const size_t first = static_cast<size_t>(std::find(old.begin(), old.end(), old[i]) - old.begin());
      operands[i] = first < i ? operands[first] : make(to, old[i]);
    }
    to.builder.set_location(graph.location(n));
    to.set_all(n, to.builder.copy(graph, n, operands));
  }));
}

}  // namespace tenon::passes
