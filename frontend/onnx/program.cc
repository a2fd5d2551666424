// Importing the graph once, where its types say all; else for arguments of these extents, and with the values of those that shapes depend
// on, which is kept for the next call with such.
#include "tenon/frontend/onnx/program.h"

#include <algorithm>
#include <set>

#include "tenon/frontend/onnx/arguments.h"
#include "tenon/frontend/onnx/import.h"
#include "tenon/frontend/onnx/imports.h"
#include "tenon/frontend/onnx/onnx.h"
#include "tenon/frontend/onnx/tensors.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/frontend/transform/record.h"

namespace tenon::onnx {
namespace {

using tenon::detail::Program;

// A model with its tensors: what imports share, and none changes.
struct Loaded {
  Model model;
  Stored stored;
  std::vector<const ValueText*> inputs;  // those without an initial value
  std::shared_ptr<const Arguments> arguments;  // what they are declared as
};

// ---- tensors, each once, of all graphs
class Gatherer {
 public:
  explicit Gatherer(Loaded& to) : to_(to), file_(*to.model.file) {}
  void all() {
    graph(to_.model.graph);
    for (const FunctionText& f : to_.model.functions) {
      for (const Attribute& a : f.attributes) attribute(a);
      nodes(f.nodes);
    }
    while (!open_.empty()) {
      const GraphText& g = *open_.back();
      open_.pop_back();
      graph(g);
    }
  }

