/* A world of MPI's: two communicators of our own, one for elements and one for words about failures and ends, and what is known of
 * the other ranks' processes. Internal to the plug-in. */
#ifndef TENON_RUNTIME_MPI_WORLD_H
#define TENON_RUNTIME_MPI_WORLD_H

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include "tenon/runtime/c/ranks_engine.h"

enum { MPI_WORDS = 4 }; /* that wait for this rank; of more the oldest are lost */

/* Told on the second communicator. */
typedef struct mpi_notice {
  int32_t kind,
      rank; /* text is, of NOTICE_FAILED, the message, of NOTICE_ENDED what has become of the rank, else a word */
  char text[TENON_RANKS_TEXT];
} mpi_notice;
enum { NOTICE_FAILED = 1, NOTICE_ENDED = 2, NOTICE_WORD = 3 };

/* A rank's process, as told at the beginning. */
typedef struct mpi_process {
  uint64_t machine; /* kernel and space of process ids: 0 where it is not known */
  int64_t pid;
  uint64_t started; /* ticks, so that a process that got the same id is told from it */
} mpi_process;

typedef struct mpi_peer {
  mpi_process process;
  int64_t ended; /* when that was heard or seen; 0: not yet */
  int64_t asked; /* when the system was asked last */
  int32_t said; /* it said so itself */
  char words[64];
} mpi_peer;

typedef struct mpi_world {
  MPI_Comm elements, words;
  int32_t rank, size, began, crowded; /* began: by us; crowded: more ranks than cores */
  int64_t pid;
  uint32_t sequences; /* tags have room for that many collectives of a group */
  int32_t class_size, class_stride;
  int64_t class_number; /* of the group of the last message */
  int32_t failed, left;
  char text[TENON_RANKS_TEXT];
  int64_t failed_at;
  mpi_peer* peers;
  MPI_Request listening;
  mpi_notice heard;
  mpi_notice told[2]; /* failure and end: they must outlive what sends them */
  mpi_notice saying; /* the last word, on its way as long as the request is open */
  MPI_Request said;
  char waiting[MPI_WORDS][TENON_WORD];
  uint64_t come, taken; /* words */
  uint64_t looks;
  tenon_engine engine;
} mpi_world;

/* ---- mpi_words.c: failures, ends, processes ------------------------------------------------------------------------- */
void mpi_words_listen(mpi_world* w);
void mpi_words_read(mpi_world* w); /* what has come */
void mpi_words_tell(mpi_world* w, int32_t kind, const char* text);
void mpi_world_fail(mpi_world* w, const char* text);
void mpi_words_say(mpi_world* w, int32_t to, const void* word, uint64_t size);
int32_t mpi_words_hear(mpi_world* w, void* word, uint64_t size);
const char* mpi_world_gone(mpi_world* w, int32_t rank);
mpi_process mpi_own_process(void);
/* What an error of MPI's is called, as a failure of this world. */
void mpi_world_error(mpi_world* w, int code, const char* doing, int32_t peer);

/* ---- mpi_transport.c ------------------------------------------------------------------------------------------------ */
void mpi_transport_fill(mpi_world* w, tenon_transport* transport);
int32_t mpi_transport_tags(mpi_world* w); /* 0 where MPI's tags are too few */
void mpi_nap(int64_t nanoseconds);

#endif
