/* One call of a program while it runs, and where its operands lie. Internal to the runtime: run.c goes through the steps, host.c does
 * what the host does between launches. */
#ifndef TENON_CUDA_RUN_H
#define TENON_CUDA_RUN_H

#include "tenon/runtime/cuda/program.h"

#pragma GCC visibility push(hidden)

enum { most_loops = 64 };

typedef struct run_state {
  tenon_cuda_program* p;
  const tenon_call* call;
  tenon_cuda_fault* fault;
  int64_t *values, *offsets, *slots;
  tenon_cuda_address* addresses;
  tenon_cuda_address arena; /* its own, of a program that calls the host */
  int64_t index[most_loops], trips[most_loops];
  const tenon_cuda_caller* caller;
  uint32_t number; /* of the call, as its end is marked */
  int loops;
  int entered;
  int keep; /* actions, for a graph */
  struct tenon_run_sent* sent; /* what other ranks may not have taken yet */
  tenon_cuda_actions one; /* a place for the action at hand, where they are not kept */
} run_state;

static inline int64_t value(const run_state* r, int64_t code) { return tenon_list_value(code, r->values); }

static inline int64_t elements(const run_state* r, tenon_extents e) {
  int64_t product = 1;
  for (int64_t k = 0; k < e.count; ++k) product *= value(r, e.codes[k]);
  return product;
}

static inline tenon_cuda_address address(const run_state* r, const tenon_list_operand* o) {
  tenon_cuda_address at = r->addresses[o->buffer];
  const int64_t element = r->p->list.buffers[o->buffer].element;
  if (o->part) at += (tenon_cuda_address)(value(r, o->start) * element);
  if (o->loop < 0) return at;
  int64_t index = r->index[o->loop];
  if (o->reversed) index = r->trips[o->loop] - 1 - index;
  return at + (tenon_cuda_address)(value(r, o->stride) * index * element);
}

/* runtime/cuda/host.c. The value of a bool, which waits for it; a custom call, a check or a print. */
int32_t tenon_run_flag(run_state* r, const tenon_list_operand* o, int* holds);
int64_t tenon_run_operand_bytes(const run_state* r, const tenon_list_operand* o);
int32_t tenon_run_host(run_state* r, const tenon_list_step* s);
int32_t tenon_run_ranks(run_state* r, const tenon_list_step* s);
/* Waits until what was sent is taken, also where the call has failed; the code, or why that failed. */
int32_t tenon_run_finish_sent(run_state* r, int32_t code);

#pragma GCC visibility pop

#endif
