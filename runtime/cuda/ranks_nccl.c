/* What ranks move from GPU to GPU by NCCL, on the device's stream, behind the kernels that make it. The host agrees with the others
 * first, so that nothing is begun which one of them does not do. It waits for the end at once: what waited for it later, anywhere,
 * would have to look after the other ranks. Nothing is computed here. */
#include "tenon/runtime/c/ranks_engine.h"
#include "tenon/runtime/cuda/run.h"
#include "tenon/runtime/cuda/run_ranks.h"

/* A message more; the first result that is none. */
static void add(int* result, int one) {
  if (*result == tenon_nccl_done && one != tenon_nccl_in_progress) *result = one;
}

static const void* at(tenon_cuda_address a) { return (const void*)(uintptr_t)a; }
static void* room(tenon_cuda_address a) { return (void*)(uintptr_t)a; }

/* Blocks to others and from them. */
static int spread(const tenon_communicator* c, uint64_t bytes, tenon_cuda_address in, tenon_cuda_address out) {
  const tenon_nccl* n = c->nccl;
  void* stream = c->device->stream;
  int result = n->open_group();
  if (result != tenon_nccl_done) return result;
  for (int32_t k = 0; k < c->size; k++) {
    if (k == c->own) continue;
    add(&result, n->send(at(in + (uint64_t)k * bytes), bytes, tenon_nccl_bytes, k, c->comm, stream));
    add(&result, n->receive(room(out + (uint64_t)k * bytes), bytes, tenon_nccl_bytes, k, c->comm, stream));
  }
  add(&result, n->close_group());
  return result;
}

static int exchange_one(const tenon_communicator* c, uint64_t bytes, tenon_cuda_address in, tenon_cuda_address out,
                        int32_t to, int32_t from) {
  const tenon_nccl* n = c->nccl;
  void* stream = c->device->stream;
  int result = n->open_group();
  if (result != tenon_nccl_done) return result;
  if (to >= 0 && to != c->own) add(&result, n->send(at(in), bytes, tenon_nccl_bytes, to, c->comm, stream));
  if (from >= 0 && from != c->own) add(&result, n->receive(room(out), bytes, tenon_nccl_bytes, from, c->comm, stream));
  add(&result, n->close_group());
  return result;
}

/* What goes nowhere; the driver's result. */
static int keep_own(const tenon_communicator* c, const tenon_collective* what, uint64_t bytes, tenon_cuda_address in,
                    tenon_cuda_address out, int32_t from) {
  const tenon_cuda_driver* cu = c->device->cu;
  const uint64_t own = (uint64_t)c->own * bytes;
  if (what->kind == TENON_ALL_TO_ALL) return cu->copy(out + own, in + own, bytes, c->device->stream);
  if (what->kind != TENON_PERMUTE || (from >= 0 && from != c->own)) return 0;
  return from < 0 ? cu->fill(out, 0, bytes, c->device->stream) : cu->copy(out, in, bytes, c->device->stream);
}

static int move(const tenon_communicator* c, const tenon_collective* what, uint64_t bytes, tenon_cuda_address in,
                tenon_cuda_address out, int32_t to, int32_t from) {
  const tenon_nccl* n = c->nccl;
  void* stream = c->device->stream;
  switch (what->kind) {
    case TENON_ALL_GATHER: return n->all_gather(at(in), room(out), bytes, tenon_nccl_bytes, c->comm, stream);
    case TENON_BROADCAST: return n->broadcast(at(in), room(out), bytes, tenon_nccl_bytes, what->root, c->comm, stream);
    case TENON_ALL_TO_ALL: return spread(c, bytes, in, out);
    default: return exchange_one(c, bytes, in, out, to, from);
  }
}

/* Queued; entered. */
static int32_t queue(run_state* r, tenon_communicator* c, const tenon_collective* what, uint64_t bytes,
                     tenon_cuda_address in, tenon_cuda_address out) {
  tenon_cuda_device* d = r->p->device;
  int32_t to = -1, from = -1;
  if (what->kind == TENON_PERMUTE) tenon_ranks_pair_of(what, c->own, &to, &from);
  int failed = d->cu->record_event(c->reached, d->stream);
  if (failed == 0) failed = keep_own(c, what, bytes, in, out, from);
  if (failed != 0) return tenon_cuda_fail(d, r->fault, failed, "something was moved between ranks");
  const int result = move(c, what, bytes, in, out, to, from);
  if (result == tenon_nccl_done || result == tenon_nccl_in_progress) return TENON_OK;
  return tenon_communicator_fail(c, "move what ranks have", result);
}

int32_t tenon_run_by_nccl(run_state* r, tenon_communicator* c, const tenon_collective* asked, uint64_t bytes,
                          tenon_cuda_address in, tenon_cuda_address out) {
  tenon_cuda_device* d = r->p->device;
  tenon_collective what = *asked;
  what.moved_by = TENON_MOVED_BY_NCCL;
  tenon_run_apart(r);
  int32_t code = tenon_ranks_run(c->ranks, &what, NULL, NULL);
  if (code == TENON_OK && c->comm == NULL) code = tenon_communicator_fail(c, "go on in a group that was given up", 5);
  int32_t back = tenon_run_together(r);
  if (code != TENON_OK || bytes == 0) return code != TENON_OK ? code : back;
  if (back == TENON_OK) back = queue(r, c, &what, bytes, in, out);
  int result = 0;
  if (back == TENON_OK) { /* the event comes behind what NCCL queues, which it may do later and elsewhere */
    tenon_run_apart(r);
    code = tenon_communicator_wait(c, &what, 0, &result);
    back = tenon_run_together(r);
    if (code != TENON_OK) return code;
  }
  if (back == TENON_OK && (result = d->cu->record_event(c->moved, d->stream)) != 0)
    back = tenon_cuda_fail(d, r->fault, result, "something was moved between ranks");
  if (back == TENON_OK) {
    ++d->counts.program_waits;
    tenon_run_apart(r);
    code = tenon_communicator_wait(c, &what, 1, &result);
    back = tenon_run_together(r);
    if (code == TENON_DEVICE_FAILED) back = tenon_cuda_fail(d, r->fault, result, "something was moved between ranks");
    if (code == TENON_RANKS_FAILED) return code;
  }
  /* The others have begun, and would wait. */
  if (back == TENON_DEVICE_FAILED)
    c->ranks->fail(c->ranks->world, r->fault != NULL ? r->fault->text : "its GPU failed");
  return back;
}
