/* An exchange: what one rank sends to another, and what a third sends to it. Nobody else of the group takes part, and nothing is agreed
 * before: every message begins with what its sender does, and the receiver compares. Small elements travel behind that, large ones in
 * a message of their own, straight to where they belong. Messages of a pair on one channel arrive in the order in which they are sent. */
#include <stdlib.h>
#include <string.h>

#include "tenon/runtime/c/ranks_engine.h"

static int32_t is_small(const tenon_pending* p) { return p->bytes <= TENON_SMALL; }

int32_t tenon_transfer_begin(tenon_pending* p, const tenon_header* header) {
  if (p->told == NULL) p->told = (char*)aligned_alloc(64, TENON_HEADER + TENON_SMALL);
  if (p->arriving == NULL) p->arriving = (char*)aligned_alloc(64, TENON_HEADER + TENON_SMALL);
  if (p->told == NULL || p->arriving == NULL) return 0;
  memcpy(p->told, header, sizeof *header);
  memset(p->said, 0, sizeof p->said);
  p->small = is_small(p);
  p->rounds = p->round = 0;
  if (p->from < 0) {
    memset(p->out, 0, p->bytes);
    p->agreed = 1;
  } else {
    /* Both at once: of several that are open, each has its place in the order by when it began. */
    tenon_receive(p, &p->answer[0], p->from, TENON_STREAM_AGREE, p->arriving, TENON_HEADER + TENON_SMALL);
    if (!p->small) tenon_receive(p, &p->said[1][0], p->from, TENON_STREAM_MOVE, p->out, p->bytes);
  }
  if (p->to < 0) return 1;
  if (p->small && p->bytes != 0) memcpy(p->told + TENON_HEADER, p->in, p->bytes);
  tenon_send(p, &p->said[0][0], p->to, TENON_STREAM_AGREE, p->told, TENON_HEADER + (p->small ? p->bytes : 0));
  if (!p->small) tenon_send(p, &p->said[0][1], p->to, TENON_STREAM_MOVE, p->in, p->bytes);
  return 1;
}

int32_t tenon_transfer(tenon_pending* p) {
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
  if (!p->agreed || tenon_test(p, p->said[0], 3) != 0) return moved;
  p->done = 1;
  return 1;
}
