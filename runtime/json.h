// JSON (RFC 8259) as a reader of one text: who reads says what comes next, and is refused by the byte where it does not. The text may
// be anybody's: it is UTF-8 or refused, nesting is bounded, and nothing is allocated that the text does not spell out.
// Refuses numbers other than whole ones, unless they are skipped, and halves of surrogate pairs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tenon::runtime {

class JsonReader {
 public:
  JsonReader(std::string_view text, std::string what);  // Errors are "WHAT: byte 17: reason"
  template <class F>
  void object(const F& member) {  // member(key) reads the value
    expect('{');
    if (take('}')) return;
    do {
      std::string key = string();
      expect(':');
      member(std::move(key));
    } while (take(','));
    expect('}');
  }
  template <class F>
  void array(const F& element) {  // element() reads one
    expect('[');
    if (take(']')) return;
    do element();
    while (take(','));
    expect(']');
  }
  std::string string();
  uint64_t whole();
  bool take_null();  // whether null came next
  void skip();  // any value
  void end();  // nothing but spaces is left
  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  void spaces();
  bool take(char c);
  void expect(char c);
  void escape(std::string& into);
  uint32_t four_digits();
  void word();  // a number, true, false or null

  std::string_view text_;
  const std::string what_;
  size_t at_ = 0;
};

bool is_utf8(std::string_view text);
std::string json_quoted(std::string_view text);  // with its quotes; text is UTF-8

}  // namespace tenon::runtime
