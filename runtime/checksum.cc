// CRC-32 eight bytes at a time: entry [i][b] is the checksum of byte b with i bytes of zero behind it. Sources: RFC 1952, section 8;
// RFC 1950, section 9.
#include "tenon/runtime/checksum.h"

#include <algorithm>
#include <array>

namespace tenon::runtime {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;
constexpr Tables tables = [] {
  Tables t{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t c = b;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    t[0][b] = c;
  }
  for (size_t i = 1; i < 8; ++i)
    for (uint32_t b = 0; b < 256; ++b) t[i][b] = t[0][t[i - 1][b] & 255] ^ (t[i - 1][b] >> 8);
  return t;
}();

}  // namespace

uint32_t crc32(std::span<const std::byte> bytes, uint32_t before) {
  const auto byte = [&](size_t at) { return static_cast<uint32_t>(bytes[at]); };
  uint32_t c = ~before;
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    c ^= byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24;
    uint32_t next = 0;
    for (size_t i = 0; i < 4; ++i) next ^= tables[7 - i][c >> (8 * i) & 255] ^ tables[3 - i][byte(at + 4 + i)];
    c = next;
  }
  for (; at < bytes.size(); ++at) c = tables[0][(c ^ byte(at)) & 255] ^ (c >> 8);
  return ~c;
}

uint32_t adler32(std::span<const std::byte> bytes, uint32_t before) {
  constexpr uint32_t modulus = 65521;
  constexpr size_t stretch = 5552;  // so many sums of sums of bytes fit into 32 bits
  uint32_t low = before & 0xffff, high = before >> 16;
  for (size_t at = 0; at < bytes.size();) {
    for (const size_t end = std::min(bytes.size(), at + stretch); at < end; ++at) {
      low += static_cast<uint32_t>(bytes[at]);
      high += low;
    }
    low %= modulus, high %= modulus;
  }
  return high << 16 | low;
}

}  // namespace tenon::runtime
