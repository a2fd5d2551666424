/* A rank's collectives: begun, worked on while others are waited for, and ended; what is found out about ranks that do not answer, and
 * what follows from a failure, which stays. Refuses to know how messages travel. */
#define _GNU_SOURCE
#include "tenon/runtime/c/ranks_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenon/runtime/c/ranks_join.h"

enum { WATCH = 20 * 1000 * 1000, INDIRECT = 300 * 1000 * 1000, PATIENCE = 100 * 1000 * 1000 }; /* nanoseconds */

int64_t tenon_ranks_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t nanoseconds(double seconds) {
  return seconds > 1e9 ? INT64_C(1000000000000000000) : (int64_t)(seconds * 1e9);
}

int64_t tenon_ranks_timeout(void) {
  const char* text = secure_getenv("TENON_DIST_TIMEOUT");
  if (text != NULL) {
    char* end = NULL;
    const double seconds = strtod(text, &end);
    if (end != text && *end == '\0' && seconds > 0) return nanoseconds(seconds);
  }
  return nanoseconds(9);
}

const char* tenon_engine_failed(tenon_engine* e) { return e->transport.heard(e->transport.self); }

void tenon_engine_fail(tenon_engine* e, const char* text) { e->transport.tell(e->transport.self, text); }

/* ---- messages of a pending collective -------------------------------------------------------------------------------- */

static tenon_tag begin(tenon_pending* p, tenon_request* request, int32_t number, int32_t stream) {
  request->state = 1;
  request->peer = tenon_world_rank(p, number);
  tenon_tag tag = p->tag;
  tag.stream = stream;
  return tag;
}

void tenon_send(tenon_pending* p, tenon_request* request, int32_t number, int32_t stream, const void* bytes,
                uint64_t size) {
  const tenon_tag tag = begin(p, request, number, stream);
  const tenon_transport* t = &p->engine->transport;
  t->send(t->self, request, request->peer, &tag, bytes, size);
}

void tenon_receive(tenon_pending* p, tenon_request* request, int32_t number, int32_t stream, void* bytes,
                   uint64_t size) {
  const tenon_tag tag = begin(p, request, number, stream);
  const tenon_transport* t = &p->engine->transport;
  t->receive(t->self, request, request->peer, &tag, bytes, size);
}

int32_t tenon_test(tenon_pending* p, tenon_request* requests, int32_t count) {
  int32_t open = 0;
  for (int32_t k = 0; k < count; k++) open += requests[k].state != 0;
  if (open == 0) return 0;
  const int32_t left = p->engine->transport.test(p->engine->transport.self, requests, count);
  p->moved += (uint64_t)(open - left);
  return left;
}

static void cancel(tenon_pending* p, tenon_request* requests, int32_t count) {
  tenon_transport* t = &p->engine->transport;
  for (int32_t k = 0; k < count; k++)
    if (requests[k].state != 0) t->cancel(t->self, &requests[k]);
}

/* ---- a pending collective -------------------------------------------------------------------------------------------- */

static void withdraw(tenon_pending* p) {
  cancel(p, p->answer, 2);
  cancel(p, p->said[0], 2 * TENON_ROUNDS);
  if (p->slots.requests != NULL) cancel(p, p->slots.requests, p->slots.window * p->slots.each);
}

static void release(tenon_pending* p) {
  tenon_engine* e = p->engine;
  if (p->before != NULL)
    p->before->next = p->next;
  else
    e->open = p->next;
  if (p->next != NULL) p->next->before = p->before;
  tenon_work_end(p);
  p->next = e->spare;
  e->spare = p;
}

static tenon_pending* new_pending(tenon_engine* e) {
  tenon_pending* p = e->spare;
  if (p != NULL) {
    e->spare = p->next;
    char* told = p->told;
    char* arriving = p->arriving;
    memset(p, 0, sizeof *p);
    p->told = told;
    p->arriving = arriving;
  } else {
    p = (tenon_pending*)calloc(1, sizeof *p);
    if (p == NULL) return NULL;
  }
  p->engine = e;
  p->asks = e->patience;
  p->next = e->open;
  if (e->open != NULL) e->open->before = p;
  e->open = p;
  return p;
}

static tenon_group* group_of(tenon_engine* e, int32_t size, int32_t stride) {
  for (int32_t k = 0; k < e->group_count; k++)
    if (e->groups[k].size == size && e->groups[k].stride == stride) return &e->groups[k];
  if (e->group_count == e->group_room) {
    const int32_t room = e->group_room == 0 ? 8 : 2 * e->group_room;
    tenon_group* more = (tenon_group*)realloc(e->groups, (size_t)room * sizeof *more);
    if (more == NULL) return NULL;
    e->groups = more;
    e->group_room = room;
  }
  tenon_group* g = &e->groups[e->group_count++];
  g->size = size;
  g->stride = stride;
  g->sequence = 0;
  return g;
}

