// Graphs on the simulated driver: nodes in the order of their edges, parameters that change between launches, and bodies that
// run while a kernel says so.
#include "tenon/tests/simulated_cuda.h"

#include <cstring>

namespace tenon::testing {
namespace {

using Floats = std::vector<float>;

class SimulatedCudaGraph : public SimulatedCudaTest {
 protected:
  void SetUp() override {
    SimulatedCudaTest::SetUp();
    if (!context) return;
    ASSERT_EQ(c.cuStreamCreate(&s, 1), 0);
    ASSERT_EQ(c.cuGraphCreate(&graph, 0), 0);
    text = R"(
extern "C" __global__ void affine(float* x, float a, float b) { x[threadIdx.x] = a * x[threadIdx.x] + b; }
extern "C" __global__ void below(float* x, float most, unsigned long long handle) {
  x[threadIdx.x] *= 2;
  if (threadIdx.x == 0) cudaGraphSetConditional(handle, x[0] < most);
})";
    affine = load(text, "affine");
  }
  void TearDown() override {
    if (graph) {
      EXPECT_EQ(c.cuGraphDestroy(graph), 0);
    }
    SimulatedCudaTest::TearDown();
  }
  void* add_affine(void* to, std::vector<void*> after, Address x, float a, float b) {
    void *node = nullptr, *parameters[] = {&x, &a, &b};
    SimulatedKernelNode k;
    k.function = affine, k.block[0] = 4, k.parameters = parameters;
    EXPECT_EQ(c.cuGraphAddKernelNode_v2(&node, to, after.data(), after.size(), &k), 0);
    return node;
  }
  int change_affine(void* runnable, void* node, Address x, float a, float b) {
    void* parameters[] = {&x, &a, &b};
    SimulatedKernelNode k;
    k.function = affine, k.block[0] = 4, k.parameters = parameters;
    return c.cuGraphExecKernelNodeSetParams_v2(runnable, node, &k);
  }

