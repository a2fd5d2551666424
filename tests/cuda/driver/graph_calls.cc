// The driver's functions about graphs.
#include <algorithm>
#include <cstring>

#include "tenon/tests/cuda/driver/graph.h"

using namespace simulated;

namespace {

// The driver's structures.
struct KernelParams {
  void* function;
  unsigned grid[3], block[3], shared_bytes;
  void** parameters;
  void** extra;
  void *kernel, *context;
};
struct MemsetParams {
  Address at;
  size_t pitch;
  unsigned value, size;
  size_t width, height;
};
struct ConditionParams {
  unsigned long long handle;
  int type;
  unsigned size;
  void** graphs;  // set by the driver
  void* context;
};
struct NodeParams {
  int type;
  int reserved[3];
  union {
    long long room[29];
    KernelParams kernel;
    struct {
      int flags, reserved;
      void* context;
      Memcpy3D box;
    } copy;
    struct {
      MemsetParams set;
      void* context;
    } set;
    struct {
      void (*function)(void*);
      void* data;
    } host;
    ConditionParams condition;
  };
  long long reserved2;
};
static_assert(sizeof(NodeParams) == 16 + 29 * 8 + 8);

int work_of_kernel(const KernelParams* p, Work& work) {
  if (!p) return invalid_value;
  const auto found = state().functions.find(p->function);
  if (found == state().functions.end()) return invalid_handle;
  const Function& f = *found->second;
  if (p->extra || (p->context && p->context != f.context)) return invalid_value;
  work.kind = Work::kernel;
  work.module = f.module.lock();
  work.context = f.context;
  const Shape shape = {{p->grid[0], p->grid[1], p->grid[2]}, {p->block[0], p->block[1], p->block[2]}, p->shared_bytes};
  return prepare_launch(f, shape, p->parameters, work.launch);
}

int work_of_copy(const Memcpy3D* box, void* context, Work& work) {
  Context* c = context_of(context);
  if (!box || !c) return box ? invalid_context : invalid_value;
  work.kind = Work::copy;
  work.context = c;
  if (const int error = rows_of(*box, work.rows)) return error;
  return check(work.rows, *c, *c);
}

int work_of_fill(const MemsetParams* p, void* context, Work& work) {
  Context* c = context_of(context);
  if (!p || !c) return p ? invalid_context : invalid_value;
  work.kind = Work::fill;
  work.context = c;
  work.set = {p->at, p->pitch, p->width, p->height, p->value, p->size};
  return check(work.set, *c);
}

int add_work(void** node, void* graph, void* const* after, size_t count, Work work, Node** made = nullptr) {
  Graph* g = graph_of(graph);
  if (!g || !node || (count != 0 && !after)) return invalid_value;
  int error = success;
  Node* n = add(*g, std::move(work), after, count, error);
  if (!n) return error;
  *node = n;
  if (made) *made = n;
  return success;
}

int add_condition(void** node, void* graph, void* const* after, size_t count, ConditionParams& p) {
  const auto condition = graphs().conditions.find(p.handle);
  if (condition == graphs().conditions.end()) return invalid_value;
  const unsigned most = p.type == 0 ? 2 : p.type == 1 ? 1 : 64;
  if (p.type < 0 || p.type > 2 || p.size < 1 || p.size > most) return invalid_value;
  Work work;
  work.kind = Work::condition;
  work.handle = p.handle;
  work.type = p.type;
  Node* made = nullptr;
  if (const int error = add_work(node, graph, after, count, std::move(work), &made)) return error;
  for (unsigned i = 0; i < p.size; ++i) add_body(*made);
  p.graphs = reinterpret_cast<void**>(made->bodies.data());
  return success;
}

template <class Change>
int change(void* executable, void* node, Work::Kind kind, Change change) {
  const auto e = look_up(graphs().executables, executable);
  const Node* n = node_of(node);
  if (!e || !n) return invalid_value;
  Work* work = work_of(e->plan, n);
  if (!work || work->kind != kind) return invalid_value;
  Work changed = *work;
  changed.rows = {}, changed.set = {};
  if (const int error = change(changed)) return error;
  if (changed.context != work->context) return invalid_value;
  *work = std::move(changed);
  return success;
}

int instantiate(void** executable, void* graph) {
  const Graph* g = graph_of(graph);
  if (!executable || !g || g->is_body) return invalid_value;
  auto e = std::make_shared<Executable>();
  e->plan = planned(*g);
  *executable = e.get();
  graphs().executables[e.get()] = std::move(e);
  ++state().graphs;
  return success;
}

}  // namespace

