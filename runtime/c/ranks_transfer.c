/* An exchange: what one rank sends to another, and what a third sends to it. Nobody else of the group takes part, and nothing is agreed
 * before: every message begins with what its sender does, and the receiver compares. Small elements travel behind that, large ones in
 * messages of their own, straight to where they belong, some at once. Sending and receiving wait for nothing of each other. Exchanges of a
 * pair on one channel arrive in the order in which they are sent: a later one begins to move when the earlier one has begun all. */
#include <stdlib.h>
#include <string.h>

#include "tenon/runtime/c/ranks_engine.h"

/* Of a slot: what is received, and what is sent. */
enum { RECEIVED, SENT, EACH };

static int32_t is_small(const tenon_pending* p) { return p->bytes <= TENON_SMALL; }

static int32_t chunks_begin(tenon_pending* p) {
  tenon_slots* s = &p->slots;
  s->each = EACH;
  s->awaited = 1;
  s->window = TENON_MOVE_WINDOW;
  s->total = (int64_t)((p->bytes + TENON_MOVE_CHUNK - 1) / TENON_MOVE_CHUNK);
  if (p->to < 0) s->sent = s->total;
  if (p->from < 0) s->begun = s->worked = s->total;
  s->requests = (tenon_request*)calloc((size_t)s->window * EACH, sizeof *s->requests);
  return s->requests != NULL;
}

/* Whether an earlier exchange with this partner on this channel has not yet begun to move all that it will. */
static int32_t is_behind(const tenon_pending* p, int32_t which) {
  const int32_t partner = tenon_world_rank(p, which == SENT ? p->to : p->from);
  for (const tenon_pending* q = p->next; q != NULL; q = q->next) {
    if (q->done || q->small || tenon_own_header(q)->kind != TENON_EXCHANGE || q->tag.sequence != p->tag.sequence)
      continue;
    const int32_t theirs = which == SENT ? q->to : q->from;
    if (theirs < 0 || tenon_world_rank(q, theirs) != partner) continue;
    if ((which == SENT ? q->slots.sent : q->slots.begun) < q->slots.total) return 1;
  }
  return 0;
}

static void chunk_begin(tenon_pending* p, int32_t which, tenon_request* request, int64_t step) {
  const uint64_t at = (uint64_t)step * TENON_MOVE_CHUNK;
  const uint64_t bytes = p->bytes - at < TENON_MOVE_CHUNK ? p->bytes - at : TENON_MOVE_CHUNK;
  if (which == SENT)
    tenon_send(p, request, p->to, TENON_STREAM_MOVE, p->in + at, bytes);
  else
    tenon_receive(p, request, p->from, TENON_STREAM_MOVE, p->out + at, bytes);
}

/* Begins messages of one direction as slots become free; nonzero when one was. */
static int32_t chunks_move(tenon_pending* p, int32_t which) {
  tenon_slots* s = &p->slots;
  int64_t* begun = which == SENT ? &s->sent : &s->begun;
  int32_t moved = 0;
  if (*begun == s->total || is_behind(p, which)) return 0;
  while (*begun < s->total) {
    tenon_request* request = &s->requests[*begun % s->window * EACH + which];
    if (tenon_test(p, request, 1) != 0) break;
    chunk_begin(p, which, request, *begun);
    ++*begun;
    moved = 1;
  }
  return moved;
}

int32_t tenon_transfer_begin(tenon_pending* p, const tenon_header* header) {
  if (p->told == NULL) p->told = (char*)aligned_alloc(64, TENON_HEADER + TENON_SMALL);
  if (p->arriving == NULL) p->arriving = (char*)aligned_alloc(64, TENON_HEADER + TENON_SMALL);
  if (p->told == NULL || p->arriving == NULL) return 0;
  memcpy(p->told, header, sizeof *header);
  memset(p->said, 0, sizeof p->said);
  p->small = is_small(p);
  p->rounds = p->round = 0;
  if (!p->small && !chunks_begin(p)) return 0;
  if (p->from < 0) {
    if (p->bytes != 0) memset(p->out, 0, p->bytes); /* `out` may be null then */
    p->agreed = 1;
  } else {
    tenon_receive(p, &p->answer[0], p->from, TENON_STREAM_AGREE, p->arriving, TENON_HEADER + TENON_SMALL);
  }
  if (p->to < 0) return 1;
  if (p->small && p->bytes != 0) memcpy(p->told + TENON_HEADER, p->in, p->bytes);
  tenon_send(p, &p->said[0][0], p->to, TENON_STREAM_AGREE, p->told, TENON_HEADER + (p->small ? p->bytes : 0));
  if (!p->small) chunks_move(p, SENT);
  return 1;
}

/* Sees what has arrived, in order. */
static void chunks_arrived(tenon_pending* p) {
  tenon_slots* s = &p->slots;
  while (s->worked < s->begun && tenon_test(p, &s->requests[s->worked % s->window * EACH + RECEIVED], 1) == 0)
    s->worked++;
}

int32_t tenon_transfer(tenon_pending* p) {
  const tenon_slots* s = &p->slots;
  int32_t moved = 0;
  if (!p->agreed && tenon_test(p, &p->answer[0], 1) == 0) {
    char text[TENON_RANKS_TEXT];
    p->agreed = moved = 1;
    if (tenon_header_differs(tenon_own_header(p), (const tenon_header*)(const void*)p->arriving, text, sizeof text)) {
      tenon_engine_fail(p->engine, text);
      return 1;
    }
    if (p->small && p->bytes != 0) memcpy(p->out, p->arriving + TENON_HEADER, p->bytes);
  }
  if (!p->small) {
    moved |= chunks_move(p, SENT);
    if (p->agreed) {
      chunks_arrived(p);
      moved |= chunks_move(p, RECEIVED);
    }
    if (s->sent < s->total || s->worked < s->total || tenon_test(p, p->slots.requests, s->window * EACH) != 0)
      return moved;
  }
  if (!p->agreed || tenon_test(p, p->said[0], 1) != 0) return moved;
  p->done = 1;
  return 1;
}
