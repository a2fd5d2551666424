// Types and attributes, as MLIR writes them, in plain form: every list is a list, every #dialect.thing<...> a dictionary or a word.
// What dense<...> holds is cut out and read when somebody asks (frontend/stablehlo/elements.cc). Nesting is bounded.
#include <algorithm>
#include <charconv>

#include "tenon/frontend/stablehlo/module.h"

namespace tenon::hlo {
namespace {

std::optional<DType> dtype_of(std::string_view element) {
  struct Spelling {
    std::string_view name, ours;
  };
  static constexpr Spelling spellings[] = {
      {"i1", "bool"},   {"ui8", "u8"},  {"ui16", "u16"}, {"ui32", "u32"},         {"ui64", "u64"},
      {"i8", "i8"},     {"i16", "i16"}, {"i32", "i32"},  {"i64", "i64"},          {"f16", "f16"},
      {"bf16", "bf16"}, {"f32", "f32"}, {"f64", "f64"},  {"complex<f32>", "c64"}, {"complex<f64>", "c128"}};
  for (const Spelling& s : spellings)
    if (s.name == element) return dtype_from_name(s.ours);
  return std::nullopt;
}

// 2x?x3xf32, with an encoding behind a comma that says nothing to us.
TensorType tensor_type(std::string_view inside) {
  TensorType type;
  type.ranked = true;
  for (;;) {
    if (inside.starts_with("?x")) {
      type.extents.push_back(unknown_extent);
      inside.remove_prefix(2);
      continue;
    }
    int64_t extent = 0;
    const auto [stop, error] = std::from_chars(inside.data(), inside.data() + inside.size(), extent);
    const auto digits = static_cast<size_t>(stop - inside.data());
    if (error != std::errc() || extent < 0 || digits >= inside.size() || inside[digits] != 'x') break;
    type.extents.push_back(extent);
    inside.remove_prefix(digits + 1);
  }
  type.element = inside.substr(0, inside.find(','));
  if (type.extents.size() > 64) type.ranked = false;
  type.dtype = type.ranked ? dtype_of(type.element) : std::nullopt;
  return type;
}

Attribute list(Scanner& in, int depth) {
  Attribute found{.kind = Attribute::Kind::list, .at = in.at()};
  in.expect("[");
  if (in.accept("]")) return found;
  do found.items.push_back(parse_attribute(in, depth + 1));
  while (in.accept(","));
  in.expect("]");
  return found;
}

// array<i64: 1, 2>
Attribute array(Scanner& in, int depth) {
  Attribute found{.kind = Attribute::Kind::list, .at = in.at()};
  in.expect("<");
  in.word("the type of the elements");
  if (in.accept(":") && in.peek() != '>') do
      found.items.push_back(parse_attribute(in, depth + 1));
    while (in.accept(","));
  in.expect(">");
  return found;
}

Attribute number(Scanner& in) {
  Attribute found{.kind = Attribute::Kind::number, .at = in.at()};
  found.text = in.number_text();
  const char* end = found.text.data() + found.text.size();
  const auto [stop, error] = std::from_chars(found.text.data(), end, found.integer);
  if (error == std::errc() && stop == end) found.kind = Attribute::Kind::integer;
  return found;
}

// #stablehlo.gather<offset_dims = [0], ...>, #stablehlo<precision HIGH>, #stablehlo.conv<[b, 0, f]x...>, #alias
Attribute dialect_attribute(Scanner& in, int depth) {
  const size_t at = in.at();
  in.expect("#");
  Attribute found{.kind = Attribute::Kind::word, .at = at, .text = in.word("the name of an attribute")};
  if (in.peek() != '<') return found;
  if (found.text == "stablehlo.conv") {
    in.expect("<");
    if (in.peek() == '[') {
      found = parse_convolution_numbers(in);
      in.expect(">");
      return found;
    }
    if (in.accept("raw")) found.text = "";
    return parse_dictionary(in, '>', depth + 1);
  }
  const size_t inside = in.at();
  in.expect("<");
  if (in.accept(">")) return {.kind = Attribute::Kind::dictionary, .at = at};
  in.word("what the attribute holds");
  const bool pairs = in.peek() == '=' || in.peek() == ',' || in.peek() == '>';
  if (!pairs) {  // <precision HIGH>
    found.text = in.word("a word");
    in.expect(">");
    return found;
  }
  in.seek(inside);
  in.expect("<");
  return parse_dictionary(in, '>', depth + 1);
}

}  // namespace

const Attribute* Attribute::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &items[i];
  return nullptr;
}

