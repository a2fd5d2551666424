// Messages by the numbers of their fields (onnx.proto3 of ONNX 1.17). Fields that nobody here reads are passed over.
#include "tenon/frontend/onnx/likeness.h"
#include "tenon/frontend/onnx/model.h"

namespace tenon::onnx {
namespace {

class Parser {
 public:
  explicit Parser(const Bytes& file) : file_(file) {}

  TensorText tensor(std::string_view message) {
    TensorText t;
    count();
    if (++tensors_ > most_tensors) file_.fail("it holds more than " + std::to_string(most_tensors) + " tensors");
    for (Fields f(file_, message); f.next();) switch (f.number()) {
        case 1: f.append(t.extents); break;
        case 2: t.element = f.integer(); break;
        case 3: f.fail("a tensor in segments is not read");
        case 4: f.append(t.floats); break;
        case 5:
        case 7:
        case 11: f.append(t.integers); break;
        case 6: t.has_strings = true; break;
        case 8: t.name = f.span(); break;
        case 9: t.raw = f.span(); break;
        case 10: f.append(t.doubles); break;
        case 13: t.external.push_back(entry(f.span())); break;
        case 14: t.is_external = f.integer() == 1; break;
        default: break;
      }
    if (t.extents.size() > 64) file_.fail_at(message.data(), "a tensor has more than 64 axes");
    return t;
  }

  GraphText graph(std::string_view message, int depth) {
    GraphText g;
    if (depth > deepest) file_.fail_at(message.data(), "graphs nest deeper than " + std::to_string(deepest));
    for (Fields f(file_, message); f.next();) switch (f.number()) {
        case 1: g.nodes.push_back(node(f.span(), depth)); break;
        case 2: g.name = f.span(); break;
        case 5: g.initial.push_back(tensor(f.span())); break;
        case 11: g.inputs.push_back(value(f.span())); break;
        case 12: g.outputs.push_back(value(f.span())); break;
        case 15: g.initial_sparse.push_back(sparse(f.span())); break;
        default: break;
      }
    return g;
  }

  FunctionText function(std::string_view message) {
    FunctionText u;
    count();
    for (Fields f(file_, message); f.next();) switch (f.number()) {
        case 1: u.name = f.span(); break;
        case 4: named(u.inputs, f); break;
        case 5: named(u.outputs, f); break;
        case 6: named(u.attribute_names, f); break;
        case 7: u.nodes.push_back(node(f.span(), 1)); break;
        case 9: opset(u.opsets, f.span()); break;
        case 10: u.domain = f.span(); break;
        case 11: u.attributes.push_back(attribute(f.span(), 1)); break;
        case 13: u.overload = f.span(); break;
        default: break;
      }
    u.domain = plain_domain(u.domain);
    return u;
  }

  void opset(Opsets& to, std::string_view message) {
    std::string_view domain;
    int64_t version = 0;
    for (Fields f(file_, message); f.next();) {
      if (f.number() == 1) domain = f.span();
      if (f.number() == 2) version = f.integer();
    }
    to[plain_domain(domain)] = version;
  }

 private:
  void count() {
    if (++items_ > most_items)
      file_.fail("it holds more than " + std::to_string(most_items) + " nodes, names and tensors");
  }

  void named(std::vector<std::string_view>& to, const Fields& f) {
    count();
    to.push_back(f.span());
  }

  std::pair<std::string_view, std::string_view> entry(std::string_view message) {
    std::pair<std::string_view, std::string_view> e;
    count();
    for (Fields f(file_, message); f.next();) {
      if (f.number() == 1) e.first = f.span();
      if (f.number() == 2) e.second = f.span();
    }
    return e;
  }

  SparseText sparse(std::string_view message) {
    SparseText s;
    for (Fields f(file_, message); f.next();) switch (f.number()) {
        case 1: s.values = tensor(f.span()); break;
        case 2: s.indices = tensor(f.span()); break;
        case 3: f.append(s.extents); break;
        default: break;
      }
    return s;
  }

