// Sorting. A comparator that compares what one function makes of either side, or several such keys one after the other, is an order of
// keys: those are computed for all elements at once, and sorted by with the sort row, which is stable. Refuses other comparators.
#include <algorithm>
#include <map>
#include <optional>

#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {
namespace {

// A key as the comparator's graph computes it for the left side.
struct Key {
  ir::ValueId value;
  bool descending;
};

// The comparator takes a left and a right element of each operand, in turn.
class Comparator {
 public:
  explicit Comparator(const ir::Graph& graph) : g_(graph) {}

  // Its keys, the most significant first; none if it is no order of keys.
  std::vector<Key> keys() const {
    std::vector<Key> found;
    ir::ValueId rest = g_.outputs()[0];
    for (;;) {
      if (const auto last = comparison(rest)) {
        found.push_back(*last);
        return found;
      }
      const auto step = first_of(rest);
      if (!step) return {};
      found.push_back(step->first);
      rest = step->second;
    }
  }

 private:
  const ir::Node* node(ir::ValueId v) const {
    const ir::NodeId n = g_.producer(v);
    return n == ir::no_node ? nullptr : &g_.node(n);
  }

  // Whether `right` is to the right elements what `left` is to the left ones.
  bool alike(ir::ValueId left, ir::ValueId right) const {
    std::map<uint32_t, uint32_t> pairs;
    std::vector<std::pair<ir::ValueId, ir::ValueId>> open = {{left, right}};
    while (!open.empty()) {
      const auto [a, b] = open.back();
      open.pop_back();
      const auto [known, added] = pairs.emplace(ir::index(a), ir::index(b));
      if (known->second != ir::index(b)) return false;
      if (!added) continue;
      const ir::Node *m = node(a), *n = node(b);
      if (m == nullptr || n == nullptr) {
        if (m != n || ir::index(a) % 2 != 0 || ir::index(b) != ir::index(a) + 1) return false;
        continue;
      }
      if (m->op != n->op || !(g_.attrs(*m) == g_.attrs(*n)) || m->result_count != 1) return false;
      const auto x = g_.operands(*m), y = g_.operands(*n);
      if (x.size() != y.size()) return false;
      for (size_t i = 0; i < x.size(); ++i) open.emplace_back(x[i], y[i]);
    }
    return true;
  }

  std::optional<Key> comparison(ir::ValueId v) const {
    const ir::Node* n = node(v);
    if (n == nullptr) return std::nullopt;
    const bool less = n->op == ir::Op::lt || n->op == ir::Op::le;
    if (!less && n->op != ir::Op::gt && n->op != ir::Op::ge) return std::nullopt;
    const auto x = g_.operands(*n);
    if (alike(x[0], x[1])) return Key{x[0], !less};
    if (alike(x[1], x[0])) return Key{x[1], less};
    return std::nullopt;
  }

  // first | (equal & rest): the first key and the rest, on whichever sides they stand.
  std::optional<std::pair<Key, ir::ValueId>> first_of(ir::ValueId v) const {
    const ir::Node* either = node(v);
    if (either == nullptr || either->op != ir::Op::bit_or) return std::nullopt;
    for (size_t side = 0; side < 2; ++side) {
      const auto key = comparison(g_.operands(*either)[side]);
      const ir::Node* both = node(g_.operands(*either)[1 - side]);
      if (!key || both == nullptr || both->op != ir::Op::bit_and) continue;
      for (size_t part = 0; part < 2; ++part) {
        const ir::Node* equal = node(g_.operands(*both)[part]);
        if (equal == nullptr || equal->op != ir::Op::eq) continue;
        const auto x = g_.operands(*equal);
        if ((x[0] == key->value && alike(x[0], x[1])) || (x[1] == key->value && alike(x[1], x[0])))
          return std::pair(*key, g_.operands(*both)[1 - part]);
      }
    }
    return std::nullopt;
  }

