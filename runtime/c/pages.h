/* Memory from the system, for runtime/c/memory.c. Internal to the runtime. */
#ifndef TENON_RUNTIME_PAGES_H
#define TENON_RUNTIME_PAGES_H

#include <stdint.h>

#define HUGE_PAGE ((uint64_t)2 << 20)

static inline uint64_t round_up(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

#pragma GCC visibility push(hidden)
void* tenon_pages_alloc(uint64_t size); /* null when there is no memory */
void tenon_pages_free(void* block, uint64_t size);
#pragma GCC visibility pop

#endif
