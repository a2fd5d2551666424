// Tokens, extents, types and literals of the text form. Reads untrusted text: every length is the text's own, extents
// nest at most deepest_extent deep, every failure is an Error with line and column.
#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>

#include "tenon/ir/base/half.h"
#include "tenon/ir/graph/text.h"

namespace tenon::ir {
namespace {

bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '@' || c == '%';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

template <class T>
bool convert(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

template <class T>
bool append_integer(std::string_view text, std::string& raw) {
  T value;
  if (!convert(text, value)) return false;
  raw.append(reinterpret_cast<const char*>(&value), sizeof value);
  return true;
}

// The bits of a floating element of `t`.
bool float_bits(std::string_view text, DType t, uint64_t& result) {
  if (text.starts_with("nan(0x") && text.ends_with(")")) {
    text = text.substr(6, text.size() - 7);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result, 16);
    return error == std::errc() && end == text.data() + text.size() && (bits(t) == 64 || result >> bits(t) == 0);
  }
  double value = 0;
  if (text == "nan") {
    result = t == f16 ? 0x7e00 : t == bf16 ? 0x7fc0 : t == f32 ? 0x7fc00000 : 0x7ff8000000000000;
    return true;
  }
  if (text == "inf" || text == "-inf") {
    value = text == "inf" ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
  } else {
    if (text.empty() || std::any_of(text.begin(), text.end(), [](char c) { return c == 'n' || c == 'i'; }))
      return false;
    if (t == f32) {  // read as f32: through f64 it would round twice
      float single = 0;
      if (!convert(text, single)) return false;
      result = std::bit_cast<uint32_t>(single);
      return true;
    }
    if (!convert(text, value)) return false;
  }
  if (t == f64) result = std::bit_cast<uint64_t>(value);
  if (t == f32) result = std::bit_cast<uint32_t>(static_cast<float>(value));
  if (t == f16) result = half_from_double(f16_format, value);
  if (t == bf16) result = half_from_double(bf16_format, value);
  return true;
}

Dim read_dim_nested(Reader& in, Symbols& symbols, int depth) {
  if (depth > static_cast<int>(deepest_extent)) in.fail("an extent is nested too deeply");
  const bool maximum = in.accept("max");
  if (!maximum && !in.looking_at("(")) {
    const std::string_view word = in.word("an extent");
    int64_t number = 0;
    if (convert(word, number)) {
      if (number < 0) in.fail("an extent is negative");
      return number;
    }
    for (uint32_t i : symbols.free_symbols())
      if (symbols[i].name == word) return Dim::symbol(i);
    in.fail("'" + std::string(word) + "' is neither a number nor a symbol that was declared");
  }
  in.expect("(");
  const Dim left = read_dim_nested(in, symbols, depth + 1);
  static constexpr std::string_view signs[] = {"+", "-", "*", "/"};
  int sign = 0;
  if (maximum) {
    in.expect(",");
  } else {
    while (sign < 4 && !in.accept(signs[sign])) ++sign;
    if (sign == 4) in.fail("expected +, -, * or / in an extent");
  }
  const Dim right = read_dim_nested(in, symbols, depth + 1);
  in.expect(")");
  try {
    if (maximum) return symbols.maximum(left, right);
    if (sign == 0) return symbols.sum(left, right);
    if (sign == 1) return symbols.difference(left, right);
    return sign == 2 ? symbols.product(left, right) : symbols.quotient(left, right);
  } catch (const Error& e) {
    in.fail(e.message());
  }
}

}  // namespace

void Reader::skip() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == ';') {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      ++at_;
    } else {
      return;
    }
  }
}

bool Reader::at_end() {
  skip();
  return at_ == text_.size();
}

char Reader::next() { return at_end() ? '\0' : text_[at_]; }

bool Reader::looking_at(std::string_view sign) {
  skip();
  if (!text_.substr(at_).starts_with(sign)) return false;
  const size_t end = at_ + sign.size();
  return !in_word(sign.back()) || end == text_.size() || !in_word(text_[end]);
}

bool Reader::accept(std::string_view sign) {
  if (!looking_at(sign)) return false;
  at_ += sign.size();
  return true;
}

void Reader::expect(std::string_view sign) {
  if (!accept(sign)) fail("expected '" + std::string(sign) + "'");
}

std::string_view Reader::word(const char* what) {
  skip();
  size_t end = at_;
  while (end < text_.size() && in_word(text_[end])) ++end;
  if (end == at_) fail(std::string("expected ") + what);
  const std::string_view result = text_.substr(at_, end - at_);
  at_ = end;
  return result;
}

