/* Reads launch lists. */
#include "tenon/runtime/cuda/launch_list.h"

#include <stdlib.h>
#include <string.h>

#include "tenon/codegen/cuda/launch_list.h"
#include "tenon/ir/base/tensor_text.h"
#include "tenon/runtime/tenon_ranks.h"

enum { deepest = 64 }; /* loops and branches inside each other */

typedef struct block {
  struct block* next;
} block;

typedef struct reader {
  tenon_launch_list* list;
  const int64_t *at, *end;
  int64_t modules, capacity; /* of steps */
  int depth; /* loops around what is read */
  int level; /* loops and branches around it */
  int bad;
} reader;

static int64_t next(reader* r) {
  if (r->at >= r->end) return r->bad = 1, 0;
  return *r->at++;
}

/* A number from low on, below high. */
static int64_t next_in(reader* r, int64_t low, int64_t high) {
  const int64_t value = next(r);
  if (value < low || value >= high) return r->bad = 1, low;
  return value;
}

/* A count of things of at least `least` words each, so that a forged one cannot ask for more memory than the words take. */
static int64_t next_count(reader* r, int64_t least) { return next_in(r, 0, (r->end - r->at) / least + 1); }

static void* room(reader* r, int64_t count, size_t size) {
  block* b = (block*)calloc(1, sizeof(block) + (size_t)count * size);
  if (b == NULL) return r->bad = 1, NULL;
  b->next = (block*)r->list->blocks;
  r->list->blocks = b;
  return b + 1;
}

static int64_t extent(reader* r) {
  const int64_t code = next(r);
  if (code < 0 && ~code >= r->list->symbol_count) r->bad = 1;
  return code;
}

static tenon_extents extents(reader* r) {
  tenon_extents e;
  e.count = next_count(r, 1);
  e.codes = r->at;
  for (int64_t k = 0; k < e.count; ++k) extent(r);
  return e;
}

static tenon_extents symbol_numbers(reader* r) {
  tenon_extents e;
  e.count = next_count(r, 1);
  e.codes = r->at;
  for (int64_t k = 0; k < e.count; ++k) next_in(r, 0, r->list->symbol_count);
  return e;
}

static tenon_text text(reader* r) {
  tenon_text t;
  t.size = next_in(r, 0, 8 * (r->end - r->at) + 1);
  const int64_t words = (t.size + 7) / 8;
  t.bytes = (const char*)r->at;
  if (words > r->end - r->at)
    r->bad = 1;
  else
    r->at += words;
  return t;
}

static tenon_list_group* groups(reader* r, int64_t* count, int numbered) {
  *count = next_count(r, 1 + numbered);
  tenon_list_group* all = (tenon_list_group*)room(r, *count, sizeof *all);
  for (int64_t k = 0; k < *count && !r->bad; ++k) {
    all[k].number = numbered ? next_in(r, 1, INT64_MAX) : 0;
    all[k].extents = extents(r);
  }
  return all;
}

static tenon_list_operand operand(reader* r) {
  tenon_list_operand o;
  o.buffer = next_in(r, 0, r->list->buffer_count);
  o.loop = next_in(r, -1, r->depth);
  o.reversed = next_in(r, 0, 2);
  o.stride = extent(r);
  o.part = next_in(r, 0, 2);
  o.start = extent(r);
  return o;
}

static void operands(reader* r, tenon_list_step* s, int64_t count) {
  s->operand_count = count;
  s->operands = (tenon_list_operand*)room(r, count, sizeof *s->operands);
  for (int64_t k = 0; k < count && !r->bad; ++k) s->operands[k] = operand(r);
}

/* Bytes of an element, by dtype. */
static const int64_t element_bytes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
enum { dtype_count = sizeof element_bytes / sizeof *element_bytes, most_ranks = 1 << 20 };

