// Operations in both of their forms: "stablehlo.add"(%0, %1) <{...}> ({...}) : (T, T) -> T, which all have, and the short ones that
// are printed. The short ones are read by one rule for all: values, keyword = attribute, words, [ranges], {attributes}, a list of types;
// while and reduce have rules of their own. Refuses operations that no importer knows, by name and line.
#include "tenon/frontend/stablehlo/module.h"

namespace tenon::hlo {

void BodyParser::open_scope() {
  if (scopes_.size() >= deepest_text) in_.fail("regions nest too deep");
  scopes_.emplace_back();
}

uint32_t BodyParser::define(std::string_view name, uint32_t count) {
  in_.count_item();
  const uint32_t first = function_.value_count;
  if (count > 65535 || first > UINT32_MAX / 2) in_.fail("an operation gives at most 65535 values");
  function_.value_count += count;
  if (!scopes_.back().emplace(name, Values{first, count}).second)
    in_.fail("%" + std::string(name) + " is defined twice");
  return first;
}

uint32_t BodyParser::operand() {
  const size_t at = in_.at();
  const std::string_view name = in_.value_name();
  int64_t number = 0;
  if (in_.accept("#")) number = in_.integer("number of a result");
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto found = scope->find(name); found != scope->end()) {
      if (number < 0 || number >= found->second.count)
        in_.source().fail(at, "%" + std::string(name) + " has " + std::to_string(found->second.count) + " results");
      return found->second.first + static_cast<uint32_t>(number);
    }
  in_.source().fail(at, "%" + std::string(name) + " is used, but not defined before");
}

Region BodyParser::function_body() {
  Region body;
  open_scope();
  for (std::string_view name : function_.argument_names) body.arguments.push_back(define(name, 1));
  body.argument_types = function_.argument_types;
  operations(body, false);
  return body;
}

void BodyParser::argument(Region& region) {
  region.arguments.push_back(define(in_.value_name(), 1));
  in_.expect(":");
  region.argument_types.push_back(parse_type(in_));
  skip_location(in_);
}

Region BodyParser::region() {
  Region region;
  in_.expect("{");
  open_scope();
  if (in_.accept("^")) {
    in_.word("the name of a block");
    if (in_.accept("(") && !in_.accept(")")) {
      do argument(region);
      while (in_.accept(","));
      in_.expect(")");
    }
    in_.expect(":");
  }
  operations(region, true);
  scopes_.pop_back();
  return region;
}

void BodyParser::operations(Region& region, bool in_braces) {
  while (in_braces ? !in_.accept("}") : in_.peek() != 0) {
    if (in_.peek() == '^') in_.fail("a region has one block here; control flow is stablehlo.while, if and case");
    operation(region);
  }
}

void BodyParser::operation(Region& region) {
  in_.count_item();
  Operation op;
  struct Result {
    std::string_view name;
    uint32_t count;
  };
  std::vector<Result> results;
  while (in_.peek() == '%') {
    Result r{in_.value_name(), 1};
    if (in_.accept(":")) {
      const int64_t count = in_.integer("number of results");
      if (count < 1 || count > 65535) in_.fail("an operation gives 1 to 65535 values");
      r.count = static_cast<uint32_t>(count);
    }
    results.push_back(r);
    if (!in_.accept(",")) in_.expect("=");
  }
  for (const Result& r : results) op.result_count += r.count;
  op.at = in_.at();
  op.attributes.kind = Attribute::Kind::dictionary;
  const bool is_generic = in_.peek() == '"';
  op.name = is_generic ? in_.quoted() : in_.word("an operation");
  if (!is_known(op.name))
    in_.source().fail(op.at, "'" + std::string(op.name) + "' is no operation that can be imported");
  if (is_generic) {
    generic(op);
  } else if (op.name == "stablehlo.while") {
    pretty_while(op);
  } else if (op.name == "stablehlo.reduce") {
    pretty_reduce(op);
  } else if (!is_constant(op)) {
    items(op);
    types(op);
  }
  skip_location(in_);
  op.first_result = function_.value_count;
  for (const Result& r : results) define(r.name, r.count);
  if (results.empty()) function_.value_count += op.result_count;
  region.operations.push_back(std::move(op));
}

