// Decompression of deflated bytes, as they are (ZIP), in zlib's wrapping and in gzip's, into room that the caller has: nothing that
// a stream says asks for memory. Refuses, as a text for the caller's Error, what is damaged, cut short or has another checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tenon::runtime {

enum class Wrapping : uint8_t { raw, zlib, gzip };

// A deflated byte stands for at most so many (RFC 1951: 258 bytes for two bits).
constexpr uint64_t most_inflation = 1032;

struct Inflated {
  uint64_t written = 0;  // bytes of the room
  uint64_t used = 0;  // bytes of the stream, its wrapping included, where it has ended
  bool ended = false;  // otherwise there was more than the room holds, or a fault
  std::string fault;  // empty: none
};

// Fills `room` from one stream (one member, in gzip's words) at the start of `stream`. Checksums and lengths of a stream that ends
// are compared. A room smaller than the content gets its beginning: no fault, and not ended.
Inflated inflate(std::span<const std::byte> stream, Wrapping wrapping, std::span<std::byte> room);

}  // namespace tenon::runtime
