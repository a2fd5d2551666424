/* What a program on a GPU asks of the other ranks. What only moves goes from GPU to GPU where NCCL serves all of the group; everything
 * else goes through memory of the host, where the ranks of every engine find it: so does an exchange, whose sender goes on before
 * its partner comes. Refuses to hold the device's lock while it waits for them. */
#include <stddef.h>
#include <stdlib.h>

#include "tenon/codegen/cuda/launch_list.h"
#include "tenon/runtime/cuda/run_ranks.h"

/* Elements of the operand, or of what one rank has of it, and the bytes of operand and result; -1 where the buffers hold less. */
static int64_t block_elements(const run_state* r, const tenon_list_step* s, int64_t bytes[2]) {
  const tenon_list_buffer block = {.element = 1, .extents = s->block};
  const int64_t count = tenon_list_bytes(&block, r->values);
  const int64_t in = s->kind_of_ranks == TENON_REDUCE_SCATTER || s->kind_of_ranks == TENON_ALL_TO_ALL ? s->size : 1;
  const int64_t out = s->kind_of_ranks == TENON_ALL_GATHER || s->kind_of_ranks == TENON_ALL_TO_ALL ? s->size : 1;
  const int64_t blocks[] = {in, out};
  for (int64_t k = 0; k < s->operand_count; ++k) {
    const int64_t element = r->p->list.buffers[s->operands[k].buffer].element;
    if (count < 0 || count > INT64_MAX / element / s->size) return -1;
    bytes[k] = count * blocks[k] * element;
    if (bytes[k] > tenon_run_operand_bytes(r, &s->operands[k])) return -1;
  }
  return count;
}

void tenon_run_apart(run_state* r) { tenon_cuda_unlock(r->p->device); }

int32_t tenon_run_together(run_state* r) {
  tenon_cuda_device* d = r->p->device;
  tenon_cuda_lock(d);
  if (d->lost) {
    if (r->fault != NULL) *r->fault = d->loss;
    return TENON_DEVICE_FAILED;
  }
  tenon_cuda_begin_call(d, r->caller);
  r->p->last_call = r->number = d->issued;
  return TENON_OK;
}

/* ---- through memory of the host ---------------------------------------------------------------------------------------- */

/* What goes to another rank and may not have been taken. The call goes on, for that rank may wait for what comes behind it, and waits
 * at its end. */
struct tenon_run_sent {
  struct tenon_run_sent* next;
  const tenon_ranks* ranks;
  void* pending;
  char* host[2];
};

int32_t tenon_run_finish_sent(run_state* r, int32_t code) {
  if (r->sent == NULL) return code;
  if (r->entered) tenon_cuda_unlock(r->p->device);
  while (r->sent != NULL) {
    struct tenon_run_sent* s = r->sent;
    const int32_t one = s->pending == NULL ? TENON_OK : s->ranks->finish(s->ranks->world, s->pending);
    if (code == TENON_OK) code = one;
    r->sent = s->next;
    free(s->host[0]);
    free(s->host[1]);
    free(s);
  }
  if (r->entered) tenon_cuda_lock(r->p->device);
  return code;
}

/* Takes the host's memory. */
static int32_t send_on(run_state* r, const tenon_list_step* s, const tenon_ranks* ranks, const tenon_collective* what,
                       char* host[2], int64_t bytes) {
  struct tenon_run_sent* sent = (struct tenon_run_sent*)malloc(sizeof *sent);
  if (sent == NULL) return tenon_cuda_no_host_memory(r->fault);
  *sent = (struct tenon_run_sent){r->sent, ranks, NULL, {host[0], host[1]}};
  r->sent = sent;
  host[0] = host[1] = NULL;
  tenon_run_apart(r);
  int32_t code = ranks->start(ranks->world, what, sent->host[0], sent->host[1], &sent->pending);
  const int32_t back = tenon_run_together(r);
  if (code == TENON_OK) code = back;
  if (code != TENON_OK || bytes == 0) return code;
  tenon_cuda_device* d = r->p->device; /* nothing comes */
  const int result = d->cu->fill(address(r, &s->operands[1]), 0, (uint64_t)bytes, d->stream);
  return result == 0 ? TENON_OK : tenon_cuda_fail(d, r->fault, result, "something was moved between ranks");
}

static int32_t ask_host(run_state* r, const tenon_list_step* s, const tenon_ranks* ranks, const tenon_collective* what,
                        char* host[2], int64_t bytes) {
  if (what->kind == TENON_EXCHANGE && what->to >= 0 && what->from < 0) return send_on(r, s, ranks, what, host, bytes);
  tenon_run_apart(r);
  int32_t code = tenon_ranks_run(ranks, what, host[0], host[1]);
  const int32_t back = tenon_run_together(r);
  if (code == TENON_OK) code = back;
  if (code != TENON_OK || bytes == 0) return code;
  return tenon_cuda_send(r->p->device, address(r, &s->operands[1]), host[1], (uint64_t)bytes, r->fault);
}