void BodyParser::generic(Operation& op) {
  in_.expect("(");
  if (!in_.accept(")")) {
    do op.operands.push_back(operand());
    while (in_.accept(","));
    in_.expect(")");
  }
  const auto merge = [&](Attribute more) {
    for (size_t i = 0; i < more.keys.size(); ++i) add_member(op.attributes, more.keys[i], std::move(more.items[i]));
  };
  if (in_.accept("<{")) {
    merge(parse_dictionary(in_, '}', 1));
    in_.expect(">");
  }
  if (in_.accept("(")) {
    do op.regions.push_back(region());
    while (in_.accept(","));
    in_.expect(")");
  }
  if (in_.accept("{")) merge(parse_dictionary(in_, '}', 1));
  types(op);
}

// : T, or : T, T, or : (T, T) -> T, or : T, T -> T. A list of another length than the results ends with the type of them all.
void BodyParser::types(Operation& op) {
  if (!in_.accept(":")) {
    if (op.result_count > 0) in_.fail("'" + std::string(op.name) + "' lacks its types");
    return;
  }
  std::vector<TensorType> list;
  bool arrow = in_.accept("(");
  if (arrow) {
    parse_types(in_, ")");
    in_.expect("->");
  } else {
    do list.push_back(parse_type(in_));
    while (in_.accept(","));
    arrow = in_.accept("->");
  }
  if (arrow) {
    list.clear();
    if (in_.accept("(")) {
      list = parse_types(in_, ")");
    } else {
      list.push_back(parse_type(in_));
    }
    if (op.result_count == 0) op.result_count = static_cast<uint32_t>(list.size());  // nobody names them
    if (list.size() != op.result_count)
      in_.source().fail(op.at, "'" + std::string(op.name) + "' gives " + std::to_string(list.size()) + " values, not " +
                                   std::to_string(op.result_count));
  } else if (op.result_count != 0 && list.size() != op.result_count) {
    list = std::vector<TensorType>(op.result_count, list.back());
  }
  op.result_types = std::move(list);
}

// dense<...> : T, whose type ends the operation.
bool BodyParser::is_constant(Operation& op) {
  if (op.name != "stablehlo.constant" && op.name != "chlo.constant") return false;
  while (in_.peek() == '{') in_.balanced('{');
  Attribute value = parse_attribute(in_, 1);
  op.result_types.assign(op.result_count, value.type);
  add_member(op.attributes, "value", std::move(value));
  return true;
}

void BodyParser::items(Operation& op) {
  for (;;) {
    const char c = in_.peek();
    if (c == ':' || c == '}' || c == 0 || in_.looking_at("loc")) return;
    if (c == ',') {
      in_.expect(",");
    } else if (c == '(') {
      in_.expect("(");
      while (!in_.accept(")")) {
        if (!in_.accept(",")) item(op);
      }
    } else {
      item(op);
    }
  }
}

void BodyParser::item(Operation& op) {
  const char c = in_.peek();
  if (c == '%') {
    op.operands.push_back(operand());
  } else if (c == '@') {
    const size_t at = in_.at();
    add_member(op.attributes, "callee", {.kind = Attribute::Kind::symbol, .at = at, .text = in_.symbol_name()});
  } else if (c == '"') {
    add_member(op.attributes, "name", parse_attribute(in_, 1));
  } else if (c == '{') {
    in_.expect("{");
    Attribute more = parse_dictionary(in_, '}', 1);
    for (size_t i = 0; i < more.keys.size(); ++i) add_member(op.attributes, more.keys[i], std::move(more.items[i]));
  } else if (c == '[') {
    slice_ranges(op);
  } else {
    keyed_item(op);
  }
}

// keyword = attribute, or a word: LT, FLOAT.
void BodyParser::keyed_item(Operation& op) {
  if (op.name == "return" || op.name == "func.return" || op.name == "stablehlo.return")
    in_.fail("a return takes operands alone, and is the last operation of its block");
  const size_t start = in_.at();
  const std::string_view key = in_.word("an operand or an attribute");
  if (!in_.accept("=")) {
    add_member(op.attributes, key, {.kind = Attribute::Kind::unit, .at = start});
    return;
  }
  if (key == "dim_numbers") {
    add_member(op.attributes, "dimension_numbers", parse_convolution_numbers(in_));
  } else if (key == "contracting_dims" || key == "batching_dims") {
    Attribute pair{.kind = Attribute::Kind::list, .at = in_.at()};
    pair.items.push_back(parse_attribute(in_, 1));
    if (in_.peek() != 'x') in_.expect("x");
    in_.seek(in_.at() + 1);
    pair.items.push_back(parse_attribute(in_, 1));
    add_member(op.attributes, key, std::move(pair));
  } else if (in_.peek() == '<') {
    in_.balanced('<');
  } else if (const char c = in_.peek();
             (c >= '0' && c <= '9') || c == '-') {  // what follows is the operation's type, not the number's
    add_member(op.attributes, key,
               {.kind = Attribute::Kind::integer, .at = start, .integer = in_.integer("value of an attribute")});
  } else {
    add_member(op.attributes, key, parse_attribute(in_, 1));
  }
}

