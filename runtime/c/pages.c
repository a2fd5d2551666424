/* Memory from the system: blocks of 2 MiB and more on huge pages, where it has them, the rest from the C library. This file refuses to
 * keep anything: runtime/c/memory.c does. */
#define _GNU_SOURCE
#include "tenon/runtime/c/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

static void* map_huge(uint64_t size) {
  char* start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  if ((uintptr_t)start % HUGE_PAGE != 0) { /* recent kernels align such mappings themselves */
    munmap(start, size);
    start = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return NULL;
    char* aligned = (char*)round_up((uintptr_t)start, HUGE_PAGE);
    if (aligned != start) munmap(start, (uint64_t)(aligned - start));
    uint64_t behind = (uint64_t)(start + HUGE_PAGE - aligned);
    if (behind != 0) munmap(aligned + size, behind);
    start = aligned;
  }
  madvise(start, size, MADV_HUGEPAGE); /* a wish: without huge pages the block is as good, only slower */
  return start;
}

/* Larger blocks start on a page. A loop that writes one block while it reads another then never reads just behind a
 * store whose address agrees in the low 12 bits, which processors take for the same address and wait for. */
void* tenon_pages_alloc(uint64_t size) {
  if (size >= HUGE_PAGE) return map_huge(size);
  void* block;
  return posix_memalign(&block, size >= (16 << 10) ? 4096 : 64, size) == 0 ? block : NULL;
}

void tenon_pages_free(void* block, uint64_t size) {
  if (size >= HUGE_PAGE)
    munmap(block, size);
  else
    free(block);
}
