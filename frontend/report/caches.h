// The caches in memory, to look at and to bound: what they hold, how often they helped, what had to make room.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenon {

struct CacheStats {
  struct Cache {
    std::string name;  // programs, eager, jit, pullbacks, tables (constants of transforms)
    uint64_t entries = 0, bytes = 0;  // now; a program is counted by whoever calls it, and as a program
    uint64_t hits = 0, misses = 0, evictions = 0;  // since the process began
  };
  std::vector<Cache> caches;
  uint64_t most_bytes = 0;  // of all together, except jitted functions with a bound of their own
  uint64_t compiled = 0, from_disk = 0;  // programs, since the process began
  uint64_t code_bytes = 0, code_memory_bytes = 0;  // machine code that is loaded, and the memory it is dealt from
  uint64_t tensor_bytes = 0, recycled_bytes = 0;  // memory of tensors and calls in use, and kept for the next ones
};
CacheStats cache_stats();

// Bounds what is compiled and kept in memory, in bytes; at first $TENON_MEMORY_CACHE_BYTES, or 1 GiB. What was used longest ago
// goes at once if that is less than there is, and is compiled again when it is called again. 0 keeps nothing.
void set_memory_cache_bytes(uint64_t bytes);

}  // namespace tenon
