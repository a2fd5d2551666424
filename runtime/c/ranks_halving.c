/* An all_reduce over many ranks, where messages cost more than bytes: in round i neighbours at distance 2^i each keep one half of what they
 * still have and join the other's of it, then the halves go back the same way. The numbers are those of the tree, whose branches are what
 * travels. Refuses groups that are no power of two, and halves, whose branches are wider than they are. */
#include <stdlib.h>
#include <string.h>

#include "tenon/runtime/c/ranks_engine.h"
#include "tenon/runtime/c/ranks_join.h"

enum { FROM = 64 /* ranks */, CHUNK = 256 * 1024, WINDOW = 4 };

typedef struct range {
  int64_t begin, end; /* elements */
} range;

typedef struct place {
  int32_t round, joins; /* on the way down; else back up */
  int64_t chunk, first; /* the step that begins the round */
} place;

int32_t tenon_halving_fits(const tenon_pending* p) {
  const tenon_header* h = tenon_own_header(p);
  return h->kind == TENON_ALL_REDUCE && p->size >= FROM && (p->size & (p->size - 1)) == 0 && h->dtype != TENON_F16 &&
         h->dtype != TENON_BF16;
}

/* What is left after so many rounds to the ranks that have number `own` in the rounds' bits. */
static range part(const tenon_pending* p, int32_t own, int32_t rounds) {
  const int64_t line = (int64_t)(64 / p->element);
  range r = {0, tenon_own_header(p)->count};
  for (int32_t i = 0; i < rounds; i++) {
    const int64_t half = (r.end - r.begin + 1) / 2;
    const int64_t up = (half + line - 1) / line * line;
    const int64_t middle = up < r.end - r.begin ? r.begin + up : r.end;
    if (own >> i & 1)
      r.begin = middle;
    else
      r.end = middle;
  }
  return r;
}

static int64_t chunk_elements(const tenon_pending* p) { return CHUNK / (int64_t)p->element; }

/* Messages of a round: as many as the first half has, the longer one. */
static int64_t steps_of(const tenon_pending* p, int32_t round) {
  const int32_t lower = p->own & ~(1 << round);
  const range longer = part(p, lower, round + 1);
  return (longer.end - longer.begin + chunk_elements(p) - 1) / chunk_elements(p);
}

static place place_of(const tenon_pending* p, int64_t step) {
  place at = {0, 1, 0, 0};
  for (int32_t k = 0; k < 2 * p->rounds; k++) {
    at.joins = k < p->rounds;
    at.round = at.joins ? k : 2 * p->rounds - 1 - k;
    const int64_t steps = steps_of(p, at.round);
    if (step < at.first + steps) break;
    at.first += steps;
  }
  at.chunk = step - at.first;
  return at;
}

static range chunk_of(const tenon_pending* p, range r, int64_t chunk) {
  const int64_t from = r.begin + chunk * chunk_elements(p);
  const range c = {from < r.end ? from : r.end, r.end - from < chunk_elements(p) ? r.end : from + chunk_elements(p)};
  return c;
}
static uint64_t bytes_of(const tenon_pending* p, range r) { return (uint64_t)(r.end - r.begin) * p->element; }
static uint64_t offset_of(const tenon_pending* p, range r) { return (uint64_t)r.begin * p->element; }
static char* arrival(tenon_pending* p, int64_t step) { return p->slots.room + step % WINDOW * CHUNK; }

int32_t tenon_halving_prepare(tenon_pending* p) {
  tenon_slots* s = &p->slots;
  s->awaited = 1;
  s->each = 2;
  s->window = WINDOW;
  for (int32_t round = 0; round < p->rounds; round++) s->total += 2 * steps_of(p, round);
  return tenon_work_room(p, WINDOW * CHUNK);
}

/* A round begins when the one before has ended, what it sent included: what was sent is what comes back. */
int32_t tenon_halving_may_begin(tenon_pending* p) {
  tenon_slots* s = &p->slots;
  if (place_of(p, s->begun).chunk != 0) return 1;
  return s->worked == s->begun && tenon_test(p, s->requests, s->window * s->each) == 0;
}

void tenon_halving_begin(tenon_pending* p, tenon_request* requests, int64_t step) {
  const place at = place_of(p, step);
  const int32_t partner = p->own ^ (1 << at.round);
  const range mine = chunk_of(p, part(p, p->own, at.round + 1), at.chunk);
  const range theirs = chunk_of(p, part(p, partner, at.round + 1), at.chunk);
  const range comes = at.joins ? mine : theirs;
  const range goes = at.joins ? theirs : mine;
  const char* from = at.joins && at.round == 0 ? p->in : p->out;
  if (comes.begin < comes.end)
    tenon_receive(p, &requests[0], partner, TENON_STREAM_MOVE,
                  at.joins ? arrival(p, step) : p->out + offset_of(p, comes), bytes_of(p, comes));
  if (goes.begin < goes.end)
    tenon_send(p, &requests[1], partner, TENON_STREAM_MOVE, from + offset_of(p, goes), bytes_of(p, goes));
}

void tenon_halving_arrived(tenon_pending* p, int64_t step) {
  const place at = place_of(p, step);
  const tenon_header* h = tenon_own_header(p);
  const range mine = chunk_of(p, part(p, p->own, at.round + 1), at.chunk);
  if (!at.joins || mine.begin >= mine.end) return;
  char* out = p->out + offset_of(p, mine);
  const void* own = at.round == 0 ? p->in + offset_of(p, mine) : out;
  const int first = (p->own >> at.round & 1) == 0;
  const void* both[] = {first ? own : arrival(p, step), first ? arrival(p, step) : own};
  tenon_ranks_tree(h->dtype, h->combine, out, both, 2, mine.end - mine.begin);
}
