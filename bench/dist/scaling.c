/* What the model of cost predicts, and how well. First every collective in a simulated world over a network that is slow enough for this
 * machine's processors to keep up, beside what the model says of it (the best of 9, of 16 MB of 3); then training over many ranks.
 * usage: dist_scaling [--measure] [--training] [ALPHA GAP BETA], the simulated network's, in seconds; both parts without a word. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tenon/bench/dist/cost_model.h"
#include "tenon/bench/dist/training.h"

enum { MOST = 64, SAMPLES = 64, F32 = 11 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One kind and size: all ranks begin together, some times, and the last one that is done counts. */
typedef struct trial {
  tenon_simulated* world;
  int32_t kind, size, times;
  int64_t count;
  pthread_barrier_t gate;
  double began[SAMPLES], ended[SAMPLES][MOST];
} trial;

typedef struct seat {
  trial* of;
  int32_t rank;
} seat;

static void complain(const char* text) {
  fprintf(stderr, "dist_scaling: %s\n", text);
  exit(1);
}

static void* run(void* argument) {
  const seat* s = (const seat*)argument;
  trial* t = s->of;
  const tenon_ranks* ranks = tenon_simulated_rank(t->world, s->rank);
  const size_t bytes = (size_t)t->count * sizeof(float);
  const int many_in = t->kind == TENON_REDUCE_SCATTER || t->kind == TENON_ALL_TO_ALL;
  const int many_out = t->kind == TENON_ALL_GATHER || t->kind == TENON_ALL_TO_ALL;
  float* in = (float*)calloc(many_in ? (size_t)t->size : 1, bytes);
  float* out = (float*)malloc(bytes * (many_out ? (size_t)t->size : 1));
  if (in == NULL || out == NULL) complain("out of memory");
  memset(out, 0, bytes * (many_out ? (size_t)t->size : 1));
  tenon_collective what;
  memset(&what, 0, sizeof what);
  what.struct_size = sizeof what;
  what.kind = t->kind;
  what.dtype = F32;
  what.size = t->size;
  what.stride = 1;
  what.count = t->count;
  what.to = (s->rank + 1) % t->size;
  what.from = (s->rank + t->size - 1) % t->size;
  what.where = "dist_scaling";
  ranks->set_timeout(ranks->world, 60);
  for (int32_t k = 0; k < t->times; k++) {
    if (pthread_barrier_wait(&t->gate) == PTHREAD_BARRIER_SERIAL_THREAD) t->began[k] = now();
    if (tenon_ranks_run(ranks, &what, in, out) != TENON_OK) complain(ranks->message(ranks->world));
    t->ended[k][s->rank] = now();
  }
  ranks->leave(ranks->world);
  free(in);
  free(out);
  return NULL;
}

/* The best of some: what else goes on here only adds. Over `link`, or at once where it is null. */
static double measured(int32_t kind, int32_t size, int64_t count, const tenon_link* link, int32_t times) {
  seat seats[MOST];
  pthread_t threads[MOST];
  trial* t = (trial*)calloc(1, sizeof *t);
  if (t == NULL || (t->world = tenon_simulated_open(size)) == NULL) complain("out of memory");
  if (link != NULL) {
    const tenon_network network = {sizeof network, *link, *link, 0};
    if (tenon_simulated_network(t->world, &network) != TENON_OK) complain("no such network");
  }
  t->kind = kind;
  t->size = size;
  t->times = times;
  t->count = count;
  pthread_barrier_init(&t->gate, NULL, (unsigned)size);
  for (int32_t r = 0; r < size; r++) {
    seats[r].of = t;
    seats[r].rank = r;
    if (pthread_create(&threads[r], NULL, run, &seats[r]) != 0) complain("no thread");
  }
  for (int32_t r = 0; r < size; r++) pthread_join(threads[r], NULL);
  double best = INFINITY;
  for (int32_t k = 0; k < times; k++) {
    double last = 0;
    for (int32_t r = 0; r < size; r++) last = fmax(last, t->ended[k][r] - t->began[k]);
    best = fmin(best, last);
  }
  tenon_simulated_close(t->world);
  pthread_barrier_destroy(&t->gate);
  free(t);
  return best;
}

