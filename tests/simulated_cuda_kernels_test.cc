// Kernels on the simulated GPU, written by hand as generated ones are: their values, in every order of threads, and the mistakes that it
// is there to find, each found in one order at least.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tenon/tests/simulated_cuda.h"

namespace tenon::testing {
namespace {

using SimulatedCudaKernels = SimulatedCudaTest;

std::vector<float> numbers(size_t count, float scale = 1) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = scale * (static_cast<float>(i * 37 % 101) - 50);
  return values;
}
uint16_t bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<uint16_t>(bits >> 16);  // of numbers that fit
}

TEST_F(SimulatedCudaKernels, ElementwiseWithATail) {
  void* f = load(R"(
extern "C" __global__ void __launch_bounds__(256) twice(const float* __restrict__ x, float* y, const long long n) {
  for (long long i = 4 * (blockIdx.x * 256ll + threadIdx.x); i < n; i += 4ll * 256 * gridDim.x) {
    if (i + 4 <= n) {
      float4 v = *reinterpret_cast<const float4*>(x + i);
      v.x *= 2, v.y *= 2, v.z *= 2, v.w *= 2;
      *reinterpret_cast<float4*>(y + i) = v;
    } else {
      for (long long j = i; j < n; ++j) y[j] = x[j] * 2;
    }
  }
})",
                 "twice");
  const std::vector<float> x = numbers(10007);
  const Address dx = upload(x);
  for (const char* order : simulated_orders) {
    say(order);
    const Address dy = allocate(x.size() * 4);
    ASSERT_EQ(launch(f, 5, 256, 0, nullptr, dx, dy, static_cast<long long>(x.size())), 0);
    const std::vector<float> y = download(dy, x.size());
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], 2 * x[i]) << order << " " << i;
  }
  EXPECT_EQ(simulated_value("kernels_run"), "3");
  EXPECT_EQ(launch(f, 1, 512, 0, nullptr, dx, dx, 1ll), 701);  // more than the bounds say
}

const char* const softmax = R"(
constexpr int threads = 128;
template <class F> __device__ __forceinline__ float together(float value, F join, float (&parts)[threads / 32]) {
  for (int by = 16; by > 0; by /= 2) value = join(value, __shfl_xor_sync(0xffffffffu, value, by));
  BARRIER
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  float all = parts[0];
  for (int i = 1; i < threads / 32; ++i) all = join(all, parts[i]);
  return all;
}
extern "C" __global__ void __launch_bounds__(threads) softmax(const float* x, float* y, int n) {
  __shared__ float parts[threads / 32];
  const float* row = x + blockIdx.x * n;
  float most = -1e30f, sum = 0;
  for (int i = threadIdx.x; i < n; i += threads) most = max(most, row[i]);
  most = together(most, [](float a, float b) { return max(a, b); }, parts);
  for (int i = threadIdx.x; i < n; i += threads) sum += expf(row[i] - most);
  sum = together(sum, [](float a, float b) { return a + b; }, parts);
  for (int i = threadIdx.x; i < n; i += threads) y[blockIdx.x * n + i] = expf(row[i] - most) / sum;
})";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at; (at = text.find(what)) != std::string::npos;) text.replace(at, what.size(), by);
  return text;
}

TEST_F(SimulatedCudaKernels, RowSoftmaxAndItsMissingBarrier) {
  constexpr int rows = 7, n = 301;
  const std::vector<float> x = numbers(rows * n, 0.1f);
  const Address dx = upload(x), dy = allocate(x.size() * 4);
  const auto wrong = [&](void* f) {
    EXPECT_EQ(launch(f, rows, 128, 0, nullptr, dx, dy, n), 0);
    const std::vector<float> y = download(dy, x.size());
    int count = 0;
    for (int r = 0; r < rows; ++r) {
      double sum = 0;
      for (int i = 0; i < n; ++i) sum += std::exp(double{x[r * n + i]});
      for (int i = 0; i < n; ++i) count += !(std::abs(y[r * n + i] - std::exp(double{x[r * n + i]}) / sum) < 1e-6);
    }
    return count;
  };
  void* good = load(replaced(softmax, "BARRIER", "__syncthreads();"), "softmax");
  void* bad = load(replaced(softmax, "BARRIER", ""), "softmax");
  bool found = false;
  for (const char* order : simulated_orders) {
    say(order);
    EXPECT_EQ(wrong(good), 0) << order;
    found |= wrong(bad) != 0;
  }
  EXPECT_TRUE(found);
}