extern "C" {

int cuGraphCreate(void** graph, unsigned flags) {
  return SIMULATED_CALL(initialized, {
    if (!graph || flags != 0) return invalid_value;
    auto g = std::make_shared<Graph>();
    *graph = g.get();
    graphs().graphs[g.get()] = std::move(g);
    ++state().graphs;
    return success;
  });
}
int cuGraphDestroy(void* graph) {
  return SIMULATED_CALL(initialized, {
    const auto g = look_up(graphs().graphs, graph);
    if (!g) return invalid_value;
    forget(*g);
    graphs().graphs.erase(graph);
    --state().graphs;
    return success;
  });
}
int cuGraphAddEmptyNode(void** node, void* graph, void* const* after, size_t count) {
  return SIMULATED_CALL(context, { return add_work(node, graph, after, count, {}); });
}
int cuGraphAddKernelNode_v2(void** node, void* graph, void* const* after, size_t count, const KernelParams* params) {
  return SIMULATED_CALL(context, {
    Work work;
    if (const int error = work_of_kernel(params, work)) return error;
    return add_work(node, graph, after, count, std::move(work));
  });
}
int cuGraphAddMemcpyNode(void** node, void* graph, void* const* after, size_t count, const Memcpy3D* box,
                         void* context) {
  return SIMULATED_CALL(context, {
    Work work;
    if (const int error = work_of_copy(box, context, work)) return error;
    return add_work(node, graph, after, count, std::move(work));
  });
}
int cuGraphAddMemsetNode(void** node, void* graph, void* const* after, size_t count, const MemsetParams* params,
                         void* context) {
  return SIMULATED_CALL(context, {
    Work work;
    if (const int error = work_of_fill(params, context, work)) return error;
    return add_work(node, graph, after, count, std::move(work));
  });
}
int cuGraphAddNode_v2(void** node, void* graph, void* const* after, const void*, size_t count, NodeParams* params) {
  return SIMULATED_CALL(context, {
    if (!params) return invalid_value;
    Work work;
    int error = success;
    switch (params->type) {
      case 0: error = work_of_kernel(&params->kernel, work); break;
      case 1: error = work_of_copy(&params->copy.box, params->copy.context, work); break;
      case 2: error = work_of_fill(&params->set.set, params->set.context, work); break;
      case 3:
        work.kind = Work::host;
        work.function = params->host.function;
        work.data = params->host.data;
        break;
      case 5: break;
      case 13: return add_condition(node, graph, after, count, params->condition);
      default: error = not_supported;
    }
    return error ? error : add_work(node, graph, after, count, std::move(work));
  });
}
int cuGraphConditionalHandleCreate(unsigned long long* handle, void* graph, void* context, unsigned initial,
                                   unsigned flags) {
  return SIMULATED_CALL(context, {
    const Graph* g = graph_of(graph);
    if (!handle || !g || flags > 1 || (context && !context_of(context))) return invalid_value;
    static unsigned long long next = 1;
    *handle = next++;
    graphs().conditions[*handle] = {g, initial, initial, flags == 1};
    return success;
  });
}

int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  return SIMULATED_CALL(context, { return instantiate(executable, graph); });
}
int cuGraphExecDestroy(void* executable) {
  return SIMULATED_CALL(initialized, {
    if (graphs().executables.erase(executable) == 0) return invalid_value;
    --state().graphs;
    return success;
  });
}
int cuGraphUpload(void* executable, void* stream) {
  return SIMULATED_CALL(context, {
    return look_up(graphs().executables, executable) && stream_of(call, stream) ? success : invalid_value;
  });
}
int cuGraphLaunch(void* executable, void* stream) {
  return SIMULATED_CALL(context, {
    const auto e = look_up(graphs().executables, executable);
    const StreamPtr s = stream_of(call, stream);
    if (!e) return invalid_value;
    if (!s) return invalid_handle;
    Item item;
    item.run = [plan = e->plan] { return ++state().graphs_run, run(*plan); };
    return queue(call, s, std::move(item));
  });
}
int cuGraphExecKernelNodeSetParams_v2(void* executable, void* node, const KernelParams* params) {
  return SIMULATED_CALL(
      context, { return change(executable, node, Work::kernel, [&](Work& w) { return work_of_kernel(params, w); }); });
}
int cuGraphExecMemcpyNodeSetParams(void* executable, void* node, const Memcpy3D* box, void* context) {
  return SIMULATED_CALL(context, {
    return change(executable, node, Work::copy, [&](Work& w) { return work_of_copy(box, context, w); });
  });
}
int cuGraphExecMemsetNodeSetParams(void* executable, void* node, const MemsetParams* params, void* context) {
  return SIMULATED_CALL(context, {
    return change(executable, node, Work::fill, [&](Work& w) { return work_of_fill(params, context, w); });
  });
}

}  // extern "C"
