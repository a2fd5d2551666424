// Each attempt is one edit: the graph is written anew with one node treated otherwise, or one extent by another number. What
// no longer types is no candidate. Recursion follows the nesting of bodies.
#include "tenon/tests/program_shrink.h"
#include "tenon/ir/graph/loops.h"

#include <algorithm>
#include <map>

#include "tenon/ir/graph/build.h"

namespace tenon::testing {

using namespace ir;

namespace {

using GraphPtr = std::shared_ptr<const Graph>;

struct Edit {
  enum class What : uint8_t { nothing, input, operand, zeros, unroll } what = What::nothing;
  int64_t node = -1;  // counted through all bodies, a body after the node that has it
  uint32_t number = 0;  // of the operand that takes the result's place
  std::map<int64_t, Dim> extents;  // code of an extent -> what takes its place
};

class Writer {
 public:
  Writer(const Edit& edit, std::shared_ptr<Symbols> symbols, const std::vector<int64_t>* values)
      : edit_(edit), symbols_(std::move(symbols)), values_(values) {}

  // Results of node edit.node that became inputs; outputs of the old graph, to be evaluated.
  std::vector<ValueId> cut;

  GraphPtr write(const Graph& from, bool outermost, bool fold) {
    GraphBuilder to(from.name, symbols_);
    to.folding = to.merging = fold;
    std::vector<Value> values(from.value_count());
    for (uint32_t i = 0; i < from.input_count(); ++i) values[i] = {&to, to.input(changed(from.type(ValueId{i})))};
    for (const Node& node : from.nodes()) {
      const bool here = seen_++ == edit_.node;
      std::vector<Value> operands;
      for (ValueId v : from.operands(node)) operands.push_back(values[index(v)]);
      if (here && edit_.what == Edit::What::input && !outermost) throw Error("a body takes no other inputs");
      std::vector<Value> results;
      if (here && edit_.what == Edit::What::input) {
        for (uint32_t r = 0; r < node.result_count; ++r) {
          cut.push_back(from.result(node, r));
          results.push_back({&to, to.input(changed(from.type(cut.back())))});
        }
      } else if (here && edit_.what == Edit::What::operand) {
        if (node.result_count != 1 || edit_.number >= operands.size()) throw Error("no such operand");
        results = {operands[edit_.number]};
      } else if (here && edit_.what == Edit::What::zeros) {
        for (uint32_t r = 0; r < node.result_count; ++r) {
          const Type type = changed(from.type(from.result(node, r)));
          results.push_back(splat_integer(to, type.dtype, 0, type.shape));
        }
      } else {
        Attrs attrs = from.attrs(node);
        for (Attr& attr : attrs) {
          if (attr.graph) attr.graph = write(*attr.graph, false, fold);
          for (Dim& d : attr.dims) d = changed(d);
        }
        results = here && edit_.what == Edit::What::unroll ? unrolled(to, node.op, operands, attrs)
                                                           : apply(to, node.op, operands, std::move(attrs));
      }
      for (uint32_t r = 0; r < node.result_count && r < results.size(); ++r)
        values[index(from.result(node, r))] = results[r];
    }
    std::vector<ValueId> outputs;
    for (ValueId v : from.outputs()) outputs.push_back(values[index(v)].id);
    return to.finish(outputs);
  }

  int64_t seen() const { return seen_; }
  Dim changed(Dim d) {
    if (values_ && d.is_symbol()) d = Symbols::value(d, *values_);
    const auto found = edit_.extents.find(d.code());
    return found == edit_.extents.end() ? d : found->second;
  }
  Type changed(const Type& type) {
    Type result = type;
    for (size_t i = 0; i < result.shape.size(); ++i) result.shape[i] = changed(type.shape[i]);
    return result;
  }

 private:
  // Control flow once: a branch, one trip of a loop.
  static std::vector<Value> unrolled(GraphBuilder& to, Op op, std::vector<Value> operands, const Attrs& attrs) {
    Loop loop;
    const Graph* body = nullptr;
    if (op == Op::cond) {
      body = Cond(attrs).then.get();
      operands.erase(operands.begin());
    } else if (op == Op::call) {
      body = Call(attrs).graph.get();
    } else if (op == Op::while_loop) {
      body = WhileLoop(attrs).body.get();
    } else if (op == Op::scan) {
      loop = loop_of(Scan(attrs), operands.size());
      body = loop.body;
      for (size_t i = loop.constants + loop.carries; i < operands.size(); ++i) {
        const Shape whole = operands[i].shape();
        std::vector<Dim> starts(whole.size(), 0), sizes = whole.dims();
        sizes[0] = 1;
        const Value row = slice(operands[i], starts, sizes, std::vector<int64_t>(whole.size(), 1));
        Shape flat = whole;
        flat.erase(0);
        operands[i] = reshape(row, flat);
      }
    } else {
      throw Error("no control flow");
    }
    std::vector<ValueId> ids;
    for (Value v : operands) ids.push_back(v.id);
    std::vector<Value> results;
    for (ValueId v : to.splice(*body, ids)) results.push_back({&to, v});
    if (op == Op::scan)
      for (size_t i = loop.carries; i < results.size(); ++i) {
        Shape stacked = results[i].shape();
        stacked.insert(0, loop.length);
        std::vector<int64_t> axes;
        for (int64_t a = 1; a < stacked.rank(); ++a) axes.push_back(a);
        results[i] = broadcast(results[i], stacked, axes);
      }
    return results;
  }

