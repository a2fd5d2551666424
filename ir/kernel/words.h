// Cuts the text form of kernels into words, numbers and signs. Every failure is an Error that says line and column. Refuses to
// know what the words mean: ir/kernel/parse.cc does.
#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "tenon/ir/base/dtype.h"
#include "tenon/ir/base/error.h"

namespace tenon::ir {

class KernelWords {
 public:
  explicit KernelWords(std::string_view text) : text_(text) {}

  [[noreturn]] void fail(const std::string& message) const {
    size_t line = 1, column = 1;
    for (char c : text_.substr(0, at_)) c == '\n' ? (++line, column = 1) : ++column;
    throw Error("kernel text, line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + message);
  }
  bool at_end() {
    skip();
    return at_ == text_.size();
  }
  // The next character that counts, taken; a space behind the end.
  char next() {
    skip();
    return at_ < text_.size() ? text_[at_++] : ' ';
  }
  bool accept(std::string_view token) {
    skip();
    if (!text_.substr(at_).starts_with(token)) return false;
    const size_t end = at_ + token.size();
    if (is_word(token.back()) && end < text_.size() && is_word(text_[end])) return false;
    at_ = end;
    return true;
  }
  // The same where a word may go on behind it: 0x of 0x7fc0.
  bool accept_start(std::string_view token) {
    skip();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail("expected '" + std::string(token) + "'");
  }
  std::string_view peek_word() {
    skip();
    size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  std::string identifier() {
    const std::string_view found = peek_word();
    if (found.empty()) fail("expected a name");
    at_ += found.size();
    return std::string(found);
  }
  std::string variable() {
    expect("%");
    return identifier();
  }
  template <class Number>
  Number number(int base = 10) {
    skip();
    Number value{};
    const char *begin = text_.data() + at_, *end = text_.data() + text_.size();
    std::from_chars_result result;
    if constexpr (std::is_floating_point_v<Number>) {
      result = std::from_chars(begin, end, value);
    } else {
      result = std::from_chars(begin, end, value, base);
    }
    if (result.ec != std::errc()) fail("expected a number that fits");
    at_ = static_cast<size_t>(result.ptr - text_.data());
    return value;
  }
  bool at_number() {
    skip();
    return at_ < text_.size() && (text_[at_] == '-' || (text_[at_] >= '0' && text_[at_] <= '9'));
  }
  DType dtype() {
    const std::optional<DType> found = dtype_from_name(peek_word());
    if (!found) fail("expected a dtype");
    at_ += name(*found).size();
    return *found;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace tenon::ir
