// Reads graphs from text: the exact inverse of Graph::text(). The text is untrusted: every failure is an Error with line and
// column, sub-graphs nest at most deepest_nesting deep, and everything read is checked by the builder's type rules. Refuses to fold or
// merge: what is written is what is built.
#include <algorithm>
#include <unordered_map>

#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/graph/text.h"

namespace tenon::ir {
namespace {

// Value names of one graph. Canonical text numbers values as they come, which needs no table.
class Names {
 public:
  void define(Reader& in, std::string_view name, ValueId v) {
    if (name.size() < 2 || name[0] != '%') in.fail("expected a value, such as %" + std::to_string(index(v)));
    if (canonical_ && name.substr(1) == std::to_string(index(v))) {
      ++defined_;
      return;
    }
    if (canonical_) {
      canonical_ = false;
      for (uint32_t i = 0; i < defined_; ++i) table_.emplace("%" + std::to_string(i), ValueId{i});
    }
    if (!table_.emplace(std::string(name), v).second) in.fail(std::string(name) + " is defined twice");
  }
  ValueId find(Reader& in, std::string_view name) const {
    if (canonical_) {
      uint64_t number = 0;
      bool good = name.size() >= 2 && name.size() <= 11 && name[0] == '%' && (name[1] != '0' || name.size() == 2);
      for (size_t i = 1; good && i < name.size(); ++i) {
        good = name[i] >= '0' && name[i] <= '9';
        number = number * 10 + static_cast<uint64_t>(name[i] - '0');
      }
      if (good && number < defined_) return ValueId{static_cast<uint32_t>(number)};
    } else if (const auto found = table_.find(std::string(name)); found != table_.end()) {
      return found->second;
    }
    in.fail("value " + std::string(name) + " is not defined above");
  }

