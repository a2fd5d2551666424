// Graphs of work: what is built node by node, and what an executable holds of it. A launch takes what the executable holds then;
// later changes make a copy. Nodes run one at a time, those that are ready in an order that may be turned round.
// Refuses child graphs, nodes of events, and nodes that allocate.
#pragma once

#include "tenon/tests/cuda/driver/copy.h"
#include "tenon/tests/cuda/driver/module.h"

namespace simulated {

struct Graph;
struct Plan;

struct Work {
  enum Kind : uint8_t { empty, kernel, copy, fill, host, condition };
  Kind kind = empty;
  std::shared_ptr<Loaded> module;  // of the kernel
  Context* context = nullptr;
  Launch launch;
  Rows rows;
  Fill set;
  void (*function)(void*) = nullptr;
  void* data = nullptr;
  unsigned long long handle = 0;  // of the condition
  int type = 0;  // 0: if, 1: while, 2: switch
};

struct Node {
  Graph* graph = nullptr;
  Work work;
  std::vector<Node*> after;
  std::vector<Graph*> bodies;  // of a condition; theirs is the node's life
};

struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<std::unique_ptr<Graph>> inner;
  bool is_body = false;
};

struct Plan {
  struct Step {
    const Node* node = nullptr;  // as it is called; it may be gone
    Work work;
    std::vector<size_t> after;
    std::vector<std::shared_ptr<Plan>> bodies;
  };
  std::vector<Step> steps;
  std::vector<unsigned long long> conditions;
};

struct Executable {
  std::shared_ptr<Plan> plan;
};

struct Condition {
  const Graph* graph = nullptr;
  unsigned value = 0, initial = 0;
  bool assigns = false;
};

struct Graphs {
  Handles<Graph> graphs;  // not the bodies, which their graph owns
  Handles<Executable> executables;
  std::unordered_map<unsigned long long, Condition> conditions;
};
Graphs& graphs();

Graph* graph_of(void* handle);  // bodies too
Node* node_of(void* handle);
Node* add(Graph& graph, Work work, void* const* after, size_t count, int& error);
void forget(const Graph& graph);  // its nodes are no handles any more
Graph* add_body(Node& node);
std::shared_ptr<Plan> planned(const Graph& graph);
Work* work_of(std::shared_ptr<Plan>& plan, const Node* node);  // to be changed; null: not in the plan
Outcome run(const Plan& plan);

}  // namespace simulated
