/* A rank under mpirun, in C, over the plug-in alone: does every collective and compares it with the simulated world in this process, or
 * goes wrong in one of many ways while the others say what they hear of it.
 * usage: ranks PLUGIN MODE MARK; MARK only names the processes of one run. Exit codes: 0, 5 where the world failed, 1 a wrong result. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tenon/runtime/tenon_ranks.h"

enum { MOST = 8, KINDS = 8, DTYPES = 13 };
static const uint64_t element[DTYPES] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};

typedef struct job {
  const tenon_ranks* ranks;
  const tenon_collective* what;
  const unsigned char* in;
  unsigned char* out;
  int32_t code;
} job;

/* ---- what is asked, and by whom ------------------------------------------------------------------------------------- */

static int is_reduction(int kind) { return kind == TENON_ALL_REDUCE || kind == TENON_REDUCE_SCATTER; }
static uint64_t bytes_in(const tenon_collective* c) {
  return c->kind == TENON_BARRIER ? 0
                                  : (uint64_t)c->count * element[c->dtype] *
                                        (c->kind == TENON_REDUCE_SCATTER || c->kind == TENON_ALL_TO_ALL ? c->size : 1);
}
static uint64_t bytes_out(const tenon_collective* c) {
  return c->kind == TENON_BARRIER ? 0
                                  : (uint64_t)c->count * element[c->dtype] *
                                        (c->kind == TENON_ALL_GATHER || c->kind == TENON_ALL_TO_ALL ? c->size : 1);
}

static tenon_collective ask(int kind, int combine, int dtype, int size, int stride, int64_t count, int rank) {
  static int32_t pairs[2 * MOST];
  tenon_collective c;
  memset(&c, 0, sizeof c);
  c.struct_size = sizeof c;
  c.kind = kind, c.combine = combine, c.dtype = dtype, c.size = size, c.stride = stride, c.count = count;
  for (int32_t k = 0; k < size; k++) pairs[2 * k] = k, pairs[2 * k + 1] = (k + 1) % size;
  c.pairs = pairs, c.pair_count = size - 1; /* nothing arrives at rank 0 */
  const int own = rank / stride % size;
  c.to = (own + 1) % size, c.from = (own + size - 1) % size;
  c.root = size - 1;
  c.where = "ranks.c";
  return c;
}

/* Small whole numbers, which are numbers in every dtype; halves and floats of that kind are made by hand. */
static void fill(unsigned char* out, int dtype, uint64_t bytes, int rank) {
  for (uint64_t k = 0; k < bytes / element[dtype]; k++) {
    const uint32_t draw = (uint32_t)((k * 2654435761u) ^ ((uint32_t)rank * 40503u)) >> 7;
    if (dtype == 0) {
      out[k] = draw & 1;
    } else if (dtype == 11) {
      const float value = (float)draw / 8191.0f;
      memcpy(out + 4 * k, &value, 4);
    } else if (dtype == 12) {
      const double value = (double)draw / 8191.0;
      memcpy(out + 8 * k, &value, 8);
    } else if (dtype >= 9) {
      const uint16_t value = (uint16_t)((dtype == 9 ? 0x3800 : 0x3f00) | (draw & 0x80ff));
      memcpy(out + 2 * k, &value, 2);
    } else {
      const uint64_t value = draw;
      memcpy(out + element[dtype] * k, &value, element[dtype]);
    }
  }
}

static void* simulated(void* argument) {
  job* j = (job*)argument;
  j->code = tenon_ranks_run(j->ranks, j->what, j->in, j->out);
  return NULL;
}

/* What every rank gets, by the simulated world: threads of this process. */
static void expect(int size, const tenon_collective* all, unsigned char** in, unsigned char** out) {
  tenon_simulated* world = tenon_simulated_open(size);
  pthread_t threads[MOST];
  job jobs[MOST];
  for (int r = 0; r < size; r++) {
    const job j = {tenon_simulated_rank(world, r), &all[r], in[r], out[r], 0};
    jobs[r] = j;
    pthread_create(&threads[r], NULL, simulated, &jobs[r]);
  }
  for (int r = 0; r < size; r++) pthread_join(threads[r], NULL);
  tenon_simulated_close(world);
}

