/* What a rank says of its collective, in words, and how what two ranks say differs; what makes a request no request at all. Refuses
 * to send anything. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tenon/runtime/c/ranks_engine.h"
#include "tenon/runtime/c/ranks_join.h"

static const char* const kinds[] = {"all_reduce", "all_gather", "reduce_scatter", "all_to_all",
                                    "permute",    "broadcast",  "exchange",       "barrier"};
static const char* const combines[] = {"sum", "prod", "min", "max"};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static int is_reduction(int32_t kind) { return kind == TENON_ALL_REDUCE || kind == TENON_REDUCE_SCATTER; }

static int fits(const tenon_collective* what, int32_t rank, int32_t size) {
  if (what->size < 1 || what->stride < 1) return 0;
  const int64_t own = rank / what->stride % what->size;
  const int64_t base = rank - own * what->stride;
  return base >= 0 && base + (int64_t)(what->size - 1) * what->stride < size;
}

/* A number of the group, or -1. */
static int is_partner(int32_t number, int32_t size) { return number >= -1 && number < size; }

static const char* wrong_pairs(const tenon_collective* what) {
  if (what->pair_count < 0 || what->pair_count > what->size || (what->pair_count > 0 && what->pairs == NULL))
    return "more pairs than ranks";
  uint64_t seen[2][64]; /* of 4096 ranks */
  memset(seen, 0, sizeof seen);
  for (int64_t k = 0; k < 2 * what->pair_count; k++) {
    const int32_t number = what->pairs[k];
    if (number < 0 || number >= what->size || number >= 4096) return "a pair names a rank that is not in the group";
    uint64_t* word = &seen[k % 2][number / 64];
    const uint64_t bit = UINT64_C(1) << number % 64;
    if (*word & bit) return "two pairs send from, or to, one rank";
    *word |= bit;
  }
  return NULL;
}

const char* tenon_ranks_wrong(const tenon_collective* what, int32_t rank, int32_t size) {
  if (what->struct_size < offsetof(tenon_collective, moved_by)) return "a description of another version";
  const int32_t moved_by = tenon_ranks_moved_by(what);
  if (moved_by != 0 && moved_by != TENON_MOVED_BY_NCCL) return "no such way to move elements";
  if (what->kind < 0 || what->kind >= KINDS) return "no such collective";
  if (!fits(what, rank, size)) return "the group does not lie within the world";
  if (what->kind == TENON_BARRIER) return NULL;
  const uint64_t element = tenon_ranks_element(what->dtype);
  if (element == 0) return "no such dtype";
  if (is_reduction(what->kind) && (what->combine < 0 || what->combine >= TENON_COMBINES))
    return "no such way to combine";
  if (what->count < 0 || what->count > (INT64_MAX >> 8) / what->size) return "no such number of elements";
  if (what->kind == TENON_BROADCAST && (what->root < 0 || what->root >= what->size))
    return "the root is not in the group";
  if (what->kind == TENON_EXCHANGE && (!is_partner(what->to, what->size) || !is_partner(what->from, what->size)))
    return "a partner is not in the group";
  return what->kind == TENON_PERMUTE ? wrong_pairs(what) : NULL;
}

uint64_t tenon_ranks_pairs_digest(const int32_t* pairs, int64_t pair_count) {
  uint64_t digest = UINT64_C(0xcbf29ce484222325);
  for (int64_t k = 0; k < 2 * pair_count; k++) digest = (digest ^ (uint32_t)pairs[k]) * UINT64_C(0x100000001b3);
  return digest;
}

void tenon_ranks_pair_of(const tenon_collective* what, int32_t own, int32_t* to, int32_t* from) {
  *to = -1;
  *from = -1;
  for (int64_t k = 0; k < what->pair_count; k++) {
    if (what->pairs[2 * k] == own) *to = what->pairs[2 * k + 1];
    if (what->pairs[2 * k + 1] == own) *from = what->pairs[2 * k];
  }
}

void tenon_ranks_describe(const tenon_collective* what, int32_t rank, uint32_t sequence, tenon_header* h) {
  memset(h, 0, sizeof *h);
  h->digest = what->digest;
  h->kind = what->kind;
  h->size = what->size;
  h->stride = what->stride;
  h->sequence = sequence;
  h->rank = rank;
  h->moved_by = tenon_ranks_moved_by(what);
  if (what->kind != TENON_BARRIER) {
    h->dtype = what->dtype;
    h->count = what->count;
  }
  if (what->kind == TENON_ALL_REDUCE || what->kind == TENON_REDUCE_SCATTER) h->combine = what->combine;
  if (what->kind == TENON_BROADCAST || what->kind == TENON_EXCHANGE) h->root = what->root;
  if (what->kind == TENON_PERMUTE) {
    h->pair_count = what->pair_count;
    h->pairs = tenon_ranks_pairs_digest(what->pairs, what->pair_count);
  }
  if (what->where != NULL) {
    const size_t length = strlen(what->where);
    memcpy(h->where, what->where, length < sizeof h->where ? length : sizeof h->where - 1);
  }
}

void tenon_header_text(const tenon_header* h, char* out, size_t size) {
  const char* kind = h->kind >= 0 && h->kind < KINDS ? kinds[h->kind] : "?";
  const char* combine =
      is_reduction(h->kind) && h->combine >= 0 && h->combine < TENON_COMBINES ? combines[h->combine] : "";
  char what[64] = "";
  if (h->kind != TENON_BARRIER)
    snprintf(what, sizeof what, " of %lld %s", (long long)h->count, tenon_ranks_dtype_name(h->dtype));
  char root[32] = "";
  if (h->kind == TENON_BROADCAST) snprintf(root, sizeof root, " from rank %d", (int)h->root);
  /* "all_reduce at a.cc:3" is said of an all_reduce already */
  const char* where = h->where;
  const size_t named = strlen(kind);
  if (strncmp(where, kind, named) == 0 && where[named] == ' ') where += named + 1;
  const int at = strncmp(where, "at ", 3) == 0;
  snprintf(out, size, "%s%s%s%s%s%s over %d ranks%s%s%s", kind, combine[0] ? "(" : "", combine, combine[0] ? ")" : "",
           what, root, (int)h->size,
           where[0] == '\0' ? ""
           : at             ? " "
                            : " (",
           where, where[0] == '\0' || at ? "" : ")");
}

int32_t tenon_header_differs(const tenon_header* a, const tenon_header* b, char* out, size_t size) {
  const int same = a->kind == b->kind && a->combine == b->combine && a->dtype == b->dtype && a->size == b->size &&
                   a->stride == b->stride && a->root == b->root && a->count == b->count &&
                   a->pair_count == b->pair_count && a->pairs == b->pairs && a->moved_by == b->moved_by &&
                   a->sequence == b->sequence;
  if (same && a->digest == b->digest) return 0;
  if (a->rank > b->rank) {
    const tenon_header* lower = b;
    b = a;
    a = lower;
  }
  char left[256];
  char right[256];
  tenon_header_text(a, left, sizeof left);
  tenon_header_text(b, right, sizeof right);
  const char* why = "the ranks do not do the same";
  if (same) {
    why = "the ranks run different programs";
  } else if (strcmp(left, right) == 0) {
    why = a->sequence != b->sequence   ? "the ranks have done a different number of collectives"
          : a->moved_by != b->moved_by ? "the ranks move elements by different ways"
          : a->stride != b->stride     ? "the ranks mean groups of different strides"
                                       : "the ranks permute by different pairs";
  }
  snprintf(out, size, "%s: rank %d does %s, rank %d %s", why, (int)a->rank, left, (int)b->rank, right);
  return 1;
}
