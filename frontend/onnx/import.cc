// The walk over nodes: names, functions of the model, and what is computed at once because all of it is known.
#include "tenon/frontend/onnx/import.h"

#include <algorithm>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/trace.h"

namespace tenon::onnx {
namespace {

constexpr size_t most_literal_bytes = 64;

uint64_t bits_of(const std::vector<Item>& items) {
  uint64_t all = 0;
  for (const Item& i : items) all |= i.arguments;
  return all;
}

size_t bytes_of_names(const NodeText& node) {
  size_t total = node.op.size() + node.domain.size() + node.overload.size();
  for (const auto* list : {&node.inputs, &node.outputs})
    for (std::string_view name : *list) total += name.size();
  for (const Attribute& a : node.attributes) total += a.name.size() + a.refers_to.size();
  return total;
}

}  // namespace

bool Item::stored() const { return kind == Kind::tensor && tensor.defined() && tensor.cell()->concrete(); }

Item number_item(Extent n) {
  if (n.is_number()) return tenon::tensor(n.number());
  Item item;
  item.kind = Item::Kind::number;
  item.extents = {n};
  return item;
}

Item list_item(std::vector<Extent> list) {
  bool free = false;
  for (const Extent& e : list) free |= e.is_symbol();
  if (!free) {
    std::vector<int64_t> numbers(list.begin(), list.end());
    return tenon::tensor(numbers);
  }
  Item item;
  item.kind = Item::Kind::list;
  item.extents = std::move(list);
  return item;
}

const Item* Scope::find(std::string_view name) const {
  for (const Scope* s = this; s != nullptr; s = s->outer)
    if (const auto found = s->items.find(name); found != s->items.end()) return &found->second;
  return nullptr;
}

Tensor Importer::stored(const void* text) const {
  const auto found = stored_.find(text);
  ensure(found != stored_.end(), "a tensor of a file was not read");
  return found->second;
}

Tensor Importer::traced(const Item& item) const {
  if (item.counted()) {
    std::vector<Tensor> parts;
    for (const Extent& e : item.extents) parts.push_back(full({}, Operand(e, at), {.dtype = i64}));
    return item.kind == Item::Kind::number ? parts.at(0) : stack(parts);
  }
  Trace* trace = Trace::current();
  if (!item.stored() || trace == nullptr || !is_small(item.tensor.shape())) return item.tensor;
  const ir::Type type{item.tensor.dtype(), item.tensor.shape()};
  const auto size = static_cast<size_t>(type.shape.numel() * bytes(type.dtype));
  if (size > most_literal_bytes) return item.tensor;
  const std::string raw(static_cast<const char*>(item.tensor.raw()), size);
  trace->builder.set_location(at);
  return make_traced(type, trace->number, ir::constant(trace->builder, type.dtype, type.shape, raw).id, at);
}

// ---- graphs

Results Importer::run(Scope& scope, const GraphText& graph, std::span<const Item> arguments) {
  const auto define = [&](std::string_view name, Item item) {
    if (!scope.items.emplace(name, std::move(item)).second)
      model.file->fail("graph '" + std::string(graph.name) + "' defines '" + std::string(name) + "' twice");
  };
  for (const TensorText& t : graph.initial) define(t.name, stored(&t));
  for (const SparseText& t : graph.initial_sparse) define(t.values.name, stored(&t));
  size_t next = 0;
  for (const ValueText& v : graph.inputs) {
    if (scope.items.contains(v.name)) continue;  // what it is unless somebody gave it
    if (next == arguments.size())
      model.file->fail("graph '" + std::string(graph.name) + "' takes more than " + std::to_string(next) + " inputs");
    define(v.name, arguments[next++]);
  }
  if (next != arguments.size())
    model.file->fail("graph '" + std::string(graph.name) + "' takes " + std::to_string(next) + " inputs, not " +
                     std::to_string(arguments.size()));
  nodes(scope, graph.nodes);
  Results results;
  for (const ValueText& v : graph.outputs) {
    const Item* found = scope.find(v.name);
    if (found == nullptr || !found->given())
      model.file->fail("output '" + std::string(v.name) + "' of graph '" + std::string(graph.name) +
                       "' is never computed");
    results.push_back(*found);
  }
  return results;
}

// A node that stands once in a file may be imported very often, with all that hangs on it.
void Importer::charge(size_t items, size_t bytes_of_names) {
  constexpr size_t items_a_step = 16, bytes_a_step = 256;
  budget.steps -= 1 + static_cast<int64_t>(items / items_a_step + bytes_of_names / bytes_a_step);
  if (budget.steps < 0) throw Error("the program comes to more than " + std::to_string(most_steps) + " nodes");
}

Results Importer::body(const Scope& around, const GraphText& graph, std::span<const Item> arguments) {
  if (depth_ >= deepest) model.file->fail("bodies and functions nest deeper than " + std::to_string(deepest));
  ++depth_;
  charge(graph.inputs.size() + graph.outputs.size() + graph.initial.size() + graph.initial_sparse.size(), 0);
  Scope scope{*this, around.opsets, &around, around.attributes};
  Results results = run(scope, graph, arguments);
  --depth_;
  return results;
}

void Importer::nodes(Scope& scope, const std::vector<NodeText>& list) {
  for (size_t i = 0; i < list.size(); ++i) step(scope, list[i], i);
}

void Importer::step(Scope& scope, const NodeText& node, size_t number) {
  const int depth = depth_;
  try {
    charge(node.inputs.size() + node.outputs.size() + node.attributes.size(), bytes_of_names(node));
    if (ir::ops_asked() - asked_before_ > uint64_t{most_ops})
      throw Error("the program comes to more than " + std::to_string(most_ops) + " operations");
    const auto opset = scope.opsets.find(node.domain);
    Call c{scope, node, opset == scope.opsets.end() ? 0 : opset->second, {}};
    for (std::string_view name : node.inputs) {
      const Item* found = name.empty() ? nullptr : scope.find(name);
      if (found == nullptr && !name.empty())
        throw Error("its input '" + std::string(name) +
                    "' is not there before it: a graph's nodes stand in the order in which they are computed");
      c.in.push_back(found == nullptr ? Item() : *found);
    }
    const FunctionText* function = model.function(node);
    const Known* known = known_op(node.op, node.domain);
    if (function == nullptr && known == nullptr) refuse_op(model, scope.opsets, node, "is not known", at);
    Results results = function != nullptr ? this->function(c, *function) : imported(c, *known);
    if (results.size() < node.outputs.size())
      throw Error("it gives " + std::to_string(results.size()) + " results, not " +
                  std::to_string(node.outputs.size()));
    const uint64_t arguments = bits_of(c.in);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      results[i].arguments |= arguments;
      if (results[i].tensor.defined() && !results[i].stored()) results[i].tensor.cell()->made = at;
      if (!scope.items.emplace(node.outputs[i], std::move(results[i])).second)
        throw Error("'" + std::string(node.outputs[i]) + "' is defined twice");
    }
  } catch (const FileError&) {
    throw;
  } catch (const Error& e) {
    depth_ = depth;
    if (e.message().starts_with(model.file->name)) throw;  // a node inside it, or an op that is not known
    throw FileError(model.file->name + ": " + node_text(node, number, scope.opsets) + ": " + e.message(), at);
  }
}

