// What a value depends on, element by element, and how each family of ops passes that on.
#pragma once

#include <optional>
#include <vector>

#include "tenon/ir/graph/loops.h"
#include "tenon/ir/reference/array.h"
#include "tenon/passes/sparse/index_sets.h"

namespace tenon::passes {

// A value: what its elements depend on, as u32 numbers of sets in the value's shape (none: nothing), and what it is where that is
// known and asked for.
struct Dependence {
  std::optional<ir::Array> sets, known;
};

class Propagation {
 public:
  explicit Propagation(int64_t numbers) : sets(numbers) {}
  // Outputs from inputs. Looks into sub-graphs, which nest at most ir::deepest_nesting deep.
  std::vector<Dependence> run(const ir::Graph& graph, std::vector<Dependence> inputs);

  IndexSets sets;

 private:
  // One node: operands by number, and the types of operands and results.
  struct At {
    const ir::Graph& graph;
    const ir::Node& node;
    const std::vector<const Dependence*>& operands;
    const ir::Type& type(size_t operand) const { return graph.type(graph.operands(node)[operand]); }
    const ir::Type& result(uint32_t r = 0) const { return graph.type(graph.result(node, r)); }
  };
  std::vector<Dependence> results_of(const At& at);
  std::vector<ir::Array> sets_of(const At& at);  // straight ops
  std::vector<Dependence> control(const At& at);
  std::vector<Dependence> branches(const At& at);
  std::vector<Dependence> loop(const At& at);
  std::vector<Dependence> unrolled(const At& at, const ir::Loop& loop);
  std::vector<Dependence> settled(const At& at, const ir::Loop& loop);

  ir::Array operand_sets(const At& at, size_t operand) const;
  ir::Array everything(const At& at, uint32_t r);  // result r: of all operands together
  ir::Array elementwise(const At& at);
  std::optional<std::vector<ir::Array>> moved(const At& at);  // none: where elements come from is not known
  ir::Array gathered_anywhere(const At& at);
  ir::Array scattered(const At& at);
  ir::Array accumulated(const At& at);
  ir::Array contracted(const At& at);
  ir::Array convolved(const At& at);
  ir::Array along(const ir::Array& sets, size_t axis);  // all elements along it, in the place of each
  // The unions over all other axes: an element for each index of the axes kept, in their order.
  std::vector<SetId> grouped(const ir::Array& x, std::span<const int64_t> kept);
  void join(Dependence& into, const Dependence& from, const ir::Type& type);
};

ir::Array no_sets(const Shape& shape);
// By value: whether it is to be known, for it says where elements come from.
std::vector<bool> asked_for(const ir::Graph& graph);

}  // namespace tenon::passes