static int32_t through_host(run_state* r, const tenon_list_step* s, const tenon_ranks* ranks,
                            const tenon_collective* what, const int64_t bytes[2]) {
  char* host[2] = {NULL, NULL};
  int32_t code = TENON_OK;
  for (int64_t k = 0; k < s->operand_count; ++k) {
    host[k] = (char*)aligned_alloc(64, ((size_t)bytes[k] + 64) / 64 * 64);
    if (host[k] == NULL) code = tenon_cuda_no_host_memory(r->fault);
  }
  ++r->p->device->counts.program_waits;
  if (code == TENON_OK && bytes[0] > 0)
    code = tenon_cuda_fetch(r->p->device, host[0], address(r, &s->operands[0]), (uint64_t)bytes[0], r->fault);
  if (code == TENON_OK) code = ask_host(r, s, ranks, what, host, bytes[1]);
  free(host[0]);
  free(host[1]);
  return code;
}

/* ---- each as it goes --------------------------------------------------------------------------------------------------- */

static int only_moves(const tenon_list_step* s) {
  return s->size > 1 && (s->kind_of_ranks == TENON_ALL_GATHER || s->kind_of_ranks == TENON_ALL_TO_ALL ||
                         s->kind_of_ranks == TENON_PERMUTE || s->kind_of_ranks == TENON_BROADCAST);
}

static int32_t ask(run_state* r, const tenon_list_step* s, const tenon_ranks* ranks, const tenon_collective* what,
                   const int64_t bytes[2]) {
  tenon_communicator* c = NULL;
  if (only_moves(s)) {
    tenon_run_apart(r);
    const int32_t code = tenon_communicator_of(r->p->device, ranks, what, &c);
    const int32_t back = tenon_run_together(r);
    if (code != TENON_OK || back != TENON_OK) return code != TENON_OK ? code : back;
  }
  if (c == NULL || !c->serves) return through_host(r, s, ranks, what, bytes);
  const uint64_t block = (uint64_t)(s->kind_of_ranks == TENON_ALL_TO_ALL ? bytes[0] / s->size : bytes[0]);
  return tenon_run_by_nccl(r, c, what, block, address(r, &s->operands[0]), address(r, &s->operands[1]));
}

int32_t tenon_run_ranks(run_state* r, const tenon_list_step* s) {
  const tenon_env* env = r->call->env != NULL ? r->call->env : tenon_runtime_env();
  const tenon_ranks* ranks = env->struct_size < sizeof *env ? NULL : env->ranks;
  if (ranks == NULL) return TENON_BAD_CALL;
  if (s->kind_of_ranks == TENON_RANK_INDEX) {
    const int64_t number = ranks->rank / s->stride % s->size;
    return tenon_cuda_send(r->p->device, address(r, &s->operands[0]), &number, sizeof number, r->fault);
  }
  int64_t bytes[2] = {0, 0};
  const int64_t count = s->kind_of_ranks == TENON_BARRIER ? 0 : block_elements(r, s, bytes);
  if (count < 0) return TENON_BAD_CALL;
  int32_t* pairs = (int32_t*)malloc((size_t)(s->number_count + 1) * sizeof *pairs);
  char* where = (char*)calloc(1, (size_t)s->format.size + 1);
  int32_t code = pairs == NULL || where == NULL ? tenon_cuda_no_host_memory(r->fault) : TENON_OK;
  if (code == TENON_OK) {
    for (int64_t k = 0; k < s->number_count; ++k) pairs[k] = (int32_t)s->numbers[k];
    for (int64_t k = 0; k < s->format.size; ++k) where[k] = s->format.bytes[k];
    const tenon_collective what = {.struct_size = sizeof what,
                                   .kind = (int32_t)s->kind_of_ranks,
                                   .combine = (int32_t)s->combine,
                                   .dtype = (int32_t)s->dtype,
                                   .size = (int32_t)s->size,
                                   .stride = (int32_t)s->stride,
                                   .root = (int32_t)s->root,
                                   .to = (int32_t)s->to,
                                   .from = (int32_t)s->from,
                                   .count = count,
                                   .pairs = s->number_count > 0 ? pairs : NULL,
                                   .pair_count = s->number_count / 2,
                                   .digest = s->digest,
                                   .where = where};
    code = ask(r, s, ranks, &what, bytes);
  }
  free(where);
  free(pairs);
  return code;
}
