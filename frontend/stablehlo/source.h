// A text of MLIR with its name, and the cursor that cuts it into signs, words, names, numbers and strings. Whatever is wrong with a
// text is an Error that says file:line:column. Refuses to know the grammar (frontend/stablehlo/parse_*.cc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/error.h"

namespace tenon::hlo {

// The most that a file may hold, and how deep its regions, attributes and calls may nest: what comes from outside is bounded.
inline constexpr size_t most_text = size_t{256} << 20;
inline constexpr int deepest_text = 48;
// The most operations, attributes, types and names that a text may hold: a byte of it must not stand for hundreds in memory.
inline constexpr int64_t most_items = int64_t{1} << 21;

// An Error that says its place in a text already.
class TextError : public Error {
 public:
  using Error::Error;
};

struct Source {
  Source(std::string file, std::string content);
  std::string name;  // of the file; "<text>" for none
  std::string text;
  std::vector<size_t> lines;  // where each begins
  std::string place(size_t at) const;  // file:line:column
  [[noreturn]] void fail(size_t at, const std::string& message) const;
};

// Moves over a part of a text. Comments (// to the end of the line) count as space.
class Scanner {
 public:
  // items: what was found in the text so far, where that is bounded.
  Scanner(const Source& source, size_t begin, size_t end, int64_t* items = nullptr)
      : source_(source), at_(begin), end_(end), items_(items) {}
  const Source& source() const { return source_; }
  size_t at();  // where the next thing stands
  size_t end() const { return end_; }
  void seek(size_t at) { at_ = at; }
  void count_item() {
    if (items_ != nullptr && ++*items_ > most_items)
      fail("the text holds more than " + std::to_string(most_items) + " things");
  }
  char peek();  // the next character that counts, or 0 at the end
  bool looking_at(std::string_view sign);  // a sign, or exactly this word
  bool accept(std::string_view sign);
  void expect(std::string_view sign);
  std::string_view word(const char* what);  // letters, digits, _ $ .
  std::string_view value_name();  // of %name; the text behind the mark
  std::string_view symbol_name();  // of @name or @"name"
  std::string_view quoted();  // as it stands between its marks, escapes included
  int64_t integer(const char* what);
  std::string_view number_text();  // -1, 2.5e-3, 0xFF
  // What stands between this opening sign, which is next, and the one that closes it, both left out.
  std::string_view balanced(char open);
  [[noreturn]] void fail(const std::string& message) { source_.fail(at(), message); }

 private:
  void skip();
  const Source& source_;
  size_t at_, end_;
  int64_t* items_;
};

}  // namespace tenon::hlo