  const Edit& edit_;
  std::shared_ptr<Symbols> symbols_;
  const std::vector<int64_t>* values_;
  int64_t seen_ = 0;
};

// Content for another type: the elements in order, from the start again where there are too few.
Array resized(const Array& from, const Type& type) {
  if (from.type == type) return from;
  Array to(type);
  const size_t size = static_cast<size_t>(bytes(type.dtype));
  for (size_t at = 0; at < to.data.size() && !from.data.empty(); at += size)
    std::copy_n(from.data.begin() + static_cast<std::ptrdiff_t>(at % (from.data.size() / size * size)), size,
                to.data.begin() + static_cast<std::ptrdiff_t>(at));
  return to;
}

}  // namespace

Case pruned(const Graph& graph, std::vector<ValueId> outputs, const std::vector<Array>& inputs, const Case& like) {
  std::vector<bool> needed(graph.value_count());
  for (ValueId v : outputs) needed[index(v)] = true;
  const auto is_live = [&](const Node& node) {
    for (uint32_t r = 0; r < node.result_count; ++r)
      if (needed[index(graph.result(node, r))]) return true;
    return false;
  };
  for (uint32_t n = graph.node_count(); n-- > 0;)
    if (const Node& node = graph.node(NodeId{n}); is_live(node))
      for (ValueId v : graph.operands(node)) needed[index(v)] = true;
  Case result{like.name, nullptr, {}, like.nans};
  GraphBuilder to(graph.name, graph.symbols);
  to.folding = to.merging = false;
  std::vector<ValueId> values(graph.value_count(), no_value);
  for (uint32_t i = 0; i < graph.input_count(); ++i)
    if (needed[i]) {
      values[i] = to.input(graph.type(ValueId{i}));
      result.inputs.push_back(inputs[i]);
    }
  for (const Node& node : graph.nodes()) {
    if (!is_live(node)) continue;
    std::vector<ValueId> operands;
    for (ValueId v : graph.operands(node)) operands.push_back(values[index(v)]);
    const ValueId first = to.copy(graph, node, operands);
    for (uint32_t r = 0; r < node.result_count; ++r) values[index(graph.result(node, r))] = ValueId{index(first) + r};
  }
  for (ValueId& v : outputs) v = values[index(v)];
  result.graph = to.finish(outputs);
  return result;
}

namespace {

Case edited(const Case& program, const Edit& edit) {
  Writer writer(edit, std::make_shared<Symbols>(*program.graph->symbols), nullptr);
  const GraphPtr graph = writer.write(*program.graph, true, false);
  std::vector<Array> inputs;
  for (const Array& array : program.inputs) {
    Type type = array.type;
    for (size_t i = 0; i < type.shape.size(); ++i) type.shape[i] = writer.changed(type.shape[i]);
    inputs.push_back(resized(array, type));
  }
  if (!writer.cut.empty()) {
    const Case whole = pruned(*program.graph, writer.cut, program.inputs, program);
    for (Array& array : interpret(*whole.graph, whole.inputs)) inputs.push_back(std::move(array));
  }
  return pruned(*graph, {graph->outputs().begin(), graph->outputs().end()}, inputs, program);
}

int64_t nodes_at_all_depths(const Graph& graph) {
  int64_t count = 0;
  for (const Node& node : graph.nodes()) {
    ++count;
    for (const Attr& attr : graph.attrs(node))
      if (attr.graph) count += nodes_at_all_depths(*attr.graph);
  }
  return count;
}

struct Shrinker {
  Case program;
  const std::function<bool(const Case&)>& fails;
  int tries;

