// Building, copying and running.
#include "tenon/tests/cuda/driver/graph.h"

#include <algorithm>
#include <unordered_set>

namespace simulated {
namespace {

std::unordered_set<void*>& live_nodes() {
  static auto* const n = new std::unordered_set<void*>;
  return *n;
}
std::unordered_set<void*>& live_bodies() {
  static auto* const n = new std::unordered_set<void*>;
  return *n;
}

void set_condition(unsigned long long handle, unsigned value) {
  const auto found = graphs().conditions.find(handle);
  if (found == graphs().conditions.end()) fail(launch_failed, "there is no condition %llu", handle);
  found->second.value = value;
}

Outcome run_condition(const Plan::Step& step) {
  Condition& c = graphs().conditions[step.work.handle];
  if (step.work.type == 2) return c.value < step.bodies.size() ? run(*step.bodies[c.value]) : Outcome{};
  if (step.work.type == 0) {
    const size_t which = c.value != 0 ? 0 : 1;
    return which < step.bodies.size() ? run(*step.bodies[which]) : Outcome{};
  }
  for (int turn = 0; c.value != 0; ++turn) {
    if (turn == 1000000) return {launch_failed, "a loop of a graph does not end"};
    if (Outcome o = run(*step.bodies[0]); o.code != 0) return o;
  }
  return {};
}

Outcome run_step(const Plan::Step& step) {
  const Work& w = step.work;
  switch (w.kind) {
    case Work::kernel: {
      Launch launch = w.launch;
      launch.set_condition = set_condition;
      ++state().kernels_run;
      return run(launch, manner());
    }
    case Work::copy: return copy(w.rows);
    case Work::fill: return set(w.set);
    case Work::host: return call_host(w.function, w.data), Outcome{};
    case Work::condition: return run_condition(step);
    case Work::empty: return {};
  }
  return {};
}

}  // namespace

Graphs& graphs() {
  static auto* const g = new Graphs;
  return *g;
}

Graph* graph_of(void* handle) {
  if (live_bodies().count(handle)) return static_cast<Graph*>(handle);
  return look_up(graphs().graphs, handle).get();
}

Node* node_of(void* handle) { return live_nodes().count(handle) ? static_cast<Node*>(handle) : nullptr; }

Node* add(Graph& graph, Work work, void* const* after, size_t count, int& error) {
  auto node = std::make_unique<Node>();
  node->graph = &graph;
  for (size_t i = 0; i < count; ++i) {
    Node* earlier = node_of(after[i]);
    const bool again = std::find(node->after.begin(), node->after.end(), earlier) != node->after.end();
    if (!earlier || earlier->graph != &graph || again) return error = invalid_value, nullptr;
    node->after.push_back(earlier);
  }
  node->work = std::move(work);
  live_nodes().insert(node.get());
  graph.nodes.push_back(std::move(node));
  return graph.nodes.back().get();
}

void forget(const Graph& graph) {
  for (const auto& n : graph.nodes) {
    live_nodes().erase(n.get());
    for (Graph* body : n->bodies) {
      forget(*body);
      live_bodies().erase(body);
    }
  }
  for (auto& [handle, c] : graphs().conditions)  // executables may still ask for them
    if (c.graph == &graph) c.graph = nullptr;
}

Graph* add_body(Node& node) {
  node.graph->inner.push_back(std::make_unique<Graph>());
  Graph* body = node.graph->inner.back().get();
  body->is_body = true;
  node.bodies.push_back(body);
  live_bodies().insert(body);
  return body;
}

std::shared_ptr<Plan> planned(const Graph& graph) {
  auto plan = std::make_shared<Plan>();
  std::unordered_map<const Node*, size_t> number;
  for (const auto& n : graph.nodes) {
    Plan::Step step;
    step.node = n.get();
    step.work = n->work;
    for (const Node* a : n->after) step.after.push_back(number.at(a));
    for (const Graph* body : n->bodies) step.bodies.push_back(planned(*body));
    number[n.get()] = plan->steps.size();
    plan->steps.push_back(std::move(step));
  }
  for (const auto& [handle, c] : graphs().conditions)
    if (c.graph == &graph) plan->conditions.push_back(handle);
  return plan;
}

Work* work_of(std::shared_ptr<Plan>& plan, const Node* node) {
  if (plan.use_count() > 1) plan = std::make_shared<Plan>(*plan);  // a launch that waits has the other
  for (Plan::Step& s : plan->steps) {
    if (s.node == node) return &s.work;
    for (auto& body : s.bodies)
      if (Work* w = work_of(body, node)) return w;
  }
  return nullptr;
}

Outcome run(const Plan& plan) {
  for (const unsigned long long handle : plan.conditions)
    if (Condition& c = graphs().conditions[handle]; c.assigns) c.value = c.initial;
  const Manner how = manner();
  uint64_t random = (how.seed + 7) * 0x9e3779b97f4a7c15u;
  std::vector<size_t> open, waits(plan.steps.size());
  std::vector<std::vector<size_t>> then(plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    waits[i] = plan.steps[i].after.size();
    for (const size_t a : plan.steps[i].after) then[a].push_back(i);
    if (waits[i] == 0) open.push_back(i);
  }
  while (!open.empty()) {
    const size_t at = how.order == Order::forward   ? 0
                      : how.order == Order::reverse ? open.size() - 1
                                                    : next_random(random) % open.size();
    const size_t now = open[at];
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
    if (Outcome o = run_step(plan.steps[now]); o.code != 0) return o;
    for (const size_t next : then[now])
      if (--waits[next] == 0) open.push_back(next);
  }
  return {};
}

}  // namespace simulated
