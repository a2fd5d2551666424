// The simulated driver and NVRTC: work that runs late and in the order that it was given, memory in stream order, graphs, several
// devices, and the failures that SIMULATED_CUDA asks for.
#include "tenon/tests/simulated_cuda.h"

#include <atomic>
#include <cstring>
#include <thread>

namespace tenon::testing {
namespace {

class SimulatedCudaDriver : public SimulatedCudaTest {
 protected:
  void* stream(unsigned flags = 1) {
    void* s = nullptr;
    EXPECT_EQ(c.cuStreamCreate(&s, flags), 0);
    return s;
  }
  void* event() {
    void* e = nullptr;
    EXPECT_EQ(c.cuEventCreate(&e, 0), 0);
    return e;
  }
  // x[i] = a * x[i] + b
  void* affine() {
    return load(
        "extern \"C\" __global__ void affine(float* x, float a, float b) { x[threadIdx.x] = a * x[threadIdx.x] + b; }",
        "affine");
  }
  int run_affine(void* f, void* s, Address x, float a, float b) { return launch(f, 1, 4, 0, s, x, a, b); }
};

using Floats = std::vector<float>;

TEST_F(SimulatedCudaDriver, NvrtcSaysWhatIsWrong) {
  const SimulatedImage wrong = simulated_compile("extern \"C\" __global__ void f(float* x) { x[0] = no_such_name; }");
  EXPECT_EQ(wrong.result, 6);
  EXPECT_NE(wrong.log.find("kernels.cu:1"), std::string::npos) << wrong.log;
  EXPECT_NE(wrong.log.find("no_such_name"), std::string::npos) << wrong.log;
  EXPECT_EQ(simulated_compile("", "sm_61").result, 5);
  EXPECT_EQ(simulated_compile("", "sm_86a").result, 5);
  // Kernels are found wherever they stand, and nothing else is taken for one.
  void* f = load(
      "#define KERNEL extern \"C\" __global__\n// __global__ void comment() {}\nconst char* const s = \"__global__ "
      "void t() {\";\n"
      "namespace a { namespace { int one = 1; } template <int n> struct S { int v[n]; };\n"
      "extern \"C\" __global__ void declared(int* x);\n"
      "extern \"C\" __global__ void\n__launch_bounds__(32 * (1 + 1), 2)\ndeclared(int* x) { if (one) { x[0] = S<3>{1, "
      "2, '}'}.v[2]; } }\n"
      "extern \"C\" __global__ void nothing() {} }",
      "declared");
  const Address x = upload(std::vector<int>(1));
  EXPECT_EQ(launch(f, 1, 1, 0, nullptr, x), 0);
  EXPECT_EQ(download<int>(x, 1)[0], '}');
  int most = 0;
  EXPECT_EQ(c.cuFuncGetAttribute(&most, 0, f), 0);
  EXPECT_EQ(most, 64);
}

TEST_F(SimulatedCudaDriver, SeveralThreadsCompileAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      // Two of each text, which meet in the folder.
      right +=
          simulated_compile("extern \"C\" __global__ void f(int* x) { *x = " + std::to_string(t / 2) + "; }").result ==
          0;
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(right, 4);
}

TEST_F(SimulatedCudaDriver, ImagesAndArchitectures) {
  void* module = nullptr;
  const char* const text = "extern \"C\" __global__ void f() {}";
  EXPECT_EQ(c.cuModuleLoadData(&module, "no image at all"), 200);
  SimulatedImage made = simulated_compile(text);
  made.image[made.image.size() / 2] ^= 1;
  EXPECT_EQ(c.cuModuleLoadData(&module, made.image.data()), 200);
  const struct {
    const char *made_for, *device;
    int result;
  } cases[] = {{"sm_90a", "sm=90", 0},   {"sm_90", "sm=90", 0},    {"sm_80", "sm=86", 0},      {"sm_86", "sm=80", 209},
               {"sm_90a", "sm=91", 209}, {"sm_90", "sm=100", 209}, {"sm_100a", "sm=103", 209}, {"sm_100", "sm=103", 0}};
  for (const auto& one : cases) {
    say(one.device);
    EXPECT_EQ(c.cuModuleLoadData(&module, simulated_compile(text, one.made_for).image.data()), one.result)
        << one.made_for << " " << one.device;
  }
  say("");
  void* f = nullptr;
  ASSERT_EQ(c.cuModuleLoadData(&module, simulated_compile(text).image.data()), 0);
  EXPECT_EQ(c.cuModuleGetFunction(&f, module, "g"), 500);
  EXPECT_EQ(c.cuModuleGetFunction(&f, module, "f"), 0);
  EXPECT_EQ(launch(f, 0, 1, 0, nullptr), 1);
  EXPECT_EQ(launch(f, 1, 1025, 0, nullptr), 1);
  EXPECT_EQ(launch(f, 1, 1, (48 << 10) + 1, nullptr), 1);
  EXPECT_EQ(c.cuFuncSetAttribute(f, 8, (227 << 10) + 1), 1);
  EXPECT_EQ(c.cuFuncSetAttribute(f, 8, 100 << 10), 0);
  EXPECT_EQ(launch(f, 1, 1, 100 << 10, nullptr), 0);
  EXPECT_EQ(c.cuModuleUnload(module), 0);  // what is queued keeps it
  EXPECT_EQ(c.cuCtxSynchronize(), 0);
  EXPECT_EQ(launch(f, 1, 1, 0, nullptr), 400);
}

TEST_F(SimulatedCudaDriver, WorkRunsWhenItIsWaitedFor) {
  void *f = affine(), *s = stream();
  const Address x = allocate(16);
  float host[4] = {1, 2, 3, 4}, out[4] = {};
  EXPECT_EQ(c.cuMemcpyHtoDAsync_v2(x, host, 16, s), 0);  // taken at once
  host[0] = 100;
  float* pinned = nullptr;
  ASSERT_EQ(c.cuMemHostAlloc(reinterpret_cast<void**>(&pinned), 16, 0), 0);
  pinned[1] = 5;
  EXPECT_EQ(run_affine(f, s, x, 2, 1), 0);
  EXPECT_EQ(c.cuMemcpyHtoDAsync_v2(x + 4, pinned + 1, 4, s), 0);  // taken when it runs
  pinned[1] = 6;
  EXPECT_EQ(c.cuMemcpyDtoHAsync_v2(out, x, 16, s), 0);
  for (const float v : out) EXPECT_NE(v, v);
  EXPECT_EQ(simulated_value("kernels_run"), "0");
  EXPECT_EQ(simulated_value("queued"), "4");
  int questions = 0;
  while (c.cuStreamQuery(s) == 600) ++questions;
  EXPECT_EQ(questions, 3);
  EXPECT_EQ(Floats(out, out + 4), (Floats{3, 6, 7, 9}));

  say("late=0");
  EXPECT_EQ(run_affine(f, s, x, 0, 1), 0);
  EXPECT_EQ(simulated_value("queued"), "0");
  EXPECT_EQ(c.cuStreamDestroy_v2(s), 0);
  EXPECT_EQ(c.cuStreamSynchronize(s), 400);
  EXPECT_EQ(c.cuMemFreeHost(pinned), 0);
  EXPECT_EQ(c.cuMemFreeHost(pinned), 1);
}

TEST_F(SimulatedCudaDriver, EventsOrderStreams) {
  void *f = affine(), *a = stream(), *b = stream(), *e = event();
  const Address x = upload(Floats{1, 1, 1, 1});
  EXPECT_EQ(c.cuEventQuery(e), 0);  // never recorded
  EXPECT_EQ(run_affine(f, a, x, 1, 2), 0);
  EXPECT_EQ(c.cuEventRecord(e, a), 0);
  EXPECT_EQ(run_affine(f, a, x, 100, 0), 0);  // behind the event
  EXPECT_EQ(c.cuStreamWaitEvent(b, e, 0), 0);
  EXPECT_EQ(c.cuEventDestroy_v2(e), 0);
  EXPECT_EQ(run_affine(f, b, x, 10, 0), 0);
  EXPECT_EQ(c.cuStreamSynchronize(b), 0);
  EXPECT_EQ(simulated_value("kernels_run"), "2");
  EXPECT_EQ(c.cuCtxSynchronize(), 0);
  EXPECT_EQ(download(x, 4), Floats(4, 3000));

  // Streams that are not asked for wait; the stream of null takes turns with those that are blocking.
  void *n = stream(1), *w = stream(0), *first = event(), *last = event();
  EXPECT_EQ(c.cuEventRecord(first, w), 0);
  EXPECT_EQ(run_affine(f, w, x, 0, 1), 0);
  EXPECT_EQ(run_affine(f, n, x, 0, 7), 0);
  EXPECT_EQ(run_affine(f, nullptr, x, 2, 0), 0);
  EXPECT_EQ(run_affine(f, w, x, 1, 1), 0);
  EXPECT_EQ(c.cuEventRecord(last, w), 0);
  float milliseconds = -1;
  EXPECT_EQ(c.cuEventElapsedTime_v2(&milliseconds, first, last), 600);
  EXPECT_EQ(c.cuEventSynchronize(last), 0);
  EXPECT_EQ(c.cuEventElapsedTime_v2(&milliseconds, first, last), 0);
  EXPECT_GE(milliseconds, 0);
  EXPECT_EQ(simulated_value("queued"), "1");
  EXPECT_EQ(download(x, 4), Floats(4, 3));
  EXPECT_EQ(c.cuStreamSynchronize(n), 0);
  EXPECT_EQ(download(x, 4), Floats(4, 7));
}

TEST_F(SimulatedCudaDriver, HostFunctionsRunWithoutTheDriver) {
  void* s = stream();
  struct Seen {
    const SimulatedCuda* c;
    int result = -1;
    std::atomic<bool> go = false;
  } seen{&c};
  EXPECT_EQ(c.cuLaunchHostFunc(
                s,
                [](void* data) {
                  Seen& seen = *static_cast<Seen*>(data);
                  seen.result = seen.c->cuCtxSynchronize();
                  while (!seen.go) std::this_thread::yield();
                },
                &seen),
            0);
  // Another thread can go on queueing meanwhile.
  std::thread other([&] {
    c.cuCtxSetCurrent(context);
    void* e = nullptr;
    EXPECT_EQ(c.cuEventCreate(&e, 0), 0);
    EXPECT_EQ(c.cuEventRecord(e, s), 0);
    seen.go = true;
  });
  EXPECT_EQ(c.cuStreamSynchronize(s), 0);
  other.join();
  EXPECT_EQ(seen.result, 800);
}

TEST_F(SimulatedCudaDriver, MemoryInStreamOrder) {
  void *f = affine(), *s = stream(), *other = stream();
  Address x = 0, y = 0;
  const Floats ones(4, 1);
  ASSERT_EQ(c.cuMemAllocAsync(&x, 16, s), 0);
  EXPECT_EQ(x % 256, 0u);
  EXPECT_EQ(c.cuMemcpyHtoDAsync_v2(x, ones.data(), 16, s), 0);
  EXPECT_EQ(run_affine(f, s, x, 1, 1), 0);
  ASSERT_EQ(c.cuMemAllocAsync(&y, 16, s), 0);
  EXPECT_EQ(c.cuMemcpyDtoDAsync_v2(y, x, 16, s), 0);
  EXPECT_EQ(c.cuMemFreeAsync(x, s), 0);
  EXPECT_EQ(c.cuMemFreeAsync(x, s), 1);
  EXPECT_EQ(c.cuStreamSynchronize(s), 0) << fault();
  EXPECT_EQ(download(y, 4), Floats(4, 2));
  EXPECT_EQ(simulated_value("live_blocks"), "1");
  EXPECT_EQ(simulated_value("peak_bytes"), "512");
  EXPECT_EQ(c.cuMemcpyHtoDAsync_v2(y + 8, ones.data(), 12, s), 1);  // not in one block
  EXPECT_EQ(c.cuMemFree_v2(y + 4), 1);

  // Another stream that does not wait is too early, or too late.
  ASSERT_EQ(c.cuMemAllocAsync(&x, 16, s), 0);
  EXPECT_EQ(c.cuMemcpyHtoDAsync_v2(x, ones.data(), 16, other), 0);
  EXPECT_EQ(c.cuStreamSynchronize(other), 700);
  EXPECT_NE(fault().find("before its memory's allocation in stream order"), std::string::npos) << fault();
  EXPECT_EQ(c.cuDevicePrimaryCtxReset_v2(0), 0);
  s = stream(), other = stream();
  void* write = load("extern \"C\" __global__ void write(float* x) { *x = 1; }", "write");
  ASSERT_EQ(c.cuMemAllocAsync(&x, 16, s), 0);
  EXPECT_EQ(c.cuMemFreeAsync(x, s), 0);
  if (std::string(TENON_SANITIZE).find("address") == std::string::npos) {  // which would end the process
    EXPECT_EQ(launch(write, 1, 1, 0, other, x), 0);
    EXPECT_EQ(c.cuStreamSynchronize(other), 0);
    EXPECT_EQ(c.cuStreamSynchronize(s), 700);
    EXPECT_NE(fault().find("before its allocation's turn"), std::string::npos) << fault();
  }
}

TEST_F(SimulatedCudaDriver, MemoryRunsOut) {
  say("memory=8");
  size_t free = 0, total = 0;
  EXPECT_EQ(c.cuMemGetInfo_v2(&free, &total), 0);
  EXPECT_EQ(total, 8u << 20);
  EXPECT_EQ(free, total);
  Address x = 0, y = 0;
  void* s = stream();
  EXPECT_EQ(c.cuMemAlloc_v2(&x, 9 << 20), 2);
  EXPECT_EQ(c.cuMemAlloc_v2(&x, 0), 1);
  ASSERT_EQ(c.cuMemAllocAsync(&x, 6 << 20, s), 0);
  EXPECT_EQ(c.cuMemAllocAsync(&y, 6 << 20, s), 2);
  EXPECT_EQ(c.cuMemFreeAsync(x, s), 0);
  EXPECT_EQ(c.cuMemAllocAsync(&y, 6 << 20, s), 0);  // what is queued frees enough
  EXPECT_EQ(c.cuStreamSynchronize(s), 0);
  unsigned kind = 0;
  int device = -1;
  EXPECT_EQ(c.cuPointerGetAttribute(&kind, 2, y + 5), 0);
  EXPECT_EQ(kind, 2u);
  EXPECT_EQ(c.cuPointerGetAttribute(&device, 9, y), 0);
  EXPECT_EQ(device, 0);
  EXPECT_EQ(c.cuPointerGetAttribute(&device, 9, x), x == y ? 0 : 1);
  EXPECT_NE(std::string(c.leaks()).find("a block of 6291456 bytes"), std::string::npos) << c.leaks();
  EXPECT_EQ(c.cuMemFree_v2(y), 0);
  EXPECT_EQ(c.cuStreamDestroy_v2(s), 0);
  EXPECT_STREQ(c.leaks(), "");
  for (int i = 0; i < 2000; ++i) {  // addresses serve again
    ASSERT_EQ(c.cuMemAlloc_v2(&x, 4 << 20), 0) << i;
    ASSERT_EQ(c.cuMemFree_v2(x), 0);
    if (i == 20) i = 1990;
  }
}

TEST_F(SimulatedCudaDriver, RowsAreCopiedAndWordsAreSet) {
  const Address x = allocate(64);
  EXPECT_EQ(c.cuMemsetD32Async(x, 7, 16, nullptr), 0);
  EXPECT_EQ(c.cuMemsetD32Async(x, 7, 17, nullptr), 1);
  EXPECT_EQ(c.cuMemsetD32Async(x + 2, 7, 1, nullptr), 1);
  const std::vector<int> values = {1, 2, 3, 4, 5, 6};
  SimulatedRows rows;
  rows.from_host = values.data(), rows.from_pitch = 12;
  rows.to_kind = 2, rows.to_device = x, rows.to_x = 4, rows.to_y = 1, rows.to_pitch = 16;
  rows.width = 8, rows.height = 2;
  EXPECT_EQ(c.cuMemcpy2DAsync_v2(&rows, nullptr), 0);
  EXPECT_EQ(download<int>(x, 16), (std::vector<int>{7, 7, 7, 7, 7, 1, 2, 7, 7, 4, 5, 7, 7, 7, 7, 7}));
  rows.height = 4;
  EXPECT_EQ(c.cuMemcpy2DAsync_v2(&rows, nullptr), 1);
}

TEST_F(SimulatedCudaDriver, SeveralDevices) {
  say("devices=3");
  int count = 0;
  EXPECT_EQ(c.cuDeviceGetCount(&count), 0);
  EXPECT_EQ(count, 3);
  void *second = nullptr, *none = nullptr, *f = affine(), *s = stream();
  EXPECT_EQ(c.cuDevicePrimaryCtxRetain(&none, 3), 101);
  ASSERT_EQ(c.cuDevicePrimaryCtxRetain(&second, 1), 0);
  const Address x = upload(Floats{1, 2, 3, 4});
  ASSERT_EQ(c.cuCtxSetCurrent(second), 0);
  const Address y = allocate(16);
  int device = -1;
  EXPECT_EQ(c.cuPointerGetAttribute(&device, 9, y), 0);
  EXPECT_EQ(device, 1);
  EXPECT_EQ(run_affine(f, nullptr, y, 1, 1), 400);  // the other's function
  EXPECT_EQ(run_affine(f, s, x, 1, 1), 0);  // in a stream of its own
  EXPECT_EQ(c.cuMemcpyDtoDAsync_v2(y, x, 16, nullptr), 1);
  EXPECT_EQ(c.cuMemcpyPeerAsync(y, context, x, second, 16, s), 1);
  EXPECT_EQ(c.cuMemcpyPeerAsync(y, second, x, context, 16, s), 0);
  EXPECT_EQ(c.cuStreamSynchronize(s), 0);
  EXPECT_EQ(download(y, 4), (Floats{2, 3, 4, 5}));
  std::thread([&] {
    Address z = 0;
    EXPECT_EQ(c.cuMemAlloc_v2(&z, 4), 201);  // nothing is current in a new thread
  }).join();
  EXPECT_EQ(c.cuDevicePrimaryCtxReset_v2(1), 0);
  EXPECT_EQ(c.cuDevicePrimaryCtxRelease_v2(1), 0);
  EXPECT_EQ(c.cuCtxSynchronize(), 201);
  EXPECT_EQ(c.cuCtxSetCurrent(context), 0);
}

TEST_F(SimulatedCudaDriver, FailuresAsTold) {
  void* f = affine();
  const Address x = upload(Floats{1, 1, 1, 1});
  Address y = 0;
  say("fail=cuMemAlloc:2:2,cuLaunchKernel:1:701");
  EXPECT_EQ(c.cuMemAlloc_v2(&y, 4), 0);
  EXPECT_EQ(c.cuMemAlloc_v2(&y, 4), 2);
  EXPECT_EQ(c.cuMemAlloc_v2(&y, 4), 0);
  EXPECT_EQ(run_affine(f, nullptr, x, 1, 1), 701);
  EXPECT_EQ(run_affine(f, nullptr, x, 1, 1), 0);
  say("fail=cuCtxSynchronize:0:999");
  EXPECT_EQ(c.cuCtxSynchronize(), 999);
  EXPECT_EQ(c.cuCtxSynchronize(), 999);
  say("sticky=cuLaunchKernel:2:214");
  EXPECT_EQ(run_affine(f, nullptr, x, 1, 1), 0);
  EXPECT_EQ(run_affine(f, nullptr, x, 1, 1), 0);
  float out[4] = {};
  EXPECT_EQ(c.cuMemcpyDtoHAsync_v2(out, x, 16, nullptr), 0);
  EXPECT_EQ(c.cuCtxSynchronize(), 214);
  EXPECT_EQ(c.cuMemFree_v2(y), 214);
  EXPECT_NE(out[0], out[0]);
  const char* name = nullptr;
  EXPECT_EQ(c.cuGetErrorName(214, &name), 0);
  EXPECT_STREQ(name, "CUDA_ERROR_ECC_UNCORRECTABLE");

  void* function = nullptr;
  int status = -1;
  EXPECT_EQ(c.cuGetProcAddress_v2("cuMemAlloc", &function, 13000, 0, &status), 0);
  EXPECT_EQ(function, reinterpret_cast<void*>(c.cuMemAlloc_v2));
  say("missing=cuMemAlloc,cuGraphLaunch");
  EXPECT_EQ(c.cuGetProcAddress_v2("cuMemAlloc", &function, 13000, 0, &status), 500);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(status, 1);
  EXPECT_EQ(c.cuGetProcAddress_v2("cuNoSuchThing", &function, 13000, 0, nullptr), 500);
  c.reset();
  EXPECT_EQ(simulated_value("calls.cuMemAlloc_v2"), "");
}

}  // namespace
}  // namespace tenon::testing
