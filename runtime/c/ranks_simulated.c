/* A world within one process: every rank has a mailbox, where messages wait for whoever receives them and receivers for what they
 * await. Large elements are copied once, from the sender's memory into the receiver's, by whoever comes second; small ones wait in
 * a copy, so that senders go on. Refuses to know threads: who calls for a rank is that rank. */
#define _GNU_SOURCE
#include "tenon/runtime/c/ranks_simulated.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAUSE = 20 * 1000 * 1000, YIELDS = 16, MOST = 4096 };

/* ---- queues ---------------------------------------------------------------------------------------------------------- */

void tenon_letters_put(queue* q, letter* l) {
  l->next = NULL;
  *q->end = l;
  q->end = &l->next;
}

static void take_out(queue* q, letter** link) {
  letter* l = *link;
  *link = l->next;
  if (q->end == &l->next) q->end = link;
}

letter* tenon_letters_take(queue* q, const member* from, const tenon_tag* tag) {
  for (letter** link = &q->first; *link != NULL; link = &(*link)->next) {
    letter* l = *link;
    if (l->from != from || memcmp(&l->tag, tag, sizeof *tag) != 0) continue;
    take_out(q, link);
    return l;
  }
  return NULL;
}

/* ---- the transport --------------------------------------------------------------------------------------------------- */

void tenon_simulated_wake(member* m) {
  pthread_mutex_lock(&m->lock);
  m->events++;
  pthread_cond_signal(&m->change);
  pthread_mutex_unlock(&m->lock);
}

static void tell(void* self, const char* text) {
  tenon_simulated* w = ((member*)self)->world;
  pthread_mutex_lock(&w->lock);
  if (!atomic_load(&w->failed)) {
    snprintf(w->text, sizeof w->text, "%s", text);
    atomic_store(&w->failed, 1);
  }
  pthread_mutex_unlock(&w->lock);
  for (int32_t r = 0; r < w->size; r++) tenon_simulated_wake(&w->members[r]);
}

letter* tenon_new_letter(member* at, member* from, const tenon_tag* tag, uint64_t size, uint64_t copied) {
  letter* l = (letter*)malloc(sizeof *l + copied);
  if (l == NULL) return NULL;
  l->at = at;
  l->from = from;
  l->tag = *tag;
  l->bytes = NULL;
  l->room = NULL;
  l->size = size;
  l->copied = l->flies = 0;
  atomic_init(&l->state, QUEUED);
  return l;
}

static void send(void* self, tenon_request* request, int32_t to, const tenon_tag* tag, const void* bytes,
                 uint64_t size) {
  member* m = (member*)self;
  member* at = &m->world->members[to];
  pthread_mutex_lock(&at->lock);
  letter* waiting = tenon_letters_take(&at->receivers, m, tag);
  if (waiting != NULL) {
    atomic_store(&waiting->state, TAKEN);
    pthread_mutex_unlock(&at->lock);
    if (size != 0) memcpy(waiting->room, bytes, tenon_least(size, waiting->size));
    atomic_store(&waiting->state, ARRIVED); /* and is its receiver's again */
    tenon_simulated_wake(at);
    request->state = 0;
    return;
  }
  const int copied = size <= EAGER;
  letter* l = tenon_new_letter(at, m, tag, size, copied ? size : 0);
  if (l != NULL) {
    l->bytes = (const char*)bytes;
    l->copied = copied;
    if (copied) {
      if (size != 0) memcpy(l + 1, bytes, size);
      l->bytes = (const char*)(l + 1);
    }
    tenon_letters_put(&at->letters, l);
  }
  pthread_mutex_unlock(&at->lock);
  request->state = l != NULL && !copied;
  request->handle.pointer = l;
  if (l == NULL) tell(self, "out of memory");
}

/* The receiver has what it holds. */
void tenon_letter_taken(letter* l) {
  member* sender = l->from;
  if (l->copied) {
    free(l);
  } else {
    atomic_store(&l->state, ARRIVED);
    tenon_simulated_wake(sender);
  }
}

static void receive(void* self, tenon_request* request, int32_t from, const tenon_tag* tag, void* bytes,
                    uint64_t size) {
  member* m = (member*)self;
  member* sender = &m->world->members[from];
  pthread_mutex_lock(&m->lock);
  letter* l = tenon_letters_take(&m->letters, sender, tag);
  if (l != NULL) {
    atomic_store(&l->state, TAKEN);
    pthread_mutex_unlock(&m->lock);
    const uint64_t copied = tenon_least(l->size, size);
    if (copied != 0) memcpy(bytes, l->bytes, copied);
    tenon_letter_taken(l);
    request->state = 0;
    return;
  }
  l = tenon_new_letter(m, sender, tag, size, 0);
  if (l != NULL) {
    l->room = (char*)bytes;
    tenon_letters_put(&m->receivers, l);
  }
  pthread_mutex_unlock(&m->lock);
  request->state = l != NULL;
  request->handle.pointer = l;
  if (l == NULL) tell(self, "out of memory");
}

