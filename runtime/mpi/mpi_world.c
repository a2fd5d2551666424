/* The plug-in: this process as a rank of MPI's world, or the reason why there is none. MPI is begun where a launcher has started us and
 * nobody has begun it, and ended with the process when every rank has said that it ends: after a failure nobody waits in MPI_Finalize. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tenon/runtime/mpi/mpi_world.h"

enum { LINGER = 300 * 1000 * 1000, NAP = 200 * 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mpi_world* the_world;
static const char* refused;

static int32_t launched(void) {
  static const char* const signs[] = {"OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "PMIX_RANK", "MPI_LOCALNRANKS"};
  for (size_t k = 0; k < sizeof signs / sizeof signs[0]; k++)
    if (secure_getenv(signs[k]) != NULL) return 1;
  return secure_getenv("SLURM_PROCID") != NULL && secure_getenv("SLURM_STEP_ID") != NULL;
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

/* A moment in which others hear of it, and say what they have to say: launchers end all when the first one goes. */
static void linger(mpi_world* w) {
  const int64_t until = tenon_ranks_now() + LINGER;
  int flag = 0;
  while (tenon_ranks_now() < until) {
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, w->words, &flag, MPI_STATUS_IGNORE); /* messages move on */
    mpi_nap(NAP);
  }
}

/* Until every rank has said that it ends; 0 where one has died or failed. */
static int32_t all_end(mpi_world* w) {
  for (;;) {
    int32_t open = 0;
    mpi_words_read(w);
    if (w->failed) return 0;
    for (int32_t r = 0; r < w->size; r++) {
      if (r == w->rank || w->peers[r].said) continue;
      if (mpi_world_gone(w, r) != NULL && !w->peers[r].said) return 0;
      open++;
    }
    if (open == 0) return 1;
    mpi_nap(NAP);
  }
}

static void stop_listening(mpi_world* w) {
  if (w->listening == MPI_REQUEST_NULL) return;
  MPI_Cancel(&w->listening);
  MPI_Request_free(&w->listening);
  w->listening = MPI_REQUEST_NULL;
}

static void say_end(mpi_world* w, const char* text) {
  if (w->failed || w->left) return;
  tenon_engine_abandon(&w->engine);
  w->left = 1;
  mpi_words_tell(w, NOTICE_ENDED, text);
}

/* MPI_Finalize, called by whoever began MPI, comes here first. It waits for all ranks in any case. */
static int at_finalize(MPI_Comm self, int key, void* value, void* unused) {
  (void)self;
  (void)key;
  (void)unused;
  mpi_world* w = (mpi_world*)value;
  say_end(w, "has ended");
  all_end(w);
  stop_listening(w);
  return MPI_SUCCESS;
}

static void at_exit(int status, void* unused) {
  (void)unused;
  mpi_world* w = the_world;
  int finalized = 0;
  if (w == NULL || w->pid != (int64_t)getpid()) return; /* a forked child */
  if (MPI_Finalized(&finalized) != MPI_SUCCESS || finalized) return;
  char text[64] = "has ended";
  if (status != 0) snprintf(text, sizeof text, "has ended with exit code %d", status & 0xff);
  say_end(w, text);
  if (!w->began) return;
  if (!w->failed && status == 0 && all_end(w)) {
    stop_listening(w);
    w->engine.kept = NULL; /* goes with the process: what it lies on may have been shut down already */
    tenon_engine_close(&w->engine);
    MPI_Finalize();
    return;
  }
  linger(w);
}

/* ---- the beginning --------------------------------------------------------------------------------------------------- */

static const char* open_communicators(mpi_world* w) {
  if (MPI_Comm_dup(MPI_COMM_WORLD, &w->elements) != MPI_SUCCESS) return "MPI_Comm_dup failed";
  if (MPI_Comm_dup(MPI_COMM_WORLD, &w->words) != MPI_SUCCESS) return "MPI_Comm_dup failed";
  MPI_Comm_set_errhandler(w->elements, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(w->words, MPI_ERRORS_RETURN);
  if (w->began)
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); /* where errors go that belong to no communicator */
  MPI_Comm_rank(w->elements, &w->rank);
  MPI_Comm_size(w->elements, &w->size);
  if (w->size > 4096) return "the world has more than 4096 ranks";
  if (!mpi_transport_tags(w)) return "MPI has too few tags for a world of this size";
  return NULL;
}

static const char* meet(mpi_world* w) {
  mpi_process own = mpi_own_process();
  mpi_process* all = (mpi_process*)calloc((size_t)w->size, sizeof *all);
  w->peers = (mpi_peer*)calloc((size_t)w->size, sizeof *w->peers);
  if (all == NULL || w->peers == NULL) return "out of memory";
  if (MPI_Allgather(&own, sizeof own, MPI_BYTE, all, sizeof own, MPI_BYTE, w->elements) != MPI_SUCCESS)
    return "MPI_Allgather failed";
  int32_t here = 0;
  for (int32_t r = 0; r < w->size; r++) {
    w->peers[r].process = all[r];
    here += all[r].machine == own.machine;
  }
  free(all);
  w->crowded = here > sysconf(_SC_NPROCESSORS_ONLN);
  w->pid = own.pid;
  return NULL;
}

static const char* open_world(mpi_world* w) {
  int begun = 0;
  int ended = 0;
  int granted = MPI_THREAD_SINGLE;
  MPI_Initialized(&begun);
  MPI_Finalized(&ended);
  if (ended) return "MPI has been ended in this process";
  if (!begun) {
    if (!launched()) return "this process was not started by mpirun, mpiexec or srun";
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &granted) != MPI_SUCCESS) return "MPI_Init_thread failed";
    w->began = 1;
  }
  const char* wrong = open_communicators(w);
  if (wrong == NULL) wrong = meet(w);
  if (wrong != NULL) return wrong;
  tenon_transport transport;
  mpi_transport_fill(w, &transport);
  if (!tenon_engine_open(&w->engine, &transport)) return "out of memory";
  w->said = MPI_REQUEST_NULL;
  mpi_words_listen(w);
  int key = MPI_KEYVAL_INVALID;
  if (!w->began && MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, at_finalize, &key, NULL) == MPI_SUCCESS)
    MPI_Comm_set_attr(MPI_COMM_SELF, key, w);
  return NULL;
}

const tenon_ranks* tenon_mpi_ranks(const char** reason) {
  pthread_mutex_lock(&lock);
  if (the_world == NULL && refused == NULL) {
    mpi_world* w = (mpi_world*)calloc(1, sizeof *w);
    refused = w == NULL ? "out of memory" : open_world(w);
    if (refused == NULL) {
      the_world = w;
      on_exit(at_exit, NULL);
    } else {
      if (w != NULL && w->began) MPI_Finalize();
      free(w);
    }
  }
  mpi_world* w = the_world;
  pthread_mutex_unlock(&lock);
  if (reason != NULL) *reason = w == NULL ? refused : NULL;
  return w != NULL ? &w->engine.table : NULL;
}
