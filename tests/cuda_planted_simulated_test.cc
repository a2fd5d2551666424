// Faults planted in rendered kernels: each is caught by running the text on the simulated GPU, in at least one of three orders. The
// kernel as it was rendered passes every one of them, so what is caught is the fault. An access of 16 bytes that nothing proves is
// caught in the machine code (tests/cuda_cubin_test.cc).
#include <cmath>
#include <cstring>
#include <functional>

#include "tenon/codegen/codegen.h"
#include "tenon/tests/simulated_cuda.h"

namespace tenon::testing {
namespace {

using Floats = std::vector<float>;

struct Planted {
  const char* what;
  const char* find;  // in the kernel's text; its first place
  const char* replace;
};

struct Rendered {
  codegen::CudaSource source;
  unsigned blocks;
};

Rendered render(const char* text, unsigned blocks, int64_t alignment = 16) {
  const ir::Kernel kernel = ir::parse_kernel(text);
  const std::vector<int64_t> alignments(kernel.buffers.size(), alignment);
  return {codegen::render_cuda(kernel, Target::cuda_sm(90), alignments), blocks};
}

class CudaPlantedSimulated : public SimulatedCudaTest {
 protected:
  void SetUp() override {
    if (std::string_view(TENON_SANITIZE) == "address")
      GTEST_SKIP() << "AddressSanitizer catches what is planted by itself, and ends the process";
    SimulatedCudaTest::SetUp();
  }

  // Runs a module's text on x in one order: the result, or nothing where the driver said that the kernel failed.
  Floats run(const Rendered& r, const std::string& text, const Floats& x, size_t results, const char* words) {
    say(words);
    codegen::CudaSource source = r.source;
    source.text = text;
    const std::string module = codegen::cuda_module(std::span(&source, 1));
    void* function = load(module, source.entry.c_str());
    if (function == nullptr) return {};
    const Address in = upload(x), out = allocate(results * sizeof(float));
    Floats y(results);
    const bool well = launch(function, r.blocks, static_cast<unsigned>(source.threads), 0, nullptr, in, out) == 0 &&
                      c.cuCtxSynchronize() == 0 && c.cuMemcpyDtoH_v2(y.data(), out, results * sizeof(float)) == 0;
    if (well) {
      c.cuMemFree_v2(in);
      c.cuMemFree_v2(out);
      if (c.cuCtxSynchronize() == 0) return y;
    }
    TearDown();  // a broken context serves nobody
    SetUp();
    return {};
  }

  static bool same(const Floats& a, const Floats& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  }

  void expect_caught(const Rendered& r, const Floats& x, const Floats& expected,
                     std::initializer_list<Planted> faults) {
    const char* const orders[] = {"order=forward", "order=reverse", "order=random seed=7"};
    for (const char* order : orders)
      ASSERT_TRUE(same(run(r, r.source.text, x, expected.size(), order), expected)) << order << "\n" << r.source.text;
    for (const Planted& p : faults) {
      std::string text = r.source.text;
      const size_t at = text.find(p.find);
      ASSERT_NE(at, std::string::npos) << p.find << " is not in\n" << text;
      text.replace(at, std::strlen(p.find), p.replace);
      int caught = 0;
      for (const char* order : orders) caught += !same(run(r, text, x, expected.size(), order), expected);
      EXPECT_GT(caught, 0) << p.what << " was not caught in\n" << text;
    }
  }
};

Floats numbers(size_t count) {
  Floats x(count);
  for (size_t i = 0; i < count; ++i) x[i] = static_cast<float>((i * 2654435761u >> 8) % 1000) / 256.f - 2;
  return x;
}

TEST_F(CudaPlantedSimulated, ATailOfAMap) {
  const Floats x = numbers(1003);
  Floats expected;
  for (const float v : x) expected.push_back(v + v);
  expect_caught(
      render("kernel @map(%a: in f32[1003], %y: out f32[1003]) { vector %0 < 1003 { %1 = load %a[%0] %2 = add "
             "%1, %1 store %y[%0], %2 } }",
             2),
      x, expected,
      {{"a mask of the tail that is one too wide", "store_pack<4>(b_y + v0, p1, left)",
        "store_pack<4>(b_y + v0, p1, left + 1)"},
       {"a mask of the tail that is one too narrow", "store_pack<4>(b_y + v0, p1, left)",
        "store_pack<4>(b_y + v0, p1, left - 1)"},
       {"no mask of the tail", "store_pack<4>(b_y + v0, p1, left)", "store_pack<4>(b_y + v0, p1)"},
       {"an index one off", "load_pack<4>(b_a + v0, left)", "load_pack<4>(b_a + v0 + 4, left)"},
       {"a block that is left out", "at < 251u", "at < 250u"}});
}

TEST_F(CudaPlantedSimulated, ATileOfATranspose) {
  const Floats x = numbers(96 * 70);
  Floats expected(x.size());
  for (size_t i = 0; i < 70; ++i)
    for (size_t j = 0; j < 96; ++j) expected[i * 96 + j] = x[j * 70 + i];
  expect_caught(
      render("kernel @transpose(%x: in f32[96, 70], %y: out f32[70, 96]) { parallel %0 < 70 { vector %1 < 96 { "
             "%2 = load %x[%1, %0] store %y[%0, %1], %2 } } }",
             4),
      x, expected,
      {{"a missing barrier", "__syncthreads();", ""},
       {"an index of the tile one off", "tile0[x][step]", "tile0[x][step + 1]"},
       {"rows and columns of the tile mistaken", "tile0[x][step]", "tile0[step][x]"},
       {"a mask that lets the last row out", "v2 < 70", "v2 < 71"}});
}

TEST_F(CudaPlantedSimulated, ARowOnChip) {
  constexpr size_t rows = 3, columns = 4096;
  const Rendered r = render(
      "kernel @kept(%x: in f32[3, 4096], %y: out f32[3, 4096]) { parallel %0 < 3 { scratch %k: f32[4096] %1 = "
      "reduce(max) "
      "lanes 16 block 512 %2 < 4096 { %3 = load %x[%0, %2] %4 = add %3, %3 store %k[%2], %4 yield %4 } vector %5 < "
      "4096 { "
      "%6 = load %k[%5] %7 = sub %6, %1 store %y[%0, %5], %7 } } }",
      2);
  const Floats x = numbers(rows * columns);
  Floats expected(x.size());
  for (size_t i = 0; i < rows; ++i) {
    float most = -INFINITY;
    for (size_t j = 0; j < columns; ++j) most = std::max(most, x[i * columns + j] + x[i * columns + j]);
    for (size_t j = 0; j < columns; ++j) expected[i * columns + j] = x[i * columns + j] + x[i * columns + j] - most;
  }
  expect_caught(r, x, expected,
                {{"an element of the row kept in the place of its neighbour", "b_k[v1] =", "b_k[v1 ^ 1] ="},
                 {"an element kept beyond the row", "b_k[v1] =", "b_k[v1 + 1] ="}});
}

}  // namespace
}  // namespace tenon::testing
