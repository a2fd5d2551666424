/* The tree over ranks: 0 with 1, 2 with 3, ..., then the pairs, an odd last one waiting for the next level. It is grown from the left
 * by strips that stay in the cache: a stack holds the joined runs, of falling lengths, and two of one length become one; what is left
 * at the end joins from the right. That is the same tree, with room for its height alone. */
#include "tenon/runtime/c/ranks_join.h"
#include "tenon/runtime/tenon_ranks.h"

enum { HEIGHT = 14 }; /* of 4096 ranks, and one for the next pair */

typedef struct tree {
  int32_t dtype, joined; /* that of the elements, and that in which they are joined */
  uint64_t element;
  tenon_join join;
  int32_t depth;
  struct {
    const void* at; /* its strip: in `room`, or a rank's own elements */
    int32_t level; /* 2^level ranks, fewer at the end */
  } runs[HEIGHT];
  /* A strip for each run. */
  _Alignas(64) unsigned char room[HEIGHT][TENON_STRIP * sizeof(double)];
} tree;

static void push(tree* t, const char* in, int64_t count) {
  const void* at = in;
  if (t->joined != t->dtype) {
    tenon_ranks_widen(t->dtype, (float*)t->room[t->depth], (const uint16_t*)in, count);
    at = t->room[t->depth];
  }
  t->runs[t->depth].at = at;
  t->runs[t->depth].level = 0;
  t->depth++;
}

/* The two topmost runs become one, in `out`, or in the room of the left one. */
static void join_top(tree* t, void* out, int64_t count) {
  const int32_t left = t->depth - 2;
  void* to = out != NULL ? out : t->room[left];
  t->join(to, t->runs[left].at, t->runs[left + 1].at, count);
  t->runs[left].at = to;
  t->runs[left].level++;
  t->depth--;
}

static void strip(tree* t, char* out, const void* const* in, int32_t n, int64_t at, int64_t count) {
  char* result = t->joined == t->dtype ? out : NULL; /* where the last join puts it */
  t->depth = 0;
  for (int32_t r = 0; r < n; r++) {
    push(t, (const char*)in[r] + (uint64_t)at * t->element, count);
    while (t->depth > 1 && t->runs[t->depth - 1].level == t->runs[t->depth - 2].level)
      join_top(t, r == n - 1 && t->depth == 2 ? result : NULL, count);
  }
  while (t->depth > 1) join_top(t, t->depth == 2 ? result : NULL, count);
  if (t->joined != t->dtype) tenon_ranks_narrow(t->dtype, (uint16_t*)out, (const float*)t->runs[0].at, count);
}

void tenon_ranks_tree(int32_t dtype, int32_t combine, void* out, const void* const* in, int32_t n, int64_t count) {
  tree t;
  t.dtype = dtype;
  t.joined = dtype == TENON_F16 || dtype == TENON_BF16 ? TENON_F32 : dtype;
  t.element = tenon_ranks_element(dtype);
  t.join = tenon_ranks_join_of(t.joined, combine);
  const uint32_t saved = tenon_fp_enter();
  if (n == 2 && t.joined == dtype) {
    t.join(out, in[0], in[1], count);
  } else {
    for (int64_t at = 0; at < count; at += TENON_STRIP)
      strip(&t, (char*)out + (uint64_t)at * t.element, in, n, at, count - at < TENON_STRIP ? count - at : TENON_STRIP);
  }
  tenon_fp_leave(saved);
}