static int32_t advance(tenon_pending* p) {
  int32_t moved = 0;
  if (tenon_own_header(p)->kind == TENON_EXCHANGE) return tenon_transfer(p);
  if (!p->agreed) moved = tenon_agree(p);
  if (!p->agreed || tenon_engine_failed(p->engine) != NULL) return moved;
  if (tenon_test(p, p->said[0], 2 * p->rounds) != 0) {
    if (!p->small) moved |= tenon_work(p);
    p->done = 0;
    return moved;
  }
  if (!p->small) return moved | tenon_work(p);
  p->done = 1;
  return 1;
}

/* Works on everything that is pending; nonzero when something moved. */
static int32_t advance_all(tenon_engine* e) {
  int32_t moved = 0;
  e->transport.look(e->transport.self);
  for (tenon_pending* p = e->open; p != NULL; p = p->next) {
    if (p->done) continue;
    if (tenon_engine_failed(e) != NULL) break;
    moved |= advance(p);
  }
  if (tenon_engine_failed(e) != NULL) {
    tenon_engine_abandon(e);
    return 1;
  }
  return moved;
}

void tenon_engine_abandon(tenon_engine* e) {
  for (tenon_pending* p = e->open; p != NULL; p = p->next)
    if (!p->done) withdraw(p);
}

/* ---- ranks that do not answer ---------------------------------------------------------------------------------------- */

static void describe_and_fail(tenon_pending* p, int32_t rank, const char* what) {
  char text[TENON_RANKS_TEXT];
  char self[256];
  tenon_header_text(tenon_own_header(p), self, sizeof self);
  snprintf(text, sizeof text, "rank %d %s in %s", (int)rank, what, self);
  tenon_engine_fail(p->engine, text);
}

tenon_request* tenon_awaited(tenon_pending* p) {
  for (int32_t k = 0; k < 2; k++)
    if (p->answer[k].state != 0) return &p->answer[k];
  const tenon_slots* s = &p->slots;
  if (s->requests != NULL) {
    for (int64_t step = s->worked; step < s->begun; step++)
      for (int32_t k = 0; k < s->awaited; k++)
        if (s->requests[step % s->window * s->each + k].state != 0) return &s->requests[step % s->window * s->each + k];
    for (int32_t k = 0; k < s->window * s->each; k++)
      if (s->requests[k].state != 0) return &s->requests[k];
  }
  for (int32_t k = 0; k < 2 * TENON_ROUNDS; k++)
    if (p->said[k / 2][k % 2].state != 0) return &p->said[k / 2][k % 2];
  return NULL;
}

/* Whether a rank that is waited for is no more. What it said before it went may have come meanwhile. */
static int32_t found_gone(tenon_pending* p, tenon_request* requests, int32_t count) {
  tenon_transport* t = &p->engine->transport;
  for (int32_t k = 0; k < count; k++) {
    if (requests[k].state == 0) continue;
    const char* gone = t->gone(t->self, requests[k].peer);
    if (gone == NULL || tenon_test(p, &requests[k], 1) == 0) continue;
    char text[64];
    snprintf(text, sizeof text, "%s, awaited", gone);
    describe_and_fail(p, requests[k].peer, text);
    return 1;
  }
  return 0;
}

/* `waited` nanoseconds have passed since something moved. In the first round the rank that is waited for has not come itself; later it
 * may wait for another, which those say that wait for that one. */
static void watch(tenon_pending* p, int64_t waited) {
  if (found_gone(p, p->answer, 2) || found_gone(p, p->said[0], 2 * TENON_ROUNDS)) return;
  if (p->slots.requests != NULL && found_gone(p, p->slots.requests, p->slots.window * p->slots.each)) return;
  const int64_t timeout = p->engine->timeout;
  const int64_t allowed = timeout + (p->round == 0 ? 0 : INDIRECT);
  if (waited < allowed) return;
  const tenon_request* request = tenon_awaited(p);
  if (request == NULL) return;
  char text[64];
  snprintf(text, sizeof text, "did not answer within %.4g s", (double)timeout * 1e-9);
  describe_and_fail(p, request->peer, text);
}

/* ---- the table ------------------------------------------------------------------------------------------------------- */

static int32_t refuse(tenon_engine* e, const tenon_collective* what, const char* why) {
  char text[TENON_RANKS_TEXT];
  snprintf(text, sizeof text, "rank %d asked for what cannot be: %s%s%.200s", (int)e->transport.rank, why,
           what->where != NULL ? ", in " : "", what->where != NULL ? what->where : "");
  tenon_engine_fail(e, text);
  return TENON_RANKS_FAILED;
}