static int32_t test(void* self, tenon_request* requests, int32_t count) {
  (void)self;
  int32_t open = 0;
  for (int32_t k = 0; k < count; k++) {
    if (requests[k].state == 0) continue;
    letter* l = (letter*)requests[k].handle.pointer;
    if (atomic_load(&l->state) == ARRIVED) {
      free(l);
      requests[k].state = 0;
    } else {
      open++;
    }
  }
  return open;
}

/* What another rank copies from or to just now is waited for. */
static void cancel(void* self, tenon_request* request) {
  (void)self;
  letter* l = (letter*)request->handle.pointer;
  member* at = l->at;
  pthread_mutex_lock(&at->lock);
  if (atomic_load(&l->state) == QUEUED) {
    queue* q = l->room != NULL ? &at->receivers : l->flies ? &at->flying : &at->letters;
    letter** link = &q->first;
    while (*link != l) link = &(*link)->next;
    take_out(q, link);
    atomic_store(&l->state, ARRIVED);
  }
  pthread_mutex_unlock(&at->lock);
  while (atomic_load(&l->state) != ARRIVED) sched_yield();
  free(l);
  request->state = 0;
}

static const char* heard(void* self) {
  tenon_simulated* w = ((member*)self)->world;
  return atomic_load(&w->failed) ? w->text : NULL;
}

static const char* gone(void* self, int32_t rank) {
  return atomic_load(&((member*)self)->world->members[rank].left) ? "has ended" : NULL;
}

static void leave(void* self) {
  member* m = (member*)self;
  atomic_store(&m->left, 1);
  for (int32_t r = 0; r < m->world->size; r++) tenon_simulated_wake(&m->world->members[r]);
}

static void look(void* self) {
  member* m = (member*)self;
  pthread_mutex_lock(&m->lock);
  m->seen = m->events;
  pthread_mutex_unlock(&m->lock);
}

static void wait_for(member* m, int64_t nanoseconds) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += (long)nanoseconds;
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    until.tv_sec++;
  }
  if (m->events == m->seen) pthread_cond_timedwait(&m->change, &m->lock, &until);
}

static void pause(void* self, int64_t idle) {
  member* m = (member*)self;
  if (idle < YIELDS) {
    sched_yield();
    return;
  }
  pthread_mutex_lock(&m->lock);
  const int64_t next = tenon_next_arrival(m);
  if (next > 0) wait_for(m, next < PAUSE ? next : PAUSE);
  pthread_mutex_unlock(&m->lock);
}

static void say(void* self, int32_t to, const void* word, uint64_t size) {
  member* at = &((member*)self)->world->members[to];
  pthread_mutex_lock(&at->lock);
  memcpy(at->words[at->said++ % WORDS], word, size);
  at->events++;
  pthread_cond_signal(&at->change);
  pthread_mutex_unlock(&at->lock);
}

static int32_t hear(void* self, void* word, uint64_t size) {
  member* m = (member*)self;
  pthread_mutex_lock(&m->lock);
  const int32_t any = m->heard < m->said;
  if (m->said - m->heard > WORDS) m->heard = m->said - WORDS;
  if (any) memcpy(word, m->words[m->heard++ % WORDS], size);
  pthread_mutex_unlock(&m->lock);
  return any;
}

/* ---- the world ------------------------------------------------------------------------------------------------------- */

static void drop(queue* q) {
  while (q->first != NULL) {
    letter* l = q->first;
    q->first = l->next;
    free(l);
  }
}

static void open_member(tenon_simulated* w, int32_t rank, const pthread_condattr_t* clock) {
  member* m = &w->members[rank];
  m->world = w;
  m->rank = rank;
  pthread_mutex_init(&m->lock, NULL);
  pthread_cond_init(&m->change, clock);
  m->letters.end = &m->letters.first;
  m->receivers.end = &m->receivers.first;
  m->flying.end = &m->flying.first;
  const tenon_transport transport = {m,    rank,  w->size, 0,    send,  receive, test, cancel,
                                     look, heard, tell,    gone, leave, pause,   say,  hear};
  tenon_engine_open(&m->engine, &transport);
}

tenon_simulated* tenon_simulated_open(int32_t size) {
  if (size < 1 || size > MOST) return NULL;
  tenon_simulated* w = (tenon_simulated*)calloc(1, sizeof *w + (size_t)size * sizeof w->members[0]);
  if (w == NULL) return NULL;
  w->size = size;
  pthread_mutex_init(&w->lock, NULL);
  pthread_condattr_t clock;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  for (int32_t r = 0; r < size; r++) open_member(w, r, &clock);
  pthread_condattr_destroy(&clock);
  return w;
}

const tenon_ranks* tenon_simulated_rank(tenon_simulated* w, int32_t rank) {
  return rank >= 0 && rank < w->size ? &w->members[rank].engine.table : NULL;
}

void tenon_simulated_close(tenon_simulated* w) {
  if (w == NULL) return;
  for (int32_t r = 0; r < w->size; r++) tenon_engine_close(&w->members[r].engine);
  for (int32_t r = 0; r < w->size; r++) {
    drop(&w->members[r].letters);
    drop(&w->members[r].receivers);
    drop(&w->members[r].flying);
    pthread_mutex_destroy(&w->members[r].lock);
    pthread_cond_destroy(&w->members[r].change);
  }
  pthread_mutex_destroy(&w->lock);
  free(w);
}