static void check_one(const tenon_ranks* ranks, int kind, int combine, int dtype, int size, int stride, int64_t count) {
  tenon_collective all[MOST];
  unsigned char *in[MOST], *out[MOST];
  for (int r = 0; r < ranks->size; r++) {
    all[r] = ask(kind, combine, dtype, size, stride, count, r);
    in[r] = (unsigned char*)aligned_alloc(64, (bytes_in(&all[r]) + 64) / 64 * 64);
    out[r] = (unsigned char*)aligned_alloc(64, (bytes_out(&all[r]) + 64) / 64 * 64);
    fill(in[r], dtype, bytes_in(&all[r]), r);
  }
  expect(ranks->size, all, in, out);
  const tenon_collective* own = &all[ranks->rank];
  unsigned char* mine = (unsigned char*)aligned_alloc(64, (bytes_out(own) + 64) / 64 * 64);
  memset(mine, 0x55, bytes_out(own));
  if (tenon_ranks_run(ranks, own, in[ranks->rank], mine) != TENON_OK) {
    printf("rank %d: %s\n", (int)ranks->rank, ranks->message(ranks->world));
    exit(1);
  }
  if (memcmp(mine, out[ranks->rank], bytes_out(own)) != 0) {
    printf("rank %d: kind %d combine %d dtype %d size %d stride %d count %lld: other bits than simulated\n",
           (int)ranks->rank, kind, combine, dtype, size, stride, (long long)count);
    exit(1);
  }
  free(mine);
  for (int r = 0; r < ranks->size; r++) free(in[r]), free(out[r]);
}

static int check(const tenon_ranks* ranks) {
  int done = 0;
  for (int kind = 0; kind < KINDS; kind++)
    for (int dtype = 0; dtype < DTYPES; dtype++)
      for (int combine = 0; combine < (is_reduction(kind) ? 4 : 1); combine++)
        for (int large = 0; large < 2; large++) {
          check_one(ranks, kind, combine, dtype, ranks->size, 1, large ? 50000 : 3);
          if (ranks->size == 4 && combine == 0) { /* the axes of a mesh of 2 x 2 */
            check_one(ranks, kind, combine, dtype, 2, 1, large ? 50000 : 3);
            check_one(ranks, kind, combine, dtype, 2, 2, large ? 50000 : 3);
          }
          done++;
        }
  check_one(ranks, TENON_ALL_REDUCE, 0, 11, ranks->size, 1, 3000001);
  check_one(ranks, TENON_BROADCAST, 0, 12, ranks->size, 1, 700001);
  check_one(ranks, TENON_ALL_GATHER, 0, 11, ranks->size, 1, 0);
  if (ranks->size == 2) check_one(ranks, TENON_EXCHANGE, 0, 5, 2, 1, 35000001); /* several messages */
  return done;
}

/* Several at once, ended in another order. */
static void check_pending(const tenon_ranks* ranks) {
  enum { OPEN = 6, COUNT = 30000 };
  static float in[OPEN][COUNT], out[OPEN][COUNT];
  void* pending[OPEN];
  for (int k = 0; k < OPEN; k++) {
    for (int e = 0; e < COUNT; e++) in[k][e] = (float)(e % 7 + k + ranks->rank);
    const tenon_collective c = ask(TENON_ALL_REDUCE, TENON_SUM, 11, ranks->size, 1, k % 2 ? COUNT : 100, ranks->rank);
    if (ranks->start(ranks->world, &c, in[k], out[k], &pending[k]) != TENON_OK) exit(1);
  }
  for (int k = 0; k < OPEN; k++) {
    const int at = (k * 5 + ranks->rank * 2) % OPEN;
    if (ranks->finish(ranks->world, pending[at]) != TENON_OK) exit(1);
    for (int e = 0; e < (at % 2 ? COUNT : 100); e++) {
      float sum = 0;
      for (int r = 0; r < ranks->size; r++) sum += (float)(e % 7 + at + r);
      if (out[at][e] != sum) {
        printf("rank %d: pending %d differs\n", (int)ranks->rank, at);
        exit(1);
      }
    }
  }
}

