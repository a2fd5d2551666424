/* Large collectives, in steps of a bounded size through a window of messages. What is reduced: every rank gets its own block from all
 * others, chunk by chunk, joins it by the tree, and for an all_reduce sends the joined chunk to everybody while the next ones travel.
 * Many ranks halve instead (ranks_halving.c). What moves only goes straight from where it is to where it belongs; a broadcast goes down
 * a binomial tree. Refuses to begin before the ranks agree. */
#include <stdlib.h>
#include <string.h>

#include "tenon/runtime/c/ranks_engine.h"
#include "tenon/runtime/c/ranks_join.h"

enum {
  REDUCE_CHUNK = 256 * 1024, /* bytes of one block in one step */
  REDUCE_ROOM = 16 << 20, /* bytes that may arrive at once to be joined */
  REDUCE_WINDOW = 4,
  BROADCAST_CHUNK = 512 * 1024
};

/* Elements [begin, end). */
typedef struct range {
  int64_t begin, end;
} range;

static int32_t is_spread(const tenon_pending* p) { return tenon_own_header(p)->kind == TENON_ALL_REDUCE; }

/* What of a rank's block a step of a reduction treats. */
static range chunk_of(const tenon_pending* p, int32_t number, int64_t step) {
  const int64_t count = tenon_own_header(p)->count;
  range block = {(int64_t)number * count, (int64_t)(number + 1) * count};
  if (is_spread(p)) { /* one row in as many blocks as there are ranks, at whole lines of the cache */
    const int64_t line = (int64_t)(64 / p->element);
    const int64_t each = (count / p->size / line + 1) * line;
    block.begin = number * each < count ? number * each : count;
    block.end = count - block.begin < each ? count : block.begin + each;
  }
  const int64_t length = block.end - block.begin;
  const int64_t from = step * p->slots.chunk < length ? step * p->slots.chunk : length;
  const int64_t to = length - from < p->slots.chunk ? length : from + p->slots.chunk;
  const range chunk = {block.begin + from, block.begin + to};
  return chunk;
}
static uint64_t bytes_of(const tenon_pending* p, range r) { return (uint64_t)(r.end - r.begin) * p->element; }
static uint64_t offset_of(const tenon_pending* p, range r) { return (uint64_t)r.begin * p->element; }

static char* arrival(tenon_pending* p, int64_t step, int32_t place) {
  const tenon_slots* s = &p->slots;
  return s->room + (uint64_t)(step % s->window * s->awaited + place) * (uint64_t)s->chunk * p->element;
}

/* ---- what is reduced: requests are chunks of others for the own block, own chunks for others, and joined ones ------- */

static void reduce_begin(tenon_pending* p, tenon_request* requests, int64_t step) {
  const int32_t others = p->size - 1;
  const range own = chunk_of(p, p->own, step);
  for (int32_t d = 1; d <= others; d++) {
    if (own.begin < own.end)
      tenon_receive(p, &requests[d - 1], tenon_before(p, d), TENON_STREAM_MOVE, arrival(p, step, d - 1),
                    bytes_of(p, own));
    const range theirs = chunk_of(p, tenon_before(p, d), step);
    if (is_spread(p) && theirs.begin < theirs.end)
      tenon_receive(p, &requests[2 * others + d - 1], tenon_before(p, d), TENON_STREAM_SPREAD,
                    p->out + offset_of(p, theirs), bytes_of(p, theirs));
  }
  for (int32_t d = 1; d <= others; d++) {
    const range theirs = chunk_of(p, tenon_after(p, d), step);
    if (theirs.begin < theirs.end)
      tenon_send(p, &requests[others + d - 1], tenon_after(p, d), TENON_STREAM_MOVE, p->in + offset_of(p, theirs),
                 bytes_of(p, theirs));
  }
}

static void reduce_arrived(tenon_pending* p, tenon_request* requests, int64_t step) {
  const int32_t others = p->size - 1;
  const tenon_header* h = tenon_own_header(p);
  const range own = chunk_of(p, p->own, step);
  if (own.begin >= own.end) return;
  for (int32_t d = 1; d <= others; d++) p->slots.sources[tenon_before(p, d)] = arrival(p, step, d - 1);
  p->slots.sources[p->own] = p->in + offset_of(p, own);
  char* out = p->out + (is_spread(p) ? offset_of(p, own) : offset_of(p, own) - (uint64_t)p->own * p->bytes);
  tenon_ranks_tree(h->dtype, h->combine, out, p->slots.sources, p->size, own.end - own.begin);
  if (!is_spread(p)) return;
  for (int32_t d = 1; d <= others; d++)
    tenon_send(p, &requests[3 * others + d - 1], tenon_after(p, d), TENON_STREAM_SPREAD, out, bytes_of(p, own));
}

