/* The formulas: one function for each algorithm. The numbers of chunks and windows are those of runtime/c/ranks_work.c and
 * ranks_halving.c; the comparison that bench/dist/scaling.c prints is what holds them together. */
#include "tenon/bench/dist/cost_model.h"

#include <math.h>

enum { HEADER = 192, SMALL = 64 * 1024, REDUCE_WINDOW = 4, MOVE_WINDOW = 8, HALVING_FROM = 64 };
static const double reduce_chunk = 256 * 1024;
static const double reduce_room = 16 << 20;
static const double move_chunk = 16 << 20;
static const double broadcast_chunk = 512 * 1024;

/* What a collective, or a part of it, asks of a rank. */
typedef struct part {
  double seconds; /* on the network, where processors take no time */
  double card; /* of which the card is busy */
  double work; /* of the processor */
  double last; /* of which nothing hides: when everything is there */
} part;

static int32_t rounds_of(int32_t size) {
  int32_t rounds = 0;
  while ((INT64_C(1) << rounds) < size) rounds++;
  return rounds;
}

static double message(const cost* c, double bytes) { return c->link.gap + c->link.beta * bytes; }

/* `steps` one after the other, each of which keeps the card busy for `busy` seconds and is over `flight` seconds later; at most `window`
 * at once. */
static double windowed(double steps, double window, double busy, double flight) {
  const double full = floor((steps - 1) / window);
  const double cycle = fmax(window * busy, busy + flight);
  return full * cycle + busy * (steps - full * window) + flight;
}

/* In round i the header goes along with the blocks of the 2^i ranks that are known. */
static part agreement(const cost* c, int32_t size, double block) {
  part p = {0, 0, 0, 0};
  for (int32_t i = 0; i < rounds_of(size); i++) {
    const double known = ldexp(1, i);
    p.card += message(c, HEADER + fmin(known, size - known) * block);
    p.seconds += c->link.alpha;
    p.last += c->handling; /* one after the other: nothing hides it */
  }
  p.seconds += p.card;
  p.work = p.last;
  return p;
}

/* Every rank joins its block of all others', chunk by chunk; where it spreads, what is joined goes to all. */
static part direct(const cost* c, int32_t size, double block, int spread) {
  const double others = size - 1;
  const double phases = spread ? 2 : 1;
  const double steps = fmax(1, ceil(block / fmin(reduce_chunk, reduce_room / (REDUCE_WINDOW * others))));
  const double each = phases * others * message(c, block / steps);
  part p;
  p.card = steps * each;
  p.seconds = windowed(steps, REDUCE_WINDOW, each, phases * c->link.alpha);
  p.work = others * (block * (c->gamma + phases * c->delta) + phases * steps * c->handling);
  p.last = p.work / steps;
  return p;
}

/* Down by halves, joining, and back up. */
static part halving(const cost* c, int32_t size, double bytes) {
  part p = {0, 0, 0, 0};
  for (int32_t i = 1; i <= rounds_of(size); i++) {
    const double half = ldexp(bytes, -i);
    const double steps = fmax(1, ceil(half / reduce_chunk));
    const double each = message(c, half / steps);
    p.card += 2 * steps * each;
    p.seconds += 2 * windowed(steps, REDUCE_WINDOW, each, c->link.alpha);
    const double work = half * (c->gamma + 2 * c->delta) + 2 * steps * c->handling;
    p.work += work;
    p.last += work / steps;
  }
  return p;
}

/* What goes straight to its place, distance by distance. */
static part moved(const cost* c, double bytes, double partners) {
  const double chunks = fmax(1, ceil(bytes / move_chunk));
  const double each = message(c, bytes / chunks);
  part p;
  p.card = chunks * partners * each;
  p.seconds = windowed(chunks * partners, MOVE_WINDOW, each, c->link.alpha);
  p.work = partners * (bytes * c->delta + chunks * c->handling);
  p.last = p.work / (chunks * partners);
  return p;
}

