// Building a graph: types, attributes and places are interned, result types are inferred once per distinct question, equal
// pure nodes are one node. Refuses algebra: x * 1 stays (passes/simplify knows which identities keep bits).
#include <algorithm>
#include <cstring>

#include "tenon/ir/graph/asked.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/builder_tables.h"
#include "tenon/ir/graph/graph.h"

namespace tenon::ir {
namespace {

uint64_t hash_dims(uint64_t h, const std::vector<Dim>& dims) {
  h = mix(h, dims.size());
  for (Dim d : dims) h = mix(h, static_cast<uint64_t>(d.code()));
  return h;
}

uint64_t hash_type(const Type& type) { return hash_dims(static_cast<uint64_t>(type.dtype) + 1, type.shape.dims()); }

uint64_t hash_text(uint64_t h, const std::string& text) {
  h = mix(h, text.size());
  for (size_t i = 0; i < text.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i, std::min<size_t>(8, text.size() - i));
    h = mix(h, word);
  }
  return h;
}

uint64_t hash_attrs(const Attrs& attrs) {
  uint64_t h = attrs.size();
  for (const Attr& a : attrs) {
    h = mix(h, static_cast<uint64_t>(a.kind));
    switch (a.kind) {
      case AttrKind::none: break;
      case AttrKind::integers:
        h = mix(h, a.integers.size());
        for (int64_t v : a.integers) h = mix(h, static_cast<uint64_t>(v));
        break;
      case AttrKind::dims: h = hash_dims(h, a.dims); break;
      case AttrKind::dtype: h = mix(h, static_cast<uint64_t>(a.dtype)); break;
      case AttrKind::literal:
      case AttrKind::text: h = hash_text(h, a.text); break;
      case AttrKind::graph: h = mix(h, a.graph ? a.graph->value_count() : 0); break;  // equality looks closer
    }
  }
  return h;
}

// Nodes are mostly built on recent values: a place that follows the newest operand keeps lookups in the cache, the rest of
// the hash scatters over a window of 32 KiB.
uint64_t hash_node(Op op, AttrsId attrs, std::span<const ValueId> operands) {
  uint64_t h = mix(static_cast<uint64_t>(op), static_cast<uint64_t>(attrs)), newest = 0;
  for (ValueId v : operands) {
    h = mix(h, index(v));
    newest = std::max<uint64_t>(newest, index(v));
  }
  return 2 * newest + (h & 4095);
}

uint32_t nesting_of(const Attrs& attrs, const Location& where) {
  uint32_t nesting = 0;
  for (const Attr& a : attrs)
    if (a.graph) nesting = std::max(nesting, a.graph->nesting() + 1);
  if (nesting > deepest_nesting)
    throw Error("control flow is nested more than " + std::to_string(deepest_nesting) +
                    " deep: loops and branches inside one another; run the outer ones in C++, or join inner ones",
                where);
  return nesting;
}

uint64_t hash_location(const Location& w) { return mix(mix(reinterpret_cast<uintptr_t>(w.file), w.line), w.column); }

}  // namespace

GraphBuilder::GraphBuilder(std::string name, std::shared_ptr<Symbols> symbols)
    : graph_(std::make_shared<Graph>()), tables_(std::make_unique<Tables>()) {
  graph_->name = std::move(name);
  if (symbols) graph_->symbols = std::move(symbols);
  tables_->attrs.insert(hash_attrs({}), 0);
  tables_->locations.insert(hash_location({}), 0);
}

GraphBuilder::~GraphBuilder() = default;

TypeId GraphBuilder::intern(const Type& type) {
  const uint64_t h = hash_type(type);
  uint32_t at = tables_->types.find(h, [&](uint32_t i) { return graph_->types_[i] == type; });
  if (at == IndexTable::none) {
    at = static_cast<uint32_t>(graph_->types_.size());
    graph_->types_.push_back(type);
    tables_->types.insert(h, at);
  }
  return TypeId{at};
}

AttrsId GraphBuilder::intern(const Attrs& attrs) {
  if (attrs.empty()) return AttrsId{0};
  const uint64_t h = hash_attrs(attrs);
  uint32_t at = tables_->attrs.find(h, [&](uint32_t i) { return graph_->attrs_[i] == attrs; });
  if (at == IndexTable::none) {
    at = static_cast<uint32_t>(graph_->attrs_.size());
    graph_->nesting_ = std::max(graph_->nesting_, nesting_of(attrs, where_));
    graph_->attrs_.push_back(attrs);
    tables_->attrs.insert(h, at);
  }
  return AttrsId{at};
}

void GraphBuilder::set_location(const Location& where) {
  if (where == where_) return;
  where_ = where;
  const uint64_t h = hash_location(where);
  uint32_t at = tables_->locations.find(h, [&](uint32_t i) { return graph_->locations_[i] == where; });
  if (at == IndexTable::none) {
    at = static_cast<uint32_t>(graph_->locations_.size());
    graph_->locations_.push_back(where);
    tables_->locations.insert(h, at);
  }
  where_id_ = at;
}

