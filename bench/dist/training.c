/* A step: the buckets follow each other while the rest of backward goes on, the last one when it is over. Tables for two models on three
 * networks, what is assumed of them standing above. Refuses to know stragglers, other traffic and faults. */
#include "tenon/bench/dist/training.h"

#include <math.h>
#include <stdio.h>

double training_step(const training* t, const cost* c, int32_t size, double part, double hidden) {
  const double compute = t->compute * part;
  if (size == 1) return compute;
  const double buckets = fmax(1, ceil(t->gradients / t->bucket));
  const double bytes = t->gradients / buckets;
  const double one = cost_of(c, TENON_ALL_REDUCE, size, bytes) + t->staging * bytes;
  const double next = fmax(cost_busy(c, TENON_ALL_REDUCE, size, bytes), t->staging * bytes);
  const double all = one + (buckets - 1) * next;
  return compute + fmax(one, all - hidden * t->backward * compute);
}

typedef struct net {
  const char* name;
  cost c;
  int32_t most; /* ranks */
} net;

static const net nets[] = {{"Ethernet, 25 Gb/s", {{20e-6, 1e-6, 1 / 2.9e9}, 1 / 8e9, 0, 0, 0}, 1024},
                           {"InfiniBand, 200 Gb/s", {{2e-6, 0.3e-6, 1 / 23e9}, 1 / 8e9, 0, 0, 0}, 1024},
                           {"one host", {{1e-6, 0.3e-6, 1 / 8e9}, 1 / 8e9, 0, 0, 0}, 64}};
enum { NETS = sizeof nets / sizeof nets[0] };

static void print_header(const char* title) {
  printf("\n%s\n%6s", title, "ranks");
  for (int k = 0; k < NETS; k++) printf(" | %26s", nets[k].name);
  printf("\n%6s", "");
  for (int k = 0; k < NETS; k++) printf(" | %8s %8s %8s", "h = 0", "h = 0.5", "h = 1");
  printf("\n");
}

/* Of the ideal, in percent: the ranks as often as quick as one. `grown`: the batch grows with the ranks. */
static void print_rows(const training* t, int grown, double batch) {
  static const double hidden[] = {0, 0.5, 1};
  for (int32_t n = 1; n <= 1024; n *= n == 1 ? 2 : n < 16 ? 2 : n < 64 ? 4 : n < 256 ? 4 : 2) {
    printf("%6d", (int)n);
    for (int k = 0; k < NETS; k++) {
      printf(" |");
      for (int h = 0; h < 3; h++) {
        const double part = grown ? 1 : batch / n;
        const double ideal = t->compute * part;
        if (n > nets[k].most)
          printf(" %8s", "-");
        else
          printf(" %8.1f", 100 * ideal / training_step(t, &nets[k].c, n, part, hidden[h]));
      }
    }
    printf("\n");
  }
}

void print_training(void) {
  const training mlp = {0.009, 2.0 / 3, 2.7e6, 1 << 20, 0};
  const training large = {0.05, 2.0 / 3, 400e6, 4 << 20, 2 / 20e9};
  printf(
      "\nTraining, in percent of what so many ranks could do at best; h: the share of backward, two thirds of a step, "
      "behind which\n"
      "gradients travel. Networks:\n");
  for (int k = 0; k < NETS; k++)
    printf("  %-21s alpha %g us, gap %g us, %.3g GB/s for each rank; joins %.2g GB/s\n", nets[k].name,
           1e6 * nets[k].c.link.alpha, 1e6 * nets[k].c.link.gap, 1e-9 / nets[k].c.link.beta, 1e-9 / nets[k].c.gamma);
  print_header("MLP on Fashion-MNIST: 2.7 MB of gradients, 9 ms a step for 128 images; 128 images for each rank");
  print_rows(&mlp, 1, 1);
  print_header("the same, 8192 images for all ranks together");
  print_rows(&mlp, 0, 64);
  print_header(
      "100 M parameters: 400 MB of gradients in buckets of 4 MB, by host memory at 20 GB/s; 50 ms a step for each "
      "rank");
  print_rows(&large, 1, 1);
  print_header("the same, 64 such batches for all ranks together");
  print_rows(&large, 0, 64);
}
