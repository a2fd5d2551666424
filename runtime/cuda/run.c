/* One call of a program: extents, addresses, and its steps as actions, which are queued one by one or kept for a graph. Loops and
 * branches whose end depends on a value wait for it. */
#include <stdlib.h>
#include <string.h>

#include "tenon/codegen/cuda/launch_list.h"
#include "tenon/runtime/cuda/run.h"

enum { most_graph_nodes = 8192, waves = 32 /* blocks for each multiprocessor, at most */ };

static int32_t steps(run_state* r, const int64_t place[2]);

/* Where the next action and its arguments go. */
static tenon_cuda_actions* begin_action(run_state* r) {
  tenon_cuda_actions* actions = r->keep ? &r->p->actions : &r->one;
  if (!r->keep) actions->count = actions->word_count = 0;
  return actions;
}

/* Too many for a graph: those that are kept are queued now, and so are those that follow. */
static int32_t stop_keeping(run_state* r) {
  r->keep = 0;
  int32_t code = TENON_OK;
  for (int64_t k = 0; code == TENON_OK && k < r->p->actions.count; ++k)
    code = tenon_cuda_do(r->p, &r->p->actions.list[k], r->p->actions.words, r->fault);
  r->p->actions.count = r->p->actions.word_count = 0;
  return code;
}

static int32_t end_action(run_state* r, tenon_cuda_actions* actions) {
  if (!r->keep) return tenon_cuda_do(r->p, &actions->list[0], actions->words, r->fault);
  return actions->count > most_graph_nodes ? stop_keeping(r) : TENON_OK;
}

static int32_t flush(run_state* r) {
  if (!r->keep) return TENON_OK;
  r->keep = 0;
  return r->p->actions.count == 0 ? TENON_OK : tenon_cuda_do_as_graph(r->p, &r->p->actions, r->fault);
}

/* n / d = n * multiplier >> shift for every n below 2^31 (the method of Granlund and Montgomery, "Division by Invariant Integers
 * using Multiplication", 1994, section 4, with a numerator of 31 bits). */
static uint64_t divisor(int64_t d) {
  if (d < 1) d = 1;
  unsigned shift = 31;
  while (((int64_t)1 << (shift - 31)) < d) ++shift;
  const uint64_t power = (uint64_t)1 << shift;
  const uint64_t multiplier = power / (uint64_t)d + (power % (uint64_t)d != 0);
  return multiplier | (uint64_t)shift << 32;
}

static unsigned blocks_of(const run_state* r, const tenon_list_kernel* k) {
  const uint64_t most = (uint64_t)r->p->device->multiprocessors * waves;
  uint64_t blocks = k->grid_count == 0 ? most / 8 : 1;
  for (int64_t f = 0; f < k->grid_count; ++f) {
    const uint64_t extent = (uint64_t)elements(r, k->grid[f].extents), each = (uint64_t)k->grid[f].number;
    blocks *= extent / each + (extent % each != 0);
    if (blocks > most) blocks = most;
  }
  return blocks < 1 ? 1 : (unsigned)blocks;
}

static int writes_something(const run_state* r, const tenon_list_kernel* k) {
  for (int64_t w = 0; w < k->written_count; ++w)
    if (elements(r, k->written[w].extents) != 0) return 1;
  return 0;
}

static int32_t launch(run_state* r, const tenon_list_step* s) {
  const tenon_list_kernel* k = &r->p->list.kernels[s->number];
  if (!writes_something(r, k)) return TENON_OK;
  tenon_cuda_actions* actions = begin_action(r);
  const int64_t count = k->pointers + k->symbols.count + k->divisors.count;
  uint64_t* words = tenon_cuda_add_words(actions, count);
  tenon_cuda_action* a = words != NULL ? tenon_cuda_add_action(actions) : NULL;
  if (a == NULL) return tenon_cuda_no_host_memory(r->fault);
  a->kernel = s->number;
  a->node = s->node;
  a->first = words - actions->words;
  a->count = count;
  for (int64_t o = 0; o < k->pointers; ++o) *words++ = address(r, &s->operands[o]);
  for (int64_t n = 0; n < k->symbols.count; ++n) *words++ = (uint64_t)r->values[k->symbols.codes[n]];
  for (int64_t n = 0; n < k->divisors.count; ++n) *words++ = divisor(r->values[k->divisors.codes[n]]);
  a->grid = blocks_of(r, k);
  for (int64_t n = 0; n < k->shared_count; ++n)
    a->shared += (unsigned)((elements(r, k->shared[n].extents) * k->shared[n].number + 15) / 16 * 16);
  return end_action(r, actions);
}

