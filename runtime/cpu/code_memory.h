// Memory for machine code, dealt from pooled slabs. Each slab is one anonymous file mapped twice, writable at one address
// and executable at another, so no page is ever writable and executable at once and no protection is changed later:
// 100,000 live programs cost a few hundred mappings, where one mapping or two a program would meet the system's limit.
//
// Code is relocated for the executable address and written through the writable one; read-only data may lie in the same
// span. The mappings are shared, so a forked child and its parent see the same bytes: memory that was live at a fork is not
// reused before the child is gone, and the child writes to slabs of its own only. Refuses to link or to know objects.
#pragma once

#include <cstdint>

#include "tenon/codegen/codegen.h"

namespace tenon::runtime {

// A span of at least `bytes` bytes, aligned to `alignment` (a power of two up to 4096; at least 64 is given), filled
// with nothing in particular. Error when the system grants no executable memory. Safe from any thread.
codegen::CodeSpan allocate_code(uint64_t bytes, uint64_t alignment);

// The span must not run any more. Its bytes are overwritten with traps where that harms no other process.
void release_code(const codegen::CodeSpan& span);

struct CodeMemoryStats {
  uint64_t live = 0;  // spans handed out
  uint64_t live_bytes = 0;  // their bytes
  uint64_t slabs = 0;  // two mappings each
  uint64_t slab_bytes = 0;  // address space of one view of all slabs
};
CodeMemoryStats code_memory_stats();

}  // namespace tenon::runtime