ValueId GraphBuilder::input(const Type& type, std::string note) {
  check_size(type.shape, bytes(type.dtype));
  for (Dim d : type.shape)
    if (d.is_symbol() && d.index() >= graph_->symbols->size())
      throw Error("an extent of an input is a symbol of another program", where_);
  // An input that comes after a node (a capture of a trace) is moved before all nodes by finish().
  const ValueId id{graph_->value_count()};
  if (graph_->nodes_.empty())
    graph_->input_count_++;
  else
    late_inputs_.push_back(id);
  graph_->value_type_.push_back(intern(type));
  graph_->value_node_.push_back(no_node);
  if (!note.empty()) {
    graph_->input_notes_.resize(graph_->input_count_ + late_inputs_.size());
    graph_->input_notes_.back() = std::move(note);
  }
  return id;
}

void GraphBuilder::refuse(const OpDef& row, std::span<const ValueId> operands, const std::string& message) const {
  std::string text = row.name;
  text += ": " + message;
  for (size_t k = 0; k < operands.size() && k < 16; ++k) {
    const ValueId v = operands[k];
    text += "\n  operand " + std::to_string(k) + ": " + to_string(graph_->type(v), graph_->symbols.get());
    if (graph_->producer(v) == no_node) {
      if (graph_->is_input(v)) text += ", input " + std::to_string(index(v));
      if (graph_->is_input(v) && !graph_->input_note(index(v)).empty())
        text += " (" + graph_->input_note(index(v)) + ")";
    } else {
      const Node& producer = graph_->node(graph_->producer(v));
      text += ", from " + std::string(name(producer.op));
      if (graph_->location(producer).known()) text += " at " + to_string(graph_->location(producer));
    }
  }
  if (operands.size() > 16) text += "\n  and " + std::to_string(operands.size() - 16) + " more operands";
  throw Error(text, where_);
}

// The answer depends on op, attributes and operand types alone, so each question is asked once.
std::span<const TypeId> GraphBuilder::infer(const OpDef& row, std::span<const ValueId> operands, AttrsId attrs) {
  Tables& t = *tables_;
  uint64_t h = mix(static_cast<uint64_t>(row.op), static_cast<uint64_t>(attrs));
  for (ValueId v : operands) h = mix(h, static_cast<uint64_t>(graph_->type_id(v)));
  const uint32_t found = t.inferred.find(h, [&](uint32_t i) {
    const Inference& e = t.inferences[i];
    if (e.op != row.op || e.attrs != attrs || e.operand_count != operands.size()) return false;
    for (size_t k = 0; k < operands.size(); ++k)
      if (t.type_lists[e.first + k] != graph_->type_id(operands[k])) return false;
    return true;
  });
  const auto results = [&](const Inference& e) {
    return std::span<const TypeId>(t.type_lists).subspan(e.first + e.operand_count, e.result_count);
  };
  if (found != IndexTable::none) return results(t.inferences[found]);

  const Attrs& values = graph_->attrs_[static_cast<uint32_t>(attrs)];
  if (const std::string fault = attrs_fault(row, values); !fault.empty()) refuse(row, operands, fault);
  if (row.arity >= 0 && operands.size() != static_cast<size_t>(row.arity))
    refuse(row, operands,
           "takes " + std::to_string(row.arity) + (row.arity == 1 ? " operand" : " operands") + ", not " +
               std::to_string(operands.size()));
  if (!operands.empty() && !contains(row.dtypes, graph_->type(operands[0]).dtype)) {
    if (is_complex(graph_->type(operands[0]).dtype))
      refuse(row, operands,
             "does not take complex numbers (" + std::string(info(graph_->type(operands[0]).dtype).name) +
                 "); take real(z), imag(z) or abs(z)");
    std::string allowed;
    for (int d = 0; d < dtype_count; ++d)
      if (contains(row.dtypes, static_cast<DType>(d)))
        allowed += (allowed.empty() ? "" : ", ") + std::string(info(static_cast<DType>(d)).name);
    refuse(row, operands,
           "does not take " + std::string(info(graph_->type(operands[0]).dtype).name) + "; cast to one of " + allowed);
  }
  std::vector<Type> types;
  for (ValueId v : operands) types.push_back(graph_->type(v));
  std::vector<Type> inferred;
  try {
    inferred = row.infer({types, values, *graph_->symbols});
    for (const Type& type : inferred) check_size(type.shape, bytes(type.dtype));
  } catch (const Error& e) {
    refuse(row, operands, e.message());
  }
  if (inferred.size() > UINT16_MAX) refuse(row, operands, "gives more than 65535 results");
  Inference entry{row.op, attrs, static_cast<uint32_t>(t.type_lists.size()), static_cast<uint32_t>(operands.size()),
                  static_cast<uint32_t>(inferred.size())};
  for (ValueId v : operands) t.type_lists.push_back(graph_->type_id(v));
  for (const Type& type : inferred) t.type_lists.push_back(intern(type));
  t.inferred.insert(h, static_cast<uint32_t>(t.inferences.size()));
  t.inferences.push_back(entry);
  return results(entry);
}

namespace {
constinit thread_local uint64_t asked = 0;
}
uint64_t ops_asked() { return asked; }