static int32_t copy(run_state* r, const tenon_list_step* s) {
  const tenon_list_buffer* to = &r->p->list.buffers[s->operands[1].buffer];
  const int64_t bytes = s->whole ? tenon_list_bytes(to, r->values) : value(r, s->number) * to->element;
  if (bytes <= 0) return TENON_OK;
  const tenon_cuda_address from = address(r, &s->operands[0]), into = address(r, &s->operands[1]);
  if (from == into) return TENON_OK;
  tenon_cuda_actions* actions = begin_action(r);
  tenon_cuda_action* a = tenon_cuda_add_action(actions);
  if (a == NULL) return tenon_cuda_no_host_memory(r->fault);
  a->kernel = -1;
  a->from = from;
  a->to = into;
  a->bytes = (uint64_t)bytes;
  return end_action(r, actions);
}

static int32_t repeat(run_state* r, const tenon_list_step* s) {
  if (r->loops >= most_loops) return TENON_BAD_CALL;
  const int level = r->loops++;
  r->trips[level] = value(r, s->number);
  int32_t code = TENON_OK;
  for (r->index[level] = 0; code == TENON_OK && r->index[level] < r->trips[level]; ++r->index[level])
    code = steps(r, s->body);
  --r->loops;
  return code;
}

static int32_t repeat_while(run_state* r, const tenon_list_step* s) {
  if (r->loops >= most_loops) return TENON_BAD_CALL;
  const int level = r->loops++;
  int holds = 0;
  int32_t code = TENON_OK;
  for (r->index[level] = r->trips[level] = 0; code == TENON_OK; ++r->index[level]) {
    code = steps(r, s->condition);
    if (code == TENON_OK) code = tenon_run_flag(r, &s->operands[0], &holds);
    if (code != TENON_OK || !holds) break;
    code = steps(r, s->body);
  }
  --r->loops;
  return code;
}

static int32_t branch(run_state* r, const tenon_list_step* s) {
  int holds = 0;
  const int32_t code = tenon_run_flag(r, &s->operands[0], &holds);
  return code != TENON_OK ? code : steps(r, holds ? s->body : s->otherwise);
}

static int32_t step(run_state* r, const tenon_list_step* s) {
  switch (s->kind) {
    case TENON_STEP_LAUNCH: return launch(r, s);
    case TENON_STEP_COPY: return copy(r, s);
    case TENON_STEP_REPEAT: return repeat(r, s);
    case TENON_STEP_WHILE: return repeat_while(r, s);
    case TENON_STEP_BRANCH: return branch(r, s);
    default: return tenon_run_host(r, s);
  }
}

static int32_t steps(run_state* r, const int64_t place[2]) {
  int32_t code = TENON_OK;
  for (int64_t k = place[0]; code == TENON_OK && k < place[1]; ++k) code = step(r, &r->p->list.steps[k]);
  return code;
}

/* ---- calls -------------------------------------------------------------------------------------------------------------- */

/* Where every buffer lies. A caller's buffer of no bytes may be null. */
static int32_t bind(run_state* r, tenon_cuda_address arena) {
  const tenon_launch_list* l = &r->p->list;
  for (int64_t k = 0; k < l->buffer_count; ++k) {
    const tenon_list_buffer* b = &l->buffers[k];
    const void* given = NULL;
    switch (b->home) {
      case tenon_home_arena: r->addresses[k] = arena + (tenon_cuda_address)r->offsets[k]; continue;
      case tenon_home_constant:
        r->addresses[k] = r->p->data + (tenon_cuda_address)l->constants[b->slot].place;
        continue;
      case tenon_home_input:
        if (b->slot >= l->inputs) {
          r->addresses[k] = r->p->data + (tenon_cuda_address)l->constants[b->slot - l->inputs].place;
          continue;
        }
        given = r->call->inputs[b->slot];
        break;
      default: given = r->call->outputs[b->slot];
    }
    r->addresses[k] = (tenon_cuda_address)(uintptr_t)given;
    if (r->addresses[k] % TENON_BUFFER_ALIGNMENT != 0) return TENON_BAD_CALL;
    if (given == NULL && tenon_list_bytes(b, r->values) > 0) return TENON_BAD_CALL;
  }
  return TENON_OK;
}