/* The root sends every chunk to as many ranks as the tree is deep; the last one goes down all of it. */
static part broadcast(const cost* c, int32_t size, double bytes) {
  const double depth = rounds_of(size);
  const double chunks = fmax(1, ceil(bytes / broadcast_chunk));
  const double each = message(c, bytes / chunks);
  part p;
  p.card = chunks * depth * each;
  p.seconds = windowed(chunks, REDUCE_WINDOW, depth * each, c->link.alpha) + (depth - 1) * c->link.alpha;
  p.work = bytes * c->delta + chunks * depth * c->handling;
  p.last = p.work / chunks * depth;
  return p;
}

/* Nobody agrees: small elements go behind the header, others after it. */
static part exchange(const cost* c, double bytes) {
  const int small = bytes <= SMALL;
  part p;
  p.card = small ? message(c, HEADER + bytes) : message(c, HEADER) + message(c, bytes);
  p.seconds = c->link.alpha + p.card;
  p.work = p.last = bytes * c->delta + (small ? 1 : 2) * c->handling;
  return p;
}

static part large(const cost* c, int32_t kind, int32_t size, double bytes) {
  const int halves = size >= HALVING_FROM && (size & (size - 1)) == 0;
  switch (kind) {
    case TENON_ALL_REDUCE: return halves ? halving(c, size, bytes) : direct(c, size, bytes / size, 1);
    case TENON_REDUCE_SCATTER: return direct(c, size, bytes, 0);
    case TENON_ALL_GATHER:
    case TENON_ALL_TO_ALL: return moved(c, bytes, size - 1);
    case TENON_BROADCAST: return broadcast(c, size, bytes);
    default: return moved(c, bytes, 1);
  }
}

static part whole(const cost* c, int32_t kind, int32_t size, double bytes) {
  const int joins = kind == TENON_ALL_REDUCE || kind == TENON_REDUCE_SCATTER;
  const int several = kind == TENON_REDUCE_SCATTER || kind == TENON_ALL_TO_ALL;
  const double block = several ? bytes * size : bytes; /* of one rank, where all of it travels along */
  if (kind == TENON_EXCHANGE) return exchange(c, bytes);
  if (kind == TENON_BARRIER) return agreement(c, size, 0);
  if (block * size <= SMALL) {
    part p = agreement(c, size, block);
    const double work = (joins ? c->gamma * bytes : 0) * size + c->delta * block * size;
    p.work += work;
    p.last += work;
    return p;
  }
  const part agreed = agreement(c, size, 0);
  part p = large(c, kind, size, bytes);
  p.seconds += agreed.seconds;
  p.card += agreed.card;
  p.work += agreed.work;
  p.last += agreed.last;
  return p;
}

static double crowd(const cost* c, int32_t size) {
  return c->cores > 0 && c->cores < size ? (double)size / c->cores : 1;
}

double cost_of(const cost* c, int32_t kind, int32_t size, double bytes) {
  if (size == 1) return 0;
  const part p = whole(c, kind, size, bytes);
  return fmax(p.seconds, crowd(c, size) * (p.work - p.last)) + crowd(c, size) * p.last;
}

double cost_of_agreement(const cost* c, int32_t size) { return cost_of(c, TENON_BARRIER, size, 0); }

double cost_busy(const cost* c, int32_t kind, int32_t size, double bytes) {
  if (size == 1) return 0;
  const part p = whole(c, kind, size, bytes);
  return fmax(p.card, crowd(c, size) * p.work);
}

double cost_ring(const cost* c, int32_t size, double bytes) {
  const double each = c->link.alpha + message(c, bytes / size);
  return (size - 1) * (2 * each + crowd(c, size) * c->gamma * bytes / size);
}

double cost_tree(const cost* c, int32_t size, double bytes) {
  const double each = c->link.alpha + message(c, bytes);
  return rounds_of(size) * (2 * each + crowd(c, size) * c->gamma * bytes);
}
