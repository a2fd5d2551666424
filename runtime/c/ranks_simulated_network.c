/* The network that a simulated world may pretend to have: messages fly for as long as they would, and keep the cards of both ends busy.
 * A message is in its receiver's mailbox only when it is there, so everything else stays as it is; in a world without a network
 * none ever flies. Refuses to delay the word that a rank has failed. */
#define _GNU_SOURCE
#include <string.h>

#include "tenon/runtime/c/ranks_simulated.h"

static int is_inside(const tenon_simulated* w, int32_t a, int32_t b) {
  const int32_t host = w->network.host_ranks;
  return host > 1 && a / host == b / host;
}
static const tenon_link* link_of(const letter* l) {
  const tenon_network* n = &l->at->world->network;
  return l->inside ? &n->inside : &n->between;
}
static int64_t busy(const letter* l) { return (int64_t)((link_of(l)->gap + link_of(l)->beta * (double)l->size) * 1e9); }
static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

/* By its head, behind those that come at the same time. */
static void fly(member* at, letter* l) {
  letter** place = &at->flying.first;
  while (*place != NULL && (*place)->head <= l->head) place = &(*place)->next;
  l->next = *place;
  *place = l;
  if (l->next == NULL) at->flying.end = &l->next;
  l->flies = 1;
}

static void send(void* self, tenon_request* request, int32_t to, const tenon_tag* tag, const void* bytes,
                 uint64_t size) {
  member* m = (member*)self;
  member* at = &m->world->members[to];
  const int copied = size <= EAGER;
  letter* l = tenon_new_letter(at, m, tag, size, copied ? size : 0);
  request->state = l != NULL && !copied;
  request->handle.pointer = l;
  if (l == NULL) {
    m->engine.transport.tell(self, "out of memory");
    return;
  }
  l->bytes = (const char*)bytes;
  l->copied = copied;
  l->inside = is_inside(m->world, m->rank, to);
  l->due = 0;
  if (copied) {
    if (size != 0) memcpy(l + 1, bytes, size);
    l->bytes = (const char*)(l + 1);
  }
  pthread_mutex_lock(&at->lock);
  int64_t* sends = &m->cards[l->inside].sends;
  const int64_t begin = later(tenon_ranks_now(), *sends);
  *sends = begin + busy(l);
  l->head = begin + (int64_t)(link_of(l)->alpha * 1e9);
  fly(at, l);
  at->events++;
  pthread_cond_signal(&at->change);
  pthread_mutex_unlock(&at->lock);
}

/* The first that is there, taken out; what has begun to arrive is given its turn at the card. */
static letter* landed(member* m, int64_t now) {
  for (letter* l = m->flying.first; l != NULL && l->head <= now; l = l->next) {
    if (l->due != 0) continue;
    int64_t* receives = &m->cards[l->inside].receives;
    l->due = *receives = later(l->head, *receives) + busy(l);
  }
  for (letter** place = &m->flying.first; *place != NULL; place = &(*place)->next) {
    letter* l = *place;
    if (l->due == 0 || l->due > now) continue;
    *place = l->next;
    if (m->flying.end == &l->next) m->flying.end = place;
    l->flies = 0;
    return l;
  }
  return NULL;
}

/* Gives one that is there to who awaits it, or puts it into the mailbox; 0 where there is none. */
static int32_t land(member* m) {
  pthread_mutex_lock(&m->lock);
  letter* l = m->flying.first != NULL ? landed(m, tenon_ranks_now()) : NULL;
  letter* waiting = l != NULL ? tenon_letters_take(&m->receivers, l->from, &l->tag) : NULL;
  if (waiting != NULL)
    atomic_store(&l->state, TAKEN);
  else if (l != NULL)
    tenon_letters_put(&m->letters, l);
  pthread_mutex_unlock(&m->lock);
  if (waiting != NULL) {
    const uint64_t size = tenon_least(l->size, waiting->size);
    if (size != 0) memcpy(waiting->room, l->bytes, size);
    tenon_letter_taken(l);
    atomic_store(&waiting->state, ARRIVED);
  }
  return l != NULL;
}

static void look(void* self) {
  member* m = (member*)self;
  pthread_mutex_lock(&m->lock);
  m->seen = m->events;
  pthread_mutex_unlock(&m->lock);
  while (land(m)) {
  }
}

int64_t tenon_next_arrival(const member* m) {
  int64_t next = INT64_MAX;
  for (const letter* l = m->flying.first; l != NULL; l = l->next) {
    const int64_t due = l->due != 0 ? l->due : l->head + busy(l);
    if (due < next) next = due;
  }
  return next == INT64_MAX ? next : next - tenon_ranks_now();
}

/* What a rank has sent before it went is still awaited. */
static const char* gone(void* self, int32_t rank) {
  member* m = (member*)self;
  const member* other = &m->world->members[rank];
  if (!atomic_load(&other->left)) return NULL;
  int32_t flies = 0;
  pthread_mutex_lock(&m->lock);
  for (const letter* l = m->flying.first; l != NULL; l = l->next) flies |= l->from == other;
  pthread_mutex_unlock(&m->lock);
  return flies ? NULL : "has ended";
}

static int is_link(const tenon_link* l) {
  const double all[] = {l->alpha, l->gap, l->beta};
  for (int k = 0; k < 3; k++)
    if (!(all[k] >= 0 && all[k] <= 1e3)) return 0; /* nor is what is no number */
  return 1;
}

int32_t tenon_simulated_network(tenon_simulated* w, const tenon_network* network) {
  if (network->struct_size < sizeof *network || !is_link(&network->between) || !is_link(&network->inside) ||
      network->host_ranks < 0)
    return TENON_RANKS_FAILED;
  w->network = *network;
  for (int32_t r = 0; r < w->size; r++) {
    tenon_transport* t = &w->members[r].engine.transport;
    t->send = send;
    t->look = look;
    t->gone = gone;
  }
  return TENON_OK;
}