/* The tensors of a print, each as large as an element of its buffer says. */
static void printed(reader* r, tenon_list_step* s) {
  s->format = text(r);
  if (r->bad) return;
  s->operand_count = next_count(r, 8);
  if (tenon_text_fields(s->format.bytes, (uint64_t)s->format.size) != s->operand_count) r->bad = 1;
  s->operands = (tenon_list_operand*)room(r, s->operand_count, sizeof *s->operands);
  s->printed = (tenon_list_printed*)room(r, s->operand_count, sizeof *s->printed);
  for (int64_t k = 0; k < s->operand_count && !r->bad; ++k) {
    s->printed[k].dtype = next_in(r, 0, dtype_count);
    s->printed[k].extents = extents(r);
    s->operands[k] = operand(r);
    if (r->bad || element_bytes[s->printed[k].dtype] != r->list->buffers[s->operands[k].buffer].element) r->bad = 1;
  }
}

/* What is asked of other ranks. Its operands are as large as their buffers say: the runtime holds them against the block. */
static void asked_of_ranks(reader* r, tenon_list_step* s) {
  s->node = next(r);
  s->kind_of_ranks = next_in(r, 0, TENON_RANK_INDEX + 1);
  s->combine = next_in(r, 0, TENON_MAX + 1);
  s->dtype = next_in(r, 0, dtype_count);
  s->size = next_in(r, 1, most_ranks + 1);
  s->stride = next_in(r, 1, most_ranks + 1);
  s->root = next_in(r, -1, s->size);
  s->to = next_in(r, -1, s->size);
  s->from = next_in(r, -1, s->size);
  s->format = text(r);
  s->digest = (uint64_t)next(r);
  s->number_count = next_count(r, 1);
  s->numbers = r->at;
  for (int64_t k = 0; k < s->number_count && !r->bad; ++k) next_in(r, 0, s->size);
  s->block = extents(r);
  operands(r, s, next_count(r, 6));
  if (r->bad) return;
  const int64_t wanted = s->kind_of_ranks == TENON_RANK_INDEX ? 1 : s->kind_of_ranks == TENON_BARRIER ? 0 : 2;
  if (s->operand_count != wanted || s->number_count % 2 != 0) r->bad = 1;
  if (s->kind_of_ranks > TENON_BARRIER && s->kind_of_ranks != TENON_RANK_INDEX) r->bad = 1;
  const int64_t element = s->kind_of_ranks == TENON_RANK_INDEX ? 8 : element_bytes[s->dtype];
  for (int64_t k = 0; k < s->operand_count && !r->bad; ++k)
    if (r->list->buffers[s->operands[k].buffer].element != element) r->bad = 1;
}

static void steps(reader* r, int64_t place[2]);

/* One level of nesting more; `looped`: its operands may move with the loop. */
static void inside(reader* r, int64_t place[2], int looped) {
  r->depth += looped;
  steps(r, place);
  r->depth -= looped;
}

static void step(reader* r, int64_t number) {
  tenon_list_step s;
  memset(&s, 0, sizeof s);
  s.kind = next(r);
  switch (s.kind) {
    case TENON_STEP_LAUNCH:
      s.number = next_in(r, 0, r->list->kernel_count);
      s.node = next(r);
      operands(r, &s, next_count(r, 6));
      if (!r->bad && s.operand_count != r->list->kernels[s.number].pointers) r->bad = 1;
      break;
    case TENON_STEP_COPY:
      operands(r, &s, 2);
      s.whole = next_in(r, 0, 2);
      s.number = extent(r);
      break;
    case TENON_STEP_REPEAT:
      s.number = extent(r);
      inside(r, s.body, 1);
      break;
    case TENON_STEP_WHILE:
      r->list->has_flags = 1;
      operands(r, &s, 1);
      inside(r, s.condition, 1);
      inside(r, s.body, 1);
      break;
    case TENON_STEP_BRANCH:
      r->list->has_flags = 1;
      operands(r, &s, 1);
      inside(r, s.body, 0);
      inside(r, s.otherwise, 0);
      break;
    case TENON_STEP_CUSTOM:
      r->list->waits_for_others = 1;
      s.number = next_in(r, 0, r->list->custom_count);
      s.failure = next_in(r, 1, INT32_MAX);
      s.node = next(r);
      s.outputs = next(r);
      operands(r, &s, next_count(r, 6));
      if (s.outputs < 0 || s.outputs > s.operand_count) r->bad = 1;
      break;
    case TENON_STEP_CHECK:
      r->list->has_flags = 1;
      s.failure = next_in(r, 1, INT32_MAX);
      s.node = next(r);
      operands(r, &s, 1);
      break;
    case TENON_STEP_PRINT:
      r->list->has_flags = 1;
      printed(r, &s);
      break;
    case TENON_STEP_RANKS:
      r->list->has_flags = r->list->waits_for_others = 1;
      asked_of_ranks(r, &s);
      break;
    default: r->bad = 1;
  }
  if (!r->bad) r->list->steps[number] = s;
}

