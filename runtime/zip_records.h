// The records of ZIP archives: what they begin with, how long they are without their names, and numbers in them. Private to the reader
// and the writer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::runtime::zip_records {

inline constexpr uint32_t header_mark = 0x04034b50, entry_mark = 0x02014b50, end_mark = 0x06054b50,
                          wide_end_mark = 0x06064b50, locator_mark = 0x07064b50;
inline constexpr uint64_t header_bytes = 30, entry_bytes = 46, end_bytes = 22, wide_end_bytes = 56, locator_bytes = 20;
inline constexpr uint64_t wide32 = 0xffffffff;  // what stands for a number that needs 64 bits
inline constexpr uint16_t wide_extra = 1, stored = 0, deflate = 8;

inline uint64_t number(std::string_view text, size_t at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(text[at + i]);
  return value;
}
inline void append(std::string& text, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
}

}  // namespace tenon::runtime::zip_records