 private:
  bool canonical_ = true;
  uint32_t defined_ = 0;
  std::unordered_map<std::string, ValueId> table_;
};

std::shared_ptr<const Graph> read_graph(Reader& in, std::string name, const std::shared_ptr<Symbols>& symbols,
                                        int depth);

Attr read_attribute(Reader& in, const AttrSpec& spec, const Attrs& before, const std::shared_ptr<Symbols>& symbols,
                    int depth) {
  switch (spec.kind) {
    case AttrKind::none: break;
    case AttrKind::integers: {
      std::vector<int64_t> values;
      in.expect("[");
      if (!in.accept("]")) {
        do values.push_back(in.integer("an integer"));
        while (in.accept(","));
        in.expect("]");
      }
      return Attr::of(std::move(values));
    }
    case AttrKind::dims: return Attr::of(read_dims(in, *symbols));
    case AttrKind::dtype: {
      const std::string_view word = in.word("a dtype");
      const auto dtype = dtype_from_name(word);
      if (!dtype) in.fail("'" + std::string(word) + "' is not a dtype");
      return Attr::of(*dtype);
    }
    case AttrKind::text: return Attr::text_of(in.quoted());
    case AttrKind::literal: {  // written in the dtype that stands before it; else it is a double
      const auto dtype = std::ranges::find(before, AttrKind::dtype, &Attr::kind);
      return Attr::literal_of(read_literal(in, dtype == before.end() ? DType::f64 : dtype->dtype));
    }
    case AttrKind::graph: in.expect("graph"); return Attr::of(read_graph(in, "main", symbols, depth + 1));
  }
  in.fail("an attribute without a kind");
}

Attrs read_attributes(Reader& in, const OpDef& row, const std::shared_ptr<Symbols>& symbols, int depth) {
  Attrs attrs;
  if (row.attrs.empty()) return attrs;
  in.expect("{");
  bool separated = false;  // a comma was read, and no option yet that stands behind it
  for (const AttrSpec& spec : row.attrs) {
    if (spec.count == AttrCount::option) {
      if (in.next() != ',' && !separated) break;
      if (!separated) in.expect(",");
      separated = !in.accept(spec.name);  // it may be the next one's comma
      if (separated) {
        attrs.push_back(Attr::of(std::vector<int64_t>{0}));
        continue;
      }
      in.expect("=");
      attrs.push_back(read_attribute(in, spec, attrs, symbols, depth));
      continue;
    }
    if (!attrs.empty()) in.expect(",");
    in.expect(spec.name);
    in.expect("=");
    attrs.push_back(read_attribute(in, spec, attrs, symbols, depth));
  }
  if (separated) in.fail("an option of " + std::string(row.name) + " is expected here");
  in.expect("}");
  return attrs;
}

void read_node(Reader& in, GraphBuilder& b, Names& names, const std::shared_ptr<Symbols>& symbols, int depth) {
  std::vector<std::string_view> results;
  std::string_view word = in.word("an op, a result or }");
  while (word[0] == '%') {
    results.push_back(word);
    if (in.accept("=")) {
      word = in.word("an op");
      break;
    }
    in.expect(",");
    word = in.word("a result");
  }
  const OpDef* row = find_op(word);
  if (row == nullptr) in.fail("'" + std::string(word) + "' is not an op");
  std::vector<ValueId> operands;
  // After an op without results or operands the next line may follow at once: it starts with %, and so do operands.
  if (in.next() == '%' && row->arity != 0) {
    do operands.push_back(names.find(in, in.word("an operand")));
    while (in.accept(","));
  }
  const Attrs attrs = read_attributes(in, *row, symbols, depth);
  ValueId first = no_value;
  try {
    first = b.add(row->op, operands, attrs);
  } catch (const Error& e) {
    in.fail(e.message());
  }
  const Node& node = b.graph().nodes().back();
  if (node.result_count != results.size())
    in.fail(std::string(row->name) + " gives " + std::to_string(node.result_count) + " results, the text names " +
            std::to_string(results.size()));
  for (uint32_t r = 0; r < results.size(); ++r) {
    in.expect(r ? "," : ":");
    const Type written = read_type(in, *symbols);
    const ValueId v{index(first) + r};
    if (!(written == b.type(v)))
      in.fail("the text says " + to_string(written, symbols.get()) + ", but " + row->name + " gives " +
              to_string(b.type(v), symbols.get()));
  }
  for (uint32_t r = 0; r < results.size(); ++r) names.define(in, results[r], ValueId{index(first) + r});
}

std::shared_ptr<const Graph> read_graph(Reader& in, std::string name, const std::shared_ptr<Symbols>& symbols,
                                        int depth) {
  if (depth > static_cast<int>(deepest_nesting))
    in.fail("graphs are nested more than " + std::to_string(deepest_nesting) + " deep");
  GraphBuilder b(std::move(name), symbols);
  b.folding = b.merging = false;
  Names names;
  in.expect("(");
  if (!in.accept(")")) {
    do {
      const std::string_view word = in.word("an input");
      in.expect(":");
      const Type type = read_type(in, *symbols);
      ValueId v = no_value;
      try {
        v = b.input(type);
      } catch (const Error& e) {
        in.fail(e.message());
      }
      names.define(in, word, v);
    } while (in.accept(","));
    in.expect(")");
  }
  in.expect("->");
  in.expect("(");
  std::vector<std::string_view> results;
  if (!in.accept(")")) {
    do results.push_back(in.word("an output"));
    while (in.accept(","));
    in.expect(")");
  }
  in.expect("{");
  while (!in.accept("}")) read_node(in, b, names, symbols, depth);
  std::vector<ValueId> outputs;
  for (std::string_view word : results) outputs.push_back(names.find(in, word));
  return b.finish(outputs);
}

void read_symbol(Reader& in, Symbols& symbols) {
  const std::string_view name = in.word("a name");
  in.expect("in");
  in.expect("[");
  const int64_t lower = in.integer("a bound");
  in.expect(",");
  const int64_t upper = in.accept("inf") ? INT64_MAX : in.integer("a bound");
  in.expect("]");
  const size_t before = symbols.size();
  try {
    symbols.add(name, lower, upper);
  } catch (const Error& e) {
    in.fail(e.message());
  }
  if (symbols.size() == before) in.fail("symbol '" + std::string(name) + "' is declared twice");
}

}  // namespace

std::shared_ptr<const Graph> parse(std::string_view text) {
  const FloatEnvironment standard;
  Reader in(text);
  auto symbols = std::make_shared<Symbols>();
  while (in.accept("symbol")) read_symbol(in, *symbols);
  in.expect("graph");
  const std::string_view name = in.word("a name, such as @main");
  if (name.size() < 2 || name[0] != '@') in.fail("a graph's name starts with @");
  auto graph = read_graph(in, std::string(name.substr(1)), symbols, 0);
  if (!in.at_end()) in.fail("text follows the graph");
  return graph;
}

}  // namespace tenon::ir