void add_member(Attribute& dictionary, std::string_view key, Attribute value) {
  dictionary.kind = Attribute::Kind::dictionary;
  dictionary.keys.push_back(key);
  dictionary.items.push_back(std::move(value));
}

TensorType parse_type(Scanner& in) {
  in.count_item();
  if (in.accept("tensor")) return tensor_type(in.balanced('<'));
  TensorType other;
  const size_t start = in.at();
  if (in.peek() == '(') {  // a function's type
    in.balanced('(');
    in.expect("->");
    in.peek() == '(' ? static_cast<void>(in.balanced('(')) : static_cast<void>(parse_type(in));
  } else {
    in.accept("!");
    in.word("a type");
    if (in.peek() == '<') in.balanced('<');
  }
  const size_t stop = std::min(in.at(), in.end());
  other.element = std::string_view(in.source().text).substr(start, stop - start);
  while (!other.element.empty() && other.element.back() <= ' ') other.element.remove_suffix(1);
  return other;
}

std::vector<TensorType> parse_types(Scanner& in, std::string_view until) {
  std::vector<TensorType> types;
  if (in.accept(until)) return types;
  do types.push_back(parse_type(in));
  while (in.accept(","));
  in.expect(until);
  return types;
}

Attribute parse_dictionary(Scanner& in, char close, int depth) {
  const std::string_view end(&close, 1);
  Attribute found{.kind = Attribute::Kind::dictionary, .at = in.at()};
  if (in.accept(end)) return found;
  do {
    if (in.peek() == close) break;  // a comma at the end
    const std::string_view key = in.peek() == '"' ? in.quoted() : in.word("the name of an attribute");
    Attribute value{.kind = Attribute::Kind::unit, .at = in.at()};
    if (in.accept("=")) value = parse_attribute(in, depth + 1);
    add_member(found, key, std::move(value));
  } while (in.accept(","));
  in.expect(end);
  return found;
}

Attribute parse_convolution_numbers(Scanner& in) {
  Attribute found{.kind = Attribute::Kind::list, .at = in.at()};
  found.items.push_back(list(in, 1));
  if (in.peek() != 'x') in.expect("x");
  in.seek(in.at() + 1);
  found.items.push_back(list(in, 1));
  in.expect("->");
  found.items.push_back(list(in, 1));
  return found;
}

void skip_location(Scanner& in) {
  if (in.accept("loc")) in.balanced('(');
}

Attribute parse_attribute(Scanner& in, int depth) {
  in.count_item();
  if (depth > deepest_text) in.fail("attributes nest too deep");
  const size_t at = in.at();
  const char c = in.peek();
  if (c == '[') return list(in, depth);
  if (c == '#') return dialect_attribute(in, depth);
  if (c == '@') return {.kind = Attribute::Kind::symbol, .at = at, .text = in.symbol_name()};
  if (c == '{') {
    in.expect("{");
    return parse_dictionary(in, '}', depth);
  }
  if (c == '"') {
    Attribute found{.kind = Attribute::Kind::text, .at = at, .text = in.quoted()};
    if (in.accept(":")) parse_type(in);
    return found;
  }
  if ((c >= '0' && c <= '9') || c == '-') {
    Attribute found = number(in);
    if (in.accept(":")) parse_type(in);
    return found;
  }
  if (in.looking_at("tensor") || c == '(' || c == '!')
    return {.kind = Attribute::Kind::type, .at = at, .type = parse_type(in)};
  const std::string_view word = in.word("an attribute");
  if (word == "true" || word == "false") return {.kind = Attribute::Kind::boolean, .at = at, .integer = word == "true"};
  if (word == "unit") return {.kind = Attribute::Kind::unit, .at = at};
  if (word == "array") return array(in, depth);
  if (word == "dense") {
    Attribute found{.kind = Attribute::Kind::dense, .at = at, .text = in.balanced('<')};
    in.expect(":");
    found.type = parse_type(in);
    return found;
  }
  Attribute found{.kind = Attribute::Kind::word, .at = at, .text = word};
  if (in.peek() == '<') in.balanced('<');
  if (word == "loc" && in.peek() == '(') in.balanced('(');
  if (word == "dense_resource" && in.accept(":")) parse_type(in);
  return found;
}

}  // namespace tenon::hlo
