/* Messages between ranks as MPI's: non-blocking, of bytes, on a communicator of our own. A tag is made of the group, the collective's
 * number in it and the stream. Refuses to wait in MPI: who is lost must not take us along. */
#define _GNU_SOURCE
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "tenon/runtime/mpi/mpi_world.h"

enum {
  PIECE = 4032,
  BATCH = 64,
  LISTEN_EVERY = 16,
  SPINS = 400,
  YIELDS = 20000,
  NAP = 50 * 1000,
  GRACE = 200 * 1000 * 1000
};
_Static_assert(sizeof(MPI_Request) <= 8, "a request of MPI's fits into ours");

static void keep(tenon_request* request, MPI_Request mpi) { memcpy(request->handle.bytes, &mpi, sizeof mpi); }
static MPI_Request kept(const tenon_request* request) {
  MPI_Request mpi;
  memcpy(&mpi, request->handle.bytes, sizeof mpi);
  return mpi;
}

/* Groups are numbered by stride, then by size: those that fit into the world. */
static int64_t group_number(const mpi_world* w, int32_t size, int32_t stride) {
  int64_t before = 0;
  for (int32_t s = 1; s < stride; s++) before += w->size / s;
  return before + size - 1;
}

int32_t mpi_transport_tags(mpi_world* w) {
  int* most = NULL;
  int found = 0;
  if (MPI_Comm_get_attr(w->elements, MPI_TAG_UB, &most, &found) != MPI_SUCCESS || !found) return 0;
  const int64_t groups = group_number(w, 0, w->size + 1) + 1;
  const int64_t room = ((int64_t)*most + 1) / (TENON_STREAMS * groups);
  w->sequences = 1;
  while (2 * (int64_t)w->sequences <= room && w->sequences < 1u << 16) w->sequences *= 2;
  return w->sequences >= 16;
}

static int tag_of(mpi_world* w, const tenon_tag* tag) {
  if (tag->size != w->class_size || tag->stride != w->class_stride) {
    w->class_size = tag->size;
    w->class_stride = tag->stride;
    w->class_number = group_number(w, tag->size, tag->stride);
  }
  return (int)((w->class_number * w->sequences + tag->sequence % w->sequences) * TENON_STREAMS + tag->stream);
}

static void begun(mpi_world* w, tenon_request* request, MPI_Request mpi, int code, const char* doing) {
  keep(request, mpi);
  if (code == MPI_SUCCESS) return;
  request->state = 0;
  mpi_world_error(w, code, doing, request->peer);
}

/* MPI counts in int. All collectives cut what they move (TENON_MOVE_CHUNK); one that did not would be told. */
static int fits(mpi_world* w, tenon_request* request, uint64_t size) {
  if (size <= INT_MAX) return 1;
  request->state = 0;
  mpi_world_fail(w, "a message of 2 GiB or more is more than MPI takes at once");
  return 0;
}

static void send(void* self, tenon_request* request, int32_t to, const tenon_tag* tag, const void* bytes,
                 uint64_t size) {
  mpi_world* w = (mpi_world*)self;
  MPI_Request mpi = MPI_REQUEST_NULL;
  request->sends = 1;
  if (!fits(w, request, size)) return;
  const int code = MPI_Isend(bytes, (int)size, MPI_BYTE, to, tag_of(w, tag), w->elements, &mpi);
  begun(w, request, mpi, code, "sending to");
}

static void receive(void* self, tenon_request* request, int32_t from, const tenon_tag* tag, void* bytes,
                    uint64_t size) {
  mpi_world* w = (mpi_world*)self;
  MPI_Request mpi = MPI_REQUEST_NULL;
  request->sends = 0;
  if (!fits(w, request, size)) return;
  const int code = MPI_Irecv(bytes, (int)size, MPI_BYTE, from, tag_of(w, tag), w->elements, &mpi);
  begun(w, request, mpi, code, "receiving from");
}

