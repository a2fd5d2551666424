/* Actions: growing lists of them, and each one as a call of the driver. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/runtime/cuda/program.h"

enum { most_arguments = 4096 };

static void* grown(void* block, int64_t needed, int64_t* capacity, size_t size) {
  if (needed <= *capacity) return block;
  const int64_t more = 2 * needed + 16;
  void* bigger = realloc(block, (size_t)more * size);
  if (bigger != NULL) *capacity = more;
  return bigger;
}

tenon_cuda_action* tenon_cuda_add_action(tenon_cuda_actions* a) {
  tenon_cuda_action* list = (tenon_cuda_action*)grown(a->list, a->count + 1, &a->capacity, sizeof *a->list);
  if (list == NULL) return NULL;
  a->list = list;
  memset(&list[a->count], 0, sizeof *list);
  return &list[a->count++];
}

uint64_t* tenon_cuda_add_words(tenon_cuda_actions* a, int64_t count) {
  uint64_t* words = (uint64_t*)grown(a->words, a->word_count + count, &a->word_capacity, sizeof *a->words);
  if (words == NULL) return NULL;
  a->words = words;
  a->word_count += count;
  return words + a->word_count - count;
}

void tenon_cuda_free_actions(tenon_cuda_actions* a) {
  free(a->list);
  free(a->words);
  memset(a, 0, sizeof *a);
}

int32_t tenon_cuda_do(tenon_cuda_program* p, const tenon_cuda_action* a, uint64_t* words, tenon_cuda_fault* fault) {
  tenon_cuda_device* d = p->device;
  int result = 0;
  char doing[200] = "a copy was queued";
  ++d->counts.launches;
  if (a->kernel < 0) {
    result = d->cu->copy(a->to, a->from, a->bytes, d->stream);
  } else {
    const tenon_list_kernel* k = &p->list.kernels[a->kernel];
    void* arguments[most_arguments + 1];
    for (int64_t n = 0; n < a->count && n < most_arguments; ++n) arguments[n] = words + a->first + n;
    result = d->cu->launch(p->functions[a->kernel], a->grid, 1, 1, (unsigned)k->threads, 1, 1, a->shared, d->stream,
                           arguments, NULL);
    if (result != 0 || d->blocking)
      snprintf(doing, sizeof doing, "kernel %.*s (node %lld of its graph) was %s", (int)k->name.size, k->name.bytes,
               (long long)a->node, result != 0 ? "launched" : "running");
  }
  if (result == 0 && d->blocking) result = d->cu->synchronize(d->stream);
  return result == 0 ? TENON_OK : tenon_cuda_fail(d, fault, result, doing);
}