static int64_t reserve(reader* r, int64_t count) {
  const int64_t first = r->list->step_count;
  if (first + count > r->capacity) {
    const int64_t capacity = 2 * (first + count);
    tenon_list_step* more = (tenon_list_step*)realloc(r->list->steps, (size_t)capacity * sizeof *more);
    if (more == NULL) return r->bad = 1, 0;
    r->list->steps = more;
    r->capacity = capacity;
  }
  memset(r->list->steps + first, 0, (size_t)count * sizeof *r->list->steps);
  r->list->step_count += count;
  return first;
}

static void some_steps(reader* r, int64_t place[2], int64_t count) {
  if (r->bad) return;
  place[0] = reserve(r, count);
  place[1] = r->bad ? place[0] : place[0] + count;
  for (int64_t k = place[0]; k < place[1] && !r->bad; ++k) step(r, k);
}

static void steps(reader* r, int64_t place[2]) {
  if (++r->level > deepest) r->bad = 1;
  some_steps(r, place, next_count(r, 2));
  --r->level;
}

static void buffers(reader* r) {
  tenon_launch_list* l = r->list;
  l->buffers = (tenon_list_buffer*)room(r, l->buffer_count, sizeof *l->buffers);
  for (int64_t k = 0; k < l->buffer_count && !r->bad; ++k) {
    tenon_list_buffer* b = &l->buffers[k];
    b->element = next_in(r, 1, 17);
    b->home = next_in(r, 0, 4);
    b->slot = next_in(r, 0, INT64_MAX);
    b->offset = next_in(r, -1, INT64_MAX);
    b->arena_slot = next_in(r, -1, l->buffer_count);
    b->extents = extents(r);
    const int64_t slots = b->home == tenon_home_input      ? l->inputs + l->stored
                          : b->home == tenon_home_output   ? l->outputs
                          : b->home == tenon_home_constant ? l->constant_count
                                                           : INT64_MAX;
    if (b->slot >= slots || b->offset % TENON_LAUNCHES_ALIGNMENT > 0) r->bad = 1;
    if (b->home == tenon_home_arena && l->is_static && b->offset < 0) r->bad = 1;
  }
}

static void constants(reader* r) {
  tenon_launch_list* l = r->list;
  l->constants = (tenon_list_constant*)room(r, l->constant_count, sizeof *l->constants);
  for (int64_t k = 0; k < l->constant_count && !r->bad; ++k) {
    l->constants[k].place = next_in(r, 0, l->data_bytes + 1);
    l->constants[k].bytes = next_in(r, 0, l->data_bytes - l->constants[k].place + 1);
    if (l->constants[k].place % TENON_LAUNCHES_ALIGNMENT != 0) r->bad = 1;
  }
}

static void kernels(reader* r) {
  tenon_launch_list* l = r->list;
  l->kernels = (tenon_list_kernel*)room(r, l->kernel_count, sizeof *l->kernels);
  for (int64_t k = 0; k < l->kernel_count && !r->bad; ++k) {
    tenon_list_kernel* kernel = &l->kernels[k];
    kernel->module = next_in(r, 0, r->modules);
    kernel->name = text(r);
    kernel->pointers = next_in(r, 0, 4096);
    kernel->symbols = symbol_numbers(r);
    kernel->divisors = symbol_numbers(r);
    kernel->threads = next_in(r, 1, 1025);
    kernel->grid = groups(r, &kernel->grid_count, 1);
    kernel->shared = groups(r, &kernel->shared_count, 1);
    kernel->written = groups(r, &kernel->written_count, 0);
  }
}

