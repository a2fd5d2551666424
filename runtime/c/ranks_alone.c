/* Collectives of a single rank, which are copies, the world of one, and start and finish in one call. */
#include <string.h>

#include "tenon/runtime/c/ranks_engine.h"
#include "tenon/runtime/c/ranks_join.h"

void tenon_ranks_copy(const tenon_collective* what, const void* in, void* out) {
  if (what->kind == TENON_BARRIER || what->count == 0) return;
  const uint64_t bytes = (uint64_t)what->count * tenon_ranks_element(what->dtype);
  int32_t from = 0;
  int32_t to = 0;
  if (what->kind == TENON_EXCHANGE) from = what->from;
  if (what->kind == TENON_PERMUTE) tenon_ranks_pair_of(what, 0, &to, &from);
  if (from < 0)
    memset(out, 0, bytes);
  else
    memcpy(out, in, bytes);
}

static int32_t start(void* world, const tenon_collective* what, const void* in, void* out, void** pending) {
  (void)world;
  *pending = NULL;
  if (tenon_ranks_wrong(what, 0, 1) != NULL) return TENON_RANKS_FAILED;
  tenon_ranks_copy(what, in, out);
  return TENON_OK;
}

static int32_t finish(void* world, void* pending) {
  (void)world;
  (void)pending;
  return TENON_OK;
}

static const char* message(void* world) {
  (void)world;
  return "a world of one rank was asked for what cannot be, or for a group of several ranks";
}

static void fail(void* world, const char* reason) { /* nobody is there to be told */
  (void)world;
  (void)reason;
}

static void leave(void* world) { (void)world; }

static void set_timeout(void* world, double seconds) {
  (void)world;
  (void)seconds;
}

const tenon_ranks* tenon_ranks_alone(void) {
  static const tenon_ranks alone = {sizeof alone, NULL, 0,     1,           start, finish, NULL,
                                    message,      fail, leave, set_timeout, NULL,  NULL};
  return &alone;
}

int32_t tenon_ranks_run(const tenon_ranks* ranks, const tenon_collective* what, const void* in, void* out) {
  void* pending = NULL;
  const int32_t code = ranks->start(ranks->world, what, in, out, &pending);
  return code != TENON_OK || pending == NULL ? code : ranks->finish(ranks->world, pending);
}
