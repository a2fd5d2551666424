// Sources: RFC 1951 (deflate), RFC 1950 (zlib), RFC 1952 (gzip). Codes of up to ten bits are looked up, longer ones counted through.
#include "tenon/runtime/inflate.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "tenon/runtime/checksum.h"

namespace tenon::runtime {
namespace {

struct Fault {
  const char* text;
};
[[noreturn]] void refuse(const char* text) { throw Fault{text}; }
constexpr const char *cut_short = "the compressed data ends early", *damaged = "the compressed data is damaged";

// Bits of the stream, the lowest of a byte first. Behind its end come zeros, which drop() refuses.
class Bits {
 public:
  explicit Bits(std::span<const std::byte> from) : from_(from) {}
  void refill() {  // to 48 bits at least, where the stream has them: the most that one symbol asks for
    if (from_.size() - at_ >= 8) {
      uint64_t next = 0;
      std::memcpy(&next, from_.data() + at_, 8);
      hold_ |= next << have_;
      at_ += static_cast<size_t>((63 - have_) >> 3);
      have_ |= 56;
    } else {
      for (; have_ <= 56 && at_ < from_.size(); have_ += 8) hold_ |= static_cast<uint64_t>(from_[at_++]) << have_;
    }
  }
  uint32_t peek(int n) const { return static_cast<uint32_t>(hold_ & ((uint64_t{1} << n) - 1)); }
  void drop(int n) {
    if (n > have_) refuse(cut_short);
    hold_ >>= n;
    have_ -= n;
  }
  uint32_t take(int n) {
    const uint32_t value = peek(n);
    drop(n);
    return value;
  }
  // Whole bytes, from the next whole one on.
  std::span<const std::byte> bytes(size_t n) {
    align();
    if (from_.size() - at_ < n) refuse(cut_short);
    at_ += n;
    return from_.subspan(at_ - n, n);
  }
  uint32_t number(size_t n) {  // little-endian
    const std::span<const std::byte> b = bytes(n);
    uint32_t value = 0;
    for (size_t i = n; i-- > 0;) value = value << 8 | static_cast<uint32_t>(b[i]);
    return value;
  }
  size_t position() {
    align();
    return at_;
  }

 private:
  void align() {
    at_ -= static_cast<size_t>(have_ / 8);
    hold_ = 0;
    have_ = 0;
  }
  std::span<const std::byte> from_;
  size_t at_ = 0;
  uint64_t hold_ = 0;
  int have_ = 0;
};

constexpr int most_length = 15, quick_bits = 10;

// A prefix code, told by the lengths of its words: words of one length follow each other in the order of their symbols.
class Code {
 public:
  // Refuses lengths that are no code: more words than there is room for, or fewer, but for one word of one bit, or none at all.
  explicit Code(std::span<const uint8_t> lengths) {
    for (const uint8_t length : lengths) ++count_[length];
    const int words = static_cast<int>(lengths.size()) - count_[0];
    count_[0] = 0;
    int room = 1;
    std::array<int, most_length + 1> first{}, place{};
    for (size_t n = 1; n <= most_length; ++n) {
      room = 2 * room - count_[n];
      if (room < 0) refuse(damaged);
      first[n] = (first[n - 1] + count_[n - 1]) << 1;
      place[n] = place[n - 1] + count_[n - 1];
    }
    if (room > 0 && words != 0 && !(words == 1 && count_[1] == 1)) refuse(damaged);
    for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
      const size_t n = lengths[symbol];
      if (n == 0) continue;
      symbols_[static_cast<size_t>(place[n]++)] = static_cast<uint16_t>(symbol);
      const int word = first[n]++;
      if (n > quick_bits) continue;
      for (size_t at = turned(word, n); at < quick_.size(); at += size_t{1} << n)
        quick_[at] = static_cast<uint16_t>(symbol << 4 | n);
    }
  }

