/* What an engine does for who moves elements himself: it looks after the ranks meanwhile, and keeps things that go with a rank. Refuses
 * to know what moves and what is kept. */
#include <stdio.h>

#include "tenon/runtime/c/ranks_engine.h"

/* Seconds: what a rank has done before it ended may still be on its way. */
static const double grace = 1;

int32_t tenon_engine_watch(void* world, const tenon_collective* what, double waited) {
  tenon_engine* e = (tenon_engine*)world;
  tenon_transport* t = &e->transport;
  e->table.progress(world);
  if (tenon_engine_failed(e) != NULL) return TENON_RANKS_FAILED;
  char self[256];
  char text[TENON_RANKS_TEXT];
  tenon_header header;
  tenon_ranks_describe(what, t->rank, 0, &header);
  tenon_header_text(&header, self, sizeof self);
  const int32_t own = t->rank / what->stride % what->size;
  for (int32_t k = 0; waited > grace && k < what->size; k++) {
    const int32_t rank = t->rank + (k - own) * what->stride;
    const char* gone = k == own ? NULL : t->gone(t->self, rank);
    if (gone == NULL) continue;
    snprintf(text, sizeof text, "rank %d %s, awaited in %s", (int)rank, gone, self);
    tenon_engine_fail(e, text);
    return TENON_RANKS_FAILED;
  }
  if (waited * 1e9 < (double)e->timeout) return TENON_OK;
  snprintf(text, sizeof text, "%s did not end within %.4g s on rank %d", self, (double)e->timeout * 1e-9, (int)t->rank);
  tenon_engine_fail(e, text);
  return TENON_RANKS_FAILED;
}

tenon_kept** tenon_engine_kept(void* world) { return &((tenon_engine*)world)->kept; }

void tenon_engine_drop_kept(tenon_engine* e) {
  while (e->kept != NULL) {
    tenon_kept* kept = e->kept;
    e->kept = kept->next;
    kept->drop(kept);
  }
}