int32_t tenon_work_room(tenon_pending* p, uint64_t bytes) {
  tenon_slots* s = &p->slots;
  tenon_engine* e = p->engine;
  if (e->block != NULL && e->block_size >= bytes) {
    s->room = (char*)e->block;
    s->room_size = e->block_size;
    e->block = NULL;
  } else {
    s->room = (char*)aligned_alloc(64, bytes);
    s->room_size = bytes;
  }
  return s->room != NULL;
}

static int32_t reduce_prepare(tenon_pending* p) {
  tenon_slots* s = &p->slots;
  const int32_t others = p->size - 1;
  s->awaited = others;
  s->each = (is_spread(p) ? 4 : 2) * others;
  s->window = REDUCE_WINDOW;
  int64_t chunk = REDUCE_ROOM / (REDUCE_WINDOW * others);
  if (chunk > REDUCE_CHUNK) chunk = REDUCE_CHUNK;
  chunk = (chunk + 63) / 64 * 64;
  s->chunk = INT64_MAX; /* how long the longest block is */
  const range first = chunk_of(p, 0, 0);
  s->chunk = chunk / (int64_t)p->element;
  s->total = (first.end - first.begin + s->chunk - 1) / s->chunk;
  const uint64_t room = (uint64_t)s->window * (uint64_t)others * (uint64_t)chunk;
  if (!tenon_work_room(p, room)) return 0;
  s->sources = (const void**)malloc((size_t)p->size * sizeof *s->sources);
  return s->sources != NULL;
}

/* ---- what moves ----------------------------------------------------------------------------------------------------- */

static int64_t move_chunks(const tenon_pending* p) {
  return (int64_t)((p->bytes + TENON_MOVE_CHUNK - 1) / TENON_MOVE_CHUNK);
}

static void move_begin(tenon_pending* p, tenon_request* requests, int64_t step) {
  const int32_t kind = tenon_own_header(p)->kind;
  const int32_t distance = 1 + (int32_t)(step / move_chunks(p));
  const uint64_t at = (uint64_t)(step % move_chunks(p)) * TENON_MOVE_CHUNK;
  const uint64_t bytes = p->bytes - at < TENON_MOVE_CHUNK ? p->bytes - at : TENON_MOVE_CHUNK;
  int32_t to = tenon_after(p, distance);
  int32_t from = tenon_before(p, distance);
  const char* in = p->in + at;
  char* out = p->out + at;
  if (kind == TENON_ALL_GATHER || kind == TENON_ALL_TO_ALL) {
    out += (uint64_t)from * p->bytes;
    if (kind == TENON_ALL_TO_ALL) in += (uint64_t)to * p->bytes;
  } else {
    to = p->to == p->own ? -1 : p->to;
    from = p->from == p->own ? -1 : p->from;
  }
  if (from >= 0) tenon_receive(p, &requests[0], from, TENON_STREAM_MOVE, out, bytes);
  if (to >= 0) tenon_send(p, &requests[1], to, TENON_STREAM_MOVE, in, bytes);
}

/* What goes nowhere. */
static void move_own(tenon_pending* p) {
  const uint64_t own = (uint64_t)p->own * p->bytes;
  switch (tenon_own_header(p)->kind) {
    case TENON_ALL_GATHER: memcpy(p->out + own, p->in, p->bytes); break;
    case TENON_ALL_TO_ALL: memcpy(p->out + own, p->in + own, p->bytes); break;
    case TENON_BROADCAST:
      if (tenon_own_header(p)->root == p->own) memcpy(p->out, p->in, p->bytes);
      break;
    default:
      if (p->from == p->own) memcpy(p->out, p->in, p->bytes);
      if (p->from < 0) memset(p->out, 0, p->bytes);
  }
}

static void move_prepare(tenon_pending* p) {
  tenon_slots* s = &p->slots;
  const int32_t kind = tenon_own_header(p)->kind;
  s->awaited = 1;
  s->each = 2;
  s->window = TENON_MOVE_WINDOW;
  s->total = move_chunks(p) * (kind == TENON_ALL_GATHER || kind == TENON_ALL_TO_ALL ? p->size - 1 : 1);
}

/* ---- a broadcast: numbers are counted from the root ------------------------------------------------------------------ */

static int32_t from_root(const tenon_pending* p) { return (p->own - tenon_own_header(p)->root + p->size) % p->size; }
static int32_t number_of(const tenon_pending* p, int32_t place) {
  return (int32_t)(((int64_t)place + tenon_own_header(p)->root) % p->size);
}
static int32_t lowest_bit(const tenon_pending* p) { /* distance to the parent; the root has none */
  const int32_t place = from_root(p);
  int32_t bit = 1;
  while (bit < p->size && (place & bit) == 0) bit *= 2;
  return bit;
}