ValueId GraphBuilder::add(Op op, std::span<const ValueId> operands, Attrs attrs) {
  complete(def(op), attrs);
  return add_interned(op, operands, intern(attrs));
}

ValueId GraphBuilder::add_interned(Op op, std::span<const ValueId> operands, AttrsId attrs) {
  const OpDef& row = def(op);
  ++asked;
  Graph& g = *graph_;
  for (ValueId v : operands) ensure(index(v) < g.value_count(), "an operand is no value of this graph");
  const std::span<const TypeId> results = infer(row, operands, attrs);
  if (folding) {
    const ValueId folded = fold(row, operands, attrs, results);
    if (folded != no_value) return folded;
  }
  // The node is appended, looked up, and taken back if there is an equal one.
  Node node{.op = op, .attrs = attrs, .location = where_id_};
  node.result_count = static_cast<uint16_t>(results.size());
  node.first_operand = static_cast<uint32_t>(g.operands_.size());
  node.operand_count = static_cast<uint32_t>(operands.size());
  node.first_result = ValueId{g.value_count()};
  const std::vector<ValueId>::size_type before = g.operands_.size();
  g.operands_.insert(g.operands_.end(), operands.begin(), operands.end());
  if (merging && !def(op).fence && !keeps_order(g, node)) {
    const uint64_t h = hash_node(op, attrs, g.operands(node));
    const uint32_t found = tables_->nodes.find(h, [&](uint32_t i) {
      const Node& n = g.nodes_[i];
      return n.op == op && n.attrs == attrs && std::ranges::equal(g.operands(n), g.operands(node));
    });
    if (found != IndexTable::none) {
      g.operands_.resize(before);
      return g.nodes_[found].first_result;
    }
    tables_->nodes.insert(h, g.node_count());
  }
  const NodeId id{g.node_count()};
  g.nodes_.push_back(node);
  for (TypeId type : results) {
    g.value_type_.push_back(type);
    g.value_node_.push_back(id);
  }
  return node.first_result;
}

ValueId GraphBuilder::copy(const Graph& from, const Node& node, std::span<const ValueId> operands) {
  const Location before = where_;
  if (from.location(node).known()) set_location(from.location(node));
  const ValueId result = add_interned(node.op, operands, intern(from.attrs(node)));
  set_location(before);
  return result;
}

std::vector<ValueId> GraphBuilder::splice(const Graph& from, std::span<const ValueId> operands) {
  ensure(operands.size() == from.input_count(), "a spliced graph takes another number of operands");
  ensure(from.symbols == graph_->symbols || from.symbols->size() == 0, "a spliced graph has a symbol table of its own");
  std::vector<ValueId> map(from.value_count(), no_value), moved;
  std::copy(operands.begin(), operands.end(), map.begin());
  for (const Node& n : from.nodes()) {
    moved.clear();
    for (ValueId v : from.operands(n)) moved.push_back(map[index(v)]);
    const ValueId first = copy(from, n, moved);
    for (uint32_t r = 0; r < n.result_count; ++r) map[index(n.first_result) + r] = ValueId{index(first) + r};
  }
  std::vector<ValueId> outputs;
  for (ValueId v : from.outputs()) outputs.push_back(map[index(v)]);
  return outputs;
}

std::shared_ptr<const Graph> GraphBuilder::finish(std::span<const ValueId> outputs) {
  for (ValueId v : outputs) ensure(index(v) < graph_->value_count(), "an output is no value of this graph");
  graph_->outputs_.assign(outputs.begin(), outputs.end());
  if (!late_inputs_.empty()) move_late_inputs();
  return std::move(graph_);
}

// Renumbers so that every input stands before every node; the order of everything else is kept.
void GraphBuilder::move_late_inputs() {
  Graph& g = *graph_;
  std::vector<ValueId> map(g.value_count());
  std::vector<bool> late(g.value_count(), false);
  uint32_t next = 0;
  for (; next < g.input_count_; ++next) map[next] = ValueId{next};
  for (ValueId v : late_inputs_) {
    late[index(v)] = true;
    map[index(v)] = ValueId{next++};
  }
  for (uint32_t v = g.input_count_; v < g.value_count(); ++v)
    if (!late[v]) map[v] = ValueId{next++};
  std::vector<TypeId> types(g.value_count());
  std::vector<NodeId> producers(g.value_count());
  for (uint32_t v = 0; v < g.value_count(); ++v) {
    types[index(map[v])] = g.value_type_[v];
    producers[index(map[v])] = g.value_node_[v];
  }
  g.value_type_ = std::move(types);
  g.value_node_ = std::move(producers);
  for (ValueId& v : g.operands_) v = map[index(v)];
  for (ValueId& v : g.outputs_) v = map[index(v)];
  g.input_count_ += static_cast<uint32_t>(late_inputs_.size());
  next = g.input_count_;
  for (Node& n : g.nodes_) {  // also of a node without results, which stands before the next value
    n.first_result = ValueId{next};
    next += n.result_count;
  }
  late_inputs_.clear();
}

}  // namespace tenon::ir