  const ir::Graph& g_;
};

// What the graph of one element computes, for whole operands.
Value on_tensors(ir::GraphBuilder& b, const ir::Graph& g, ir::ValueId wanted, std::span<const Value> operands) {
  std::vector<Value> values(g.value_count());
  std::vector<bool> needed(g.value_count(), false);
  needed[ir::index(wanted)] = true;
  for (size_t i = g.node_count(); i-- > 0;) {
    const ir::Node& n = g.nodes()[i];
    if (needed[ir::index(n.first_result)])
      for (ir::ValueId v : g.operands(n)) needed[ir::index(v)] = true;
  }
  for (uint32_t i = 0; i < g.input_count(); ++i) values[i] = operands[i / 2];
  for (const ir::Node& n : g.nodes()) {
    if (!needed[ir::index(n.first_result)]) continue;
    if (ir::def(n.op).family != ir::Family::elementwise && n.op != ir::Op::constant)
      throw Error("its comparator holds more than operations on elements");
    std::vector<Value> x;
    for (ir::ValueId v : g.operands(n)) x.push_back(values[ir::index(v)]);
    const Value r = ir::apply(b, n.op, x, g.attrs(n)).front();
    values[ir::index(n.first_result)] = n.op == ir::Op::constant ? spread_scalar(r, operands[0].shape()) : r;
  }
  return values[ir::index(wanted)];
}

std::vector<Value> sorted_by(ir::GraphBuilder& b, Value key, std::span<const Value> values, size_t axis) {
  std::vector<Value> all = {key};
  all.insert(all.end(), values.begin(), values.end());
  std::vector<Value> results = ir::apply(b, ir::Op::sort, all, ir::SortAttrs{.axis = axis});
  results.erase(results.begin());
  return results;
}

Value ascending(Value key, bool descending) {
  if (key.dtype() == boolean) key = ir::cast(key, u8);
  if (!descending) return key;
  return is_floating(key.dtype()) ? -key : ir::bit_not(key);
}

}  // namespace

std::vector<Value> import_sort(Call& c) {
  c.regions(1);
  c.expects(!c.in.empty(), "it takes at least one operand");
  const Shape shape = c.in[0].shape();
  const size_t axis = c.axis(c.integer_or({"dimension"}, shape.rank() - 1), shape.rank());
  std::vector<ir::Type> elements;
  for (const Value& v : c.in) {
    c.expects(v.shape() == shape, "its operands have one shape");
    elements.insert(elements.end(), 2, ir::Type{v.dtype(), {}});
  }
  const Closed comparator = c.scope.importer.closed(c.scope, c.op.regions[0], elements);
  c.expects(comparator.captured.empty() && comparator.graph->outputs().size() == 1,
            "its comparator says of two elements which comes first, and knows nothing else");
  const std::vector<Key> keys = Comparator(*comparator.graph).keys();
  c.expects(!keys.empty(), "its comparator is no order of keys: what one function makes of either side, compared");
  std::vector<Value> values = c.in;  // by the last key first: what is equal later keeps its order
  for (size_t i = keys.size(); i-- > 0;) {
    const Value key = on_tensors(c.b, *comparator.graph, keys[i].value, values);
    values = sorted_by(c.b, ascending(key, keys[i].descending), values, axis);
  }
  return values;
}

// The largest k along the last axis in IEEE's total order, the first of equals first, and where they stood.
std::vector<Value> import_top_k(Call& c) {
  c.operands(1);
  const Value x = c.in[0];
  c.expects(!x.shape().empty(), "it takes the largest of a last axis");
  const size_t axis = x.shape().size() - 1;
  const int64_t k = c.integer({"k"}), last = x.shape()[axis].number();
  c.expects(k >= 0 && k <= last, "k is at most as many as there are");
  Value key = x;
  if (is_floating(x.dtype())) {
    const DType as = bytes(x.dtype()) == 8 ? i64 : bytes(x.dtype()) == 4 ? i32 : i16;
    const Value bits = ir::bitcast(x, as);
    const auto top = static_cast<int64_t>(tenon::bits(as)) - 1;
    key = ir::bit_xor(bits, ir::bit_and(ir::shr(bits, ir::literal(bits, top)),
                                        ir::literal(bits, static_cast<int64_t>((uint64_t{1} << top) - 1))));
  }
  const Value both[] = {x, ir::iota(c.b, c.dtype(1), x.shape(), static_cast<int64_t>(axis))};
  std::vector<Value> results = sorted_by(c.b, ascending(key, true), both, axis);
  std::vector<Dim> starts(axis + 1, Dim(0)), sizes = x.shape().dims();
  sizes[axis] = k;
  for (Value& r : results) r = ir::slice(r, starts, sizes, Axes(axis + 1, 1));
  return results;
}

}  // namespace tenon::hlo
