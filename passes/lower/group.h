// Lowering one group to kernels. Elements are computed on demand, at any index, by asking each op's row; the loop nests
// around them are one file a kind (lower/map.cc, lower/row.cc, lower/column.cc, lower/contract.cc). An Index has one scalar
// for each axis that counts (passes/axes.h). Refuses to know the program: buffers are named by graph value, partial results
// by number.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tenon/ir/kernel/lowering.h"
#include "tenon/passes/fuse/cost.h"
#include "tenon/passes/lower/runs.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

// What a kernel buffer is bound to: a graph value, or a temporary of the group.
struct Binding {
  ir::ValueId value = ir::no_value;
  uint32_t temporary = UINT32_MAX;
};
struct LoweredKernel {
  ir::Kernel kernel;
  std::vector<Binding> bindings;  // one per buffer that is no scratch
};
struct LoweredGroup {
  std::vector<LoweredKernel> kernels;
  std::vector<ir::Type> temporaries;
};
LoweredGroup lower_group(const ir::Graph& graph, const Axes& axes, const Group& group, OpCosts& costs,
                         const std::string& name);

using Index = std::vector<ir::ScalarId>;

// Computes elements of a group's values inside one kernel.
class Elements {
 public:
  Elements(const ir::Graph& graph, const Group& group, ir::KernelBuilder& builder, Runs& runs, OpCosts& costs);
  ir::ScalarId at(ir::ValueId v, const Index& index, ir::ScalarId mask = ir::no_scalar);
  void set(ir::ValueId v, const Index& index, ir::ScalarId value);  // known from now on, in the open scope
  void bind(ir::ValueId v, ir::BufferId buffer) { bound_[ir::index(v)] = buffer; }  // read there, by its full rank
  const ir::BufferId* bound(ir::ValueId v) const {
    const auto at = bound_.find(ir::index(v));
    return at == bound_.end() ? nullptr : &at->second;
  }
  void store(ir::ValueId v, const Index& index, ir::ScalarId value, ir::ScalarId mask = ir::no_scalar);
  // What is computed inside a block is forgotten when the block closes.
  void open_scope() { marks_.push_back(log_.size()); }
  void close_scope();
  ir::BufferId buffer(ir::ValueId v, ir::Space space);
  bool computes(ir::ValueId v) const;  // by a node of the group
  // The border to rows, which lower themselves by full-rank indices (lower/border.cc): an axis that does not count has
  // index 0. A nest's rows and buffers both are of full rank: between them nothing is stripped.
  Index full(ir::ValueId v, const Index& index) const;
  Index counting(ir::ValueId v, std::span<const ir::Scalar> full) const;
  // The index of a value over the group's space (or outer space), from one scalar per run.
  Index spread(ir::ValueId v, const std::vector<Runs::Run>& runs, const std::vector<ir::ScalarId>& at) const;
  // One scalar per run from the number of the element in row-major order.
  std::vector<ir::ScalarId> unflatten(ir::ScalarId flat, const std::vector<Runs::Run>& runs,
                                      const std::vector<Dim>& dims);
  Dim product(const std::vector<Dim>& dims, int begin, int end);
  ir::ScalarId binary(ir::Op op, ir::ScalarId x, ir::ScalarId y);
  const std::vector<Binding>& bindings() const { return order_; }
  std::vector<ir::Type> temporaries;  // what a nest asked for

  const ir::Graph& graph;
  const Axes& axes;
  const Group& group;
  ir::KernelBuilder& builder;
  Runs& runs;
  OpCosts& costs;
  ir::Lowering context;

 private:
  ir::ValueId stored_behind() const;
  void open_border();  // what `context` offers to rows
  ir::ScalarId by_row(ir::ValueId v, const Index& index, ir::ScalarId mask);
  ir::ScalarId compute(ir::ValueId v, const Index& index, ir::ScalarId mask);
  ir::ScalarId load(ir::ValueId v, const Index& index, ir::ScalarId mask, ir::ScalarId other);
  Index through_reshape(const ir::Node& n, const Index& index);
  Index per_run(ir::ValueId v, const Index& index);
  uint32_t place(const Index& index, ir::ScalarId mask);  // interned
  ir::ScalarId* known(ir::ValueId v, uint32_t place);
  void remember(ir::ValueId v, uint32_t place, ir::ScalarId value);

  const bool
      nest_;  // the group's op opens loops of its own: nothing that it reads is known from one element to the next
  std::unordered_map<uint32_t, char> members_;  // values computed here
  std::unordered_map<uint32_t, ir::BufferId> buffers_, bound_;
  std::vector<Binding> order_;  // of buffers, in order of declaration
  std::map<std::vector<uint32_t>, uint32_t> places_;
  std::vector<Index> place_index_;
  std::unordered_map<uint64_t, ir::ScalarId> memo_;
  std::vector<uint64_t> log_;
  std::vector<size_t> marks_;
  ir::ScalarId mask_ = ir::no_scalar;
};

// Estimated cost of one element in scalar operations, memory included: what decides how much work a thread gets.
int64_t element_cost(const ir::Graph& graph, const Group& group, OpCosts& costs);
int64_t grain_of(const Tiles& tiles, int64_t cost_per_iteration);

void lower_map(Elements& e, int64_t cost);
void lower_row(Elements& e, int64_t cost);
bool lower_short_row(Elements& e, int64_t cost);  // whether it took the group
void lower_column(Elements& e, int64_t cost);
void lower_contract(Elements& e, int64_t cost);
LoweredGroup lower_split(const ir::Graph& graph, const Axes& axes, const Group& group, OpCosts& costs, int64_t cost,
                         const std::string& name);

// A parallel loop over the elements of `runs`, times blocks of `block` of one more axis of `extent` elements when block is
// not 0. Gives one scalar per run, and the block's first element. No loop is opened when there is one iteration.
struct ParallelLoop {
  bool opened = false;
  std::vector<ir::ScalarId> at;
  ir::ScalarId base = ir::no_scalar;
};
ParallelLoop open_parallel(Elements& e, const std::vector<Runs::Run>& runs, const std::vector<Dim>& dims, Dim extent,
                           int64_t block, int64_t cost_per_iteration);
// How many elements of an axis a block that starts at `base` has.
ir::ScalarId block_extent(Elements& e, Dim extent, int64_t block, ir::ScalarId base);
}  // namespace tenon::passes
