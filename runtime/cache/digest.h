// BLAKE2b-256 (RFC 7693, unkeyed): names cache entries and detects damage to them.
// Refuses to authenticate: whoever can write an entry can also write its digest; ownership checks guard against that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::runtime {

using DigestBytes = std::array<uint8_t, 32>;

// Digest of everything given to update, in order; the division into calls does not matter.
class Digest {
 public:
  Digest();
  Digest& update(std::string_view bytes);
  DigestBytes finish();  // once

 private:
  void compress(const uint8_t* block, bool last);

  std::array<uint64_t, 8> state_;
  std::array<uint8_t, 128> block_;
  size_t filled_ = 0;
  uint64_t total_ = 0;
};

DigestBytes digest(std::string_view bytes);
std::string hex(const DigestBytes& digest);  // 64 lower-case digits

}  // namespace tenon::runtime
