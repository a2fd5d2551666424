/* Ranks that wait for each other, since they mean different groups, or use the same ones in different orders. Who has waited for a moment
 * asks the rank that it waits for. That one, when it waits itself in another collective, asks on, and so forth; where the question
 * comes back, none of them will ever go on, and it is an error at once. Refuses to guess: a rank that waits for nobody answers later.
 *
 * What makes it sure: a collective ends on no rank before all of its group have begun it. A rank that has not begun what it is asked for,
 * and waits in something else, begins it only when that ends. So while the last one asked has not begun what the one before waits in,
 * that one still waits, and the one before it; when the last is the first, and waits in what it asked for, all of them do for good.
 * An exchange has no number by which both ends know it: such questions are not asked. */
#include <stdio.h>
#include <string.h>

#include "tenon/runtime/c/ranks_engine.h"

enum { RANKS = 8, HOPS = 64 };

typedef struct question {
  tenon_header what; /* the collective that is waited in, by whom (rank); who has not begun it? */
  tenon_header first; /* what the first one asked for */
  int32_t hops, count, ranks[RANKS]; /* those that wait */
  char text[480];
} question;
_Static_assert(sizeof(question) <= TENON_WORD, "a question is a word");

static int32_t waits_for_others(const tenon_pending* p) {
  return !p->done && !p->agreed && tenon_own_header(p)->kind != TENON_EXCHANGE;
}

static int32_t same_collective(const tenon_header* a, const tenon_header* b) {
  return a->size == b->size && a->stride == b->stride && a->sequence == b->sequence;
}

static void ask_on(tenon_pending* p, question* q) {
  const tenon_request* awaited = tenon_awaited(p);
  const tenon_transport* t = &p->engine->transport;
  if (awaited == NULL || q->hops >= HOPS) return;
  q->hops++;
  t->say(t->self, awaited->peer, q, sizeof *q);
}

void tenon_ask(tenon_pending* p) {
  if (!waits_for_others(p)) return;
  question q;
  memset(&q, 0, sizeof q);
  q.what = q.first = *tenon_own_header(p);
  q.count = 1;
  q.ranks[0] = q.what.rank;
  ask_on(p, &q);
}

/* This rank has not begun what the one before waits in. */
static void note(question* q, int32_t own) {
  char what[256];
  const size_t length = strlen(q->text);
  tenon_header_text(&q->what, what, sizeof what);
  snprintf(q->text + length, sizeof q->text - length, "%srank %d waits for rank %d in %s", length != 0 ? ", " : "",
           (int)q->what.rank, (int)own, what);
}

static void fail_with(tenon_engine* e, const question* q) {
  char text[TENON_RANKS_TEXT];
  snprintf(
      text, sizeof text,
      "ranks wait for each other: %s%s; all ranks of a group call its collectives, in one order among those of other "
      "groups",
      q->text, strlen(q->text) + 1 == sizeof q->text ? "..." : "");
  tenon_engine_fail(e, text);
}

/* How the rank that waits in p takes a question. */
static void take(tenon_pending* p, question* q) {
  tenon_engine* e = p->engine;
  const int32_t own = e->transport.rank;
  uint32_t begun = 0;
  for (int32_t k = 0; k < e->group_count; k++)
    if (e->groups[k].size == q->what.size && e->groups[k].stride == q->what.stride) begun = e->groups[k].sequence;
  if ((int32_t)(begun - q->what.sequence) >
      0) { /* it waits there too, or has what it needs: who has not begun it is further on */
    for (tenon_pending* other = e->open; other != NULL; other = other->next)
      if (waits_for_others(other) && same_collective(tenon_own_header(other), &q->what)) ask_on(other, q);
    return;
  }
  if (!waits_for_others(p)) return;
  if (own == q->ranks[0]) {
    if (!same_collective(tenon_own_header(p), &q->first)) return;
    note(q, own);
    fail_with(e, q);
    return;
  }
  if (own < q->ranks[0] || q->count == RANKS) return; /* the lowest one says it, so that all say the same */
  for (int32_t k = 1; k < q->count; k++)
    if (q->ranks[k] == own) return; /* they wait for each other, and find it out themselves */
  note(q, own);
  q->ranks[q->count++] = own;
  q->what = *tenon_own_header(p);
  ask_on(p, q);
}

void tenon_answer(tenon_pending* p) {
  const tenon_transport* t = &p->engine->transport;
  question q;
  while (t->hear(t->self, &q, sizeof q)) {
    q.text[sizeof q.text - 1] = '\0';
    if (q.count > 0 && q.count <= RANKS) take(p, &q);
  }
}