 private:
  void graph(const GraphText& g) {
    for (const TensorText& t : g.initial) to_.stored[&t] = tensor_of(file_, t, taken_);
    for (const SparseText& t : g.initial_sparse) to_.stored[&t] = tensor_of(file_, t, taken_);
    nodes(g.nodes);
  }
  void nodes(const std::vector<NodeText>& list) {
    for (const NodeText& n : list)
      for (const Attribute& a : n.attributes) attribute(a);
  }
  void attribute(const Attribute& a) {
    if (a.tensor != nullptr && !a.tensor->has_strings && known_dtype(a.tensor->element))
      to_.stored[a.tensor.get()] = tensor_of(file_, *a.tensor, taken_);
    if (a.sparse != nullptr) to_.stored[a.sparse.get()] = tensor_of(file_, *a.sparse, taken_);
    if (a.graph != nullptr) open_.push_back(a.graph.get());
  }
  Loaded& to_;
  const Bytes& file_;
  Taken taken_;
  std::vector<const GraphText*> open_;
};

// ---- one import

struct Values {
  std::vector<Tensor> of;  // of arguments that are known, undefined for others
  uint64_t readable = 0;
};

std::shared_ptr<Program> import_graph(const Loaded& loaded, const std::vector<Tensor>& inputs, const Values& values,
                                      const Location& at) {
  struct Context {
    const Loaded& loaded;
    const Values& values;
    const Location& at;
  } context{loaded, values, at};
  const tenon::detail::Body body = [](void* pointer, std::vector<Tensor>& traced, std::vector<Tensor>& outputs) {
    const auto& [loaded, values, at] = *static_cast<Context*>(pointer);
    Importer importer(loaded.model, loaded.stored, at);
    importer.readable = values.readable;
    Scope scope{importer, loaded.model.opsets};
    std::vector<Item> arguments;
    traced = loaded.arguments->settled(std::move(traced), at);
    for (size_t i = 0; i < traced.size(); ++i) {
      Item item(values.of[i].defined() ? values.of[i] : traced[i]);
      if (!values.of[i].defined()) item.arguments = uint64_t{1} << std::min<size_t>(i, 63);
      arguments.push_back(std::move(item));
    }
    for (const Item& item : importer.run(scope, loaded.model.graph, arguments))
      outputs.push_back(importer.traced(item));
  };
  try {
    return tenon::detail::close("onnx", inputs, body, &context, at);
  } catch (const Error& e) {
    if (e.message().starts_with(loaded.model.file->name)) throw;
    loaded.model.file->fail(e.message());
  }
}

// ---- a program for each call

// The same values in memory that nobody else writes.
Tensor copied(const Tensor& t) {
  const BufferPtr from = buffer_of(t, "onnx", {});
  auto to = runtime::Buffer::allocate(from->size(), from->device());
  to->write(runtime::HostView(*from).data());
  return make_concrete(t.cell()->type, std::move(to), t.cell()->made);
}

std::shared_ptr<Program> import_for(const Loaded& loaded, Imports& imports, const std::vector<Tensor>& inputs,
                                    const Location& at) {
  loaded.arguments->check(inputs);
  bool serves = Imports::serve(inputs);
  if (serves)
    if (auto kept = imports.find(inputs)) return kept;
  Values values{std::vector<Tensor>(inputs.size())};
  for (size_t i = 0; i < std::min<size_t>(inputs.size(), 63); ++i)
    if (inputs[i].cell()->concrete() && !is_continuous(inputs[i].dtype()) && inputs[i].numel() == 1)
      values.readable |= uint64_t{1} << i;
  for (;;) try {
      auto made = import_graph(loaded, inputs, values, at);
      return serves ? imports.keep(inputs, values.of, std::move(made)) : made;
    } catch (const Wanted& wanted) {
      bool more = false;
      for (size_t i = 0; i < inputs.size(); ++i) {
        if ((wanted.arguments >> std::min<size_t>(i, 63) & 1) == 0 || values.of[i].defined()) continue;
        if (!inputs[i].cell()->concrete())
          throw Error(loaded.model.file->name + ": the shapes of this program depend on the values of argument " +
                      std::to_string(i) + " ('" + (*loaded.arguments)[i].name +
                      "'), which a transform does not know; capture it instead");
        serves &= !inputs[i].cell()->has_history();  // gradients arrive at what was given, not at a copy
        values.of[i] = serves ? copied(inputs[i]) : inputs[i];
        more = true;
      }
      ensure(more, "a program asks for the values of no argument");
    }
}

// Stand-ins for the arguments; nothing where their types do not say all.
std::optional<std::vector<Tensor>> declared_inputs(const Loaded& loaded) {
  std::vector<Tensor> inputs;
  for (const ValueText* v : loaded.inputs) {
    if (!v->has_shape) return std::nullopt;
    Shape shape;
    for (const ExtentText& e : v->extents) {
      if (e.number < 0) return std::nullopt;
      shape.push_back(e.number);
    }
    try {
      inputs.push_back(spec(shape, *known_dtype(v->element)));
    } catch (const Error& e) {
      loaded.model.file->fail("input '" + std::string(v->name) + "': " + e.message());
    }
  }
  return inputs;
}

void find_arguments(Loaded& loaded, const Location& at) {
  const GraphText& g = loaded.model.graph;
  std::set<std::string_view> initial, met;
  for (const TensorText& t : g.initial) initial.insert(t.name);
  for (const SparseText& t : g.initial_sparse) initial.insert(t.values.name);
  const auto check = [&](const ValueText& v, const char* what) {
    const std::string name = std::string(what) + " '" + std::string(v.name) + "'";
    if (v.is_tensor && known_dtype(v.element)) return;
    throw Error(
        loaded.model.file->name + ": " + name +
            (v.is_tensor ? v.element == 8
                               ? " holds strings, which Tenon does not have"
                               : " has element type " + std::to_string(v.element) + ", which Tenon does not have"
                         : " is no tensor: sequences, maps, sparse and optional values are none that Tenon has"),
        at);
  };
  for (const ValueText& v : g.inputs) {
    if (!met.insert(v.name).second) loaded.model.file->fail("there are two inputs '" + std::string(v.name) + "'");
    if (initial.contains(v.name)) continue;
    check(v, "input");
    loaded.inputs.push_back(&v);
  }
  for (const ValueText& v : g.outputs)
    if (v.element != 0) check(v, "output");  // else its type is left out
  loaded.arguments = std::make_shared<Arguments>(loaded.model.file->name, loaded.inputs);
}

}  // namespace

namespace {

// Names in a file may hold anything, and be long: a message is one line.
std::string one_line(std::string text) {
  constexpr size_t longest = 600;
  if (text.size() > longest) text = text.substr(0, longest) + "...";
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  return text;
}

template <class F>
auto said_in_one_line(F work) try {
  return work();
} catch (const Unsupported& e) {
  throw Unsupported(one_line(e.message()), e.where(), e.op(), e.domain(), e.opset(), e.node());
} catch (const Error& e) {
  throw Error(one_line(e.message()), e.where());
}

std::shared_ptr<Program> made_of(std::shared_ptr<const Bytes> file, const Location& at) {
  auto loaded = std::make_shared<Loaded>();
  loaded->model = parse_model(file);
  if (loaded->model.opsets.empty()) loaded->model.opsets[""] = 1;
  check_ops(loaded->model, at);
  find_arguments(*loaded, at);
  Gatherer(*loaded).all();
  const auto checked = [arguments = loaded->arguments](const std::vector<Tensor>& given) {
    said_in_one_line([&] { arguments->check(given); });
  };
  const auto inputs = declared_inputs(*loaded);
  if (inputs) try {
      auto program = import_graph(*loaded, *inputs, Values{std::vector<Tensor>(inputs->size())}, at);
      program->check = checked;
      return program;
    } catch (const Wanted&) {  // values come with the arguments
    }
  auto program = std::make_shared<Program>();
  program->arguments = static_cast<uint32_t>(loaded->inputs.size());
  program->for_inputs = [loaded, at, imports = std::make_shared<Imports>()](const std::vector<Tensor>& given) {
    return said_in_one_line([&] { return import_for(*loaded, *imports, given, at); });
  };
  return program;
}

}  // namespace

std::shared_ptr<Program> program_of(std::shared_ptr<const Bytes> file, const Location& at) {
  return said_in_one_line([&] { return made_of(std::move(file), at); });
}

}  // namespace tenon::onnx
