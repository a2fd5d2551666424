// Counting what a graph takes, from what can be seen of it. Refuses to recurse: graphs in attributes wait in a list.
#include "tenon/ir/graph/footprint.h"

#include "tenon/ir/base/heap_bytes.h"

namespace tenon::ir {
namespace {

// Two deques and the control block of a graph, empty.
constexpr uint64_t empty_graph = sizeof(Graph) + 2 * (512 + 64 + 2 * block_bytes) + 2 * block_bytes;

class Once {  // says of a small number whether it is asked about for the first time
 public:
  bool operator()(uint32_t number) {
    if (number >= seen_.size()) seen_.resize(number + 1);
    if (seen_[number]) return false;
    return seen_[number] = true;
  }

 private:
  std::vector<bool> seen_;
};

uint64_t heap_bytes(const Attr& a) {
  return tenon::heap_bytes(a.integers) + tenon::heap_bytes(a.dims) + tenon::heap_bytes(a.text);
}

uint64_t bytes_alone(const Graph& g, std::vector<const Graph*>& inner) {
  uint64_t sum = empty_graph + tenon::heap_bytes(g.name) + tenon::heap_bytes(g.symbols->entries());
  sum += g.node_count() * sizeof(Node) + g.outputs().size() * sizeof(ValueId);
  sum += g.value_count() * (sizeof(TypeId) + sizeof(NodeId));
  Once type, attributes, place;
  for (uint32_t v = 0; v < g.value_count(); ++v)
    if (type(static_cast<uint32_t>(g.type_id(ValueId{v})))) sum += sizeof(Type) + heap_bytes(g.type(ValueId{v}));
  for (const Node& n : g.nodes()) {
    sum += n.operand_count * sizeof(ValueId);
    if (place(n.location)) sum += sizeof(Location);
    if (!attributes(static_cast<uint32_t>(n.attrs))) continue;
    sum += sizeof(Attrs) + block_bytes;
    for (const Attr& a : g.attrs(n)) {
      sum += sizeof(Attr) + heap_bytes(a);
      if (a.graph) inner.push_back(a.graph.get());
    }
  }
  for (uint32_t i = 0; i < g.input_count(); ++i) sum += sizeof(std::string) + tenon::heap_bytes(g.input_note(i));
  return sum;
}

}  // namespace

uint64_t heap_bytes(const Type& type) { return tenon::heap_bytes(type.shape); }

uint64_t memory_bytes(const Graph& graph) {
  std::vector<const Graph*> pending = {&graph};
  uint64_t sum = 0;
  while (!pending.empty()) {
    const Graph* const next = pending.back();
    pending.pop_back();
    sum += bytes_alone(*next, pending);
  }
  return sum;
}

}  // namespace tenon::ir
