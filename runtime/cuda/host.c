/* What the host does between launches: it reads flags, calls functions, checks, prints. Each waits for what it reads.
 * Refuses to hold the device's lock while a caller's function runs. */
#include <stddef.h>
#include <stdlib.h>

#include "tenon/codegen/cuda/launch_list.h"
#include "tenon/runtime/cuda/run.h"

int32_t tenon_run_flag(run_state* r, const tenon_list_operand* o, int* holds) {
  unsigned char byte = 0;
  ++r->p->device->counts.program_waits;
  const int32_t code = tenon_cuda_fetch(r->p->device, &byte, address(r, o), 1, r->fault);
  *holds = byte != 0;
  return code;
}

/* Bytes of what a custom call sees of a buffer: all, or the row that is a loop's turn. */
int64_t tenon_run_operand_bytes(const run_state* r, const tenon_list_operand* o) {
  const tenon_list_buffer* b = &r->p->list.buffers[o->buffer];
  return o->loop < 0 ? tenon_list_bytes(b, r->values) : value(r, o->stride) * b->element;
}

/* In memory of the host, without the device's lock: the function may use the device. */
static int32_t call_host(run_state* r, const tenon_list_step* s, void** host) {
  const int64_t inputs = s->operand_count - s->outputs;
  tenon_cuda_device* d = r->p->device;
  int32_t code = TENON_OK;
  for (int64_t k = 0; code == TENON_OK && k < inputs; ++k) {
    const int64_t bytes = tenon_run_operand_bytes(r, &s->operands[k]);
    if (bytes > 0) code = tenon_cuda_fetch(d, host[k], address(r, &s->operands[k]), (uint64_t)bytes, r->fault);
  }
  if (code != TENON_OK) return code;
  ++d->counts.program_waits;
  const tenon_env* env = r->call->env != NULL ? r->call->env : tenon_runtime_env();
  const tenon_custom function = r->p->customs[s->number];
  const void* const* in = (const void* const*)host;
  void* const* out = host + inputs;
  tenon_cuda_leave(d);
  r->entered = 0;
  const int hooked = env->struct_size >= offsetof(tenon_env, print_line) && env->call_custom != NULL;
  const int32_t result = hooked ? env->call_custom(env->custom_context, function, in, out) : function(in, out);
  if ((code = tenon_cuda_enter(d, r->fault)) != TENON_OK) return code;
  r->entered = 1;
  /* Others may have begun and ended meanwhile: what follows has a number of its own. */
  tenon_cuda_begin_call(d, r->caller);
  r->p->last_call = r->number = d->issued;
  if (result != 0) {
    if (r->call->error != NULL) {
      r->call->error->node = (int32_t)s->node;
      r->call->error->values[0] = result;
    }
    return (int32_t)s->failure;
  }
  for (int64_t k = inputs; code == TENON_OK && k < s->operand_count; ++k) {
    const int64_t bytes = tenon_run_operand_bytes(r, &s->operands[k]);
    if (bytes > 0) code = tenon_cuda_send(d, address(r, &s->operands[k]), host[k], (uint64_t)bytes, r->fault);
  }
  return code;
}

static int32_t custom(run_state* r, const tenon_list_step* s) {
  int64_t all = 0;
  for (int64_t k = 0; k < s->operand_count; ++k) all += (tenon_run_operand_bytes(r, &s->operands[k]) + 63) / 64 * 64;
  void** host = (void**)malloc((size_t)(s->operand_count + 1) * sizeof *host);
  char* memory = (char*)aligned_alloc(64, (size_t)all + 64);
  int32_t code = host == NULL || memory == NULL ? tenon_cuda_no_host_memory(r->fault) : TENON_OK;
  int64_t at = 0;
  for (int64_t k = 0; code == TENON_OK && k < s->operand_count; ++k) {
    host[k] = memory + at;
    at += (tenon_run_operand_bytes(r, &s->operands[k]) + 63) / 64 * 64;
  }
  if (code == TENON_OK) code = call_host(r, s, host);
  free(memory);
  free(host);
  return code;
}

static int32_t check(run_state* r, const tenon_list_step* s) {
  int holds = 0;
  const int32_t code = tenon_run_flag(r, &s->operands[0], &holds);
  if (code != TENON_OK || holds) return code;
  if (r->call->error != NULL) r->call->error->node = (int32_t)s->node;
  return (int32_t)s->failure;
}

/* Bytes of a printed tensor; -1 where its extents are more than its buffer has. */
static int64_t printed_bytes(const run_state* r, const tenon_list_step* s, int64_t k) {
  const tenon_list_buffer* whole = &r->p->list.buffers[s->operands[k].buffer];
  const tenon_list_buffer seen = {.element = whole->element, .extents = s->printed[k].extents};
  const int64_t bytes = tenon_list_bytes(&seen, r->values);
  return bytes <= tenon_list_bytes(whole, r->values) ? bytes : -1;
}

/* The tensors of a print on the host, in one block: what the environment is told of each, its extents, its elements. */
static int32_t print_from(run_state* r, const tenon_list_step* s, tenon_printed* printed, int64_t* extents,
                          char* elements_at) {
  const tenon_env* env = r->call->env != NULL ? r->call->env : tenon_runtime_env();
  int32_t code = TENON_OK;
  for (int64_t k = 0; code == TENON_OK && k < s->operand_count; ++k) {
    const tenon_extents* e = &s->printed[k].extents;
    const int64_t bytes = printed_bytes(r, s, k);
    printed[k].dtype = (int32_t)s->printed[k].dtype;
    printed[k].rank = (int32_t)e->count;
    printed[k].extents = extents;
    printed[k].data = elements_at;
    for (int64_t d = 0; d < e->count; ++d) *extents++ = value(r, e->codes[d]);
    if (bytes > 0)
      code = tenon_cuda_fetch(r->p->device, elements_at, address(r, &s->operands[k]), (uint64_t)bytes, r->fault);
    elements_at += (bytes + 7) / 8 * 8;
  }
  if (code != TENON_OK) return code;
  ++r->p->device->counts.program_waits;
  if (env->struct_size < sizeof *env || env->print_line == NULL) return TENON_BAD_CALL;
  code = env->print_line(env, s->format.bytes, (uint64_t)s->format.size, printed, (uint64_t)s->operand_count);
  return code == TENON_NO_MEMORY ? tenon_cuda_no_host_memory(r->fault) : code;
}

static int32_t print(run_state* r, const tenon_list_step* s) {
  const int64_t count = s->operand_count;
  int64_t ranks = 0, all = 0;
  for (int64_t k = 0; k < count; ++k) {
    const int64_t bytes = printed_bytes(r, s, k);
    if (bytes < 0) return TENON_BAD_CALL;
    ranks += s->printed[k].extents.count;
    all += (bytes + 7) / 8 * 8;
  }
  tenon_printed* printed = (tenon_printed*)malloc((size_t)(count + 1) * sizeof *printed);
  int64_t* words = (int64_t*)malloc((size_t)(ranks * 8 + all + 8));
  const int32_t code = printed == NULL || words == NULL ? tenon_cuda_no_host_memory(r->fault)
                                                        : print_from(r, s, printed, words, (char*)(words + ranks));
  free(words);
  free(printed);
  return code;
}

int32_t tenon_run_host(run_state* r, const tenon_list_step* s) {
  switch (s->kind) {
    case TENON_STEP_CHECK: return check(r, s);
    case TENON_STEP_PRINT: return print(r, s);
    case TENON_STEP_RANKS: return tenon_run_ranks(r, s);
    default: return custom(r, s);
  }
}
