/* Ranks meet: each says whether it has NCCL, of which version, and which GPU it is on; then all come to the same conclusion. They speak
 * by the host's engine meanwhile, and whoever waits for NCCL looks after the other ranks and the time. NCCL's functions are those
 * that return at once: what blocks could not be given up. */
#define _GNU_SOURCE
#include "tenon/runtime/cuda/communicator.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenon/runtime/c/ranks_engine.h"
#include "tenon/runtime/c/ranks_join.h"

enum {
  NOT_READY = 600, /* the driver's word for an event that has not come */
  YIELDS = 200,
  PAUSE = 50 * 1000, /* nanoseconds */
  LOOK = 1000 * 1000,
  FAREWELL = 2 * 1000 * 1000 * 1000
};

static const char mark; /* of what is kept here */

/* ---- waiting --------------------------------------------------------------------------------------------------------- */

static void pause(int64_t idle) {
  const struct timespec moment = {0, PAUSE};
  if (idle < YIELDS)
    sched_yield();
  else
    nanosleep(&moment, NULL);
}

static void give_up(tenon_communicator* c) {
  if (c->comm != NULL) c->nccl->abandon(c->comm);
  c->comm = NULL;
}

int32_t tenon_communicator_fail(tenon_communicator* c, const char* doing, int result) {
  char text[400];
  snprintf(
      text, sizeof text,
      "NCCL could not %s: %.100s (%d); NCCL_DEBUG=WARN says more, and TENON_NCCL=0 goes through memory of the host",
      doing, c->nccl->error_text(result), result);
  c->ranks->fail(c->ranks->world, text);
  give_up(c);
  return TENON_RANKS_FAILED;
}

int32_t tenon_communicator_wait(tenon_communicator* c, const tenon_collective* what, int moved, int* result) {
  const tenon_cuda_driver* cu = c->device->cu;
  int64_t since = moved ? 0 : tenon_ranks_now();
  int64_t looked = 0;
  for (int64_t idle = 0;; idle++) {
    int state = tenon_nccl_done;
    const int asked = c->nccl->state(c->comm, &state);
    if (asked != tenon_nccl_done) state = asked;
    if (state != tenon_nccl_done && state != tenon_nccl_in_progress)
      return tenon_communicator_fail(c, moved ? "move what ranks have" : "begin what ranks asked for", state);
    if (!moved && state == tenon_nccl_done) return TENON_OK;
    if (moved) *result = cu->query_event(c->moved);
    if (moved && *result == 0) return TENON_OK;
    if (moved && *result != NOT_READY) return give_up(c), TENON_DEVICE_FAILED;
    pause(idle);
    const int64_t now = tenon_ranks_now();
    if (since == 0 && cu->query_event(c->reached) == 0) since = now;
    if (now - looked < LOOK) continue;
    looked = now;
    if (c->ranks->watch(c->ranks->world, what, since == 0 ? 0 : (double)(now - since) * 1e-9) == TENON_OK) continue;
    give_up(c);
    return TENON_RANKS_FAILED;
  }
}

/* ---- meeting --------------------------------------------------------------------------------------------------------- */

typedef struct introduction {
  int32_t serves, number; /* of NCCL's version */
  char gpu[16];
} introduction;

static int32_t world_rank(const tenon_communicator* c, int32_t number) {
  return c->ranks->rank + (number - c->own) * c->stride;
}

/* Why NCCL does not serve the group, the same on every rank; empty where it does. */
static void objection(const tenon_communicator* c, const introduction* all, char* out, size_t size) {
  out[0] = '\0';
  char one[32], other[32];
  for (int32_t k = 0; k < c->size && out[0] == '\0'; k++)
    if (!all[k].serves) snprintf(out, size, "rank %d has no NCCL", (int)world_rank(c, k));
  for (int32_t k = 1; k < c->size && out[0] == '\0'; k++) {
    if (all[k].number == all[0].number) continue;
    tenon_nccl_version_text(all[0].number, one, sizeof one);
    tenon_nccl_version_text(all[k].number, other, sizeof other);
    snprintf(out, size, "rank %d has NCCL %s, and rank %d NCCL %s", (int)world_rank(c, 0), one, (int)world_rank(c, k),
             other);
  }
  for (int32_t k = 1; k < c->size; k++)
    for (int32_t j = 0; j < k && out[0] == '\0'; j++)
      if (memcmp(all[j].gpu, all[k].gpu, sizeof all[j].gpu) == 0)
        snprintf(out, size, "ranks %d and %d share a GPU", (int)world_rank(c, j), (int)world_rank(c, k));
}

static void say_way(const tenon_communicator* c, const char* why) {
  char version[32], way[sizeof c->device->way];
  tenon_nccl_version_text(c->nccl->number, version, sizeof version);
  if (why[0] == '\0')
    snprintf(way, sizeof way, "by NCCL %s", version);
  else
    snprintf(way, sizeof way, "through memory of the host: %s", why);
  tenon_cuda_lock(c->device);
  memcpy(c->device->way, way, sizeof way);
  tenon_cuda_unlock(c->device);
}

static int32_t ask_host(const tenon_communicator* c, const tenon_collective* what, int32_t kind, const void* in,
                        void* out, int64_t bytes) {
  char where[160];
  snprintf(where, sizeof where, "how GPUs move %.120s", what->where != NULL ? what->where : "");
  const tenon_collective asked = {.struct_size = sizeof asked,
                                  .kind = kind,
                                  .dtype = TENON_U8,
                                  .size = c->size,
                                  .stride = c->stride,
                                  .count = bytes,
                                  .where = where};
  return tenon_ranks_run(c->ranks, &asked, in, out);
}