  void *s = nullptr, *graph = nullptr, *affine = nullptr;
  std::string text;
};

TEST_F(SimulatedCudaGraph, RunsWithTheParametersOfItsLaunch) {
  const Address x = upload(Floats{1, 2, 3, 4}), y = upload(Floats(4, 10)), out = allocate(32);
  void *left = add_affine(graph, {}, x, 2, 0), *right = add_affine(graph, {}, y, 1, 5), *copy = nullptr,
       *none = nullptr;
  SimulatedBox box;
  box.from_kind = box.to_kind = 2;
  box.from_device = x, box.to_device = out, box.width = 16;
  void* both[] = {left, right};
  EXPECT_EQ(c.cuGraphAddMemcpyNode(&copy, graph, both, 2, &box, context), 0);
  EXPECT_EQ(c.cuGraphAddMemcpyNode(&none, graph, &graph, 1, &box, context), 1);  // not behind a graph
  box.width = 17;
  EXPECT_EQ(c.cuGraphAddMemcpyNode(&none, graph, nullptr, 0, &box, context), 1);  // not in one block
  add_affine(graph, {copy}, x, 0, 0);
  void* runnable = nullptr;
  ASSERT_EQ(c.cuGraphInstantiateWithFlags(&runnable, graph, 0), 0);
  EXPECT_EQ(simulated_value("live_graphs"), "2");
  EXPECT_EQ(c.cuGraphLaunch(runnable, s), 0);
  // The first launch, which has not run, keeps what it had.
  EXPECT_EQ(change_affine(runnable, left, x, 1, 7), 0);
  box.width = 8, box.from_device = y, box.to_device = out + 16;
  EXPECT_EQ(c.cuGraphExecMemcpyNodeSetParams(runnable, copy, &box, context), 0);
  EXPECT_EQ(c.cuGraphExecMemcpyNodeSetParams(runnable, left, &box, context), 1);
  EXPECT_EQ(simulated_value("kernels_run"), "0");
  EXPECT_EQ(c.cuStreamSynchronize(s), 0);
  EXPECT_EQ(download(out, 4), (Floats{2, 4, 6, 8}));
  for (const char* order : simulated_orders) {
    say(order);
    EXPECT_EQ(c.cuGraphLaunch(runnable, s), 0);
  }
  EXPECT_EQ(c.cuGraphExecDestroy(runnable), 0);
  EXPECT_EQ(c.cuGraphLaunch(runnable, s), 1);
  EXPECT_EQ(c.cuStreamSynchronize(s), 0);
  EXPECT_EQ(download(x, 4), Floats(4, 0));
  EXPECT_EQ(download(out + 16, 2), Floats(2, 30));
  EXPECT_EQ(simulated_value("graphs_run"), "4");
}

TEST_F(SimulatedCudaGraph, AForgottenEdgeShows) {
  const Address x = upload(Floats(4, 1));
  add_affine(graph, {}, x, 2, 0);
  add_affine(graph, {}, x, 1, 1);  // ought to follow
  void* runnable = nullptr;
  ASSERT_EQ(c.cuGraphInstantiateWithFlags(&runnable, graph, 0), 0);
  say("order=reverse");
  EXPECT_EQ(c.cuGraphLaunch(runnable, s), 0);
  EXPECT_EQ(c.cuStreamSynchronize(s), 0);
  EXPECT_EQ(download(x, 4), Floats(4, 4));
  say("sticky=cuGraphLaunch:1:719");
  EXPECT_EQ(c.cuGraphLaunch(runnable, s), 0);
  EXPECT_EQ(c.cuStreamSynchronize(s), 719);
  EXPECT_EQ(c.cuGraphExecDestroy(runnable), 0);
}

// CUgraphNodeParams of a condition.
struct ConditionNode {
  int type = 13, reserved[3] = {};
  unsigned long long handle = 0;
  int kind = 0;
  unsigned size = 1;
  void** graphs = nullptr;
  void* context = nullptr;
  char room[29 * 8 - 32 + 8] = {};
};

TEST_F(SimulatedCudaGraph, ALoopRunsWhileItsKernelSaysSo) {
  void* below = load(text, "below");
  Address x = upload(Floats{1, 2, 3, 4}), y = upload(Floats(4, 0));
  unsigned long long handle = 0;
  ASSERT_EQ(c.cuGraphConditionalHandleCreate(&handle, graph, context, 1, 1), 0);
  void *first = add_affine(graph, {}, x, 1, 0), *loop = nullptr, *node = nullptr;
  ConditionNode condition;
  condition.handle = handle, condition.kind = 1, condition.context = context;
  ASSERT_EQ(c.cuGraphAddNode_v2(&loop, graph, &first, nullptr, 1, &condition), 0);
  ASSERT_NE(condition.graphs, nullptr);
  float most = 50;
  void* parameters[] = {&x, &most, &handle};
  SimulatedKernelNode k;
  k.function = below, k.block[0] = 4, k.parameters = parameters;
  ASSERT_EQ(c.cuGraphAddKernelNode_v2(&node, condition.graphs[0], nullptr, 0, &k), 0);
  void* in_body = add_affine(condition.graphs[0], {node}, y, 1, 1);
  // Behind the loop, where the condition is false: one of two bodies.
  ConditionNode either;
  either.handle = handle, either.size = 2, either.context = context;
  void* choice = nullptr;
  ASSERT_EQ(c.cuGraphAddNode_v2(&choice, graph, &loop, nullptr, 1, &either), 0);
  add_affine(either.graphs[0], {}, x, 0, -1);
  add_affine(either.graphs[1], {}, x, 1, 0.5f);
  void* runnable = nullptr;
  ASSERT_EQ(c.cuGraphInstantiateWithFlags(&runnable, graph, 0), 0);
  ASSERT_EQ(c.cuGraphLaunch(runnable, s), 0);
  EXPECT_EQ(c.cuStreamSynchronize(s), 0) << fault();
  EXPECT_EQ(download(x, 4), (Floats{64.5f, 128.5f, 192.5f, 256.5f}));
  EXPECT_EQ(download(y, 4), Floats(4, 6));
  EXPECT_EQ(change_affine(runnable, in_body, y, 1, 10), 0);  // nodes of bodies can be changed too
  ASSERT_EQ(c.cuGraphLaunch(runnable, s), 0);
  EXPECT_EQ(c.cuStreamSynchronize(s), 0);
  EXPECT_EQ(download(y, 4), Floats(4, 16));
  EXPECT_EQ(c.cuGraphExecDestroy(runnable), 0);
}

}  // namespace
}  // namespace tenon::testing
