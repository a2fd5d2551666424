// The pattern by hand: 's|'t|'re|'ve|'m|'ll|'d| ?letters| ?others|spaces before no word|spaces, between digits that stand alone.
#include "tenon/examples/smollm/words.h"

#include "tenon/examples/text/utf8.h"

namespace smollm {

namespace {

using tenon::examples::CodeRange;
using tenon::examples::holds;

#include "tenon/examples/smollm/categories.inc"

enum class Kind : uint8_t { space, letter, digit, other };

Kind kind_of(char32_t c) {
  return holds(spaces, c)    ? Kind::space
         : holds(letters, c) ? Kind::letter
         : holds(digits, c)  ? Kind::digit
                             : Kind::other;
}

struct Character {
  char32_t c;
  Kind kind;
  size_t begin;  // in the text
};

// How many characters belong to the part that begins at `at`.
size_t length_of(const std::vector<Character>& text, size_t at) {
  const auto run = [&](size_t from) {
    size_t end = from;
    while (end < text.size() && text[end].kind == text[from].kind) ++end;
    return end;
  };
  const auto follows = [&](size_t from, char32_t c) { return from < text.size() && text[from].c == c; };
  if (text[at].kind == Kind::digit) return 1;
  if (text[at].c == '\'') {
    for (const char32_t c : {U's', U't', U'm', U'd'})
      if (follows(at + 1, c)) return 2;
    for (const char32_t* two : {U"re", U"ve", U"ll"})
      if (follows(at + 1, two[0]) && follows(at + 2, two[1])) return 3;
  }
  const size_t word = at + (text[at].c == ' ' ? 1 : 0);
  if (word < text.size() && (text[word].kind == Kind::letter || text[word].kind == Kind::other)) return run(word) - at;
  const size_t end = run(at);  // of white space, whose last one belongs to a word behind it
  const bool alone = end == text.size() || text[end].kind == Kind::digit || end - at == 1;
  return end - at - (alone ? 0 : 1);
}

}  // namespace

std::vector<std::string_view> words(std::string_view text) {
  std::vector<Character> characters;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = tenon::examples::next_code_point(text, at);
    characters.push_back({c, kind_of(c), begin});
  }
  std::vector<std::string_view> parts;
  for (size_t at = 0; at < characters.size();) {
    const size_t next = at + length_of(characters, at), begin = characters[at].begin;
    const size_t end = next < characters.size() ? characters[next].begin : text.size();
    parts.push_back(text.substr(begin, end - begin));
    at = next;
  }
  return parts;
}

}  // namespace smollm
