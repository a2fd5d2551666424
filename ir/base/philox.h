// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3; SC 2011) as one template over
// the scalars of ir/kernel/scalar.h and the lanes of ir/reference/lanes.h, so that kernels and interpreter draw the same bits.
// A counter block is four u32 words {low and high half of the block's number, counter[0], counter[1]}; u64 element j of a
// block has word 2 j as its low half. Refuses to hold state: every draw is a function of key and counter.
#pragma once

#include <array>
#include <cstdint>

#include "tenon/ir/base/dtype.h"

namespace tenon::ir {

inline constexpr uint64_t philox_multiplier[2] = {0xD2511F53, 0xCD9E8D57};
inline constexpr uint64_t philox_weyl[2] = {0x9E3779B9, 0xBB67AE85};
inline constexpr int philox_rounds = 10;

// One round. All words have dtype u32; a multiplication gives its high half by way of u64.
template <class S>
std::array<S, 4> philox_round(const std::array<S, 4>& counter, const std::array<S, 2>& key) {
  std::array<S, 2> high, low;
  for (int i = 0; i < 2; ++i) {
    const S wide = cast(counter[2 * i], DType::u64);
    const S product = wide * like_bits(wide, philox_multiplier[i]);
    high[i] = cast(product >> like_bits(wide, 32), DType::u32);
    low[i] = cast(product, DType::u32);
  }
  return {high[1] ^ counter[1] ^ key[0], low[1], high[0] ^ counter[3] ^ key[1], low[0]};
}
// The key of the next round.
template <class S>
std::array<S, 2> philox_next(std::array<S, 2> key) {
  for (int i = 0; i < 2; ++i) key[i] = key[i] + like_bits(key[i], philox_weyl[i]);
  return key;
}

template <class S>
std::array<S, 4> philox4x32(std::array<S, 4> counter, std::array<S, 2> key) {
  for (int round = 0; round < philox_rounds; ++round) {
    if (round > 0) key = philox_next(key);
    counter = philox_round(counter, key);
  }
  return counter;
}

}  // namespace tenon::ir
