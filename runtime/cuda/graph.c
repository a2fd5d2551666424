/* A program's actions as one graph of the driver: built from the list itself, so nothing is captured, and launched by one call. Later
 * calls change the nodes whose arguments differ, which new extents and other buffers make them do. */
#include <stdlib.h>
#include <string.h>

#include "tenon/runtime/cuda/program.h"

static tenon_cuda_launch launch_of(const tenon_cuda_program* p, const tenon_cuda_action* a, uint64_t* words,
                                   void** arguments) {
  for (int64_t n = 0; n < a->count; ++n) arguments[n] = words + a->first + n;
  const tenon_cuda_launch launch = {.function = p->functions[a->kernel],
                                    .grid = {a->grid, 1, 1},
                                    .block = {(unsigned)p->list.kernels[a->kernel].threads, 1, 1},
                                    .shared_bytes = a->shared,
                                    .parameters = arguments};
  return launch;
}

static tenon_cuda_box box_of(const tenon_cuda_action* a) {
  const tenon_cuda_box box = {.from_kind = tenon_cuda_memory_device,
                              .from_device = a->from,
                              .to_kind = tenon_cuda_memory_device,
                              .to_device = a->to,
                              .from_pitch = a->bytes,
                              .from_height = 1,
                              .to_pitch = a->bytes,
                              .to_height = 1,
                              .width = a->bytes,
                              .height = 1,
                              .depth = 1};
  return box;
}

static int same_shape(const tenon_cuda_actions* a, const tenon_cuda_actions* b) {
  if (a->count != b->count) return 0;
  for (int64_t k = 0; k < a->count; ++k)
    if (a->list[k].kernel != b->list[k].kernel) return 0;
  return 1;
}

static int same_arguments(const tenon_cuda_actions* x, const tenon_cuda_actions* y, int64_t k) {
  const tenon_cuda_action *a = &x->list[k], *b = &y->list[k];
  if (a->kernel < 0) return a->to == b->to && a->from == b->from && a->bytes == b->bytes;
  return a->grid == b->grid && a->shared == b->shared &&
         memcmp(x->words + a->first, y->words + b->first, (size_t)a->count * sizeof *x->words) == 0;
}

void tenon_cuda_free_graph(tenon_cuda_program* p) {
  tenon_cuda_graph* g = &p->graph;
  if (g->runnable != NULL) p->device->cu->destroy_runnable(g->runnable);
  if (g->graph != NULL) p->device->cu->destroy_graph(g->graph);
  free(g->nodes);
  tenon_cuda_free_actions(&g->built);
  memset(g, 0, sizeof *g);
}

/* Nodes in a row: the order of the program. */
static int build(tenon_cuda_program* p, tenon_cuda_actions* actions, void** arguments) {
  const tenon_cuda_driver* cu = p->device->cu;
  tenon_cuda_graph* g = &p->graph;
  g->nodes = (void**)calloc((size_t)actions->count, sizeof *g->nodes);
  if (g->nodes == NULL) return 2;
  int result = cu->create_graph(&g->graph, 0);
  for (int64_t k = 0; result == 0 && k < actions->count; ++k) {
    const tenon_cuda_action* a = &actions->list[k];
    void* const* before = k > 0 ? &g->nodes[k - 1] : NULL;
    if (a->kernel < 0) {
      const tenon_cuda_box box = box_of(a);
      result = cu->add_copy(&g->nodes[k], g->graph, before, k > 0, &box, p->device->context);
    } else {
      const tenon_cuda_launch launch = launch_of(p, a, actions->words, arguments);
      result = cu->add_kernel(&g->nodes[k], g->graph, before, k > 0, &launch);
    }
  }
  if (result == 0) result = cu->instantiate(&g->runnable, g->graph, 0);
  if (result == 0) ++p->device->counts.graphs_built;
  return result;
}

static int change(tenon_cuda_program* p, tenon_cuda_actions* actions, void** arguments) {
  const tenon_cuda_driver* cu = p->device->cu;
  tenon_cuda_graph* g = &p->graph;
  int result = 0;
  for (int64_t k = 0; result == 0 && k < actions->count; ++k) {
    if (same_arguments(actions, &g->built, k)) continue;
    const tenon_cuda_action* a = &actions->list[k];
    ++p->device->counts.nodes_changed;
    if (a->kernel < 0) {
      const tenon_cuda_box box = box_of(a);
      result = cu->change_copy(g->runnable, g->nodes[k], &box, p->device->context);
    } else {
      const tenon_cuda_launch launch = launch_of(p, a, actions->words, arguments);
      result = cu->change_kernel(g->runnable, g->nodes[k], &launch);
    }
  }
  return result;
}

static int32_t one_by_one(tenon_cuda_program* p, tenon_cuda_actions* actions, tenon_cuda_fault* fault) {
  int32_t code = TENON_OK;
  for (int64_t k = 0; code == TENON_OK && k < actions->count; ++k)
    code = tenon_cuda_do(p, &actions->list[k], actions->words, fault);
  return code;
}

int32_t tenon_cuda_do_as_graph(tenon_cuda_program* p, tenon_cuda_actions* actions, tenon_cuda_fault* fault) {
  tenon_cuda_graph* g = &p->graph;
  int64_t most = 1;
  for (int64_t k = 0; k < actions->count; ++k)
    if (actions->list[k].count > most) most = actions->list[k].count;
  void** arguments = (void**)malloc((size_t)most * sizeof *arguments);
  if (arguments == NULL) return one_by_one(p, actions, fault);
  int result = g->runnable != NULL && same_shape(actions, &g->built) ? change(p, actions, arguments) : -1;
  if (result != 0) { /* none yet, of another shape, or one that cannot be changed so */
    tenon_cuda_free_graph(p);
    result = build(p, actions, arguments);
  }
  free(arguments);
  if (result != 0) {
    tenon_cuda_free_graph(p);
    if (result != 2) p->no_graph = "the driver refuses to make one of its steps"; /* 2: there may be memory later */
    return one_by_one(p, actions, fault);
  }
  const tenon_cuda_actions built = g->built;
  g->built = *actions; /* swapped: the lists keep their memory */
  *actions = built;
  result = p->device->cu->launch_graph(g->runnable, p->device->stream);
  ++p->device->counts.graphs_launched;
  return result == 0 ? TENON_OK : tenon_cuda_fail(p->device, fault, result, "its graph was launched");
}
