// What each node is to fusion: a view, a value that is cheap to compute again, a point of a space, a reduction, a
// contraction, or something with a kernel or a step of its own.
#include <algorithm>

#include "tenon/ir/graph/loops.h"
#include "tenon/passes/fuse/draft.h"
#include "tenon/passes/whole_runs.h"

namespace tenon::passes {

using namespace ir;

namespace {

// Reads one element of its operand, and no other operand says which.
bool is_view(const OpDef& row) { return row.whole && row.reads != Reads::operands; }

// Up to 64 bytes a constant is code: a chain of selects finds an element.
bool is_data(const Graph& graph, const Node& n) { return n.op == Op::constant && Constant(graph, n).value.size() > 64; }

// A number at every place of a shape: a scatter that starts from it writes it where its result is.
bool is_one_number(const Graph& graph, ValueId v) {
  if (graph.is_input(v)) return false;
  const Node& n = graph.node(graph.producer(v));
  if (n.op != Op::broadcast) return false;
  const ValueId x = graph.operands(n)[0];
  return graph.type(x).shape.empty() && !graph.is_input(x) && graph.node(graph.producer(x)).op == Op::constant;
}

// Where an update begins along an axis that it covers: nobody asks.
bool is_unread_start(const Graph& graph, const Node& n, uint32_t operand) {
  if (n.op != Op::dynamic_update_slice || operand < 2) return false;
  const auto operands = graph.operands(n);
  return graph.type(operands[0]).shape[operand - 2] == graph.type(operands[1]).shape[operand - 2];
}

// Control flow, custom calls, checks, prints: steps of a program.
bool is_step(const OpDef& row) {
  return row.family == Family::control || row.family == Family::ranks || row.inlined ||
         (row.family == Family::effect && !row.same);
}

}  // namespace

// Whether a value is in a buffer whoever reads it, reshaped or not.
bool Fusion::is_stored(ValueId v) const {
  for (;;) {
    if (graph.is_input(v) || forced[index(v)]) return true;
    const Node& n = graph.node(graph.producer(v));
    const OpDef& row = def(n.op);
    if (is_data(graph, n)) return true;
    if (!row.same || row.fence)
      return is_nest(graph.producer(v)) || is_step(row) || row.fence || row.family == Family::reduction ||
             row.family == Family::contraction;
    v = graph.operands(n)[0];
  }
}

// Whether a result that must be in a buffer is made of whole runs of others that are in buffers anyway; a concatenation of many
// parts always is, since as a point each of its elements would ask every part.
bool Fusion::is_copy(const Node& n) const {
  if (n.op != Op::concat && n.op != Op::slice) return false;
  const std::span<const ValueId> operands = graph.operands(n);
  const bool kept = forced[index(graph.result(n))];
  if (n.op == Op::concat) {
    if (operands.size() > limits.parts) return true;
    return kept && rows_of(graph, n) == 1 &&
           std::all_of(operands.begin(), operands.end(), [&](ValueId v) { return is_stored(v); });
  }
  return kept && is_run(graph, n) && is_stored(operands[0]);
}

// Updates of a part, at most half, of an input that may be written over, as in the body of a loop, or of what another update or a loop
// has made of it.
void Fusion::find_updates() {
  updates_.assign(graph.node_count(), 0);
  if (lent.empty()) return;
  std::vector<char> carried(graph.value_count(), 0);
  std::copy(lent.begin(), lent.end(), carried.begin());
  for (uint32_t i = 0; i < graph.node_count(); ++i) {
    const Node& n = graph.node(NodeId{i});
    const auto operands = graph.operands(n);
    if (n.op == Op::while_loop || n.op == Op::scan) {
      const Loop loop = ir::loop_of(graph, n);
      for (uint32_t k = 0; k < loop.carries; ++k)
        carried[index(graph.result(n, k))] = carried[index(loop.carries_of(operands)[k])];
    }
    if (n.op != Op::dynamic_update_slice || !carried[index(operands[0])]) continue;
    const Shape &whole = graph.type(operands[0]).shape, &part = graph.type(operands[1]).shape;
    if (!whole.is_static() || !part.is_static() || 2 * part.numel() > whole.numel()) continue;
    updates_[i] = carried[index(graph.result(n))] = 1;
  }
}

void Fusion::assign_roles() {
  const uint32_t count = graph.node_count();
  roles.assign(count, Role::point);
  copied_.assign(count, 0);
  find_updates();
  find_orders();
  forced.assign(graph.value_count(), 0);
  for (ValueId v : graph.outputs()) forced[index(v)] = 1;
  // Backwards: who must be in a buffer because its consumer cannot compute it.
  for (uint32_t i = count; i-- > 0;) {
    const Node& n = graph.node(NodeId{i});
    const OpDef& row = def(n.op);
    copied_[i] = is_copy(n);
    bool opaque = is_nest(NodeId{i}) || is_step(row) || row.fence || copied_[i];
    if (row.same && !opaque && (forced[index(graph.result(n))] || !enabled)) opaque = true;
    if (!enabled && row.family == Family::contraction) opaque = true;
    for (uint32_t k = 0; opaque && k < graph.operands(n).size(); ++k) {
      ValueId v = graph.operands(n)[k];
      if (k < 8 && (through_[i] >> k & 1) != 0) v = graph.operands(graph.node(graph.producer(v)))[0];
      if (is_unset_carry(graph, n, v) || is_unread_start(graph, n, k)) continue;
      if (n.op != Op::scatter || !is_one_number(graph, v)) forced[index(v)] = 1;
    }
  }
  free_cost_.assign(graph.value_count(), -1);
  for (uint32_t v = 0; v < graph.input_count(); ++v)
    if (graph.type(ValueId{v}).shape.empty()) free_cost_[v] = 0;
  access_number_.assign(graph.value_count(), UINT32_MAX);
  storage_.resize(graph.value_count());
  floor_.assign(graph.value_count(), 0);
  for (uint32_t v = 0; v < graph.value_count(); ++v) storage_[v] = ValueId{v};
  for (uint32_t i = 0; i < count; ++i) roles[i] = role_of(NodeId{i});
}

Role Fusion::role_of(NodeId id) {
  const Node& n = graph.node(id);
  const OpDef& row = def(n.op);
  if (is_nest(id) || is_step(row) || copied_[index(id)] || behind_[index(id)] != no_node) return Role::alone;
  const ValueId result = graph.result(n);
  const bool kept = forced[index(result)];
  if (is_data(graph, n)) return Role::data;
  if (row.family == Family::contraction) return Role::contraction;
  if (row.family == Family::reduction) return Role::reduction;
  if (row.same && (row.fence || kept || !enabled)) return Role::alias;
  if (kept) return Role::point;
  if (row.family == Family::source) {
    free_cost_[index(result)] = 1;
    return Role::free;
  }
  if (!enabled) return Role::point;
  if (is_elementwise(n) || is_view(row)) {
    int total = is_elementwise(n) ? costs.of(graph, n) : 1;
    for (ValueId v : graph.operands(n)) {
      const int c = free_cost_[index(v)];
      total = c < 0 || total > limits.free ? limits.free + 1 : total + c;
    }
    if (total <= limits.free) {
      free_cost_[index(result)] = total;
      return Role::free;
    }
  }
  if (is_view(row)) {
    Access a = through(graph, id, access(graph.operands(n)[0]), axes);
    if (a.depth <= limits.view_depth) {
      access_number_[index(result)] = static_cast<uint32_t>(accesses_.size());
      accesses_.push_back(std::move(a));
      return Role::moved;
    }
  }
  return Role::point;
}

Access Fusion::access(ValueId v) {
  const uint32_t number = access_number_[index(v)];
  return number == UINT32_MAX ? direct(v, axes) : accesses_[number];
}

}  // namespace tenon::passes