  Attribute attribute(std::string_view message, int depth) {
    Attribute a;
    count();
    for (Fields f(file_, message); f.next();) switch (f.number()) {
        case 1: a.name = f.span(); break;
        case 2: a.number = f.single(), guess(a, Attribute::Kind::number); break;
        case 3: a.integer = f.integer(), guess(a, Attribute::Kind::integer); break;
        case 4: a.text = f.span(), guess(a, Attribute::Kind::text); break;
        case 5: a.tensor = std::make_shared<TensorText>(tensor(f.span())), guess(a, Attribute::Kind::tensor); break;
        case 6:
          a.graph = std::make_shared<GraphText>(graph(f.span(), depth + 1)), guess(a, Attribute::Kind::graph);
          break;
        case 7: f.append(a.numbers), guess(a, Attribute::Kind::numbers); break;
        case 8: f.append(a.integers), guess(a, Attribute::Kind::integers); break;
        case 9: named(a.texts, f), guess(a, Attribute::Kind::texts); break;
        case 20: a.kind = static_cast<Attribute::Kind>(f.integer()); break;
        case 21: a.refers_to = f.span(); break;
        case 22: a.sparse = std::make_shared<SparseText>(sparse(f.span())), guess(a, Attribute::Kind::sparse); break;
        default: break;
      }
    return a;
  }
  // Old files do not say of what kind an attribute is.
  static void guess(Attribute& a, Attribute::Kind kind) {
    if (a.kind == Attribute::Kind::undefined) a.kind = kind;
  }

  NodeText node(std::string_view message, int depth) {
    NodeText n;
    count();
    for (Fields f(file_, message); f.next();) switch (f.number()) {
        case 1: named(n.inputs, f); break;
        case 2: named(n.outputs, f); break;
        case 3: n.name = f.span(); break;
        case 4: n.op = f.span(); break;
        case 5: n.attributes.push_back(attribute(f.span(), depth)); break;
        case 7: n.domain = plain_domain(f.span()); break;
        case 8: n.overload = f.span(); break;
        default: break;
      }
    return n;
  }

  ValueText value(std::string_view message) {
    ValueText v;
    count();
    std::string_view type;
    for (Fields f(file_, message); f.next();) {
      if (f.number() == 1) v.name = f.span();
      if (f.number() == 2) type = f.span();
    }
    if (!type.empty()) v.element = -1;  // no tensor, unless it turns out to be one
    for (Fields f(file_, type); f.next();) {
      if (f.number() != 1) continue;
      v.element = 0;
      v.is_tensor = true;
      for (Fields t(file_, f.span()); t.next();) {
        if (t.number() == 1) v.element = t.integer();
        if (t.number() == 2) shape(v, t.span());
      }
    }
    return v;
  }

  void shape(ValueText& v, std::string_view message) {
    v.has_shape = true;
    for (Fields f(file_, message); f.next();) {
      if (f.number() != 1) continue;
      count();
      ExtentText e;
      for (Fields d(file_, f.span()); d.next();) {
        if (d.number() == 1) e.number = d.integer();
        if (d.number() == 2) e.name = d.span();
      }
      v.extents.push_back(e);
    }
    if (v.extents.size() > 64) file_.fail_at(message.data(), "a tensor has more than 64 axes");
  }

  const Bytes& file_;
  int64_t items_ = 0, tensors_ = 0;
};

}  // namespace

std::string_view plain_domain(std::string_view domain) { return domain == "ai.onnx" ? std::string_view() : domain; }

const Attribute* NodeText::find(std::string_view wanted) const {
  for (const Attribute& a : attributes)
    if (a.name == wanted) return &a;
  return nullptr;
}

const FunctionText* Model::function(const NodeText& node) const {
  const auto found = numbers.find({node.domain, node.op, node.overload});
  return found == numbers.end() ? nullptr : &functions[found->second];
}

TensorText parse_tensor(const Bytes& file, std::string_view message) { return Parser(file).tensor(message); }

namespace {

Model parsed(std::shared_ptr<const Bytes> file) {
  Model m;
  m.file = file;
  Parser parser(*file);
  bool has_graph = false;
  for (Fields f(*file, file->content); f.next();) switch (f.number()) {
      case 7:
        if (has_graph) f.fail("a model has one graph");
        has_graph = true;
        m.graph = parser.graph(f.span(), 0);
        break;
      case 8: parser.opset(m.opsets, f.span()); break;
      case 25: m.functions.push_back(parser.function(f.span())); break;
      default: break;
    }
  for (size_t i = 0; i < m.functions.size(); ++i) {
    const FunctionText& f = m.functions[i];
    if (!m.numbers.emplace(std::tuple(f.domain, f.name, f.overload), i).second)
      file->fail("there are two functions '" + std::string(f.name) + "' of one domain");
  }
  if (!has_graph) file->fail("there is no graph in it, so it is no ONNX model");
  return m;
}

}  // namespace

// Where in it bytes are wrong says something of a damaged model alone.
Model parse_model(std::shared_ptr<const Bytes> file) try { return parsed(file); } catch (const FileError&) {
  if (begins_as_model(*file)) throw;
  throw FileError(file->name + " is no ONNX model: " + likeness(file->content));
}

}  // namespace tenon::onnx
