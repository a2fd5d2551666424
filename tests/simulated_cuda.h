// The simulated GPU from a test's side: both libraries, loaded as the program under test loads them, and a few words around their
// functions. For tests of the simulation and of what it is told; programs on it go through Tenon. Refuses to run without a C++
// compiler on the machine.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace tenon::testing {

using Address = uint64_t;

// The driver's structures, as far as tests fill them.
struct SimulatedKernelNode {
  void* function = nullptr;
  unsigned grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, shared = 0;
  void** parameters = nullptr;
  void *extra = nullptr, *kernel = nullptr, *context = nullptr;
};
struct SimulatedBox {
  size_t from_x = 0, from_y = 0, from_z = 0, from_lod = 0;
  unsigned from_kind = 1;
  const void* from_host = nullptr;
  Address from_device = 0;
  void *from_array = nullptr, *reserved0 = nullptr;
  size_t from_pitch = 0, from_height = 0;
  size_t to_x = 0, to_y = 0, to_z = 0, to_lod = 0;
  unsigned to_kind = 1;
  void* to_host = nullptr;
  Address to_device = 0;
  void *to_array = nullptr, *reserved1 = nullptr;
  size_t to_pitch = 0, to_height = 0;
  size_t width = 0, height = 1, depth = 1;
};
struct SimulatedRows {
  size_t from_x = 0, from_y = 0;
  unsigned from_kind = 1;
  const void* from_host = nullptr;
  Address from_device = 0;
  void* from_array = nullptr;
  size_t from_pitch = 0;
  size_t to_x = 0, to_y = 0;
  unsigned to_kind = 1;
  void* to_host = nullptr;
  Address to_device = 0;
  void* to_array = nullptr;
  size_t to_pitch = 0;
  size_t width = 0, height = 1;
};