Results Importer::imported(Call& c, const Known& known) {
  if (std::any_of(c.in.begin(), c.in.end(), [](const Item& i) { return i.counted(); }))
    if (auto item = counted_result(c)) return one(std::move(*item));
  if (known.folds)
    if (auto results = folded(c, known)) return std::move(*results);
  return known.import(c);
}

// A function of the model where it is called: its names are its own, and attributes are those of the call.
Results Importer::function(Call& c, const FunctionText& f) {
  if (depth_ >= deepest) throw Error("functions call one another deeper than " + std::to_string(deepest));
  ++depth_;
  charge(f.attributes.size() + f.inputs.size() + f.outputs.size(), 0);
  std::unordered_map<std::string_view, const Attribute*> attributes;
  for (const Attribute& a : f.attributes) attributes[a.name] = &a;
  for (const Attribute& a : c.node.attributes)
    if (const Attribute* found = c.find(a.name)) attributes[a.name] = found;
  Scope scope{*this, f.opsets, nullptr, &attributes};
  if (c.in.size() > f.inputs.size())
    throw Error("the function takes " + std::to_string(f.inputs.size()) + " inputs, not " +
                std::to_string(c.in.size()));
  for (size_t i = 0; i < f.inputs.size(); ++i) scope.items[f.inputs[i]] = i < c.in.size() ? c.in[i] : Item();
  nodes(scope, f.nodes);
  Results results;
  for (std::string_view name : f.outputs) {
    const Item* found = scope.find(name);
    if (found == nullptr) throw Error("output '" + std::string(name) + "' of the function is never computed");
    results.push_back(*found);
  }
  --depth_;
  return results;
}

Results one(Item x) {
  Results r;
  r.push_back(std::move(x));
  return r;
}

}  // namespace tenon::onnx