static uint64_t broadcast_bytes(const tenon_pending* p, int64_t step) {
  const uint64_t left = p->bytes - (uint64_t)step * BROADCAST_CHUNK;
  return left < BROADCAST_CHUNK ? left : BROADCAST_CHUNK;
}

static void broadcast_begin(tenon_pending* p, tenon_request* requests, int64_t step) {
  const int32_t place = from_root(p);
  if (place == 0) return;
  tenon_receive(p, &requests[0], number_of(p, place - lowest_bit(p)), TENON_STREAM_MOVE,
                p->out + (uint64_t)step * BROADCAST_CHUNK, broadcast_bytes(p, step));
}

static void broadcast_arrived(tenon_pending* p, tenon_request* requests, int64_t step) {
  const int32_t place = from_root(p);
  const char* bytes = (place == 0 ? p->in : p->out) + (uint64_t)step * BROADCAST_CHUNK;
  int32_t used = 1;
  for (int32_t distance = lowest_bit(p) / 2; distance > 0; distance /= 2)
    if (place + distance < p->size)
      tenon_send(p, &requests[used++], number_of(p, place + distance), TENON_STREAM_MOVE, bytes,
                 broadcast_bytes(p, step));
}

/* ---- the window ------------------------------------------------------------------------------------------------------ */

int32_t tenon_work_begin(tenon_pending* p) {
  tenon_slots* s = &p->slots;
  memset(s, 0, sizeof *s);
  p->halves = tenon_halving_fits(p);
  switch (tenon_own_header(p)->kind) {
    case TENON_ALL_REDUCE:
    case TENON_REDUCE_SCATTER:
      if (p->halves ? !tenon_halving_prepare(p) : !reduce_prepare(p)) return 0;
      break;
    case TENON_BROADCAST:
      s->awaited = 1;
      s->each = 1 + TENON_ROUNDS;
      s->window = REDUCE_WINDOW;
      s->total = (int64_t)((p->bytes + BROADCAST_CHUNK - 1) / BROADCAST_CHUNK);
      move_own(p);
      break;
    default: move_prepare(p); s->keeps = 1;
  }
  s->requests = (tenon_request*)calloc((size_t)s->window * (size_t)s->each, sizeof *s->requests);
  return s->requests != NULL;
}

void tenon_work_end(tenon_pending* p) {
  tenon_slots* s = &p->slots;
  tenon_engine* e = p->engine;
  if (s->room != NULL && (e->block == NULL || e->block_size < s->room_size)) { /* the larger one is kept */
    free(e->block);
    e->block = s->room;
    e->block_size = s->room_size;
  } else {
    free(s->room);
  }
  free(s->sources);
  free(s->requests);
  memset(s, 0, sizeof *s);
}

static void step_begin(tenon_pending* p, tenon_request* requests, int64_t step) {
  if (p->halves) {
    tenon_halving_begin(p, requests, step);
    return;
  }
  switch (tenon_own_header(p)->kind) {
    case TENON_ALL_REDUCE:
    case TENON_REDUCE_SCATTER: reduce_begin(p, requests, step); break;
    case TENON_BROADCAST: broadcast_begin(p, requests, step); break;
    default: move_begin(p, requests, step);
  }
}

static void step_arrived(tenon_pending* p, tenon_request* requests, int64_t step) {
  if (p->halves) {
    tenon_halving_arrived(p, step);
    return;
  }
  switch (tenon_own_header(p)->kind) {
    case TENON_ALL_REDUCE:
    case TENON_REDUCE_SCATTER: reduce_arrived(p, requests, step); break;
    case TENON_BROADCAST: broadcast_arrived(p, requests, step); break;
    default: break;
  }
}

int32_t tenon_work(tenon_pending* p) {
  tenon_slots* s = &p->slots;
  int32_t moved = 0;
  while (s->worked < s->begun) {
    tenon_request* requests = s->requests + s->worked % s->window * s->each;
    if (tenon_test(p, requests, s->awaited) != 0) break;
    step_arrived(p, requests, s->worked);
    s->worked++;
    moved = 1;
  }
  while (s->begun < s->total) {
    tenon_request* requests = s->requests + s->begun % s->window * s->each;
    if (s->begun - s->window >= s->worked || tenon_test(p, requests, s->each) != 0) break;
    if (p->halves && !tenon_halving_may_begin(p)) break;
    step_begin(p, requests, s->begun);
    s->begun++;
    moved = 1;
  }
  if (s->keeps) { /* while others take theirs */
    s->keeps = 0;
    move_own(p);
    moved = 1;
  }
  if (s->worked == s->total && tenon_test(p, s->requests, s->window * s->each) == 0) p->done = 1;
  return moved | p->done;
}