// X(library, name, parameters)
#define TENON_SIMULATED_CALLS(X)                                                                                \
  X(nvrtc, nvrtcCreateProgram, (void**, const char*, const char*, int, const char* const*, const char* const*)) \
  X(nvrtc, nvrtcCompileProgram, (void*, int, const char* const*))                                               \
  X(nvrtc, nvrtcGetCUBINSize, (void*, size_t*))                                                                 \
  X(nvrtc, nvrtcGetCUBIN, (void*, char*))                                                                       \
  X(nvrtc, nvrtcGetProgramLogSize, (void*, size_t*))                                                            \
  X(nvrtc, nvrtcGetProgramLog, (void*, char*))                                                                  \
  X(nvrtc, nvrtcDestroyProgram, (void**))                                                                       \
  X(driver, cuInit, (unsigned))                                                                                 \
  X(driver, cuDeviceGetCount, (int*))                                                                           \
  X(driver, cuDevicePrimaryCtxRetain, (void**, int))                                                            \
  X(driver, cuDevicePrimaryCtxRelease_v2, (int))                                                                \
  X(driver, cuDevicePrimaryCtxReset_v2, (int))                                                                  \
  X(driver, cuCtxSetCurrent, (void*))                                                                           \
  X(driver, cuCtxSynchronize, ())                                                                               \
  X(driver, cuModuleLoadData, (void**, const void*))                                                            \
  X(driver, cuModuleUnload, (void*))                                                                            \
  X(driver, cuModuleGetFunction, (void**, void*, const char*))                                                  \
  X(driver, cuFuncSetAttribute, (void*, int, int))                                                              \
  X(driver, cuFuncGetAttribute, (int*, int, void*))                                                             \
  X(driver, cuLaunchKernel,                                                                                     \
    (void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**))       \
  X(driver, cuMemAlloc_v2, (Address*, size_t))                                                                  \
  X(driver, cuMemFree_v2, (Address))                                                                            \
  X(driver, cuMemAllocAsync, (Address*, size_t, void*))                                                         \
  X(driver, cuMemFreeAsync, (Address, void*))                                                                   \
  X(driver, cuMemGetInfo_v2, (size_t*, size_t*))                                                                \
  X(driver, cuMemHostAlloc, (void**, size_t, unsigned))                                                         \
  X(driver, cuMemFreeHost, (void*))                                                                             \
  X(driver, cuMemcpyHtoDAsync_v2, (Address, const void*, size_t, void*))                                        \
  X(driver, cuMemcpyDtoHAsync_v2, (void*, Address, size_t, void*))                                              \
  X(driver, cuMemcpyDtoDAsync_v2, (Address, Address, size_t, void*))                                            \
  X(driver, cuMemcpyHtoD_v2, (Address, const void*, size_t))                                                    \
  X(driver, cuMemcpyDtoH_v2, (void*, Address, size_t))                                                          \
  X(driver, cuMemcpyPeerAsync, (Address, void*, Address, void*, size_t, void*))                                 \
  X(driver, cuMemcpy2DAsync_v2, (const SimulatedRows*, void*))                                                  \
  X(driver, cuMemsetD32Async, (Address, unsigned, size_t, void*))                                               \
  X(driver, cuPointerGetAttribute, (void*, int, Address))                                                       \
  X(driver, cuStreamCreate, (void**, unsigned))                                                                 \
  X(driver, cuStreamDestroy_v2, (void*))                                                                        \
  X(driver, cuStreamSynchronize, (void*))                                                                       \
  X(driver, cuStreamQuery, (void*))                                                                             \
  X(driver, cuStreamWaitEvent, (void*, void*, unsigned))                                                        \
  X(driver, cuLaunchHostFunc, (void*, void (*)(void*), void*))                                                  \
  X(driver, cuEventCreate, (void**, unsigned))                                                                  \
  X(driver, cuEventRecord, (void*, void*))                                                                      \
  X(driver, cuEventQuery, (void*))                                                                              \
  X(driver, cuEventSynchronize, (void*))                                                                        \
  X(driver, cuEventElapsedTime_v2, (float*, void*, void*))                                                      \
  X(driver, cuEventDestroy_v2, (void*))                                                                         \
  X(driver, cuGraphCreate, (void**, unsigned))                                                                  \
  X(driver, cuGraphDestroy, (void*))                                                                            \
  X(driver, cuGraphAddKernelNode_v2, (void**, void*, void* const*, size_t, const SimulatedKernelNode*))         \
  X(driver, cuGraphAddMemcpyNode, (void**, void*, void* const*, size_t, const SimulatedBox*, void*))            \
  X(driver, cuGraphAddNode_v2, (void**, void*, void* const*, const void*, size_t, void*))                       \
  X(driver, cuGraphConditionalHandleCreate, (unsigned long long*, void*, void*, unsigned, unsigned))            \
  X(driver, cuGraphInstantiateWithFlags, (void**, void*, unsigned long long))                                   \
  X(driver, cuGraphLaunch, (void*, void*))                                                                      \
  X(driver, cuGraphExecDestroy, (void*))                                                                        \
  X(driver, cuGraphExecKernelNodeSetParams_v2, (void*, void*, const SimulatedKernelNode*))                      \
  X(driver, cuGraphExecMemcpyNodeSetParams, (void*, void*, const SimulatedBox*, void*))                         \
  X(driver, cuGetProcAddress_v2, (const char*, void**, int, uint64_t, int*))                                    \
  X(driver, cuGetErrorName, (int, const char**))

struct SimulatedCuda {
  void *driver = nullptr, *nvrtc = nullptr;
#define TENON_SIMULATED_MEMBER(library, name, parameters) int(*name) parameters = nullptr;
  TENON_SIMULATED_CALLS(TENON_SIMULATED_MEMBER)
#undef TENON_SIMULATED_MEMBER
  const char* (*report)() = nullptr;
  const char* (*leaks)() = nullptr;
  void (*reset)() = nullptr;
};

// Loaded once.
inline const SimulatedCuda& simulated_cuda() {
  static const SimulatedCuda loaded = [] {
    SimulatedCuda c;
    c.driver = dlopen(TENON_BINARY_DIR "/simulated_cuda/libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    c.nvrtc = dlopen(TENON_BINARY_DIR "/simulated_cuda/nvrtc/libnvrtc.so.13", RTLD_NOW | RTLD_LOCAL);
    if (!c.driver || !c.nvrtc) ADD_FAILURE() << dlerror();
    const auto find = [](void* library, const char* name, auto& function) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      if (!function) ADD_FAILURE() << name << " is not there";
    };
#define TENON_SIMULATED_FIND(library, name, parameters) find(c.library, #name, c.name);
    TENON_SIMULATED_CALLS(TENON_SIMULATED_FIND)
#undef TENON_SIMULATED_FIND
    find(c.driver, "simulated_cuda_report", c.report);
    find(c.driver, "simulated_cuda_leaks", c.leaks);
    find(c.driver, "simulated_cuda_reset", c.reset);
    return c;
  }();
  return loaded;
}

