// Modules and functions. The bodies of functions are stepped over, and read when somebody calls them: what nobody calls may be
// written in a language that nobody here knows.
#include "tenon/frontend/stablehlo/module.h"

namespace tenon::hlo {
namespace {

// (%arg0: T {attributes}, ...), or the types alone.
void arguments(Scanner& in, Function& f) {
  in.expect("(");
  if (in.accept(")")) return;
  do {
    if (in.peek() == '%') {
      f.argument_names.push_back(in.value_name());
      in.expect(":");
    }
    f.argument_types.push_back(parse_type(in));
    if (in.peek() == '{') in.balanced('{');
    skip_location(in);
  } while (in.accept(","));
  in.expect(")");
}

void results(Scanner& in, Function& f) {
  if (!in.accept("->")) return;
  if (!in.accept("(")) {
    f.result_types.push_back(parse_type(in));
    return;
  }
  if (in.accept(")")) return;
  do {
    f.result_types.push_back(parse_type(in));
    if (in.peek() == '{') in.balanced('{');
  } while (in.accept(","));
  in.expect(")");
}

void function(Scanner& in, Module& module) {
  in.count_item();
  Function f;
  if (in.accept("private") || in.accept("nested")) {
    f.is_public = false;
  } else {
    in.accept("public");
  }
  f.at = in.at();
  f.name = in.symbol_name();
  arguments(in, f);
  results(in, f);
  if (in.accept("attributes")) in.balanced('{');
  if (in.peek() == '{') {
    const std::string_view body = in.balanced('{');
    f.body_begin = static_cast<size_t>(body.data() - in.source().text.data());
    f.body_end = f.body_begin + body.size();
    if (f.argument_names.size() != f.argument_types.size())
      in.source().fail(f.at,
                       "function @" + std::string(f.name) + " has a body, but not all of its arguments have names");
  }
  skip_location(in);
  if (!module.numbers.emplace(f.name, module.functions.size()).second)
    in.source().fail(f.at, "there are two functions called @" + std::string(f.name));
  module.functions.push_back(std::move(f));
}

// #alias = attribute, !alias = type, {-# ... #-}
void aside(Scanner& in) {
  if (in.peek() == '{') {
    in.balanced('{');
    return;
  }
  const bool attribute = in.peek() == '#';
  in.expect(attribute ? "#" : "!");
  in.word("the name of an alias");
  in.expect("=");
  attribute ? static_cast<void>(parse_attribute(in)) : static_cast<void>(parse_type(in));
}

}  // namespace

const Function* Module::find(std::string_view name) const {
  const auto f = numbers.find(name);
  return f == numbers.end() ? nullptr : &functions[f->second];
}

const Function& Module::body_of(const Function& f) {
  Function& known = functions[static_cast<size_t>(&f - functions.data())];
  if (known.body) return known;
  if (known.body_end == 0)
    source->fail(known.at, "function @" + std::string(known.name) + " is declared here, but nowhere defined");
  Scanner in(*source, known.body_begin, known.body_end, &items);
  known.body = BodyParser(in, known).function_body();
  return known;
}

Module parse_module(std::shared_ptr<const Source> source) {
  Module module{source, {}, {}, 0};
  Scanner in(*source, 0, source->text.size(), &module.items);
  int open = 0;
  while (in.peek() != 0 || open > 0) {
    if (in.accept("module") || in.accept("builtin.module")) {
      if (in.peek() == '@') in.symbol_name();
      if (in.accept("attributes")) in.balanced('{');
      in.expect("{");
      if (++open > deepest_text) in.fail("modules nest too deep");
    } else if (in.accept("func.func") || in.accept("func")) {
      function(in, module);
    } else if (open > 0 && in.accept("}")) {
      --open;
      skip_location(in);
    } else if (in.peek() == '#' || in.peek() == '!' || (open == 0 && in.peek() == '{')) {
      aside(in);
    } else {
      in.fail("expected a module or a function (func.func)");
    }
  }
  return module;
}

}  // namespace tenon::hlo