/* gamma, delta and handling from worlds of two without a network. */
static void calibrate(cost* c) {
  const double bytes = 4 << 20;
  const double nothing = measured(TENON_BARRIER, 2, 0, NULL, SAMPLES);
  const double move = measured(TENON_EXCHANGE, 2, 1 << 20, NULL, SAMPLES);
  const double reduce = measured(TENON_ALL_REDUCE, 2, 1 << 20, NULL, SAMPLES);
  c->handling = nothing;
  c->delta = fmax(0, move - 2 * nothing) / bytes;
  c->gamma = fmax(0, reduce - 5 * nothing - c->delta * bytes) / (bytes / 2);
  c->cores = (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
}

static const struct {
  int32_t kind, several; /* several: so many bytes in all, in a block for each rank */
  const char* name;
} kinds[] = {{TENON_ALL_REDUCE, 0, "all_reduce"}, {TENON_REDUCE_SCATTER, 1, "reduce_scatter"},
             {TENON_ALL_GATHER, 1, "all_gather"}, {TENON_ALL_TO_ALL, 1, "all_to_all"},
             {TENON_BROADCAST, 0, "broadcast"},   {TENON_EXCHANGE, 0, "exchange"}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* A row of the table; how far the two are apart, as a factor. */
static double row(const cost* c, int k, int32_t size, int64_t total, int32_t times) {
  const int64_t bytes = kinds[k].several ? total / size / 4 * 4 : total;
  const double predicted = cost_of(c, kinds[k].kind, size, (double)bytes);
  const double seconds = measured(kinds[k].kind, size, bytes / 4, &c->link, times);
  printf("%-15s %6d %10lld %13.2f %13.2f %7.2f", kinds[k].name, (int)size, (long long)total, 1e3 * predicted,
         1e3 * seconds, seconds / predicted);
  if (kinds[k].kind == TENON_ALL_REDUCE)
    printf(" %10.2f %10.2f", 1e3 * cost_ring(c, size, (double)bytes), 1e3 * cost_tree(c, size, (double)bytes));
  printf("\n");
  fflush(stdout);
  return fmax(seconds / predicted, predicted / seconds);
}

static void compare(const cost* c) {
  static const int64_t sizes[] = {4096, 1 << 20, 16 << 20};
  printf("simulated network: alpha %.3g ms, gap %.3g us, %.4g MB/s\n", 1e3 * c->link.alpha, 1e6 * c->link.gap,
         1e-6 / c->link.beta);
  printf("this machine: %d cores; handles a message in %.2f us, joins a byte in %.2f ns, takes one in %.2f ns\n",
         (int)c->cores, 1e6 * c->handling, 1e9 * c->gamma, 1e9 * c->delta);
  printf("%-15s %6s %10s %13s %13s %7s %10s %10s\n", "", "ranks", "bytes", "predicted ms", "measured ms", "ratio",
         "ring ms", "tree ms");
  double worst = 1;
  for (int k = 0; k < KINDS; k++)
    for (int b = 0; b < 3; b++) {
      for (int32_t n = 2; n <= 16; n *= 2) worst = fmax(worst, row(c, k, n, sizes[b], b < 2 ? 9 : 3));
      if (kinds[k].kind == TENON_ALL_REDUCE && b < 2) worst = fmax(worst, row(c, k, MOST, sizes[b], 9)); /* by halves */
    }
  printf("furthest from the prediction: a factor of %.2f\n", worst);
}

int main(int argc, char** argv) {
  cost c = {{0.002, 20e-6, 1 / 40e6}, 0, 0, 0, 0};
  double* numbers[] = {&c.link.alpha, &c.link.gap, &c.link.beta};
  int given = 0;
  int measure = 1;
  int training = 1;
  for (int k = 1; k < argc; k++) {
    if (strcmp(argv[k], "--measure") == 0)
      training = 0;
    else if (strcmp(argv[k], "--training") == 0)
      measure = 0;
    else if (given < 3)
      *numbers[given++] = strtod(argv[k], NULL);
  }
  if (measure) {
    calibrate(&c);
    compare(&c);
  }
  if (training) print_training();
  return 0;
}
