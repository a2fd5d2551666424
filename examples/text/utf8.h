// UTF-8 to code points and back. What is no UTF-8 becomes U+FFFD, byte by byte, so that every text has an answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::examples {

inline constexpr char32_t replacement = 0xfffd;

// The code point that begins at `at`, which moves behind it.
char32_t next_code_point(std::string_view text, size_t& at);
std::u32string decode_utf8(std::string_view text);
void append_utf8(std::string& text, char32_t c);

// Whether a code point lies in one of the pairs first, last, which ascend.
struct CodeRange {
  uint32_t first, last;
};
bool holds(const CodeRange* ranges, size_t count, char32_t c);
template <size_t n>
bool holds(const CodeRange (&ranges)[n], char32_t c) {
  return holds(ranges, n, c);
}

}  // namespace tenon::examples
