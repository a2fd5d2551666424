/* A world within one process, as its two files see it: mailboxes and messages (ranks_simulated.c), and the network that it may pretend
 * to have (ranks_simulated_network.c). Internal to the runtime. */
#ifndef TENON_RUNTIME_RANKS_SIMULATED_H
#define TENON_RUNTIME_RANKS_SIMULATED_H

#include <pthread.h>
#include <stdatomic.h>

#include "tenon/runtime/c/ranks_engine.h"

#pragma GCC visibility push(hidden)
enum { EAGER = 16 * 1024 }; /* bytes that wait in a copy */
enum { WORDS = 4 }; /* that wait for a rank; of more the oldest are lost */
enum { QUEUED, TAKEN, ARRIVED };

typedef struct member member;

typedef struct letter {
  struct letter* next;
  member* at; /* in whose mailbox */
  member* from; /* who sends it */
  tenon_tag tag;
  const char* bytes; /* of the sender */
  char* room; /* of the receiver */
  uint64_t size;
  int32_t copied; /* the sender has gone on; whoever takes it frees it */
  int32_t flies; /* it is on its way through the network: in the queue of those that fly */
  int32_t inside; /* a host */
  int64_t head,
      due; /* when it begins to arrive, and when it is there; due: 0 until the receiver's card has turned to it */
  _Atomic int32_t state;
} letter;

typedef struct queue {
  letter *first, **end;
} queue;

/* Until when a rank's card sends, and receives; one between hosts, one inside. */
typedef struct card {
  int64_t sends, receives;
} card;

struct member {
  tenon_simulated* world;
  int32_t rank;
  pthread_mutex_t lock;
  pthread_cond_t change;
  queue letters, receivers;
  queue flying; /* by their heads */
  card cards[2];
  uint64_t events; /* grows with all that may end a pause */
  uint64_t seen; /* how many there were at the last look; the rank's own */
  uint64_t said, heard; /* words to this rank */
  char words[WORDS][TENON_WORD];
  _Atomic int32_t left;
  tenon_engine engine;
};

struct tenon_simulated {
  int32_t size;
  pthread_mutex_t lock;
  tenon_network network;
  _Atomic int32_t failed; /* `text` stands */
  char text[TENON_RANKS_TEXT];
  member members[];
};

void tenon_letters_put(queue* q, letter* l);
letter* tenon_letters_take(queue* q, const member* from, const tenon_tag* tag); /* null: there is none */
letter* tenon_new_letter(member* at, member* from, const tenon_tag* tag, uint64_t size, uint64_t copied);
void tenon_letter_taken(letter* l);
void tenon_simulated_wake(member* m);
/* Nanoseconds until a message that flies is there; INT64_MAX: none does. The member's lock is held. */
int64_t tenon_next_arrival(const member* m);

static inline uint64_t tenon_least(uint64_t a, uint64_t b) { return a < b ? a : b; }
#pragma GCC visibility pop

#endif