TEST_F(SimulatedCudaKernels, TiledMatrixProductInDynamicSharedMemory) {
  void* f = load(R"(
extern "C" __global__ void product(const float* a, const float* b, float* c, int m, int n, int k) {
  extern __shared__ float4 memory[];
  float* const as = reinterpret_cast<float*>(memory);
  float* const bs = as + 16 * 16;
  const int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  float sum = 0;
  for (int first = 0; first < k; first += 16) {
    as[threadIdx.y * 16 + threadIdx.x] = row < m && first + threadIdx.x < k ? a[row * k + first + threadIdx.x] : 0;
    bs[threadIdx.y * 16 + threadIdx.x] = column < n && first + threadIdx.y < k ? b[(first + threadIdx.y) * n + column] : 0;
    __syncthreads();
    for (int i = 0; i < 16; ++i) sum += as[threadIdx.y * 16 + i] * bs[i * 16 + threadIdx.x];
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
})",
                 "product");
  int m = 33, n = 50, k = 41;
  const std::vector<float> a = numbers(static_cast<size_t>(m * k)), b = numbers(static_cast<size_t>(k * n));
  Address da = upload(a), db = upload(b), dc = allocate(static_cast<size_t>(m * n) * 4);
  void* arguments[] = {&da, &db, &dc, &m, &n, &k};
  for (const char* order : simulated_orders) {
    say(order);
    ASSERT_EQ(c.cuLaunchKernel(f, 4, 3, 1, 16, 16, 1, 2048, nullptr, arguments, nullptr), 0);
    const std::vector<float> found = download(dc, static_cast<size_t>(m * n));
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        float sum = 0;
        for (int l = 0; l < k; ++l) sum += a[i * k + l] * b[l * n + j];
        ASSERT_EQ(found[i * n + j], sum) << order;
      }
  }
  // One word too few.
  ASSERT_EQ(c.cuLaunchKernel(f, 1, 1, 1, 16, 16, 1, 2044, nullptr, arguments, nullptr), 0);
  EXPECT_EQ(c.cuCtxSynchronize(), 700);
  EXPECT_NE(fault().find("dynamic shared memory of 2044 bytes is written at offset 2044"), std::string::npos)
      << fault();
}

// A tile of 16 x 8, k by steps of 16, through asynchronous copies in two buffers.
const char* const tensor_cores = R"(
extern "C" __global__ void product(const unsigned short* a, const unsigned short* b, float* c, int k) {
  __shared__ alignas(16) unsigned short as[2][16][16], bs[2][8][16];
  const int lane = threadIdx.x, steps = k / 16;
  const auto fetch = [&](int step) {
    copy_async_16(&as[step % 2][lane / 2][lane % 2 * 8], a + lane / 2 * k + step * 16 + lane % 2 * 8, true);
    if (lane < 16) copy_async_16(&bs[step % 2][lane / 2][lane % 2 * 8], b + lane / 2 * k + step * 16 + lane % 2 * 8, true);
    copy_async_commit();
  };
  float d[4] = {0, 0, 0, 0};
  fetch(0);
  for (int step = 0; step < steps; ++step) {
    if (step + 1 < steps) { fetch(step + 1); WAIT1; } else { WAIT0; }
    __syncthreads();
    unsigned fa[4], fb[2];
    load_matrices(fa, &as[step % 2][lane % 16][lane / 16 * 8]);
    for (int i = 0; i < 2; ++i) {
      const unsigned short* p = &bs[step % 2][lane / 4][lane % 4 * 2 + i * 8];
      fb[i] = p[0] | unsigned(p[1]) << 16;
    }
    mma_m16n8k16_f32_bf16(d, fa, fb);
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
})";

