/* What can be seen of a call's buffers from outside, before anything is written: null pointers, and outputs that overlap what
 * they must not. Sorted spans make it n log n, for a training step has hundreds of buffers. Refuses to allocate. */
#include "tenon/runtime/tenon_runtime.h"

static void sink(tenon_span* spans, uint32_t at, uint32_t count) {
  tenon_span moved = spans[at];
  for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
    if (child + 1 < count && spans[child].begin < spans[child + 1].begin) child++;
    if (spans[child].begin <= moved.begin) break;
    spans[at] = spans[child];
    at = child;
  }
  spans[at] = moved;
}

static void sort_by_begin(tenon_span* spans, uint32_t count) {
  for (uint32_t k = count / 2; k-- > 0;) sink(spans, k, count);
  for (uint32_t k = count; k-- > 1;) {
    tenon_span last = spans[k];
    spans[k] = spans[0];
    spans[0] = last;
    sink(spans, 0, k);
  }
}

/* Adds the spans of what is not empty; 0 when a pointer is null. */
static int add(const void* const* pointers, const uint64_t* bytes, uint32_t buffers, int32_t is_output,
               tenon_span* spans, uint32_t* count) {
  if (buffers > 0 && pointers == NULL) return 0;
  for (uint32_t k = 0; k < buffers; k++) {
    if (bytes[k] == 0) continue;
    if (pointers[k] == NULL) return 0;
    uintptr_t begin = (uintptr_t)pointers[k];
    tenon_span span = {begin, begin + bytes[k], is_output};
    spans[(*count)++] = span;
  }
  return 1;
}

int32_t tenon_check_buffers(const void* const* inputs, const uint64_t* input_bytes, uint32_t input_count,
                            void* const* outputs, const uint64_t* output_bytes, uint32_t output_count,
                            tenon_span* spans) {
  uint32_t count = 0;
  if (!add(inputs, input_bytes, input_count, 0, spans, &count) ||
      !add((const void* const*)outputs, output_bytes, output_count, 1, spans, &count))
    return TENON_BAD_CALL;
  sort_by_begin(spans, count);
  uintptr_t end = 0, output_end = 0; /* furthest so far, of all and of outputs */
  for (uint32_t k = 0; k < count; k++) {
    if (spans[k].begin < (spans[k].is_output ? end : output_end)) return TENON_ALIAS;
    if (spans[k].end > end) end = spans[k].end;
    if (spans[k].is_output && spans[k].end > output_end) output_end = spans[k].end;
  }
  return TENON_OK;
}

const char* tenon_message(int32_t code) {
  switch (code) {
    case TENON_OK: return "success";
    case TENON_BAD_CALL: return "a pointer is null or not aligned, or a structure is too small";
    case TENON_BAD_CPU: return "this processor lacks instructions that the program was compiled for";
    case TENON_BAD_EXTENT: return "an extent lies outside its bounds, or a tensor of such extents is too large";
    case TENON_NO_MEMORY: return "out of memory";
    case TENON_ALIAS: return "an output overlaps another buffer";
    case TENON_DEVICE_FAILED: return "a device or its driver failed, or is not there";
    case TENON_RANKS_FAILED: return "another rank failed, is lost, or does something else";
    case TENON_THREW: return "a custom function threw an exception";
    default: return code > 0 ? "a check of the program failed" : "an unknown code";
  }
}
