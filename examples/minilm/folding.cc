// Folding goes code point by code point: canonical decomposition (Unicode, section 3.7) without its marks, then small letters.
#include "tenon/examples/minilm/folding.h"

#include <algorithm>
#include <iterator>

#include "tenon/examples/text/utf8.h"

namespace minilm {

namespace {

using tenon::examples::CodeRange;
using tenon::examples::holds;

// first + i step becomes to + i turn, i below count; and one that comes apart.
struct Turn {
  uint32_t first, count, step, to;
  int turn;
};
struct Apart {
  uint32_t from, first, second, third = 0;
};

#include "tenon/examples/minilm/folding.inc"

bool is_space(char32_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return c > ' ' && c < 0x7f && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z');
  return holds(punctuation, c);
}

// A syllable of Hangul as its letters (Unicode, section 3.12).
void append_letters(std::u32string& folded, char32_t syllable) {
  const char32_t i = syllable - 0xac00, last = i % 28;
  folded += {0x1100 + i / 588, 0x1161 + i % 588 / 28};
  if (last != 0) folded += 0x11a7 + last;
}

void append_folded(std::u32string& folded, char32_t c) {
  if (c >= 0xac00 && c < 0xd7a4) return append_letters(folded, c);
  const Turn* t = std::upper_bound(std::begin(turned), std::end(turned), c,
                                   [](char32_t x, const Turn& turn) { return x < turn.first; });
  if (t != std::begin(turned)) {
    --t;
    const char32_t i = (c - t->first) / t->step;
    if ((c - t->first) % t->step == 0 && i < t->count) {
      folded += static_cast<char32_t>(static_cast<int>(t->to) + static_cast<int>(i) * t->turn);
      return;
    }
  }
  const Apart* a = std::lower_bound(std::begin(apart), std::end(apart), c,
                                    [](const Apart& entry, char32_t x) { return entry.from < x; });
  if (a == std::end(apart) || a->from != c) return void(folded += c);
  for (const uint32_t to : {a->first, a->second, a->third})
    if (to != 0) folded += to;
}

}  // namespace

std::vector<std::u32string> words(std::string_view text) {
  std::vector<std::u32string> found(1);
  const auto end_word = [&] {
    if (!found.back().empty()) found.emplace_back();
  };
  for (size_t at = 0; at < text.size();) {
    const char32_t c = tenon::examples::next_code_point(text, at);
    if (is_space(c)) {
      end_word();
    } else if (!holds(removed, c)) {
      std::u32string folded;
      append_folded(folded, c);
      const bool alone = holds(ideographs, c) || is_punctuation(folded[0]);
      if (alone) end_word();
      found.back() += folded;
      if (alone) end_word();
    }
  }
  if (found.back().empty()) found.pop_back();
  return found;
}

}  // namespace minilm