TEST_F(SimulatedCudaKernels, MatrixProductsOfAWarpWithCopiesThatArriveLate) {
  constexpr int k = 64;
  std::vector<uint16_t> a(16 * k), b(8 * k);
  std::vector<float> fa = numbers(16 * k, 0.5f), fb = numbers(8 * k, 0.25f);
  for (size_t i = 0; i < a.size(); ++i) a[i] = bf16(fa[i]);
  for (size_t i = 0; i < b.size(); ++i) b[i] = bf16(fb[i]);
  const Address da = upload(a), db = upload(b), dc = allocate(16 * 8 * 4);
  const auto wrong = [&](void* f) {
    EXPECT_EQ(launch(f, 1, 32, 0, nullptr, da, db, dc, k), 0);
    const std::vector<float> found = download(dc, 16 * 8);
    int count = 0;
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 8; ++j) {
        float sum = 0;
        for (int l = 0; l < k; ++l) sum += fa[i * k + l] * fb[j * k + l];
        count += !(found[i * 8 + j] == sum);
      }
    return count;
  };
  const auto text = [&](const char* one, const char* none) {
    return replaced(replaced(tensor_cores, "WAIT1", one), "WAIT0", none);
  };
  void* good = load(text("copy_async_wait<1>()", "copy_async_wait<0>()"), "product");
  void* bad = load(text("copy_async_wait<1>()", ""), "product");
  void* early = load(text("copy_async_wait<2>()", "copy_async_wait<0>()"), "product");
  for (const char* order : simulated_orders) {
    say(order);
    EXPECT_EQ(wrong(good), 0) << order;
    EXPECT_GT(wrong(bad), 0) << order;
    EXPECT_GT(wrong(early), 0) << order;
  }
  say("late=0");
  EXPECT_EQ(wrong(good), 0);
  EXPECT_EQ(wrong(bad), 0);  // this is why they are late
}

TEST_F(SimulatedCudaKernels, WordsOfCuda) {
  void* f = load(R"(
__device__ unsigned short halves(unsigned short x) { return f32_to_f16(f16_to_f32(x)); }
extern "C" __global__ void words(unsigned* out, int* atomic) {
  const unsigned all = 0xffffffffu, lane = threadIdx.x;
  unsigned bad = 0;
  bad |= (__ballot_sync(all, lane & 1) != 0xaaaaaaaau) << 0;
  bad |= (__shfl_sync(all, lane, 3, 8) != (lane & ~7u) + 3) << 1;
  bad |= (__shfl_down_sync(all, lane, 2, 16) != (lane % 16 < 14 ? lane + 2 : lane)) << 2;
  bad |= (__shfl_up_sync(all, 2.0 * lane, 1) != 2.0 * (lane ? lane - 1 : 0)) << 3;
  bad |= (__any_sync(all, lane == 5) != 1 || __all_sync(all, lane == 5) != 0 || __all_sync(all, 1) != 1) << 4;
  bad |= (__reduce_add_sync(all, lane) != 496) << 5;
  if (lane < 16) bad |= (__shfl_xor_sync(0xffffu, lane, 8) != (lane ^ 8)) << 6;
  __syncwarp();
  bad |= (__popc(0xf0u) != 4 || __clz(1) != 31 || __ffs(8) != 4 || __brev(1) != 0x80000000u) << 7;
  bad |= (__umulhi(0x80000000u, 6) != 3 || __mulhi(-1, 5) != -1 || __umul64hi(1ull << 63, 6) != 3) << 8;
  bad |= (__double2float_rz(1 + 0x1.8p-24) != 1 || __double2float_rz(1e300) != 3.40282347e38f) << 9;
  bad |= (__ll2double_rz(-(1ll << 62) - 1) != -0x1p62 || __ull2double_rz(~0ull) != 0x1.fffffffffffffp63) << 10;
  bad |= (f32_to_f16(65520) != 0x7c00 || f32_to_f16(0x1p-25f) != 0 || f32_to_f16(0x1.8p-25f) != 1) << 11;
  for (unsigned i = lane; i < 0x7c00; i += 32) bad |= (halves(i) != i) << 12;
  bad |= (f64_to_f16(1 + 0x1p-11 + 0x1p-40) != 0x3c01) << 13;
  bad |= (blockDim.x != 32 || gridDim.x != 3 || gridDim.y != 2 || warpSize != 32) << 14;
  atomicAdd(atomic, 1), atomicMax(atomic + 1, int(lane)), atomicCAS(atomic + 2, 0, 9);
  out[(blockIdx.y * 3 + blockIdx.x) * 32 + lane] = bad;
})",
                 "words");
  Address out = allocate(6 * 32 * 4), atomic = upload(std::vector<int>(3));
  void* arguments[] = {&out, &atomic};
  ASSERT_EQ(c.cuLaunchKernel(f, 3, 2, 1, 32, 1, 1, 0, nullptr, arguments, nullptr), 0);
  EXPECT_EQ(download<uint32_t>(out, 6 * 32), std::vector<uint32_t>(6 * 32)) << fault();
  EXPECT_EQ(download<int>(atomic, 3), (std::vector<int>{192, 31, 9}));
}

}  // namespace
}  // namespace tenon::testing
