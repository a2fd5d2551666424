// Checksums of files: CRC-32 as gzip and ZIP have it, Adler-32 as zlib has it. They find damage, not malice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tenon::runtime {

// Of bytes that follow others, whose checksum is given; of none it is 0, respectively 1.
uint32_t crc32(std::span<const std::byte> bytes, uint32_t before = 0);
uint32_t adler32(std::span<const std::byte> bytes, uint32_t before = 1);

}  // namespace tenon::runtime