struct SimulatedImage {
  int result = 0;
  std::vector<char> image;
  std::string log;
};
inline SimulatedImage simulated_compile(const std::string& text, const std::string& architecture = "sm_90a") {
  const SimulatedCuda& c = simulated_cuda();
  SimulatedImage made;
  void* program = nullptr;
  c.nvrtcCreateProgram(&program, text.c_str(), "kernels.cu", 0, nullptr, nullptr);
  const std::string option = "--gpu-architecture=" + architecture;
  const char* const options[] = {option.c_str(), "--std=c++17", "--fmad=false"};
  made.result = c.nvrtcCompileProgram(program, 3, options);
  size_t bytes = 0;
  c.nvrtcGetProgramLogSize(program, &bytes);
  made.log.resize(bytes);
  c.nvrtcGetProgramLog(program, made.log.data());
  if (made.result == 0 && c.nvrtcGetCUBINSize(program, &bytes) == 0) {
    made.image.resize(bytes);
    c.nvrtcGetCUBIN(program, made.image.data());
  }
  c.nvrtcDestroyProgram(&program);
  return made;
}

// What a line of the report says; empty when there is none.
inline std::string simulated_value(const std::string& name) {
  const std::string text = "\n" + std::string(simulated_cuda().report());
  const size_t at = text.find("\n" + name + "=");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 2;
  return text.substr(begin, text.find('\n', begin) - begin);
}

class SimulatedCudaTest : public ::testing::Test {
 protected:
  static void say(const std::string& words) { setenv("SIMULATED_CUDA", words.c_str(), 1); }

  void SetUp() override {
    say("");
    const SimulatedImage probe = simulated_compile("extern \"C\" __global__ void probe() {}");
    if (probe.log.find("there is no compiler") != std::string::npos) GTEST_SKIP() << probe.log.c_str();
    ASSERT_EQ(probe.result, 0) << probe.log;
    ASSERT_EQ(c.cuInit(0), 0);
    ASSERT_EQ(c.cuDevicePrimaryCtxRetain(&context, 0), 0);
    ASSERT_EQ(c.cuCtxSetCurrent(context), 0);
    c.reset();
  }
  void TearDown() override {
    if (!context) return;
    say("");
    c.cuDevicePrimaryCtxReset_v2(0);
    c.cuDevicePrimaryCtxRelease_v2(0);
  }

  void* load(const std::string& text, const char* name) {
    const SimulatedImage made = simulated_compile(text);
    EXPECT_EQ(made.result, 0) << made.log;
    void *module = nullptr, *function = nullptr;
    if (made.result != 0) return nullptr;
    EXPECT_EQ(c.cuModuleLoadData(&module, made.image.data()), 0) << fault();
    EXPECT_EQ(c.cuModuleGetFunction(&function, module, name), 0) << name;
    return function;
  }
  Address allocate(size_t bytes) {
    Address address = 0;
    EXPECT_EQ(c.cuMemAlloc_v2(&address, bytes), 0) << fault();
    return address;
  }
  template <class T>
  Address upload(const std::vector<T>& values) {
    const Address address = allocate(values.size() * sizeof(T));
    EXPECT_EQ(c.cuMemcpyHtoD_v2(address, values.data(), values.size() * sizeof(T)), 0) << fault();
    return address;
  }
  template <class T = float>
  std::vector<T> download(Address address, size_t count) {
    std::vector<T> values(count);
    EXPECT_EQ(c.cuMemcpyDtoH_v2(values.data(), address, count * sizeof(T)), 0) << fault();
    return values;
  }
  template <class... A>
  int launch(void* function, unsigned blocks, unsigned threads, unsigned shared, void* stream, A... arguments) {
    void* pointers[] = {&arguments..., nullptr};
    return c.cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, shared, stream, pointers, nullptr);
  }
  static std::string fault() { return simulated_value("last_fault"); }

  const SimulatedCuda& c = simulated_cuda();
  void* context = nullptr;
};

inline const char* const simulated_orders[] = {"order=forward", "order=reverse", "order=random seed=7"};

}  // namespace tenon::testing