/* Between GPUs of one process NCCL reaches into tensors from the other GPU, for which memory of a pool has to be opened. Where it cannot
 * be, the two are no peers, and NCCL goes another way. */
static void open_memory(const tenon_communicator* c) {
  for (int32_t k = 0; c->device->pool != NULL && k < tenon_cuda_most_devices; k++) {
    const tenon_cuda_device* other = tenon_cuda_known(k);
    if (other == NULL || other == c->device) continue;
    const tenon_cuda_access access = {tenon_cuda_location_device, other->handle, tenon_cuda_read_write};
    c->device->cu->open_pool(c->device->pool, &access, 1);
  }
}

static int32_t begin(tenon_communicator* c, const tenon_collective* what) {
  tenon_nccl_id id, known;
  memset(&id, 0, sizeof id);
  int result = c->own == 0 ? c->nccl->make_id(&id) : tenon_nccl_done;
  if (result != tenon_nccl_done) return tenon_communicator_fail(c, "name a group of ranks", result);
  const int32_t code = ask_host(c, what, TENON_BROADCAST, &id, &known, sizeof id);
  if (code != TENON_OK) return code;
  open_memory(c);
  tenon_nccl_config config = {.size = sizeof config, .magic = 0xcafebeef, .version = tenon_nccl_oldest, .blocking = 0};
  result = c->nccl->begin(&c->comm, c->size, known, c->own, &config);
  if (result != tenon_nccl_done && result != tenon_nccl_in_progress)
    return tenon_communicator_fail(c, "begin a group of ranks", result);
  return tenon_communicator_wait(c, what, 0, &result);
}

static int32_t meet(tenon_communicator* c, const tenon_collective* what) {
  const tenon_cuda_driver* cu = c->device->cu;
  introduction own = {.serves = c->nccl->problem[0] == '\0', .number = c->nccl->number};
  if (cu->uuid(own.gpu, c->device->handle) != 0 || cu->create_event(&c->reached, tenon_cuda_event_untimed) != 0 ||
      cu->create_event(&c->moved, tenon_cuda_event_untimed) != 0)
    own.serves = 0;
  introduction* all = (introduction*)malloc((size_t)c->size * sizeof *all);
  if (all == NULL) {
    c->ranks->fail(c->ranks->world, "out of memory");
    return TENON_RANKS_FAILED;
  }
  const int32_t code = ask_host(c, what, TENON_ALL_GATHER, &own, all, sizeof own);
  char why[160];
  if (code == TENON_OK) objection(c, all, why, sizeof why);
  free(all);
  if (code != TENON_OK) return code;
  say_way(c, why);
  c->serves = why[0] == '\0';
  return c->serves ? begin(c, what) : TENON_OK;
}

/* ---- one for each group ---------------------------------------------------------------------------------------------- */

/* What others still expect goes first; nobody waits for it without end, nor in a world that has failed. */
static void take_leave(tenon_communicator* c) {
  int state = tenon_nccl_in_progress;
  const int64_t begun = tenon_ranks_now();
  int result = c->ranks->message(c->ranks->world)[0] == '\0' ? c->nccl->finalize(c->comm) : tenon_nccl_in_progress;
  for (int64_t idle = 0; state == tenon_nccl_in_progress; idle++) {
    const int failed = c->ranks->message(c->ranks->world)[0] != '\0' || tenon_ranks_now() - begun > FAREWELL;
    if (failed || (result != tenon_nccl_done && result != tenon_nccl_in_progress)) return give_up(c);
    result = c->nccl->state(c->comm, &state);
    pause(idle);
  }
  if (state != tenon_nccl_done) return give_up(c);
  c->nccl->destroy(c->comm);
  c->comm = NULL;
}

static void drop(tenon_kept* kept) {
  tenon_communicator* c = (tenon_communicator*)kept;
  tenon_cuda_device* d = c->device;
  if (tenon_cuda_enter(d, NULL) == TENON_OK) { /* what a lost device holds is gone with it */
    tenon_cuda_unlock(d);
    if (c->comm != NULL) take_leave(c);
    if (c->reached != NULL) d->cu->destroy_event(c->reached);
    if (c->moved != NULL) d->cu->destroy_event(c->moved);
    tenon_cuda_lock(d);
    tenon_cuda_leave(d);
  }
  free(c);
}

int32_t tenon_communicator_of(tenon_cuda_device* device, const tenon_ranks* ranks, const tenon_collective* what,
                              tenon_communicator** found) {
  *found = NULL;
  if (ranks->struct_size < sizeof *ranks || ranks->kept == NULL || ranks->watch == NULL) return TENON_OK;
  tenon_kept** list = ranks->kept(ranks->world);
  for (tenon_kept* k = *list; k != NULL; k = k->next) {
    tenon_communicator* c = (tenon_communicator*)k;
    if (k->owner == &mark && c->device == device && c->size == what->size && c->stride == what->stride)
      return *found = c, TENON_OK;
  }
  tenon_communicator* c = (tenon_communicator*)calloc(1, sizeof *c);
  if (c == NULL) {
    ranks->fail(ranks->world, "out of memory");
    return TENON_RANKS_FAILED;
  }
  c->kept.owner = &mark;
  c->kept.drop = drop;
  c->ranks = ranks;
  c->device = device;
  c->nccl = tenon_nccl_get();
  c->size = what->size;
  c->stride = what->stride;
  c->own = ranks->rank / what->stride % what->size;
  const int32_t code = meet(c, what);
  c->kept.next = *list; /* also where it failed: it goes with the others */
  *list = &c->kept;
  *found = c;
  return code;
}
