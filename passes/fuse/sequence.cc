// The order in which groups run: that of the program, as far as what they read permits. A group runs when the last of its nodes would
// have run; so values live as long as in the program that was written, and what is computed again late (behind a barrier, for a
// derivative) is not computed early. Nothing behind a barrier runs before everything in front of it. Effects keep their order.
#include <algorithm>
#include <functional>
#include <queue>

#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

namespace {

// What waits for what: groups, and barriers, which have no group.
struct Waiting {
  std::vector<std::vector<uint32_t>> after;
  std::vector<uint32_t> missing, key;  // key: the place in the program
  uint32_t add(uint32_t place) {
    after.emplace_back();
    missing.push_back(0);
    key.push_back(place);
    return static_cast<uint32_t>(key.size() - 1);
  }
  void edge(uint32_t first, uint32_t then) {
    if (first == then) return;
    after[first].push_back(then);
    ++missing[then];
  }
  // First come, first served, by the place in the program; who is waited for has the place of the first that waits.
  std::vector<uint32_t> order() {
    std::vector<uint32_t> sorted, left = missing;
    for (uint32_t i = 0; i < key.size(); ++i)
      if (left[i] == 0) sorted.push_back(i);
    for (size_t at = 0; at < sorted.size(); ++at)
      for (uint32_t next : after[sorted[at]])
        if (--left[next] == 0) sorted.push_back(next);
    for (size_t at = sorted.size(); at-- > 0;)
      for (uint32_t next : after[sorted[at]]) key[sorted[at]] = std::min(key[sorted[at]], key[next]);
    using Entry = std::pair<uint32_t, uint32_t>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
    for (uint32_t i = 0; i < key.size(); ++i)
      if (missing[i] == 0) ready.emplace(key[i], i);
    std::vector<uint32_t> done;
    while (!ready.empty()) {
      const uint32_t i = ready.top().second;
      ready.pop();
      done.push_back(i);
      for (uint32_t next : after[i])
        if (--missing[next] == 0) ready.emplace(key[next], next);
    }
    return done;
  }
};

constexpr uint32_t nobody = UINT32_MAX;

}  // namespace

void Fusion::sequence(FusionPlan& plan, std::vector<uint32_t>& tops) {
  const size_t count = plan.groups.size();
  Waiting waiting;
  std::vector<uint32_t> maker(graph.value_count(), nobody);  // per value: the group or barrier that gives it
  uint32_t effect = nobody;
  std::vector<std::pair<uint32_t, uint32_t>> effects;  // by node
  for (uint32_t g = 0; g < count; ++g) {
    uint32_t place = 0;
    for (NodeId n : plan.groups[g].nodes) {
      if (find(draft_of[index(n)]) != tops[g]) continue;  // computed again
      place = std::max(place, index(n));
      for (uint32_t k = 0; k < graph.node(n).result_count; ++k) maker[index(graph.result(graph.node(n), k))] = g;
      if (keeps_order(graph, graph.node(n))) effects.emplace_back(index(n), g);
    }
    waiting.add(place);
  }
  for (uint32_t i = 0; i < graph.node_count(); ++i) {
    const Node& n = graph.nodes()[i];
    if (roles[i] != Role::alias) continue;
    const bool fence = def(n.op).fence;
    const uint32_t own = fence ? waiting.add(i) : nobody;
    for (uint32_t k = 0; k < n.result_count; ++k) {
      const uint32_t from = maker[index(graph.operands(n)[k])];
      if (fence && from != nobody) waiting.edge(from, own);
      maker[index(graph.result(n, k))] = fence ? own : from;
    }
  }
  for (uint32_t g = 0; g < count; ++g)
    for (ValueId v : plan.groups[g].inputs)
      if (maker[index(v)] != nobody) waiting.edge(maker[index(v)], g);
  std::sort(effects.begin(), effects.end());
  for (const auto& [node, g] : effects) {
    if (effect != nobody) waiting.edge(effect, g);
    effect = g;
  }
  std::vector<Group> groups;
  std::vector<uint32_t> moved;
  for (uint32_t i : waiting.order()) {
    if (i >= count) continue;
    groups.push_back(std::move(plan.groups[i]));
    moved.push_back(tops[i]);
  }
  ensure(groups.size() == count, "groups wait for each other");
  plan.groups = std::move(groups);
  tops = std::move(moved);
}

}  // namespace tenon::passes
