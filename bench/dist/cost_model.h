/* What collectives cost: seconds that each takes by the algorithms that the engine uses (runtime/c/ranks_*.c), from what a message and a
 * byte cost on a link and what joining a byte costs; beside them a ring and a binomial tree, for comparison. A link is as in
 * tenon_ranks.h: alpha, gap, beta. Refuses to know hosts: one link stands for all, the slowest. */
#ifndef TENON_BENCH_DIST_COST_MODEL_H
#define TENON_BENCH_DIST_COST_MODEL_H

#include <stdint.h>

#include "tenon/runtime/tenon_ranks.h"

typedef struct cost {
  tenon_link link;
  double gamma; /* seconds to join a byte of one more rank */
  double delta; /* seconds to take a byte that has arrived: 0 where the card does it */
  double handling; /* seconds of the processor for a message */
  int32_t cores; /* that all ranks share; 0: each has its own */
} cost;

/* Of the engine's, over `size` ranks; bytes are those of `count` elements in tenon_collective. */
double cost_of(const cost* c, int32_t kind, int32_t size, double bytes);
/* The agreement with which each begins but an exchange: log2 of size rounds. */
double cost_of_agreement(const cost* c, int32_t size);
/* How long it keeps a rank's card and processor busy: what several that are pending at once cannot share. */
double cost_busy(const cost* c, int32_t kind, int32_t size, double bytes);

/* An all_reduce of so many bytes by two ways that are in use elsewhere, with no agreement. */
double cost_ring(const cost* c, int32_t size, double bytes);
double cost_tree(const cost* c, int32_t size, double bytes);

#endif
