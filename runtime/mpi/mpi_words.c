/* Words between ranks: a failure, and the end of a process. One receiver is always open for them. Of a process on this machine the
 * system is asked whether it lives, so that one that was killed is missed soon. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tenon/runtime/mpi/mpi_world.h"

enum { TELLING = 500 * 1000 * 1000, GRACE = 100 * 1000 * 1000, ASK_EVERY = 50 * 1000 * 1000, TAG = 1 };

/* ---- processes ------------------------------------------------------------------------------------------------------- */

/* When a process began, in ticks; 0 where there is none, or nothing but its remains. */
static uint64_t started(int64_t pid) {
  char path[64];
  char text[1024];
  snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
  FILE* file = fopen(path, "r");
  if (file == NULL) return 0;
  const size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = '\0';
  const char* at = strrchr(text, ')'); /* the name before it may hold anything */
  if (at == NULL || at[1] == '\0' || at[2] == 'Z' || at[2] == 'X') return 0;
  at++;
  for (int field = 3; field < 22 && at != NULL; field++) at = strchr(at + 1, ' ');
  return at != NULL ? strtoull(at, NULL, 10) : 0;
}

mpi_process mpi_own_process(void) {
  mpi_process own = {0, (int64_t)getpid(), started(getpid())};
  char text[256] = {0};
  FILE* file = fopen("/proc/sys/kernel/random/boot_id", "r");
  const size_t length = file != NULL ? fread(text, 1, 64, file) : 0;
  if (file != NULL) fclose(file);
  const ssize_t space = readlink("/proc/self/ns/pid", text + length, sizeof text - 1 - length);
  if (length == 0 || space <= 0 || own.started == 0) return own;
  own.machine = UINT64_C(0xcbf29ce484222325);
  for (const char* c = text; *c != '\0'; c++) own.machine = (own.machine ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
  return own;
}

/* What the process said before it went has a moment to arrive. */
const char* mpi_world_gone(mpi_world* w, int32_t rank) {
  mpi_peer* peer = &w->peers[rank];
  const mpi_process* own = &w->peers[w->rank].process;
  const int64_t now = tenon_ranks_now();
  if (peer->ended == 0 && own->machine != 0 && peer->process.machine == own->machine && now - peer->asked > ASK_EVERY) {
    peer->asked = now;
    if (started(peer->process.pid) != peer->process.started) {
      peer->ended = now;
      snprintf(peer->words, sizeof peer->words, "has died");
    }
  }
  return peer->ended != 0 && now - peer->ended > GRACE ? peer->words : NULL;
}

/* ---- words ----------------------------------------------------------------------------------------------------------- */

void mpi_words_listen(mpi_world* w) {
  w->listening = MPI_REQUEST_NULL;
  MPI_Irecv(&w->heard, (int)sizeof w->heard, MPI_BYTE, MPI_ANY_SOURCE, TAG, w->words, &w->listening);
}

static void stand(mpi_world* w, const char* text) { /* the first one does */
  if (w->failed) return;
  snprintf(w->text, sizeof w->text, "%s", text);
  w->failed_at = tenon_ranks_now();
  w->failed = 1;
}

void mpi_words_read(mpi_world* w) {
  for (;;) {
    int done = 0;
    if (w->failed || w->listening == MPI_REQUEST_NULL) return;
    if (MPI_Test(&w->listening, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || !done) return;
    mpi_notice* n = &w->heard;
    if (n->kind == NOTICE_WORD) memcpy(w->waiting[w->come++ % MPI_WORDS], n->text, sizeof w->waiting[0]);
    n->text[sizeof n->text - 1] = '\0';
    if (n->rank >= 0 && n->rank < w->size) {
      mpi_peer* peer = &w->peers[n->rank];
      if (n->kind == NOTICE_FAILED) stand(w, n->text);
      if (n->kind == NOTICE_ENDED && !peer->said) {
        peer->said = 1;
        peer->ended = tenon_ranks_now();
        snprintf(peer->words, sizeof peer->words, "%.60s", n->text);
      }
    }
    mpi_words_listen(w);
  }
}

/* To all, for a bounded time: who is lost does not take it. */
void mpi_words_tell(mpi_world* w, int32_t kind, const char* text) {
  mpi_notice* n = &w->told[kind == NOTICE_ENDED];
  n->kind = kind;
  n->rank = w->rank;
  snprintf(n->text, sizeof n->text, "%s", text);
  const int bytes = (int)(offsetof(mpi_notice, text) + strlen(n->text) + 1);
  MPI_Request* requests = (MPI_Request*)malloc((size_t)w->size * sizeof *requests);
  if (requests == NULL) return;
  int count = 0;
  for (int32_t d = 1; d < w->size; d++) {
    const int32_t to = (w->rank + d) % w->size;
    const mpi_peer* peer = &w->peers[to];
    if (peer->ended != 0 && !peer->said) continue; /* dead; one that has said that it ends waits to hear it of us */
    if (MPI_Isend(n, bytes, MPI_BYTE, to, TAG, w->words, &requests[count]) == MPI_SUCCESS) count++;
  }
  const int64_t until = tenon_ranks_now() + TELLING;
  for (int k = 0; k < count; k++) {
    int done = 0;
    while (MPI_Test(&requests[k], &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done && tenon_ranks_now() < until)
      sched_yield();
  }
  free(requests); /* of those that did not end nothing is asked again; what they send stays */
}

/* One at a time: while the last one is on its way the next is lost. */
void mpi_words_say(mpi_world* w, int32_t to, const void* word, uint64_t size) {
  int done = 1;
  if (w->said != MPI_REQUEST_NULL && (MPI_Test(&w->said, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || !done)) return;
  w->saying.kind = NOTICE_WORD;
  w->saying.rank = w->rank;
  memcpy(w->saying.text, word, size);
  const int bytes = (int)(offsetof(mpi_notice, text) + size);
  if (MPI_Isend(&w->saying, bytes, MPI_BYTE, to, TAG, w->words, &w->said) != MPI_SUCCESS) w->said = MPI_REQUEST_NULL;
}

int32_t mpi_words_hear(mpi_world* w, void* word, uint64_t size) {
  if (w->taken == w->come) return 0;
  if (w->come - w->taken > MPI_WORDS) w->taken = w->come - MPI_WORDS;
  memcpy(word, w->waiting[w->taken++ % MPI_WORDS], size);
  return 1;
}

void mpi_world_fail(mpi_world* w, const char* text) {
  mpi_words_read(w); /* somebody may have been first */
  if (w->failed) return;
  stand(w, text);
  mpi_words_tell(w, NOTICE_FAILED, text);
}

void mpi_world_error(mpi_world* w, int code, const char* doing, int32_t peer) {
  char what[MPI_MAX_ERROR_STRING + 1] = "";
  char text[TENON_RANKS_TEXT];
  int length = 0;
  MPI_Error_string(code, what, &length);
  snprintf(text, sizeof text, "rank %d is lost to rank %d: MPI says, %s it: %.500s", (int)peer, (int)w->rank, doing,
           what);
  mpi_world_fail(w, text);
}