  template <class Make>
  bool accept(const Make& make) {
    if (tries-- <= 0) return false;
    try {
      Case smaller = make();
      if (!fails(smaller)) return false;
      program = std::move(smaller);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }
  bool accept(const Edit& edit) {
    return accept([&] { return edited(program, edit); });
  }

  bool fewer_outputs() {
    std::vector<ValueId> outputs(program.graph->outputs().begin(), program.graph->outputs().end());
    if (outputs.size() == 1) return false;
    for (ValueId v : outputs)
      if (accept([&] { return pruned(*program.graph, {v}, program.inputs, program); })) return true;
    for (size_t i = 0; i < outputs.size(); ++i) {
      std::vector<ValueId> others = outputs;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
      if (accept([&] { return pruned(*program.graph, others, program.inputs, program); })) return true;
    }
    return false;
  }

  bool fewer_nodes() {
    bool changed = false;
    for (int64_t n = nodes_at_all_depths(*program.graph); n-- > 0 && tries > 0;) {
      if (n >= nodes_at_all_depths(*program.graph)) continue;
      using What = Edit::What;
      bool done = accept({What::input, n, 0, {}}) || accept({What::unroll, n, 0, {}});
      for (uint32_t operand = 0; operand < 3 && !done; ++operand) done = accept({What::operand, n, operand, {}});
      done = done || accept({What::zeros, n, 0, {}});
      changed = changed || done;
    }
    return changed;
  }

  bool earlier_outputs() {  // show an operand of the last node instead of the last node
    if (program.graph->outputs().size() != 1 || program.graph->node_count() == 0) return false;
    const Node& last = program.graph->node(NodeId{program.graph->node_count() - 1});
    const std::vector<ValueId> operands(program.graph->operands(last).begin(), program.graph->operands(last).end());
    for (ValueId v : operands)
      if (!program.graph->is_input(v) && accept([&] { return pruned(*program.graph, {v}, program.inputs, program); }))
        return true;
    return false;
  }

  bool shorter_extents() {
    bool changed = false;
    std::vector<int64_t> extents;
    for (const Array& array : program.inputs)
      for (Dim d : array.type.shape) extents.push_back(d.number());
    std::sort(extents.begin(), extents.end());
    extents.erase(std::unique(extents.begin(), extents.end()), extents.end());
    for (size_t i = extents.size(); i-- > 0;)
      for (int64_t smaller : {int64_t{1}, int64_t{2}, int64_t{3}, extents[i] / 2, extents[i] - 1})
        if (smaller < extents[i] && accept({Edit::What::nothing, -1, 0, {{extents[i], smaller}}})) {
          changed = true;
          break;
        }
    return changed;
  }

  void plain_inputs() {
    for (size_t i = 0; i < program.inputs.size(); ++i)
      for (const int64_t period : {1, 7}) {  // ones; 0 1 2 3 4 5 6 0 1 ...
        const auto plain = [&] {
          Case other = program;
          Array small(type_of(program.inputs[i].type.dtype, {period}));
          Random random(0);
          for (int64_t k = 0; k < period; ++k) {
            const Array one =
                integer_array(type_of(small.type.dtype, {1}), random, period == 1 ? 1 : k, period == 1 ? 2 : k + 1);
            std::copy(one.data.begin(), one.data.end(), small.data.begin() + k * bytes(small.type.dtype));
          }
          other.inputs[i] = resized(small, program.inputs[i].type);
          return other;
        };
        if (accept(plain)) break;
      }
  }
};

}  // namespace

std::vector<int64_t> dims_of(const Graph& graph, const std::vector<Array>& inputs) {
  std::vector<int64_t> values;
  for (uint32_t symbol : graph.symbols->free_symbols()) {
    int64_t value = (*graph.symbols)[symbol].lower;
    for (uint32_t i = 0; i < graph.input_count(); ++i) {
      const Shape& shape = graph.type(ValueId{i}).shape;
      for (size_t d = 0; d < shape.size(); ++d)
        if (shape[d].is_symbol() && shape[d].index() == symbol) value = inputs[i].type.shape[d].number();
    }
    values.push_back(value);
  }
  return values;
}

GraphPtr specialised(const Graph& graph, const std::vector<Array>& inputs, bool fold) {
  const std::vector<int64_t> values =
      graph.symbols->size() ? graph.symbols->evaluate(dims_of(graph, inputs)) : std::vector<int64_t>{};
  Edit edit;
  return Writer(edit, std::make_shared<Symbols>(), &values).write(graph, true, fold);
}

Case shrunk(Case program, const std::function<bool(const Case&)>& fails, int tries) {
  Shrinker s{std::move(program), fails, tries};
  for (bool fold : {true, false})
    if (s.program.graph->symbols->size() != 0)
      s.accept([&] {
        return Case{s.program.name, specialised(*s.program.graph, s.program.inputs, fold), s.program.inputs,
                    s.program.nans};
      });
  for (bool changed = true; changed && s.tries > 0;) {
    changed = false;
    while (s.fewer_outputs()) changed = true;
    if (s.fewer_nodes()) changed = true;
    while (s.earlier_outputs()) changed = true;
    if (s.shorter_extents()) changed = true;
  }
  s.plain_inputs();
  return std::move(s.program);
}

std::string described(const Case& program) {
  std::string text = program.graph->text();
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const Array& array = program.inputs[i];
    text += "; %" + std::to_string(i) + " = " + to_string(array.type) + ":";
    const int64_t shown = array.numel() <= 24 ? array.numel() : 12;
    for (int64_t k = 0; k < shown; ++k) text += " " + element_text(array, k);
    text += shown < array.numel() ? " ...\n" : "\n";
  }
  return text;
}

}  // namespace tenon::testing
