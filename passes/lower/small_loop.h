// Loops in the registers of one kernel: whatever they carry and compute per iteration is a few numbers, each a scalar of its own, or
// rows of a tensor in memory that are read and stored at run-time indices. Movement vanishes, because every other index is a
// literal. Refuses branches and whatever else is no arithmetic on a few numbers: such loops are steps.
#pragma once

#include <optional>

#include "tenon/ir/graph/loops.h"
#include "tenon/passes/lower/group.h"

namespace tenon::passes {

// -1 when it is not known, or more than `few` numbers.
int64_t small_count(const ir::Type& type, int64_t few);

// Whether a loop is one, sub-graphs included. A tensor that is too large for registers may be a constant or a carry, of which rows
// are read, or a carry in which rows are stored; nobody may read what has been stored over. (lower/small_loop_fits.cc)
bool is_small_loop(const ir::Graph& graph, const ir::Node& node, OpCosts& costs);

// What a value is while the loop runs.
struct Held {
  std::vector<ir::ScalarId> elements;  // in row-major order, or
  std::optional<ir::BufferId> memory;
};

// Sums of a few numbers and the like: whether a node is one, and its elements. (lower/small_loop_sums.cc)
bool is_small_sum(const ir::Graph& g, const ir::Node& n);
std::vector<ir::ScalarId> small_sum(ir::KernelBuilder& b, const ir::Graph& g, const ir::Node& n,
                                    std::span<const Held> operands);

// Calls visit(index) for every element of a static type, in row-major order; the index is of full rank, as the buffers are.
template <class Visit>
void each_element(ir::KernelBuilder& b, const ir::Type& type, Visit visit) {
  const Shape& shape = type.shape;
  const int64_t total = shape.numel();
  for (int64_t e = 0; e < total; ++e) {
    std::vector<ir::Scalar> at(shape.size());
    int64_t rest = e;
    for (size_t d = shape.size(); d-- > 0;) {
      at[d] = {&b, b.index_literal(rest % shape[d].number())};
      rest /= shape[d].number();
    }
    visit(std::span<const ir::Scalar>(at));
  }
}

class SmallLoop {
 public:
  SmallLoop(ir::KernelBuilder& builder, OpCosts& costs) : b_(builder), costs_(costs) {}
  // The outputs of a graph, computed where the builder stands.
  std::vector<Held> run(const ir::Graph& graph, const std::vector<Held>& inputs);
  // The last carries.
  std::vector<Held> while_loop(const ir::Loop& loop, const std::vector<Held>& operands);

  // Carries as a kernel's loop has them, and back: `like` says what is memory.
  static std::vector<ir::ScalarId> scalars_of(std::span<const Held> values);
  static std::vector<Held> held(std::span<const ir::ScalarId> scalars, std::span<const Held> like);

 private:
  struct Part;
  void node(Part& part, const ir::Node& n);
  void update(Part& part, const ir::Node& n);
  Held read(Part& part, ir::ValueId v);
  void give(Part& part, ir::ValueId v, const Held& value);

  ir::KernelBuilder& b_;
  OpCosts& costs_;
};

}  // namespace tenon::passes