/* ---- going wrong ----------------------------------------------------------------------------------------------------- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void go_wrong(const tenon_ranks* ranks, const char* mode, tenon_collective* c) {
  if (strcmp(mode, "fail") == 0) {
    ranks->fail(ranks->world, "threw: no more disk");
    exit(5);
  }
  if (strcmp(mode, "exit") == 0) exit(0);
  if (strcmp(mode, "exit3") == 0) exit(3);
  if (strcmp(mode, "kill") == 0) raise(SIGKILL);
  if (strcmp(mode, "hang") == 0) sleep(3600);
  if (strcmp(mode, "shape") == 0) c->count = 17;
  if (strcmp(mode, "kind") == 0) c->kind = TENON_BROADCAST;
  if (strcmp(mode, "program") == 0) c->digest = 99;
  if (strcmp(mode, "group") == 0) c->size = 2;
}

/* Every rank adds up for a while; at the third time the last one goes wrong. */
static int faults(const tenon_ranks* ranks, const char* mode, int64_t count) {
  float* in = (float*)calloc((size_t)count, sizeof *in);
  float* out = (float*)calloc((size_t)count, sizeof *out);
  for (int step = 0; step < 100; step++) {
    tenon_collective c = ask(TENON_ALL_REDUCE, TENON_SUM, 11, ranks->size, 1, count, ranks->rank);
    c.where = "all_reduce at step.cc:12";
    if (step == 3 && ranks->rank == ranks->size - 1) go_wrong(ranks, mode, &c);
    const double begin = now();
    if (tenon_ranks_run(ranks, &c, in, out) == TENON_OK) continue;
    printf("rank %d after %.1f s: %s\n", (int)ranks->rank, now() - begin, ranks->message(ranks->world));
    fflush(stdout);
    if (tenon_ranks_run(ranks, &c, in, out) != TENON_RANKS_FAILED) return 1; /* the world stays failed */
    free(in);
    free(out);
    return 5;
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  void* library = dlopen(argv[1], RTLD_NOW);
  if (library == NULL) {
    printf("%s\n", dlerror());
    return 2;
  }
  /* A program that has begun MPI itself ends it itself. */
  const int own = strcmp(argv[2], "own") == 0;
  int (*mpi_init)(int*, char***);
  int (*mpi_finalize)(void);
  *(void**)&mpi_init = dlsym(library, "MPI_Init");
  *(void**)&mpi_finalize = dlsym(library, "MPI_Finalize");
  if (own && mpi_init(&argc, &argv) != 0) return 2;
  const tenon_ranks* (*open)(const char**);
  *(void**)&open = dlsym(library, "tenon_mpi_ranks");
  const char* reason = NULL;
  const tenon_ranks* ranks = open(&reason);
  if (ranks == NULL) {
    printf("no world: %s\n", reason);
    return 3;
  }
  if (own || strcmp(argv[2], "check") == 0) {
    const int done = check(ranks);
    check_pending(ranks);
    if (ranks->rank == 0) printf("%d ranks: %d collectives as simulated\n", (int)ranks->size, done);
    return own ? mpi_finalize() : 0;
  }
  const size_t length = strlen(argv[2]);
  char mode[32] = "";
  const int large = length > 6 && length < sizeof mode && strcmp(argv[2] + length - 6, "-large") == 0;
  memcpy(mode, argv[2], large ? length - 6 : length < sizeof mode ? length : sizeof mode - 1);
  return faults(ranks, mode, large ? 4000000 : 16);
}