static int32_t start(void* world, const tenon_collective* what, const void* in, void* out, void** pending) {
  tenon_engine* e = (tenon_engine*)world;
  *pending = NULL;
  if (tenon_engine_failed(e) != NULL) return tenon_engine_abandon(e), TENON_RANKS_FAILED;
  const char* wrong = tenon_ranks_wrong(what, e->transport.rank, e->transport.size);
  if (wrong != NULL) return refuse(e, what, wrong);
  const int32_t moves = tenon_ranks_moved_by(what) == 0;
  if (what->size == 1) {
    if (moves) tenon_ranks_copy(what, in, out);
    return TENON_OK;
  }
  tenon_group* group = group_of(e, what->size, what->stride);
  tenon_pending* p = group != NULL ? new_pending(e) : NULL;
  if (p == NULL) return refuse(e, what, "out of memory");
  p->size = what->size;
  p->stride = what->stride;
  p->own = e->transport.rank / what->stride % what->size;
  p->base = e->transport.rank - p->own * what->stride;
  p->to = what->to;
  p->from = what->from;
  if (what->kind == TENON_PERMUTE) tenon_ranks_pair_of(what, p->own, &p->to, &p->from);
  p->element = what->kind == TENON_BARRIER ? 1 : tenon_ranks_element(what->dtype);
  p->bytes = what->kind == TENON_BARRIER || !moves ? 0 : p->element * (uint64_t)what->count;
  p->in = (const char*)in;
  p->out = (char*)out;
  tenon_header header;
  int32_t begun;
  if (what->kind == TENON_EXCHANGE) { /* the group of one has no collectives of its own: its tags are free */
    p->tag.size = p->tag.stride = 1;
    p->tag.sequence = (uint32_t)what->root;
    tenon_ranks_describe(what, e->transport.rank, 0, &header);
    begun = tenon_transfer_begin(p, &header);
  } else {
    p->tag.size = what->size;
    p->tag.stride = what->stride;
    p->tag.sequence = group->sequence++;
    tenon_ranks_describe(what, e->transport.rank, p->tag.sequence, &header);
    begun = tenon_agree_begin(p, &header);
  }
  if (!begun) {
    release(p);
    return refuse(e, what, "out of memory");
  }
  *pending = p;
  return TENON_OK;
}

static int32_t finish(void* world, void* pending) {
  tenon_engine* e = (tenon_engine*)world;
  tenon_pending* p = (tenon_pending*)pending;
  if (p == NULL) return TENON_OK;
  int64_t since = 0;
  int64_t watched = 0;
  int64_t idle = 0;
  while (!p->done && tenon_engine_failed(e) == NULL) {
    const uint64_t moved = p->moved;
    const int32_t any = advance_all(e);
    if (p->moved != moved) since = 0;
    if (any) {
      idle = 0;
      continue;
    }
    e->transport.pause(e->transport.self, idle++);
    if (idle < 8) continue;
    const int64_t now = tenon_ranks_now();
    if (since == 0) since = now;
    tenon_answer(p);
    if (now - since > p->asks) { /* ever more seldom: who is late has not heard it yet */
      tenon_ask(p);
      p->asks = 2 * (now - since);
    }
    if (now - watched > WATCH && now - since > WATCH) {
      watched = now;
      watch(p, now - since);
    }
  }
  const int32_t done = p->done;
  if (!done) tenon_engine_abandon(e);
  release(p);
  return done ? TENON_OK : TENON_RANKS_FAILED;
}

static void progress(void* world) { advance_all((tenon_engine*)world); }

static const char* message(void* world) {
  const char* text = tenon_engine_failed((tenon_engine*)world);
  return text != NULL ? text : "";
}

static void fail(void* world, const char* reason) {
  tenon_engine* e = (tenon_engine*)world;
  char text[TENON_RANKS_TEXT];
  snprintf(text, sizeof text, "rank %d failed: %s", (int)e->transport.rank, reason != NULL ? reason : "");
  tenon_engine_fail(e, text);
  tenon_engine_abandon(e);
}

static void leave(void* world) {
  tenon_engine* e = (tenon_engine*)world;
  tenon_engine_abandon(e);
  tenon_engine_drop_kept(e);
  e->transport.leave(e->transport.self);
}

static void set_timeout(void* world, double seconds) {
  if (seconds > 0) ((tenon_engine*)world)->timeout = nanoseconds(seconds);
}

int32_t tenon_engine_open(tenon_engine* e, const tenon_transport* transport) {
  memset(e, 0, sizeof *e);
  e->transport = *transport;
  e->timeout = tenon_ranks_timeout();
  e->patience = PATIENCE;
  const tenon_ranks table = {
      sizeof table, e,           transport->rank,    transport->size,  start, finish, progress, message, fail,
      leave,        set_timeout, tenon_engine_watch, tenon_engine_kept};
  e->table = table;
  return 1;
}

void tenon_engine_close(tenon_engine* e) {
  tenon_engine_abandon(e);
  tenon_engine_drop_kept(e);
  while (e->open != NULL) release(e->open);
  while (e->spare != NULL) {
    tenon_pending* p = e->spare;
    e->spare = p->next;
    free(p->told);
    free(p->arriving);
    free(p);
  }
  free(e->groups);
  free(e->block);
  e->groups = NULL;
  e->block = NULL;
}
