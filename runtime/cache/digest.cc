// BLAKE2b as RFC 7693 states it, with the digest length fixed to 32 bytes and no key.
// Refuses messages of 2^64 bytes and more, whose length the second counter word would hold.
#include "tenon/runtime/cache/digest.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace tenon::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

constexpr std::array<uint64_t, 8> initial = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                             0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                             0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// Message schedule of the ten distinct rounds; rounds 10 and 11 repeat 0 and 1.
constexpr uint8_t schedule[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

inline void mix(uint64_t& a, uint64_t& b, uint64_t& c, uint64_t& d, uint64_t x, uint64_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 32);
  c += d;
  b = std::rotr(b ^ c, 24);
  a += b + y;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 63);
}

// A round as a template, so that its schedule is constants: twice as fast as looking it up.
template <size_t round>
inline void mix_all(uint64_t* v, const uint64_t* m) {
  constexpr const uint8_t* s = schedule[round % 10];
  mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
  mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
  mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
  mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
  mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
  mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
  mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
  mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
}

}  // namespace

Digest::Digest() : state_(initial) {
  state_[0] ^= 0x01010000 ^ sizeof(DigestBytes);  // sequential mode, no key, length of the digest
}

void Digest::compress(const uint8_t* block, bool last) {
  uint64_t m[16], v[16];
  std::memcpy(m, block, sizeof m);
  for (int i = 0; i < 8; ++i) {
    v[i] = state_[i];
    v[i + 8] = initial[i];
  }
  v[12] ^= total_;
  if (last) v[14] = ~v[14];
  [&]<size_t... round>(std::index_sequence<round...>) { (mix_all<round>(v, m), ...); }(std::make_index_sequence<12>());
  for (int i = 0; i < 8; ++i) state_[i] ^= v[i] ^ v[i + 8];
}

Digest& Digest::update(std::string_view bytes) {
  // The last block is compressed differently, so a full block waits until more bytes come.
  while (!bytes.empty()) {
    if (filled_ == block_.size()) {
      total_ += filled_;
      compress(block_.data(), false);
      filled_ = 0;
    }
    const size_t count = std::min(bytes.size(), block_.size() - filled_);
    std::memcpy(block_.data() + filled_, bytes.data(), count);
    filled_ += count;
    bytes.remove_prefix(count);
  }
  return *this;
}

DigestBytes Digest::finish() {
  total_ += filled_;
  std::memset(block_.data() + filled_, 0, block_.size() - filled_);
  compress(block_.data(), true);
  DigestBytes result;
  std::memcpy(result.data(), state_.data(), result.size());
  return result;
}

DigestBytes digest(std::string_view bytes) { return Digest().update(bytes).finish(); }

std::string hex(const DigestBytes& digest) {
  std::string text;
  for (const uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace tenon::runtime
