/* How a compiled program speaks with the other ranks of its world: one table of functions, which a simulated world in one process,
 * MPI, or a caller of their own fills in. All ranks of a group call the same collectives in the same order.
 *
 * Numbers: what is reduced is joined by one tree over the ranks of a group, whoever computes it and however it travels: neighbours
 * first (0 with 1, 2 with 3, ...), then the pairs, an odd last one waiting for the next level. Halves are joined as f32 and rounded
 * once. So every engine gives the same bits.
 * Depends on the C standard library alone, and refuses to know tensors, graphs or any engine. */
#ifndef TENON_RANKS_H
#define TENON_RANKS_H

#include "tenon/runtime/tenon_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tenon_collective_kind {
  TENON_ALL_REDUCE = 0, /* count elements -> count, joined over the group */
  TENON_ALL_GATHER = 1, /* count elements -> size blocks of count, by rank */
  TENON_REDUCE_SCATTER = 2, /* size blocks of count -> the rank's own block, joined over the group */
  TENON_ALL_TO_ALL = 3, /* size blocks of count -> size blocks of count: block k of rank r becomes block r of rank k */
  TENON_PERMUTE = 4, /* count elements -> count: what `pairs` sends here, zeros where nothing arrives */
  TENON_BROADCAST = 5, /* count elements -> count: the root's */
  TENON_EXCHANGE = 6, /* count elements to rank `to`, count from rank `from`; -1: none, and zeros */
  TENON_BARRIER = 7 /* nothing; ends when every rank of the group has begun it */
} tenon_collective_kind;

typedef enum tenon_combine { TENON_SUM = 0, TENON_PROD = 1, TENON_MIN = 2, TENON_MAX = 3 } tenon_combine;

/* What is asked. The same on all ranks of the group, but for `to` and `from`: an engine compares. The group of rank r is the ranks
 * r - (r / stride % size - k) * stride for k from 0 to size - 1, and k is a rank's number in it: an axis of a row-major mesh. */
typedef struct tenon_collective {
  uint64_t struct_size;
  int32_t kind, combine; /* tenon_combine, of reductions */
  int32_t dtype; /* as in tenon_printed */
  int32_t size, stride;
  int32_t root; /* of a broadcast: its number in the group */
  int32_t to, from; /* of an exchange: numbers in the group */
  int64_t count; /* elements; of one block where there are several */
  const int32_t* pairs; /* of a permutation: from, to, from, to, ...; numbers in the group */
  int64_t pair_count;
  uint64_t digest; /* of the program and the place in it that asks: differs where ranks run different programs */
  const char* where; /* for messages: "all_reduce at train.cc:42"; lives as long as the call */
  /* 0: the engine moves elements, and does so where struct_size ends before this. TENON_MOVED_BY_NCCL: it moves none, `in` and `out`
   * are not looked at, and ranks only agree, of an exchange the two that take part: who asks moves them then. */
  int32_t moved_by;
} tenon_collective;
enum { TENON_MOVED_BY_NCCL = 1 };

/* What somebody keeps for a rank until it leaves or its world is closed: a list, each by its owner's mark. */
typedef struct tenon_kept {
  struct tenon_kept* next;
  const void* owner;
  void (*drop)(struct tenon_kept* kept); /* called once, when it is in the list no more */
} tenon_kept;

/* One rank's view of its world. Functions give 0 or TENON_RANKS_FAILED; `message` says why, in English, and which rank. Of one
 * rank, one thread at a time calls; what it started it finishes in any order. */
typedef struct tenon_ranks {
  uint64_t struct_size;
  void* world;
  int32_t rank, size;
  /* Begins a collective: `in` must keep its elements, and `out` is not to be touched, until `finish` of what is put into *pending.
   * *pending may become null where nothing is left to do. `in` and `out` do not overlap. */
  int32_t (*start)(void* world, const tenon_collective* what, const void* in, void* out, void** pending);
  int32_t (*finish)(void* world, void* pending);
  /* Works on what was started, for a moment. May be null. */
  void (*progress)(void* world);
  const char* (*message)(void* world);
  /* This rank has failed, for the reason given: every other rank's next or open collective fails and names it. */
  void (*fail)(void* world, const char* reason);
  /* This rank is done, and calls nothing more; what it has not finished is given up. A collective of the others that needs it fails and says "rank 3 has ended". */
  void (*leave)(void* world);
  /* How long a collective waits for a rank that does not answer. */
  void (*set_timeout)(void* world, double seconds);
  /* For who moves elements himself; both may be null, and are absent where struct_size ends before them. What was agreed on has not
   * moved `waited` seconds after: TENON_RANKS_FAILED where there is no use in waiting any more, the message saying why. */
  int32_t (*watch)(void* world, const tenon_collective* what, double waited);
  /* The beginning of this rank's list. */
  tenon_kept** (*kept)(void* world);
} tenon_ranks;

/* start and finish. */
int32_t tenon_ranks_run(const tenon_ranks* ranks, const tenon_collective* what, const void* in, void* out);

/* The world of one: every collective is a copy. */
const tenon_ranks* tenon_ranks_alone(void);

/* A world of `size` ranks within this process, for as many threads: 1 to 4096; null when out of memory. rank(r) is what thread r calls
 * with. Closing frees it; no thread may be inside. */
typedef struct tenon_simulated tenon_simulated;
tenon_simulated* tenon_simulated_open(int32_t size);
const tenon_ranks* tenon_simulated_rank(tenon_simulated* world, int32_t rank);
void tenon_simulated_close(tenon_simulated* world);

/* Seconds: that a message is on its way; that it keeps the cards of both ranks busy, besides its bytes; and of each byte. */
typedef struct tenon_link {
  double alpha, gap, beta;
} tenon_link;

/* A network that a simulated world pretends to have: a message of b bytes is there alpha + gap + beta * b seconds after it was sent.
 * What one rank sends goes through its card one after the other, for gap + beta * b each, and so does what one rank receives. Ranks
 * 0 to host_ranks - 1 share a host, the next ones another; 0 or 1: every rank has its own. Failures travel at once. */
typedef struct tenon_network {
  uint64_t struct_size;
  tenon_link between, inside; /* hosts; a card for each */
  int32_t host_ranks;
} tenon_network;
/* Before any rank does anything. TENON_RANKS_FAILED, and no change, where a number is negative, none, or above 1000 s. */
int32_t tenon_simulated_network(tenon_simulated* world, const tenon_network* network);

/* What the plug-in for MPI exports (libtenon_mpi.so). MPI is begun where nobody has, and ended with the process. Null, and
 * *reason, where there is no world: not started by mpirun, or MPI refused. */
const tenon_ranks* tenon_mpi_ranks(const char** reason);

#ifdef __cplusplus
}
#endif
#endif
