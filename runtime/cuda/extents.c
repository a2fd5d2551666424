/* Extents of a call: values of symbols, sizes of buffers, the arena. The same arithmetic as in entry points on the CPU
 * (codegen/llvm/program.cc): what does not fit, is negative or leaves its bounds is refused. */
#include "tenon/codegen/cuda/launch_list.h"
#include "tenon/runtime/cuda/launch_list.h"
#include "tenon/runtime/tenon_runtime.h"

/* false where the definition does not hold */
static int define(const tenon_list_symbol* s, int64_t left, int64_t right, int64_t* value) {
  switch (s->kind) {
    case tenon_symbol_sum: return !__builtin_add_overflow(left, right, value);
    case tenon_symbol_difference: *value = left - right; return *value >= 0;
    case tenon_symbol_product: return !__builtin_mul_overflow(left, right, value);
    case tenon_symbol_quotient: /* as the op: by nothing it is nothing */
      *value = right == 0 ? 0 : right == -1 ? (int64_t)(0 - (uint64_t)left) : left / right;
      return 1;
    default: *value = left > right ? left : right; return 1;
  }
}

int32_t tenon_list_values(const tenon_launch_list* list, const int64_t* dims, int64_t* values) {
  int64_t free_ones = 0;
  for (int64_t k = 0; k < list->symbol_count; ++k) {
    const tenon_list_symbol* s = &list->symbols[k];
    if (s->kind == tenon_symbol_free) {
      values[k] = dims[free_ones++];
      if (values[k] < s->lower || values[k] > s->upper) return TENON_BAD_EXTENT;
    } else if (!define(s, tenon_list_value(s->left, values), tenon_list_value(s->right, values), &values[k])) {
      return TENON_BAD_EXTENT;
    }
  }
  return TENON_OK;
}

int64_t tenon_list_bytes(const tenon_list_buffer* b, const int64_t* values) {
  int64_t total = b->element;
  for (int64_t d = 0; d < b->extents.count; ++d)
    if (__builtin_mul_overflow(total, tenon_list_value(b->extents.codes[d], values), &total)) return -1;
  return total;
}

static int64_t rounded(int64_t bytes) {
  int64_t up;
  if (__builtin_add_overflow(bytes, TENON_LAUNCHES_ALIGNMENT - 1, &up)) return -1;
  return up / TENON_LAUNCHES_ALIGNMENT * TENON_LAUNCHES_ALIGNMENT;
}

/* Slots in order, each as large as the largest buffer in it. */
static int64_t place_slots(const tenon_launch_list* list, const int64_t* values, int64_t* offsets, int64_t* slots) {
  for (int64_t k = 0; k < list->buffer_count; ++k) slots[k] = 0;
  for (int64_t k = 0; k < list->buffer_count; ++k) {
    const tenon_list_buffer* b = &list->buffers[k];
    if (b->home != tenon_home_arena || b->arena_slot < 0) continue;
    const int64_t bytes = tenon_list_bytes(b, values);
    if (bytes > slots[b->arena_slot]) slots[b->arena_slot] = bytes;
  }
  int64_t offset = 0;
  for (int64_t k = 0; k < list->buffer_count; ++k) { /* sizes become offsets */
    const int64_t up = rounded(slots[k]);
    slots[k] = offset;
    if (up < 0 || __builtin_add_overflow(offset, up, &offset)) return TENON_BAD_EXTENT;
  }
  for (int64_t k = 0; k < list->buffer_count; ++k)
    if (list->buffers[k].arena_slot >= 0) offsets[k] = slots[list->buffers[k].arena_slot];
  return offset;
}

int64_t tenon_list_layout(const tenon_launch_list* list, const int64_t* values, int64_t* offsets, int64_t* slots) {
  for (int64_t k = 0; k < list->buffer_count; ++k) {
    offsets[k] = list->buffers[k].offset;
    if (tenon_list_bytes(&list->buffers[k], values) < 0) return TENON_BAD_EXTENT;
  }
  return list->is_static ? rounded(list->arena_bytes) : place_slots(list, values, offsets, slots);
}