/* Some at once: MPI works on everything that it has with every call. */
static void test_batch(mpi_world* w, tenon_request* const* requests, int count) {
  MPI_Request mpi[BATCH];
  MPI_Status statuses[BATCH]; /* MPICH passes an address that is none for MPI_STATUSES_IGNORE, which GCC warns of */
  int ready[BATCH];
  int arrived = 0;
  for (int k = 0; k < count; k++) mpi[k] = kept(requests[k]);
  ready[0] = 0;
  const int code =
      count == 1 ? MPI_Test(mpi, &arrived, MPI_STATUS_IGNORE) : MPI_Testsome(count, mpi, &arrived, ready, statuses);
  if (arrived == MPI_UNDEFINED) arrived = 0;
  if (code != MPI_SUCCESS) mpi_world_error(w, code, "waiting for", requests[arrived > 0 ? ready[0] : 0]->peer);
  for (int k = 0; k < arrived; k++) requests[ready[k]]->state = 0;
}

static int32_t test(void* self, tenon_request* requests, int32_t count) {
  mpi_world* w = (mpi_world*)self;
  tenon_request* batch[BATCH];
  int32_t open = 0;
  int filled = 0;
  if (w->failed) return count; /* MPI is left alone */
  for (int32_t k = 0; k < count; k++) {
    if (requests[k].state == 0) continue;
    batch[filled++] = &requests[k];
    if (filled < BATCH && k + 1 < count) continue;
    test_batch(w, batch, filled);
    filled = 0;
  }
  if (filled > 0) test_batch(w, batch, filled);
  for (int32_t k = 0; k < count; k++) open += requests[k].state != 0;
  return open;
}

/* What is not received any more is withdrawn; what is under way gets a moment to end, all of it together. */
static void cancel(void* self, tenon_request* request) {
  mpi_world* w = (mpi_world*)self;
  MPI_Request mpi = kept(request);
  int done = 0;
  if (!request->sends) MPI_Cancel(&mpi);
  const int64_t until = (w->failed ? w->failed_at : tenon_ranks_now()) + GRACE;
  while (MPI_Test(&mpi, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done && tenon_ranks_now() < until) sched_yield();
  request->state = 0;
}

static void look(void* self) {
  mpi_world* w = (mpi_world*)self;
  if (w->looks++ % LISTEN_EVERY == 0) mpi_words_read(w);
}

static const char* heard(void* self) {
  const mpi_world* w = (const mpi_world*)self;
  return w->failed ? w->text : NULL;
}

static void tell(void* self, const char* text) { mpi_world_fail((mpi_world*)self, text); }

static const char* gone(void* self, int32_t rank) {
  mpi_words_read((mpi_world*)self);
  return mpi_world_gone((mpi_world*)self, rank);
}

static void leave(void* self) {
  mpi_world* w = (mpi_world*)self;
  if (w->left || w->failed) return;
  w->left = 1;
  mpi_words_tell(w, NOTICE_ENDED, "has ended");
}

static void say(void* self, int32_t to, const void* word, uint64_t size) {
  if (!((mpi_world*)self)->failed) mpi_words_say((mpi_world*)self, to, word, size);
}

static int32_t hear(void* self, void* word, uint64_t size) { return mpi_words_hear((mpi_world*)self, word, size); }

void mpi_nap(int64_t nanoseconds) {
  const struct timespec t = {0, nanoseconds};
  nanosleep(&t, NULL);
}

static void pause(void* self, int64_t idle) {
  const mpi_world* w = (const mpi_world*)self;
  if (idle > YIELDS)
    mpi_nap(NAP);
  else if (idle > SPINS || w->crowded)
    sched_yield();
}

void mpi_transport_fill(mpi_world* w, tenon_transport* transport) {
  const tenon_transport filled = {w,    w->rank, w->size, PIECE, send,  receive, test, cancel,
                                  look, heard,   tell,    gone,  leave, pause,   say,  hear};
  *transport = filled;
}
