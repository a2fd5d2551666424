/* The agreement: in round i every rank tells the rank 2^i places on what it does, and all that it knows of the ranks before it; after
 * log2 of the group's size rounds it has heard of everybody. Whoever meets a difference fails, and with it the world: no rank comes out
 * of a collective that another one does not do. What is small travels along as blocks, and the collective is over with the last round:
 * everybody has everything. Refuses to move large elements. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/runtime/c/ranks_engine.h"
#include "tenon/runtime/c/ranks_join.h"

enum { MESSAGE = TENON_HEADER + TENON_SMALL };

static int64_t blocks_told(const tenon_pending* p, int32_t round) { /* in the message of a round */
  const int64_t known = INT64_C(1) << round;
  return known < p->size - known ? known : p->size - known;
}

static uint64_t message_bytes(const tenon_pending* p) { /* of this round, the same for both ends where they agree */
  return TENON_HEADER + (uint64_t)blocks_told(p, p->round) * p->block;
}

/* How much of a message goes first; all of it, but where it is a little longer than what travels at once. */
static uint64_t first_piece(const tenon_pending* p, uint64_t bytes) {
  const uint64_t piece = p->engine->transport.piece;
  return bytes > piece && bytes <= 2 * piece ? piece : bytes;
}

/* A partner of another opinion sends another number of bytes or of pieces; its header comes first in any case. */
static void begin_round(tenon_pending* p) {
  const int32_t distance = 1 << p->round;
  const int32_t from = tenon_before(p, distance);
  const int32_t to = tenon_after(p, distance);
  const uint64_t bytes = message_bytes(p);
  const uint64_t first = first_piece(p, bytes);
  tenon_receive(p, &p->answer[0], from, TENON_STREAM_AGREE, p->arriving, first < bytes ? first : MESSAGE);
  if (first < bytes) tenon_receive(p, &p->answer[1], from, TENON_STREAM_AGREE, p->arriving + first, bytes - first);
  tenon_send(p, &p->said[p->round][0], to, TENON_STREAM_AGREE, p->told, first);
  if (first < bytes) tenon_send(p, &p->said[p->round][1], to, TENON_STREAM_AGREE, p->told + first, bytes - first);
}

int32_t tenon_agree_begin(tenon_pending* p, const tenon_header* header) {
  const int several = header->kind == TENON_REDUCE_SCATTER || header->kind == TENON_ALL_TO_ALL;
  const uint64_t elements = several ? p->bytes * (uint64_t)p->size : p->bytes;
  p->small = elements <= TENON_SMALL && elements * (uint64_t)p->size <= TENON_SMALL;
  p->block = p->small ? elements : 0;
  if (p->told == NULL) p->told = (char*)aligned_alloc(64, MESSAGE);
  if (p->arriving == NULL) p->arriving = (char*)aligned_alloc(64, MESSAGE);
  if (p->told == NULL || p->arriving == NULL) return 0;
  memcpy(p->told, header, sizeof *header);
  if (p->small && elements != 0) memcpy(p->told + TENON_HEADER, p->in, elements);
  p->rounds = 0;
  while ((INT64_C(1) << p->rounds) < p->size) p->rounds++;
  p->round = 0;
  memset(p->said, 0, sizeof p->said);
  begin_round(p);
  return 1;
}

/* The block of a rank, by its number. */
static const char* block_of(const tenon_pending* p, int32_t number) {
  if (p->size == 2 && number != p->own) return p->arriving + TENON_HEADER; /* where it came */
  return p->told + TENON_HEADER + (uint64_t)((p->own - number + p->size) % p->size) * p->block;
}

static void join_blocks(tenon_pending* p, uint64_t offset) {
  const void* few[64] = {NULL};
  const void** sources = p->size <= 64 ? few : (const void**)malloc((size_t)p->size * sizeof *sources);
  if (sources == NULL) {
    tenon_engine_fail(p->engine, "out of memory");
    return;
  }
  for (int32_t k = 0; k < p->size; k++) sources[k] = block_of(p, k) + offset;
  const tenon_header* h = tenon_own_header(p);
  tenon_ranks_tree(h->dtype, h->combine, p->out, sources, p->size, h->count);
  if (sources != few) free(sources);
}

/* One rank's elements, or zeros where there is none. */
static void take(tenon_pending* p, int32_t number) {
  if (number < 0)
    memset(p->out, 0, p->bytes);
  else
    memcpy(p->out, block_of(p, number), p->bytes);
}

static void pick(tenon_pending* p) {
  if (p->bytes == 0) return;
  const uint64_t own = (uint64_t)p->own * p->bytes;
  switch (tenon_own_header(p)->kind) {
    case TENON_ALL_REDUCE: join_blocks(p, 0); break;
    case TENON_REDUCE_SCATTER: join_blocks(p, own); break;
    case TENON_ALL_GATHER:
      for (int32_t k = 0; k < p->size; k++) memcpy(p->out + (uint64_t)k * p->bytes, block_of(p, k), p->bytes);
      break;
    case TENON_ALL_TO_ALL:
      for (int32_t k = 0; k < p->size; k++) memcpy(p->out + (uint64_t)k * p->bytes, block_of(p, k) + own, p->bytes);
      break;
    case TENON_PERMUTE: take(p, p->from); break;
    case TENON_BROADCAST: take(p, tenon_own_header(p)->root); break;
    default: break;
  }
}

static void agree_ended(tenon_pending* p) {
  p->agreed = 1;
  if (p->small)
    pick(p);
  else if (!tenon_work_begin(p))
    tenon_engine_fail(p->engine, "out of memory");
}

int32_t tenon_agree(tenon_pending* p) {
  int32_t moved = 0;
  char text[TENON_RANKS_TEXT];
  while (p->round < p->rounds) {
    if (tenon_test(p, &p->answer[0], 1) != 0) return moved;
    const tenon_header* other = (const tenon_header*)(const void*)p->arriving;
    if (tenon_header_differs(tenon_own_header(p), other, text, sizeof text)) {
      tenon_engine_fail(p->engine, text);
      return 1;
    }
    if (tenon_test(p, &p->answer[1], 1) != 0) return moved;
    moved = 1;
    const uint64_t known = (uint64_t)1 << p->round;
    const uint64_t bytes = (uint64_t)blocks_told(p, p->round) * p->block;
    if (bytes != 0 && p->size > 2) memcpy(p->told + TENON_HEADER + known * p->block, p->arriving + TENON_HEADER, bytes);
    p->round++;
    if (p->round < p->rounds) begin_round(p);
  }
  agree_ended(p);
  return 1;
}
