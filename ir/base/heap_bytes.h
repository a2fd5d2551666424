// What values take on the heap beside their own size, with the allocator's part: what bounded caches count. Refuses to be exact:
// capacities are, rounding and fragmentation are a constant for each block.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "tenon/ir/base/symbols.h"

namespace tenon {

inline constexpr uint64_t block_bytes = 16;  // that an allocator adds to a block, rounding included

inline uint64_t heap_bytes(const std::string& s) { return s.capacity() < 16 ? 0 : s.capacity() + 1 + block_bytes; }
inline uint64_t heap_bytes(const Shape& s) { return s.empty() ? 0 : s.size() * sizeof(Dim) + block_bytes; }
inline uint64_t heap_bytes(const Symbol& s) { return heap_bytes(s.name); }
inline uint64_t heap_bytes(const std::vector<bool>& v) { return v.capacity() / 8 + block_bytes; }
// Elements that own memory have an overload of their own.
template <class T>
uint64_t heap_bytes(const std::vector<T>& v) {
  if (v.capacity() == 0) return 0;
  uint64_t sum = v.capacity() * sizeof(T) + block_bytes;
  if constexpr (!std::is_trivially_destructible_v<T>)
    for (const T& element : v) sum += heap_bytes(element);
  return sum;
}

}  // namespace tenon
