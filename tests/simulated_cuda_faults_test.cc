// Mistakes of kernels that the simulated GPU finds: each ends the launch with a text that names kernel and thread, breaks the
// context as on a GPU, and leaves the process alone. Under AddressSanitizer the sanitizer ends the process where an address is
// wrong; that is looked at in a process of its own.
#include "tenon/tests/simulated_cuda.h"

namespace tenon::testing {
namespace {

using SimulatedCudaFaults = SimulatedCudaTest;

const bool sanitized = std::string(TENON_SANITIZE).find("address") != std::string::npos;

std::string kernel(const std::string& body) {
  return "extern \"C\" __global__ void wrong(float* x, int n) {\n" + body + "\n}";
}

struct Fault {
  const char *name, *body;
  int code;
  const char* said;
};

// What the shim itself sees, in whatever build.
TEST_F(SimulatedCudaFaults, OfThreadsThatShouldMeet) {
  const Fault faults[] = {
      {"ended", "if (threadIdx.x == 3) return;\n__syncthreads();", 719, "threads wait in line 3 and 1 have ended"},
      {"elsewhere", "if (threadIdx.x < 32) {\n__syncthreads();\n} else {\n__syncthreads();\n}", 719,
       "in line 3 and in line 5"},
      {"lanes", "if (threadIdx.x % 2) x[0] = __shfl_sync(0xffffffffu, x[0], 0);", 719, "lanes are missing"},
      {"mask", "x[0] = __shfl_sync(1u, x[0], 0);", 719, "is not in the mask"},
      {"both", "if (threadIdx.x == 0) __syncwarp(); else __syncthreads();", 719, "lanes are missing"},
      {"trap", "if (threadIdx.x == 9) __trap();", 719, "thread (9, 0, 0): line 2: __trap()"},
      {"copy", "__shared__ uint4 s[2];\ncopy_async_16((char*)s + 4, x, true);", 716, "not aligned"},
      {"condition", "cudaGraphSetConditional(1, 1);", 719, "outside of a graph"},
  };
  for (const Fault& f : faults)
    for (const char* order : simulated_orders) {
      say(order);
      void* function = load(kernel(f.body), "wrong");
      const Address x = upload(std::vector<float>(64));
      ASSERT_EQ(launch(function, 2, 64, 0, nullptr, x, 64), 0) << f.name;
      EXPECT_EQ(c.cuCtxSynchronize(), f.code) << f.name;
      EXPECT_NE(fault().find(f.said), std::string::npos) << f.name << ": " << fault();
      EXPECT_NE(fault().find("kernel wrong, block ("), std::string::npos) << fault();
      Address other = 0;
      EXPECT_EQ(c.cuMemAlloc_v2(&other, 4), f.code) << f.name << " is not sticky";
      EXPECT_EQ(c.cuDevicePrimaryCtxReset_v2(0), 0);
      c.reset();
    }
}

// What the processor or the compiler's checks see.
TEST_F(SimulatedCudaFaults, OfAddressesAndArithmetic) {
  const Fault faults[] = {
      {"null", "float* p = nullptr;\nif (n) *p = 1;", 700, "is not the device's"},
      {"shared array", "__shared__ float s[64];\ns[threadIdx.x + n - 63] = 1;\n__syncthreads();\nx[0] = s[0];", 719,
       "outside its array"},
      {"alignment", "*reinterpret_cast<float4*>(x + 1) = float4{1, 2, 3, 4};", 719, "not aligned"},
      {"overflow", "x[0] = (n << 20) * (n << 20);", 719, "overflows"},
      {"division", "x[0] = 1 / (n - 64);", 719, ""},
      {"stack", "volatile char big[SIZE];\nbig[n] = 1;\nx[0] = big[n];", 719, "the stack overflows"},
  };
  for (const Fault& f : faults) {
    std::string body = f.body;  // a stack is larger where the sanitizer spreads what lies on it
    if (const size_t at = body.find("SIZE"); at != std::string::npos)
      body.replace(at, 4, sanitized ? "262400" : "65792");
    void* function = load(kernel(body), "wrong");
    const Address x = upload(std::vector<float>(64));
    const auto run = [&] {
      launch(function, 1, 64, 0, nullptr, x, 64);
      return c.cuCtxSynchronize();
    };
    if (sanitized) {
      GTEST_FLAG_SET(death_test_style, "fast");
      EXPECT_DEATH(std::exit(run() == f.code ? 1 : 0), "") << f.name;
      continue;
    }
    EXPECT_EQ(run(), f.code) << f.name;
    EXPECT_NE(fault().find(f.said), std::string::npos) << f.name << ": " << fault();
    EXPECT_EQ(c.cuDevicePrimaryCtxReset_v2(0), 0);
    c.reset();
  }
}

// Between blocks lie known words, looked at when something has been waited for.
TEST_F(SimulatedCudaFaults, OutsideABlockOfMemory) {
  for (const int n : {100, -1}) {
    void* f = load(kernel("if (threadIdx.x == 0) x[n] = 1;"), "wrong");
    const Address x = upload(std::vector<float>(100));
    ASSERT_EQ(launch(f, 1, 32, 0, nullptr, x, 99), 0);
    ASSERT_EQ(c.cuCtxSynchronize(), 0);
    if (sanitized) {
      GTEST_FLAG_SET(death_test_style, "fast");
      EXPECT_DEATH((launch(f, 1, 32, 0, nullptr, x, n), c.cuCtxSynchronize()), "use-after-poison");
      continue;
    }
    ASSERT_EQ(launch(f, 1, 32, 0, nullptr, x, n), 0);
    EXPECT_EQ(c.cuCtxSynchronize(), 700);
    const std::string said = "of 400 bytes is written outside, at offset " + std::to_string(4 * n);
    EXPECT_NE(fault().find(said), std::string::npos) << fault();
    EXPECT_EQ(c.cuDevicePrimaryCtxReset_v2(0), 0);
  }
}

TEST_F(SimulatedCudaFaults, MemoryThatHasBeenFreed) {
  if (sanitized) GTEST_SKIP() << "AddressSanitizer ends the process";
  void* read =
      load("extern \"C\" __global__ void read(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }", "read");
  const Address x = upload(std::vector<float>(32, 1.0f)), y = allocate(32 * 4);
  ASSERT_EQ(c.cuMemFree_v2(x), 0);
  ASSERT_EQ(launch(read, 1, 32, 0, nullptr, x, y), 0);
  for (const float v : download(y, 32)) EXPECT_NE(v, v);  // NaNs
  EXPECT_EQ(c.cuMemcpyHtoD_v2(x, &x, 4), 1);
  EXPECT_EQ(c.cuMemFree_v2(x), 1);
  ASSERT_EQ(launch(read, 1, 32, 0, nullptr, upload(std::vector<float>(32)), x), 0);
  EXPECT_EQ(c.cuCtxSynchronize(), 700);
  EXPECT_NE(fault().find("a freed block of 128 bytes is written"), std::string::npos) << fault();
}

// What is not written stays NaN; so does shared memory, block after block.
TEST_F(SimulatedCudaFaults, MemoryThatNobodyWrote) {
  void* f = load(
      "extern \"C\" __global__ void part(float* x) {\n  extern __shared__ uint4 more[];\n  __shared__ float s[64];\n"
      "  if (threadIdx.x == 0) x[blockIdx.x * 2] = s[blockIdx.x], x[blockIdx.x * 2 + 1] = *(float*)more;\n"
      "  for (int i = 0; i < 64; ++i) s[i] = 0;\n  *(float*)more = 0;\n}",
      "part");
  const Address x = allocate(10 * 4);
  ASSERT_EQ(launch(f, 4, 32, 64, nullptr, x), 0);
  for (const float v : download(x, 10)) EXPECT_NE(v, v);
}

TEST_F(SimulatedCudaFaults, TheHostMayNotTouchDeviceMemory) {
  const Address x = upload(std::vector<float>(4, 1.0f));
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(std::exit(static_cast<int>(*reinterpret_cast<const volatile float*>(x))), "");
}

}  // namespace
}  // namespace tenon::testing