// [0:4, 1:9:2]
void BodyParser::slice_ranges(Operation& op) {
  Attribute starts{.kind = Attribute::Kind::list, .at = in_.at()}, limits = starts, strides = starts;
  const auto number = [&](int64_t n) {
    return Attribute{.kind = Attribute::Kind::integer, .at = in_.at(), .integer = n};
  };
  in_.expect("[");
  if (!in_.accept("]")) {
    do {
      starts.items.push_back(number(in_.integer("start of a slice")));
      in_.expect(":");
      limits.items.push_back(number(in_.integer("limit of a slice")));
      strides.items.push_back(number(in_.accept(":") ? in_.integer("stride of a slice") : 1));
    } while (in_.accept(","));
    in_.expect("]");
  }
  add_member(op.attributes, "start_indices", std::move(starts));
  add_member(op.attributes, "limit_indices", std::move(limits));
  add_member(op.attributes, "strides", std::move(strides));
}

// (%a = %0, %b = %1) : T, T cond { ... } do { ... }
void BodyParser::pretty_while(Operation& op) {
  std::vector<std::string_view> names;
  in_.expect("(");
  if (!in_.accept(")")) {
    do {
      names.push_back(in_.value_name());
      in_.expect("=");
      op.operands.push_back(operand());
    } while (in_.accept(","));
    in_.expect(")");
  }
  if (in_.accept(":")) {
    do op.result_types.push_back(parse_type(in_));
    while (in_.accept(","));
  }
  if (in_.accept("attributes")) in_.balanced('{');
  if (op.result_types.size() != names.size() || (op.result_count != 0 && op.result_count != names.size()))
    in_.source().fail(op.at, "stablehlo.while has " + std::to_string(names.size()) + " values, " +
                                 std::to_string(op.result_types.size()) + " types and " +
                                 std::to_string(op.result_count) + " results");
  for (const char* keyword : {"cond", "do"}) {
    in_.expect(keyword);
    in_.expect("{");
    open_scope();
    Region part;
    for (std::string_view name : names) part.arguments.push_back(define(name, 1));
    part.argument_types = op.result_types;
    operations(part, true);
    scopes_.pop_back();
    op.regions.push_back(std::move(part));
  }
}

// (%a init: %b), (%c init: %d) applies stablehlo.add across dimensions = [0] : types, or with a reducer(...) {...} behind the types.
void BodyParser::pretty_reduce(Operation& op) {
  std::vector<uint32_t> starts;
  do {
    in_.expect("(");
    op.operands.push_back(operand());
    in_.expect("init");
    in_.expect(":");
    starts.push_back(operand());
    in_.expect(")");
  } while (in_.accept(","));
  op.operands.insert(op.operands.end(), starts.begin(), starts.end());
  if (in_.accept("applies"))
    add_member(op.attributes, "applies",
               {.kind = Attribute::Kind::word, .at = in_.at(), .text = in_.word("an operation")});
  in_.expect("across");
  in_.expect("dimensions");
  in_.expect("=");
  add_member(op.attributes, "dimensions", parse_attribute(in_, 1));
  if (in_.peek() == '{') in_.balanced('{');
  types(op);
  if (in_.accept("reducer")) reducer(op);
}

// (%a: T, %b: T) (%c: T, %d: T) { ... }: the block takes the first of all pairs, then the second.
void BodyParser::reducer(Operation& op) {
  Region pairs;
  open_scope();
  while (in_.accept("(")) {
    argument(pairs);
    in_.expect(",");
    argument(pairs);
    in_.expect(")");
  }
  Region body;
  for (size_t side = 0; side < 2; ++side)
    for (size_t i = side; i < pairs.arguments.size(); i += 2) {
      body.arguments.push_back(pairs.arguments[i]);
      body.argument_types.push_back(pairs.argument_types[i]);
    }
  in_.expect("{");
  operations(body, true);
  scopes_.pop_back();
  op.regions.push_back(std::move(body));
}

}  // namespace tenon::hlo
