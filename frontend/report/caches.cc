// Collecting what the runtime counts.
#include "tenon/frontend/report/caches.h"

#include "tenon/runtime/cache/memory_cache.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/cpu/code_memory.h"
#include "tenon/runtime/tenon_runtime.h"

namespace tenon {

CacheStats cache_stats() {
  CacheStats stats;
  for (int k = 0; k < runtime::cache_kinds; ++k) {
    const auto kind = static_cast<runtime::CacheKind>(k);
    const runtime::CacheUse use = runtime::cache_use(kind);
    stats.caches.push_back({runtime::name(kind), use.entries, use.bytes, use.hits, use.misses, use.evictions});
  }
  stats.most_bytes = runtime::memory_cache_bytes();
  const runtime::CacheStats compiled = runtime::cache_stats();
  stats.compiled = compiled.compiled;
  stats.from_disk = compiled.disk_hits;
  const runtime::CodeMemoryStats code = runtime::code_memory_stats();
  stats.code_bytes = code.live_bytes;
  stats.code_memory_bytes = code.slab_bytes;
  tenon_memory_stats(&stats.tensor_bytes, &stats.recycled_bytes);
  return stats;
}

void set_memory_cache_bytes(uint64_t bytes) { runtime::set_memory_cache_bytes(bytes); }

}  // namespace tenon