static void symbols(reader* r) {
  tenon_launch_list* l = r->list;
  const int64_t count = l->symbol_count;
  l->symbols = (tenon_list_symbol*)room(r, count, sizeof *l->symbols);
  for (int64_t k = 0; k < count && !r->bad; ++k) {
    tenon_list_symbol* s = &l->symbols[k];
    s->kind = next_in(r, 0, tenon_symbol_maximum + 1);
    s->lower = next(r);
    s->upper = next(r);
    l->symbol_count = k; /* a definition refers to symbols before it */
    s->left = s->kind != tenon_symbol_free ? extent(r) : next(r);
    s->right = s->kind != tenon_symbol_free ? extent(r) : next(r);
    l->symbol_count = count;
    l->free_symbols += s->kind == tenon_symbol_free;
  }
}

static void body(reader* r) {
  tenon_launch_list* l = r->list;
  l->is_static = next_in(r, 0, 2);
  l->arena_bytes = next_in(r, 0, INT64_MAX);
  l->inputs = next_in(r, 0, 1 << 24);
  l->outputs = next_in(r, 0, 1 << 24);
  l->stored = next_in(r, 0, 1 << 24);
  l->symbol_count = next_count(r, 5);
  l->buffer_count = next_count(r, 6);
  l->alias_count = next_count(r, 2);
  l->constant_count = next_count(r, 2);
  l->kernel_count = next_count(r, 8);
  l->custom_count = next_count(r, 1);
  const int64_t top = next_count(r, 2);
  if (l->stored > l->constant_count) r->bad = 1;
  if (r->bad) return;
  symbols(r);
  buffers(r);
  l->aliases = r->at;
  for (int64_t k = 0; k < l->alias_count; ++k) {
    next_in(r, 0, l->inputs);
    next_in(r, 0, l->outputs);
  }
  constants(r);
  kernels(r);
  l->customs = (tenon_text*)room(r, l->custom_count, sizeof *l->customs);
  for (int64_t k = 0; k < l->custom_count && !r->bad; ++k) l->customs[k] = text(r);
  int64_t place[2];
  some_steps(r, place, top);
  l->top_count = top;
}

const char* tenon_launch_list_read(tenon_launch_list* list, const void* bytes, uint64_t size, uint32_t modules) {
  memset(list, 0, sizeof *list);
  int64_t head[3];
  if (bytes == NULL || size < sizeof head) return "it is too short";
  memcpy(head, bytes, sizeof head);
  if (head[0] != TENON_LAUNCHES_MAGIC) return "it does not begin as one";
  if (head[1] != TENON_LAUNCHES_FORMAT) return "it has the format of another version of Tenon";
  if (head[2] < 15 || (uint64_t)head[2] > size / 8) return "it is cut off";
  list->words = (int64_t*)malloc(8 * (size_t)head[2]);
  if (list->words == NULL) return "the host is out of memory";
  memcpy(list->words, bytes, 8 * (size_t)head[2]);
  list->word_count = head[2];
  list->data = (const unsigned char*)bytes + 8 * head[2];
  list->data_bytes = (int64_t)(size - 8 * (uint64_t)head[2]);
  reader r = {.list = list, .at = list->words + 3, .end = list->words + head[2], .modules = modules};
  body(&r);
  return r.bad || r.at != r.end ? "it is damaged" : NULL;
}

void tenon_launch_list_free(tenon_launch_list* list) {
  for (block* b = (block*)list->blocks; b != NULL;) {
    block* following = b->next;
    free(b);
    b = following;
  }
  free(list->steps);
  free(list->words);
  memset(list, 0, sizeof *list);
}
