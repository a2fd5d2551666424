/* The collectives of one rank, over a transport: each pending one is a small state machine, so that several go on at once. First all
 * ranks of the group agree about what they do (ranks_agree.c), small elements travelling along; then large ones move
 * (ranks_work.c). Internal to the runtime. */
#ifndef TENON_RUNTIME_RANKS_ENGINE_H
#define TENON_RUNTIME_RANKS_ENGINE_H

#include "tenon/runtime/c/ranks_transport.h"
#include "tenon/runtime/tenon_ranks.h"

#pragma GCC visibility push(hidden)
enum {
  TENON_ROUNDS = 12, /* of agreement: 4096 ranks */
  TENON_SMALL = 64 * 1024, /* bytes of a whole group that travel with the agreement */
  TENON_MOVE_CHUNK = 16 << 20, /* bytes of a message of what only moves */
  TENON_MOVE_WINDOW = 8, /* such messages of one collective at once */
  TENON_STREAM_AGREE = 0,
  TENON_STREAM_MOVE = 1,
  TENON_STREAM_SPREAD = 2
};

/* What a rank says of its collective; ranks compare all but the last two. */
typedef struct tenon_header {
  uint64_t digest, pairs; /* pairs: a digest of them */
  int64_t count, pair_count;
  int32_t kind, combine, dtype, size, stride, root, moved_by;
  uint32_t sequence;
  int32_t rank; /* in the world */
  char where[124];
} tenon_header;

enum { TENON_HEADER = sizeof(tenon_header) }; /* a multiple of 64: elements follow */
_Static_assert(sizeof(tenon_header) == 192, "elements behind a header are aligned to 64 bytes");

typedef struct tenon_engine tenon_engine;
typedef struct tenon_pending tenon_pending;

/* A window of messages in a large collective: steps are begun in order, as room becomes free, and what has arrived is worked on
 * in order, so that both ends of every pair see the same sequence of messages. */
typedef struct tenon_slots {
  tenon_request* requests; /* `each` of them for each slot, those that are awaited first */
  int32_t each, awaited, window;
  int64_t total, begun, worked; /* steps */
  int64_t
      sent; /* steps of an exchange, whose two directions go on by themselves: the other three count what it receives */
  int64_t chunk; /* elements of one */
  char* room; /* what arrives to be joined: `awaited` chunks for each slot */
  uint64_t room_size;
  int32_t keeps; /* what goes nowhere is still to be copied */
  const void** sources; /* of a join, by rank of the group */
} tenon_slots;

struct tenon_pending {
  tenon_pending *next, *before;
  tenon_engine* engine;
  int32_t done, agreed, small, halves;
  int64_t asks; /* after waiting how long next (ranks_waiting.c) */
  uint64_t moved; /* grows with everything that arrives */
  int32_t base, own, size, stride; /* the group: rank of number 0, the own number */
  int32_t to, from; /* of a permutation or an exchange, -1: none */
  uint64_t element, bytes; /* of one, and of `count` */
  const char* in;
  char* out;
  tenon_tag tag;
  /* the agreement */
  int32_t rounds, round;
  uint64_t block; /* bytes that each rank adds to the rounds */
  char *told, *arriving; /* header and blocks: known so far, and the message of this round */
  tenon_request answer[2], said[TENON_ROUNDS][2];
  tenon_slots slots;
};

typedef struct tenon_group {
  int32_t size, stride;
  uint32_t sequence;
} tenon_group;

struct tenon_engine {
  tenon_ranks table; /* whose world this is */
  tenon_transport transport;
  tenon_pending* open;
  tenon_pending* spare; /* ended ones, kept with their room for messages */
  tenon_group* groups;
  int32_t group_count, group_room;
  tenon_kept* kept;
  int64_t timeout;
  int64_t patience; /* how long a rank waits before it asks */
  void* block; /* room of large collectives, kept for the next */
  uint64_t block_size;
};

/* Makes an engine over a transport; 0 when out of memory. Closing gives up what is pending. */
int32_t tenon_engine_open(tenon_engine* engine, const tenon_transport* transport);
void tenon_engine_close(tenon_engine* engine);
/* Nobody touches the elements of what is pending when this has returned. */
void tenon_engine_abandon(tenon_engine* engine);

/* A failure found here: every rank is told. */
void tenon_engine_fail(tenon_engine* engine, const char* text);
/* The world's failure, as text; null while there is none. */
const char* tenon_engine_failed(tenon_engine* engine);

