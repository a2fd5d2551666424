// One pass over the text, by recursion nowhere: what is open while a value is skipped stands in a string.
#include "tenon/runtime/json.h"

#include "tenon/ir/base/error.h"

namespace tenon::runtime {
namespace {

constexpr size_t most_nesting = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& into, uint32_t code) {
  const auto put = [&](uint32_t byte) { into += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
  if (code < 0x10000) return put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
}

}  // namespace

bool is_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[i + k]); };
    const unsigned first = byte(0);
    const size_t more = first < 0x80 ? 0 : first >> 5 == 6 ? 1 : first >> 4 == 14 ? 2 : first >> 3 == 30 ? 3 : 4;
    if (more == 4 || text.size() - i <= more) return false;
    uint32_t code = more == 0 ? first : first & (0x3f >> more);
    for (size_t k = 1; k <= more; ++k) {
      if (byte(k) >> 6 != 2) return false;
      code = code << 6 | (byte(k) & 0x3f);
    }
    constexpr uint32_t least[] = {0, 0x80, 0x800, 0x10000};  // no longer spelling than needed
    if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    i += more + 1;
  }
  return true;
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    constexpr std::string_view special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
    const size_t which = special.find(c);
    constexpr char digits[] = "0123456789abcdef";
    if (which != std::string_view::npos)
      (out += '\\') += letters[which];
    else if (static_cast<unsigned char>(c) < 0x20)
      ((out += "\\u00") += digits[c >> 4]) += digits[c & 15];
    else
      out += c;
  }
  return out += '"';
}

JsonReader::JsonReader(std::string_view text, std::string what) : text_(text), what_(std::move(what)) {
  if (!is_utf8(text_)) throw Error(what_ + ": not UTF-8");
}

void JsonReader::refuse(const std::string& reason) const {
  throw Error(what_ + ": byte " + std::to_string(at_) + ": " + reason);
}

void JsonReader::spaces() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
    ++at_;
}

bool JsonReader::take(char c) {
  spaces();
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

void JsonReader::expect(char c) {
  if (!take(c)) refuse(std::string("'") + c + "' expected");
}

void JsonReader::end() {
  spaces();
  if (at_ != text_.size()) refuse("more text than one value");
}

uint32_t JsonReader::four_digits() {
  uint32_t code = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) refuse("\\u is followed by four hexadecimal digits");
    code = code << 4 | static_cast<uint32_t>(digit);
    ++at_;
  }
  return code;
}

void JsonReader::escape(std::string& into) {
  constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
  const char c = at_ < text_.size() ? text_[at_] : '\0';
  const size_t which = letters.find(c);
  if (c != 'u' && which == std::string_view::npos) refuse("an unknown escape");
  ++at_;
  if (c != 'u') {
    into += meant[which];
    return;
  }
  uint32_t code = four_digits();
  if (code >= 0xd800 && code < 0xe000) {
    uint32_t low = 0;
    if (code < 0xdc00 && text_.substr(at_, 2) == "\\u") at_ += 2, low = four_digits();
    if (low < 0xdc00 || low >= 0xe000) refuse("half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  append_utf8(into, code);
}

std::string JsonReader::string() {
  expect('"');
  std::string out;
  while (true) {
    const size_t from = at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
           static_cast<unsigned char>(text_[at_]) >= 0x20)
      ++at_;
    out.append(text_, from, at_ - from);
    if (at_ == text_.size()) refuse("a string does not end");
    const char c = text_[at_];
    if (c == '"') return ++at_, out;
    if (c != '\\') refuse("a control character in a string");
    ++at_;
    escape(out);
  }
}

uint64_t JsonReader::whole() {
  spaces();
  const size_t from = at_;
  uint64_t value = 0;
  while (at_ < text_.size() && is_digit(text_[at_])) {
    const uint64_t digit = static_cast<uint64_t>(text_[at_] - '0');
    if (value > (UINT64_MAX - digit) / 10) refuse("a number is too large");
    value = value * 10 + digit;
    ++at_;
  }
  const bool fraction = at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E');
  if (at_ == from || fraction || (text_[from] == '0' && at_ - from > 1)) refuse("a whole number of 0 or more expected");
  return value;
}

bool JsonReader::take_null() {
  spaces();
  if (text_.substr(at_, 4) != "null") return false;
  at_ += 4;
  return true;
}

void JsonReader::word() {
  spaces();
  for (const std::string_view known : {"true", "false", "null"})
    if (text_.substr(at_, known.size()) == known) {
      at_ += known.size();
      return;
    }
  const auto here = [&](const char* any) {
    return at_ < text_.size() && std::string_view(any).find(text_[at_]) != std::string_view::npos;
  };
  const auto digits = [&] {
    if (at_ >= text_.size() || !is_digit(text_[at_])) refuse("a value expected");
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  };
  if (here("-")) ++at_;
  const size_t from = at_;
  digits();
  if (text_[from] == '0' && at_ - from > 1) refuse("a number begins with 0");
  if (here(".")) ++at_, digits();
  if (here("eE")) {
    ++at_;
    if (here("+-")) ++at_;
    digits();
  }
}

void JsonReader::skip() {
  std::string open;  // of everything that is open, the character that ends it
  const auto opens = [&](char first, char last) {
    if (!take(first)) return false;
    if (take(last)) return true;
    if (open.size() == most_nesting) refuse("nested too deeply");
    open += last;
    return true;
  };
  do {
    const size_t before = open.size();
    if (!opens('[', ']') && !opens('{', '}')) {
      if (spaces(); at_ < text_.size() && text_[at_] == '"')
        string();
      else
        word();
    }
    if (open.size() == before)  // a whole value
      while (!open.empty() && !take(',')) {
        expect(open.back());
        open.pop_back();
      }
    if (!open.empty() && open.back() == '}') {
      string();
      expect(':');
    }
  } while (!open.empty());
}

}  // namespace tenon::runtime
