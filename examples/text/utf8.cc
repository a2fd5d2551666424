// The forms of UTF-8: RFC 3629, section 4.
#include "tenon/examples/text/utf8.h"

#include <algorithm>

namespace tenon::examples {

char32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(at);
  const size_t more = lead < 0x80 ? 0 : lead < 0xc2 ? 9 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 9;
  if (more == 0) return text[at++];
  char32_t c = more == 9 ? 0 : lead & (0x3fU >> more);
  bool good = more < text.size() - at;
  for (size_t i = 1; good && i <= more; ++i) {
    good = (byte(at + i) & 0xc0) == 0x80;
    c = c << 6 | (byte(at + i) & 0x3f);
  }
  static constexpr char32_t least[] = {0, 0x80, 0x800, 0x10000};
  if (!good || c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return ++at, replacement;
  at += more + 1;
  return c;
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string points;
  for (size_t at = 0; at < text.size();) points.push_back(next_code_point(text, at));
  return points;
}

void append_utf8(std::string& text, char32_t c) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  const auto rest = [&](int shift) { put(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) return put(0xc0 | c >> 6), rest(0);
  if (c < 0x10000) return put(0xe0 | c >> 12), rest(6), rest(0);
  put(0xf0 | c >> 18), rest(12), rest(6), rest(0);
}

bool holds(const CodeRange* ranges, size_t count, char32_t c) {
  const CodeRange* above =
      std::upper_bound(ranges, ranges + count, c, [](char32_t x, const CodeRange& r) { return x < r.first; });
  return above != ranges && c <= (above - 1)->last;
}

}  // namespace tenon::examples