/* The two functions of the table for who moves elements himself; what is kept goes. */
int32_t tenon_engine_watch(void* world, const tenon_collective* what, double waited);
tenon_kept** tenon_engine_kept(void* world);
void tenon_engine_drop_kept(tenon_engine* engine);

int64_t tenon_ranks_now(void); /* nanoseconds that only grow */
/* TENON_DIST_TIMEOUT, or 9 seconds, in nanoseconds. */
int64_t tenon_ranks_timeout(void);

/* What is wrong with a request that rank `rank` of `size` makes: a message, null when it is right. */
const char* tenon_ranks_wrong(const tenon_collective* what, int32_t rank, int32_t size);
/* A collective of a group of one. */
void tenon_ranks_copy(const tenon_collective* what, const void* in, void* out);
uint64_t tenon_ranks_pairs_digest(const int32_t* pairs, int64_t pair_count);
/* Who sends to number `own` in the pairs, and whom it sends to; -1: nobody. */
void tenon_ranks_pair_of(const tenon_collective* what, int32_t own, int32_t* to, int32_t* from);

static inline int32_t tenon_ranks_moved_by(const tenon_collective* what) {
  return what->struct_size >= sizeof *what ? what->moved_by : 0;
}
/* What rank `rank` of a world says. */
void tenon_ranks_describe(const tenon_collective* what, int32_t rank, uint32_t sequence, tenon_header* header);
/* "all_reduce(sum) of 16 f32 over 4 ranks at a.cc:3", into out. */
void tenon_header_text(const tenon_header* header, char* out, size_t size);
/* 0 where two ranks say the same; else what is said of it, into out. */
int32_t tenon_header_differs(const tenon_header* a, const tenon_header* b, char* out, size_t size);

/* Each works on a pending collective, as far as it comes without waiting; nonzero when something moved. */
int32_t tenon_agree(tenon_pending* p);
int32_t tenon_work(tenon_pending* p);
int32_t tenon_agree_begin(tenon_pending* p, const tenon_header* header); /* 0: out of memory */
int32_t tenon_transfer(tenon_pending* p); /* of an exchange, from its beginning to its end */
int32_t tenon_transfer_begin(tenon_pending* p, const tenon_header* header); /* 0: out of memory */
int32_t tenon_work_begin(tenon_pending* p); /* 0: out of memory */
void tenon_work_end(tenon_pending* p);
int32_t tenon_work_room(tenon_pending* p, uint64_t bytes); /* for what arrives to be joined, 0: out of memory */
/* An all_reduce over many ranks, step by step; whether it is one. */
int32_t tenon_halving_fits(const tenon_pending* p);
int32_t tenon_halving_prepare(tenon_pending* p); /* 0: out of memory */
int32_t tenon_halving_may_begin(tenon_pending* p); /* the next step */
void tenon_halving_begin(tenon_pending* p, tenon_request* requests, int64_t step);
void tenon_halving_arrived(tenon_pending* p, int64_t step);

/* What is waited for, answers before words that have not been taken; null when nothing is. */
tenon_request* tenon_awaited(tenon_pending* p);
/* Of a rank that waits in p: asks whether the others wait for it, and answers those who ask. */
void tenon_ask(tenon_pending* p);
void tenon_answer(tenon_pending* p);

static inline const tenon_header* tenon_own_header(const tenon_pending* p) {
  return (const tenon_header*)(const void*)p->told;
}
static inline int32_t tenon_world_rank(const tenon_pending* p, int32_t number) { return p->base + number * p->stride; }
/* Number of the rank `distance` places on. */
static inline int32_t tenon_after(const tenon_pending* p, int32_t distance) {
  return (int32_t)(((int64_t)p->own + distance) % p->size);
}
static inline int32_t tenon_before(const tenon_pending* p, int32_t distance) {
  return (int32_t)(((int64_t)p->own - distance + p->size) % p->size);
}
void tenon_send(tenon_pending* p, tenon_request* request, int32_t number, int32_t stream, const void* bytes,
                uint64_t size);
void tenon_receive(tenon_pending* p, tenon_request* request, int32_t number, int32_t stream, void* bytes,
                   uint64_t size);
/* How many are still on their way. */
int32_t tenon_test(tenon_pending* p, tenon_request* requests, int32_t count);
#pragma GCC visibility pop

#endif
