/* What the collectives stand on: messages between two ranks that do not block, and a word that reaches every rank when one fails.
 * The simulated world and MPI each fill this table in; the algorithms (ranks_engine.h) are written once over it. Internal to the
 * runtime. Refuses to know collectives, numbers or where ranks live. */
#ifndef TENON_RUNTIME_RANKS_TRANSPORT_H
#define TENON_RUNTIME_RANKS_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

enum {
  TENON_RANKS_TEXT = 1024, /* bytes of a message about a failure, its end included */
  TENON_WORD = 1024 /* of a word, at most */
};

/* Which message: messages of one pair of ranks with one tag arrive in the order in which they were sent. */
typedef struct tenon_tag {
  int32_t size, stride; /* of the group */
  uint32_t sequence; /* of the collective in its group */
  int32_t stream; /* 0 to TENON_STREAMS - 1: kinds of messages of one collective */
} tenon_tag;
enum { TENON_STREAMS = 3 };

/* A message on its way. state: 0 none, or arrived; 1 on its way. */
typedef struct tenon_request {
  int32_t state, peer;
  int32_t sends; /* the transport's own, as is the handle */
  union {
    void* pointer;
    unsigned char bytes[8];
  } handle;
} tenon_request;

typedef struct tenon_transport {
  void* self;
  int32_t rank, size;
  /* Bytes that travel at once, without asking the receiver: messages a little longer are better two. 0: all do. */
  uint64_t piece;
  /* Both begin, and give the bytes back when `test` says so, or `cancel` has returned. A message fits its receiver's room, or is
   * shorter. What goes wrong becomes a failure of the world. */
  void (*send)(void* self, tenon_request* request, int32_t to, const tenon_tag* tag, const void* bytes, uint64_t size);
  void (*receive)(void* self, tenon_request* request, int32_t from, const tenon_tag* tag, void* bytes, uint64_t size);
  /* How many of these are still on their way. */
  int32_t (*test)(void* self, tenon_request* requests, int32_t count);
  void (*cancel)(void* self, tenon_request* request);
  /* Before tests that `pause` may follow: what happens from here on ends a pause. */
  void (*look)(void* self);
  /* The failure that this world has come to, null while there is none. The first one stays. */
  const char* (*heard)(void* self);
  /* Tells every rank of a failure, this one too. */
  void (*tell)(void* self, const char* text);
  /* What has become of a rank that will not answer any more: "has ended"; null: nothing is known. */
  const char* (*gone)(void* self, int32_t rank);
  /* This rank is done: `gone` tells the others. */
  void (*leave)(void* self);
  /* Nothing has moved `idle` times in a row: lets others run, for at most some milliseconds. */
  void (*pause)(void* self, int64_t idle);
  /* A word to one rank, besides all messages; it may get lost. And the next one that has come, of whomever; 0: there is none. */
  void (*say)(void* self, int32_t to, const void* word, uint64_t size);
  int32_t (*hear)(void* self, void* word, uint64_t size);
} tenon_transport;

#endif