/* Programs that call the host or ask other ranks have state and an arena of their own in every call: others may run meanwhile. */
static int32_t prepare(run_state* r) {
  const tenon_launch_list* l = &r->p->list;
  r->values = r->p->numbers;
  r->addresses = r->p->addresses;
  if (l->waits_for_others) {
    r->values = (int64_t*)calloc((size_t)(l->symbol_count + 2 * l->buffer_count) + 1, sizeof *r->values);
    r->addresses = (tenon_cuda_address*)calloc((size_t)l->buffer_count + 1, sizeof *r->addresses);
    if (r->values == NULL || r->addresses == NULL) return tenon_cuda_no_host_memory(r->fault);
  }
  r->offsets = r->values + l->symbol_count;
  r->slots = r->offsets + l->buffer_count;
  int32_t code = tenon_list_values(l, r->call->dims, r->values);
  if (code != TENON_OK) return code;
  const int64_t bytes = tenon_list_layout(l, r->values, r->offsets, r->slots);
  if (bytes < 0) return (int32_t)bytes;
  tenon_cuda_address arena = 0;
  if (bytes > 0 && l->waits_for_others) {
    code = tenon_cuda_obtain(r->p->device, (uint64_t)bytes, &r->arena, r->fault);
    arena = r->arena;
  } else if (bytes > 0) {
    code = tenon_cuda_arena(r->p->device, (uint64_t)bytes, &arena, r->fault);
  }
  return code == TENON_OK ? bind(r, arena) : code;
}

static int32_t run_entered(run_state* r, const tenon_cuda_caller* caller, int32_t* started) {
  tenon_cuda_program* p = r->p;
  tenon_cuda_drop_retired(p->device, 0);
  int32_t code = prepare(r);
  if (code != TENON_OK) return code;
  if (started != NULL) *started = 1;
  tenon_cuda_begin_call(p->device, caller);
  p->last_call = r->number = p->device->issued;
  /* The first call goes step by step: what the driver refuses then has a name. */
  r->keep = p->runs++ > 0 && p->no_graph == NULL && p->list.step_count > 1 && !p->device->blocking;
  p->actions.count = p->actions.word_count = 0;
  const int64_t all[2] = {0, p->list.top_count};
  code = steps(r, all);
  if (code == TENON_OK) code = flush(r);
  if (code < TENON_OK) return code;
  /* A call in which a check failed has ended, too. */
  const int32_t ended = tenon_cuda_end_call(p->device, r->number, r->fault);
  return ended != TENON_OK ? ended : code;
}

int32_t tenon_cuda_run(tenon_cuda_program* p, const tenon_call* call, const tenon_cuda_caller* caller, int32_t* started,
                       tenon_cuda_fault* fault) {
  if (p == NULL || call == NULL || call->struct_size < sizeof *call) return TENON_BAD_CALL;
  const tenon_launch_list* l = &p->list;
  if ((l->inputs != 0 && call->inputs == NULL) || (l->outputs != 0 && call->outputs == NULL) ||
      (l->free_symbols != 0 && call->dims == NULL))
    return TENON_BAD_CALL;
  int32_t code = tenon_cuda_enter(p->device, fault);
  if (code != TENON_OK) return code;
  run_state r = {.p = p, .call = call, .fault = fault, .caller = caller, .entered = 1};
  code = run_entered(&r, caller, started);
  code = tenon_run_finish_sent(&r, code);
  tenon_cuda_free_actions(&r.one);
  if (r.entered) tenon_cuda_release(p->device, r.arena);
  if (l->waits_for_others) {
    free(r.values);
    free(r.addresses);
  }
  if (r.entered) tenon_cuda_leave(p->device);
  if (code != TENON_OK && call->error != NULL) call->error->code = code;
  return code;
}
