/* Text of tensors. Every piece is appended to one growing block; when memory is out, what was made is dropped. */
#include "tenon/ir/base/tensor_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  t_bool,
  t_i8,
  t_i16,
  t_i32,
  t_i64,
  t_u8,
  t_u16,
  t_u32,
  t_u64,
  t_f16,
  t_bf16,
  t_f32,
  t_f64,
  t_c64,
  t_c128,
  dtypes
};
static const char* const names[dtypes] = {"bool", "i8",  "i16",  "i32", "i64", "u8",  "u16", "u32",
                                          "u64",  "f16", "bf16", "f32", "f64", "c64", "c128"};
static const unsigned char sizes[dtypes] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};

enum { longest_number = 512 }; /* 309 digits before the point, 100 behind it */

/* ---- a growing text ------------------------------------------------------------------------------------------------- */

typedef struct text {
  char* bytes; /* null: memory is out */
  uint64_t size, capacity;
} text;

static text new_text(void) {
  text t = {(char*)malloc(64), 0, 64};
  return t;
}

static void put_bytes(text* t, const char* bytes, uint64_t size) {
  if (t->bytes == NULL) return;
  if (t->size + size + 1 > t->capacity) {
    const uint64_t capacity = 2 * (t->size + size + 1);
    char* more = (char*)realloc(t->bytes, capacity);
    if (more == NULL) free(t->bytes);
    t->bytes = more;
    t->capacity = capacity;
    if (more == NULL) return;
  }
  memcpy(t->bytes + t->size, bytes, size);
  t->size += size;
  t->bytes[t->size] = '\0';
}
static void put(text* t, const char* words) { put_bytes(t, words, strlen(words)); }
static void put_times(text* t, char c, int64_t times) {
  while (times-- > 0) put_bytes(t, &c, 1);
}

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

/* Floats are made of their bits, and compared, without the mathematical library. */
static double from_f16(uint16_t bits) {
  uint32_t word = (uint32_t)(bits & 0x7fff) << 13 | (uint32_t)(bits >> 15) << 31;
  float single = 0;
  if ((bits >> 10 & 31) == 31) word |= 0x7f800000;
  memcpy(&single, &word, 4);
  return (double)single * ((bits >> 10 & 31) == 31 ? 1.0 : 0x1p112); /* the exponents' biases: 127 - 15 */
}

static double magnitude(double v) { return v < 0 ? -v : v; }
static int is_whole(double v) { return magnitude(v) >= 0x1p53 || v == (double)(int64_t)v; }

static int is_floating(int32_t dtype) { return dtype >= t_f16; }

static double floating(int32_t dtype, const void* elements, int64_t k) {
  const char* at = (const char*)elements + k * sizes[dtype];
  uint16_t half = 0;
  uint32_t word = 0;
  float single = 0;
  double number = 0;
  switch (dtype) {
    case t_f16: memcpy(&half, at, 2); return from_f16(half);
    case t_bf16:
      memcpy(&half, at, 2);
      word = (uint32_t)half << 16;
      memcpy(&single, &word, 4);
      return single;
    case t_f32: memcpy(&single, at, 4); return single;
    default: memcpy(&number, at, 8); return number;
  }
}

typedef struct format {
  int precision, integral, scientific;
} format;

/* The C library rounds as the caller's floating-point state says: on x86-64 as the word that the compiler's own arithmetic does not
 * look at, which callers' doors leave alone. Elsewhere they have seen to it. */
#if defined(__x86_64__)
static uint16_t enter_nearest(void) {
  const uint16_t standard = 0x037f;
  uint16_t saved = 0;
  __asm__ volatile("fnstcw %0" : "=m"(saved));
  __asm__ volatile("fldcw %0" ::"m"(standard));
  return saved;
}
static void leave_nearest(uint16_t saved) { __asm__ volatile("fldcw %0" ::"m"(saved)); }
#else
static uint16_t enter_nearest(void) { return 0; }
static void leave_nearest(uint16_t saved) { (void)saved; }
#endif

/* The C library writes the point of the process's locale. */
static void with_point(char* out) {
  char* to = out;
  int put_point = 0;
  for (const char* c = out; *c != '\0'; ++c) {
    const int own = (*c >= '0' && *c <= '9') || *c == '-' || *c == '+' || *c == 'e';
    if (own)
      *to++ = *c;
    else if (!put_point)
      *to++ = '.', put_point = 1;
  }
  *to = '\0';
}