  int next(Bits& bits) const {
    const uint16_t found = quick_[bits.peek(quick_bits)];
    if (found == 0) return next_long(bits);
    bits.drop(found & 15);
    return found >> 4;
  }

 private:
  static size_t turned(int word, size_t n) {  // words stand in the stream with their highest bit first
    size_t out = 0;
    for (size_t i = 0; i < n; ++i) out |= static_cast<size_t>(word >> i & 1) << (n - 1 - i);
    return out;
  }
  int next_long(Bits& bits) const {
    const uint32_t ahead = bits.peek(most_length);
    int word = 0, first = 0, place = 0;
    for (int n = 1; n <= most_length; ++n) {
      word = word << 1 | static_cast<int>(ahead >> (n - 1) & 1);
      first <<= 1;
      const int count = count_[static_cast<size_t>(n)];
      if (word - first < count) {
        bits.drop(n);
        return symbols_[static_cast<size_t>(place + word - first)];
      }
      first += count, place += count;
    }
    bits.drop(most_length);  // past the end: cut short rather than damaged
    refuse(damaged);
  }

  std::array<int, most_length + 1> count_{};
  std::array<uint16_t, 288> symbols_{};
  std::array<uint16_t, 1 << quick_bits> quick_{};  // symbol and length; 0: a longer word, or none
};

struct Room {
  std::span<std::byte> bytes;
  size_t written = 0;
  bool full = false;  // something did not fit
};

constexpr std::array<uint16_t, 29> length_base = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                                  31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr std::array<uint8_t, 29> length_bits = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr std::array<uint16_t, 30> distance_base = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                                    33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                                    1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
constexpr std::array<uint8_t, 30> distance_bits = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                                   6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

void repeat(Room& to, size_t distance, size_t length) {
  if (distance > to.written) refuse(damaged);
  const size_t count = std::min(length, to.bytes.size() - to.written);
  std::byte* const place = to.bytes.data() + to.written;
  if (distance >= count) {
    std::memcpy(place, place - distance, count);
  } else {  // what is copied is being written
    for (size_t i = 0; i < count; ++i) place[i] = place[i - distance];
  }
  to.written += count;
  to.full = count < length;
}

void coded_block(Bits& bits, const Code& literals, const Code& distances, Room& to) {
  while (!to.full) {
    bits.refill();
    const int symbol = literals.next(bits);
    if (symbol == 256) return;
    if (symbol < 256) {
      to.full = to.written == to.bytes.size();
      if (!to.full) to.bytes[to.written++] = static_cast<std::byte>(symbol);
      continue;
    }
    const size_t l = static_cast<size_t>(symbol) - 257;
    if (l >= length_base.size()) refuse(damaged);
    const size_t length = length_base[l] + bits.take(length_bits[l]);
    const size_t d = static_cast<size_t>(distances.next(bits));
    if (d >= distance_base.size()) refuse(damaged);
    repeat(to, distance_base[d] + bits.take(distance_bits[d]), length);
  }
}

void fixed_block(Bits& bits, Room& to) {
  std::array<uint8_t, 288> literal{};
  for (size_t i = 0; i < literal.size(); ++i) literal[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
  std::array<uint8_t, 32> distance{};
  distance.fill(5);
  coded_block(bits, Code(literal), Code(distance), to);
}

void dynamic_block(Bits& bits, Room& to) {
  bits.refill();
  const size_t literals = bits.take(5) + 257, distances = bits.take(5) + 1, given = bits.take(4) + 4;
  if (literals > 286 || distances > 30) refuse(damaged);
  constexpr std::array<uint8_t, 19> order = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  std::array<uint8_t, 19> of_lengths{};
  for (size_t i = 0; i < given; ++i) {
    bits.refill();
    of_lengths[order[i]] = static_cast<uint8_t>(bits.take(3));
  }
  const Code code(of_lengths);
  std::array<uint8_t, 286 + 30> lengths{};
  for (size_t at = 0; at < literals + distances;) {
    bits.refill();
    const int symbol = code.next(bits);
    if (symbol < 16) {
      lengths[at++] = static_cast<uint8_t>(symbol);
      continue;
    }
    if (symbol == 16 && at == 0) refuse(damaged);
    const uint8_t value = symbol == 16 ? lengths[at - 1] : uint8_t{0};
    const size_t times = symbol == 16 ? 3 + bits.take(2) : symbol == 17 ? 3 + bits.take(3) : 11 + bits.take(7);
    if (times > literals + distances - at) refuse(damaged);
    std::fill_n(lengths.begin() + static_cast<std::ptrdiff_t>(at), times, value);
    at += times;
  }
  if (lengths[256] == 0) refuse(damaged);  // the block could not end
  const std::span<const uint8_t> all(lengths);
  coded_block(bits, Code(all.first(literals)), Code(all.subspan(literals, distances)), to);
}

void stored_block(Bits& bits, Room& to) {
  const uint32_t length = bits.number(2), inverse = bits.number(2);
  if ((length ^ inverse) != 0xffff) refuse(damaged);
  const std::span<const std::byte> content = bits.bytes(length);
  const size_t count = std::min<size_t>(length, to.bytes.size() - to.written);
  if (count > 0) std::memcpy(to.bytes.data() + to.written, content.data(), count);
  to.written += count;
  to.full = count < length;
}

void blocks(Bits& bits, Room& to) {
  for (bool last = false; !last && !to.full;) {
    bits.refill();
    last = bits.take(1) != 0;
    switch (bits.take(2)) {
      case 0: stored_block(bits, to); break;
      case 1: fixed_block(bits, to); break;
      case 2: dynamic_block(bits, to); break;
      default: refuse(damaged);
    }
  }
}

void gzip_header(Bits& bits) {
  if (bits.number(2) != 0x8b1f) refuse("not gzip data");
  if (bits.number(1) != 8) refuse("gzip data of an unknown method");
  const uint32_t flags = bits.number(1);
  if ((flags & 0xe0) != 0) refuse("gzip data with unknown flags");
  bits.bytes(6);  // time and system
  if ((flags & 4) != 0) bits.bytes(bits.number(2));
  for (const uint32_t text : {8u, 16u})  // file name, comment
    if ((flags & text) != 0)
      while (bits.number(1) != 0) continue;
  if ((flags & 2) != 0) bits.bytes(2);
}

void zlib_header(Bits& bits) {
  const uint32_t method = bits.number(1), flags = bits.number(1);
  if ((method & 15) != 8 || method >> 4 > 7 || (method * 256 + flags) % 31 != 0) refuse("not zlib data");
  if ((flags & 32) != 0) refuse("zlib data that needs a dictionary");
}

void check_end(Bits& bits, Wrapping wrapping, std::span<const std::byte> content) {
  bits.position();
  if (wrapping == Wrapping::gzip) {
    if (bits.number(4) != crc32(content)) refuse("the checksum of the compressed data differs");
    if (bits.number(4) != static_cast<uint32_t>(content.size())) refuse("the length of the compressed data differs");
  } else if (wrapping == Wrapping::zlib) {
    uint32_t sum = 0;
    for (int i = 0; i < 4; ++i) sum = sum << 8 | bits.number(1);
    if (sum != adler32(content)) refuse("the checksum of the compressed data differs");
  }
}

}  // namespace

Inflated inflate(std::span<const std::byte> stream, Wrapping wrapping, std::span<std::byte> room) {
  Inflated result;
  Room to{room};
  try {
    Bits bits(stream);
    if (wrapping == Wrapping::gzip) gzip_header(bits);
    if (wrapping == Wrapping::zlib) zlib_header(bits);
    blocks(bits, to);
    if (!to.full) {
      check_end(bits, wrapping, room.first(to.written));
      result.used = bits.position();
      result.ended = true;
    }
  } catch (const Fault& fault) {
    result.fault = fault.text;
  }
  result.written = to.written;
  return result;
}

}  // namespace tenon::runtime