int64_t Reader::integer(const char* what) {
  skip();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
  if (error != std::errc()) fail(std::string("expected ") + what);
  at_ = static_cast<size_t>(end - text_.data());
  return value;
}

std::string Reader::quoted() {
  expect("\"");
  std::string result;
  while (at_ < text_.size() && text_[at_] != '"') {
    char c = text_[at_++];
    if (c == '\\') {
      if (at_ == text_.size()) break;
      c = text_[at_++];
      if (c == 'x') {
        const int high = at_ < text_.size() ? hex_digit(text_[at_]) : -1;
        const int low = at_ + 1 < text_.size() ? hex_digit(text_[at_ + 1]) : -1;
        if (high < 0 || low < 0) fail("\\x takes two hexadecimal digits");
        c = static_cast<char>(high * 16 + low);
        at_ += 2;
      } else if (c != '"' && c != '\\') {
        fail("a backslash stands before a quote, a backslash or xHH");
      }
    }
    result += c;
  }
  if (at_ == text_.size()) fail("a quoted text does not end");
  ++at_;
  return result;
}

std::string_view Reader::number_text(const char* what) {
  skip();
  size_t end = at_;
  while (end < text_.size() && (in_word(text_[end]) || text_[end] == '-' || text_[end] == '+' || text_[end] == '('))
    ++end;
  if (end < text_.size() && text_[end] == ')') ++end;
  if (end == at_) fail(std::string("expected ") + what);
  const std::string_view result = text_.substr(at_, end - at_);
  at_ = end;
  return result;
}

uint32_t Reader::line() const {
  const auto begin = text_.begin();
  return 1 + static_cast<uint32_t>(
                 std::count(begin, begin + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())), '\n'));
}

void Reader::fail(const std::string& message) {
  const size_t start = at_ == 0 ? std::string_view::npos : text_.rfind('\n', at_ - 1);
  const size_t column = start == std::string_view::npos ? at_ + 1 : at_ - start;
  throw Error("text IR, line " + std::to_string(line()) + ", column " + std::to_string(column) + ": " + message);
}

Dim read_dim(Reader& in, Symbols& symbols) { return read_dim_nested(in, symbols, 0); }

std::vector<Dim> read_dims(Reader& in, Symbols& symbols) {
  std::vector<Dim> dims;
  in.expect("[");
  if (in.accept("]")) return dims;
  do dims.push_back(read_dim(in, symbols));
  while (in.accept(","));
  in.expect("]");
  return dims;
}

Type read_type(Reader& in, Symbols& symbols) {
  const std::string_view word = in.word("a type");
  const auto dtype = dtype_from_name(word);
  if (!dtype) in.fail("'" + std::string(word) + "' is not a dtype");
  return Type{*dtype, Shape(read_dims(in, symbols))};
}

std::string read_literal(Reader& in, DType t) {
  std::string raw;
  in.expect("[");
  if (in.accept("]")) return raw;
  const DType part = part_of(t);  // a complex number is two
  do {
    const std::string_view text = in.number_text("a number");
    bool good = false;
    uint64_t element = 0;
    switch (t) {
      case DType::boolean: good = text == "0" || text == "1", raw += text == "1" ? '\1' : '\0'; break;
      case DType::i8: good = append_integer<int8_t>(text, raw); break;
      case DType::i16: good = append_integer<int16_t>(text, raw); break;
      case DType::i32: good = append_integer<int32_t>(text, raw); break;
      case DType::i64: good = append_integer<int64_t>(text, raw); break;
      case DType::u8: good = append_integer<uint8_t>(text, raw); break;
      case DType::u16: good = append_integer<uint16_t>(text, raw); break;
      case DType::u32: good = append_integer<uint32_t>(text, raw); break;
      case DType::u64: good = append_integer<uint64_t>(text, raw); break;
      default:
        good = float_bits(text, part, element);
        raw.append(reinterpret_cast<const char*>(&element), static_cast<size_t>(bytes(part)));  // little endian
    }
    if (!good) in.fail("'" + std::string(text) + "' is not a number of type " + std::string(name(t)));
  } while (in.accept(","));
  if (raw.size() % static_cast<size_t>(bytes(t)) != 0) in.fail("a complex number has a real and an imaginary part");
  in.expect("]");
  return raw;
}

std::vector<Type> parse_types(std::string_view text, Symbols& symbols) {
  Reader in(text);
  std::vector<Type> types;
  if (in.at_end()) return types;
  do types.push_back(read_type(in, symbols));
  while (in.accept(","));
  if (!in.at_end()) in.fail("expected a comma or the end");
  return types;
}

}  // namespace tenon::ir