static void write_floating(char* out, double v, format f) {
  if (isnan(v) || isinf(v)) {
    strcpy(out, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    return;
  }
  const uint16_t saved = enter_nearest();
  snprintf(out, longest_number - 1, f.scientific ? "%.*e" : "%.*f", f.integral && !f.scientific ? 0 : f.precision, v);
  leave_nearest(saved);
  with_point(out);
  if (f.integral && !f.scientific) strcat(out, ".");
}

static void write_integer(char* out, int32_t dtype, const void* elements, int64_t k) {
  const char* at = (const char*)elements + k * sizes[dtype];
  uint64_t bits = 0;
  memcpy(&bits, at, sizes[dtype]); /* little-endian */
  if (dtype == t_bool)
    strcpy(out, bits ? "true" : "false");
  else if (dtype >= t_u8)
    snprintf(out, longest_number, "%llu", (unsigned long long)bits);
  else {
    const int unused = 64 - 8 * sizes[dtype];
    snprintf(out, longest_number, "%lld", (long long)(int64_t)(bits << unused) >> unused);
  }
}

/* A complex tensor is written as twice as many real numbers. */
static int is_complex(int32_t dtype) { return dtype >= t_c64; }
static int32_t part_of(int32_t dtype) { return dtype == t_c64 ? t_f32 : t_f64; }

/* PyTorch's choice: scientific when the ratio of the largest to the smallest magnitude exceeds 1000, or the extremes do. */
static format choose(int32_t dtype, const void* shown, int64_t count, int64_t precision) {
  format f = {(int)(precision < 0 ? 0 : precision > 100 ? 100 : precision), is_floating(dtype), 0};
  double low = INFINITY, high = 0;
  for (int64_t k = 0; k < count && is_floating(dtype); ++k) {
    const double v = floating(dtype, shown, k);
    if (!isfinite(v)) continue;
    if (!is_whole(v)) f.integral = 0;
    if (v == 0) continue;
    if (magnitude(v) < low) low = magnitude(v);
    if (magnitude(v) > high) high = magnitude(v);
  }
  if (high > 0) f.scientific = high > 1e8 || (!f.integral && (high / low > 1000.0 || low < 1e-4));
  return f;
}

/* ---- tensors -------------------------------------------------------------------------------------------------------- */

/* Of an axis of n elements: how many are shown at either end, or n when all are. */
static int64_t edge(const tenon_text_options* o, int summarize, int64_t n) {
  const int64_t ends = o->edge_items < 0 ? 0 : o->edge_items;
  return summarize && ends < n - ends ? ends : n;
}

static int summarized(const tenon_text_options* o, int32_t rank, const int64_t* extents) {
  int64_t count = 1;
  for (int32_t d = 0; d < rank; ++d)
    if (extents[d] == 0) return 0;
  for (int32_t d = 0; d < rank; ++d)
    if (__builtin_mul_overflow(count, extents[d], &count)) return 1;
  return count > o->threshold;
}

int64_t tenon_text_shown(const tenon_text_options* o, int32_t rank, const int64_t* extents, int64_t* positions) {
  const int summarize = summarized(o, rank, extents);
  int64_t count = 1;
  for (int32_t d = 0; d < rank; ++d) {
    const int64_t ends = edge(o, summarize, extents[d]);
    count *= ends == extents[d] ? ends : 2 * ends;
  }
  for (int64_t k = 0; positions != NULL && k < count; ++k) {
    int64_t rest = k, number = 0, stride = 1;
    for (int32_t d = rank; d-- > 0;) {
      const int64_t ends = edge(o, summarize, extents[d]), along = ends == extents[d] ? ends : 2 * ends;
      const int64_t i = rest % along;
      number += stride * (i < ends ? i : extents[d] - along + i);
      stride *= extents[d];
      rest /= along;
    }
    positions[k] = number;
  }
  return count;
}

typedef struct printer {
  const tenon_text_options* options;
  tenon_text_tensor tensor;
  const void* shown;
  format format;
  int summarize;
  int64_t next, width;
  text out;
} printer;

static void write_item(const printer* p, int64_t k, char* out) {
  if (is_complex(p->tensor.dtype)) {
    const int32_t part = part_of(p->tensor.dtype);
    write_floating(out, floating(part, p->shown, 2 * k), p->format);
    char* end = out + strlen(out);
    write_floating(end + 1, floating(part, p->shown, 2 * k + 1), p->format);
    *end = '+';
    if (end[1] == '-') memmove(end, end + 1, strlen(end)); /* the sign is its own */
    strcat(out, "j");
  } else if (is_floating(p->tensor.dtype))
    write_floating(out, floating(p->tensor.dtype, p->shown, k), p->format);
  else
    write_integer(out, p->tensor.dtype, p->shown, k);
}

/* What stands between two items of an axis. */
static void separate(printer* p, int32_t axis, int64_t indent, int gap, int64_t* column) {
  put(&p->out, ",");
  if (axis + 1 != p->tensor.rank) {
    const int64_t lines = p->tensor.rank - axis - 1;
    put_times(&p->out, '\n', lines);
    put_times(&p->out, ' ', indent + 1);
    if (!gap) return;
    put(&p->out, "...,\n");
    put_times(&p->out, '\n', lines - 1);
    put_times(&p->out, ' ', indent + 1);
    return;
  }
  if (*column - 1 + p->width + 2 > p->options->line_width) { /* as PyTorch counts */
    put(&p->out, "\n");
    put_times(&p->out, ' ', indent + 1);
    *column = indent + 1;
  } else {
    put(&p->out, " ");
  }
  if (gap) put(&p->out, " ..., "), *column += 6;
}

static void print(printer* p, int32_t axis, int64_t indent) {
  if (axis == p->tensor.rank) {
    char item[2 * longest_number];
    write_item(p, p->next++, item);
    put_times(&p->out, ' ', p->width - (int64_t)strlen(item));
    put(&p->out, item);
    return;
  }
  const int64_t n = p->tensor.extents[axis], ends = edge(p->options, p->summarize, n);
  const int64_t along = ends == n ? n : 2 * ends;
  put(&p->out, "[");
  int64_t column = indent + 1;
  for (int64_t i = 0; i < along; ++i) {
    if (i != 0) separate(p, axis, indent, ends != n && i == ends, &column);
    print(p, axis + 1, indent + 1);
    column += p->width + 2;
  }
  put(&p->out, "]");
}

static void put_size(text* out, int32_t rank, const int64_t* extents) {
  char number[32];
  put(out, ", size=(");
  for (int32_t d = 0; d < rank; ++d) {
    snprintf(number, sizeof number, d ? ", %lld" : "%lld", (long long)extents[d]);
    put(out, number);
  }
  put(out, ")");
}

char* tenon_text_of(const tenon_text_options* options, tenon_text_tensor tensor, const void* shown) {
  const int64_t count = tenon_text_shown(options, tensor.rank, tensor.extents, NULL);
  printer p = {options, tensor, shown, {0, 0, 0}, 0, 0, 0, new_text()};
  p.format = is_complex(tensor.dtype) ? choose(part_of(tensor.dtype), shown, 2 * count, options->precision)
                                      : choose(tensor.dtype, shown, count, options->precision);
  p.summarize = summarized(options, tensor.rank, tensor.extents);
  put(&p.out, "tensor(");
  if (count == 0) {
    put(&p.out, "[]");
    if (tensor.rank != 1) put_size(&p.out, tensor.rank, tensor.extents);
  } else {
    char item[2 * longest_number];
    for (int64_t k = 0; k < count; ++k) {
      write_item(&p, k, item);
      const int64_t size = (int64_t)strlen(item);
      if (size > p.width) p.width = size;
    }
    print(&p, 0, 7);
  }
  const int plain = tensor.dtype == t_f32 || tensor.dtype == t_c64 ||
                    (count != 0 && (tensor.dtype == t_i64 || tensor.dtype == t_bool));
  if (!plain) {
    put(&p.out, ", dtype=");
    put(&p.out, names[tensor.dtype]);
  }
  return p.out.bytes;
}

/* ---- lines ---------------------------------------------------------------------------------------------------------- */

int64_t tenon_text_fields(const char* format, uint64_t length) {
  int64_t fields = 0;
  for (uint64_t k = 0; k < length; ++k) {
    if (format[k] != '{' && format[k] != '}') continue;
    const char next = k + 1 < length ? format[k + 1] : '\0';
    if (next != format[k] && !(format[k] == '{' && next == '}')) return -1 - (int64_t)k;
    fields += next != format[k];
    ++k;
  }
  return fields;
}

/* The elements that are shown, one behind the other. */
static char* shown_of(const tenon_text_options* o, const tenon_text_tensor* t) {
  const int64_t count = tenon_text_shown(o, t->rank, t->extents, NULL);
  const size_t element = sizes[t->dtype], most = (size_t)count + 1;
  int64_t* positions = (int64_t*)malloc(most * sizeof *positions);
  char* shown = (char*)malloc(most * element);
  if (positions != NULL && shown != NULL) {
    tenon_text_shown(o, t->rank, t->extents, positions);
    for (int64_t k = 0; k < count; ++k)
      memcpy(shown + (size_t)k * element, (const char*)t->data + (size_t)positions[k] * element, element);
  } else {
    free(shown);
    shown = NULL;
  }
  free(positions);
  return shown;
}

static void put_tensor(text* out, const tenon_text_tensor* t) {
  const tenon_text_options options = TENON_TEXT_DEFAULTS;
  char* shown = shown_of(&options, t);
  char* words = shown != NULL ? tenon_text_of(&options, *t, shown) : NULL;
  free(shown);
  if (words == NULL) {
    free(out->bytes);
    out->bytes = NULL;
    return;
  }
  put(out, words);
  put(out, ")");
  free(words);
}

char* tenon_text_line(const char* format, uint64_t length, const tenon_text_tensor* tensors, uint64_t* size) {
  text out = new_text();
  for (uint64_t k = 0; k < length; ++k) {
    const int brace = format[k] == '{' || format[k] == '}';
    if (brace && k + 1 < length && format[k] == '{' && format[k + 1] == '}')
      put_tensor(&out, tensors++);
    else
      put_bytes(&out, format + k, 1);
    k += (uint64_t)brace;
  }
  put(&out, "\n");
  *size = out.bytes != NULL ? out.size : 0;
  return out.bytes;
}
