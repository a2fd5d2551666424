// What NVRTC's machine code does, read from cubins: kernels of every way of using a grid keep within registers, and what the
// renderer promises as accesses of 16 bytes are such. Needs NVRTC and no GPU; skips where there is none.
#include "tenon/codegen/cuda/cubin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace tenon {
namespace {

using namespace ir;
using codegen::CubinCode;
using codegen::CudaSource;

struct Named {
  const char* text;
  bool packs = true;  // of 16 bytes, promised
};

constexpr Named kernels[] = {
    {"kernel @map(%a: in f32[1000000], %b: in f32[1000000], %c: in f32[1000000], %d: in f32[1000000], %y: out "
     "f32[1000000]) { vector %0 < 1000000 { %1 = load %a[%0] %2 = load %b[%0] %3 = load %c[%0] %4 = load %d[%0] "
     "%5 = fma %1, %2, %3 %6 = add %5, %4 store %y[%0], %6 } }"},
    {"kernel @map_halves(%a: in bf16[1000001], %b: in bf16[1000001], %y: out bf16[1000001]) { vector %0 < 1000001 { "
     "%1 = load %a[%0] %2 = load %b[%0] %3 = cast f32 %1 %4 = cast f32 %2 %5 = mul %3, %4 %6 = cast bf16 %5 "
     "store %y[%0], %6 } }"},
    {"kernel @add_row(%x: in f32[8192, 1024], %b: in f32[1024], %y: out f32[8192, 1024]) { parallel %0 < 8192 { vector "
     "%1 < 1024 { %2 = load %x[%0, %1] %3 = load %b[%1] %4 = add %2, %3 store %y[%0, %1], %4 } } }"},
    {"kernel @softmax(%x: in f32[8192, 4096], %y: out f32[8192, 4096]) { parallel %0 < 8192 { scratch %k: f32[4096] "
     "%1 = reduce(max) lanes 16 block 512 %2 < 4096 { %3 = load %x[%0, %2] yield %3 } "
     "%4 = reduce(add) lanes 16 block 512 %5 < 4096 { %6 = load %x[%0, %5] %7 = sub %6, %1 %8 = fma %7, %7, %7 "
     "store %k[%5], %8 yield %8 } %9 = div f32 1, %4 "
     "vector %10 < 4096 { %11 = load %k[%10] %12 = mul %11, %9 store %y[%0, %10], %12 } } }"},
    {"kernel @layer_norm(%x: in bf16[8192, 1024], %s: in bf16[1024], %y: out bf16[8192, 1024]) { parallel %0 < 8192 { "
     "%1, %2 = reduce(add, add) lanes 16 block 512 %3 < 1024 { %4 = load %x[%0, %3] %5 = cast f32 %4 %6 = mul %5, %5 "
     "yield %5, %6 } %7 = mul %1, f32 0.0009765625 %8 = mul %2, f32 0.0009765625 "
     "vector %9 < 1024 { %10 = load %x[%0, %9] %11 = cast f32 %10 %12 = sub %11, %7 %13 = mul %12, %8 %14 = load "
     "%s[%9] "
     "%15 = cast f32 %14 %16 = mul %13, %15 %17 = cast bf16 %16 store %y[%0, %9], %17 } } }"},
    {"kernel @row_sum(%x: in f32[8192, 300], %y: out f32[8192]) { parallel %0 < 8192 { %1 = reduce(add) lanes 16 block "
     "512 %2 < 300 { %3 = load %x[%0, %2] yield %3 } store %y[%0], %1 } }"},
    {"kernel @column_sum(%x: in f32[8192, 1024], %y: out f32[1024]) { vector %0 < 1024 { %1 = reduce(add) lanes 1 "
     "block "
     "64 %2 < 8192 { %3 = load %x[%2, %0] yield %3 } store %y[%0], %1 } }",
     false},
    {"kernel @transpose(%x: in f32[4096, 2048], %y: out f32[2048, 4096]) { parallel %0 < 2048 { vector %1 < 4096 { "
     "%2 = load %x[%1, %0] store %y[%0, %1], %2 } } }",
     false},
    {"kernel @cumsum(%x: in f32[8192, 100], %y: out f32[8192, 100]) { parallel %0 < 8192 { %1 = serial %2 < 100 carry "
     "%3 = f32 -0 { %4 = load %x[%0, %2] %5 = add %3, %4 store %y[%0, %2], %5 yield %5 } } }",
     false},
    {"kernel @gather(%i: in i64[8192], %t: in f32[5000, 64], %y: out f32[8192, 64]) { parallel %0 < 8192 { %1 = load "
     "%i[%0] %2 = max %1, 0 %3 = min %2, 4999 vector %4 < 64 { %5 = load %t[%3, %4] store %y[%0, %4], %5 } } }"},
};

CudaSource render(const char* text, int64_t alignment = 16) {
  const Kernel kernel = parse_kernel(text);
  EXPECT_EQ(verify(kernel), std::vector<std::string>{}) << text;
  const std::vector<int64_t> alignments(kernel.buffers.size(), alignment);
  CudaSource source = codegen::render_cuda(kernel, Target::cuda_sm(90), alignments);
  EXPECT_EQ(source.reason, "");
  return source;
}

// What the code does that the renderer did not say, or the other way round. Loops are unrolled, so an access may stand there often.
std::string fault(const CudaSource& source, const CubinCode& code) {
  const auto differ = [](int promised, int found) { return promised == 0 ? found != 0 : found < promised; };
  if (code.local_loads + code.local_stores > 0) return source.entry + " uses local memory";
  if (differ(source.wide_loads, code.loads.bits128))
    return source.entry + " loads 16 bytes at " + std::to_string(code.loads.bits128) + " places, not " +
           std::to_string(source.wide_loads);
  if (differ(source.wide_stores, code.stores.bits128))
    return source.entry + " stores 16 bytes at " + std::to_string(code.stores.bits128) + " places, not " +
           std::to_string(source.wide_stores);
  return "";
}

TEST(Cubin, KernelsStayInRegistersAndMoveWhatTheyPromise) {
  std::vector<CudaSource> sources;
  for (const Named& k : kernels) {
    sources.push_back(render(k.text));
    EXPECT_EQ(sources.back().wide_loads + sources.back().wide_stores > 0, k.packs) << sources.back().text;
  }
  for (int sm : {80, 90, 100}) {
    const codegen::Cubin cubin = codegen::compile_cuda(codegen::cuda_module(sources), sm);
    if (!cubin.found) GTEST_SKIP() << cubin.log;
    ASSERT_TRUE(cubin.ok) << cubin.log;
    const auto codes = codegen::read_cubin(cubin.image);
    ASSERT_TRUE(codes);
    ASSERT_EQ(cubin.kernels.size(), sources.size()) << cubin.log;
    for (const CudaSource& s : sources) {
      const auto named = [&](const auto& k) { return k.name == s.entry; };
      const auto code = std::find_if(codes->begin(), codes->end(), named);
      const auto said = std::find_if(cubin.kernels.begin(), cubin.kernels.end(), named);
      ASSERT_NE(code, codes->end()) << s.entry;
      ASSERT_NE(said, cubin.kernels.end()) << s.entry;
      EXPECT_EQ(fault(s, *code), "") << "sm_" << sm << "\n" << s.text;
      EXPECT_EQ(said->spill_loads + said->spill_stores + said->stack, 0) << s.entry << "\n" << s.text;
      EXPECT_GT(said->registers, 0);
      EXPECT_LE(said->registers, 64) << s.entry;
      EXPECT_EQ(code->matrix + code->group_matrix, 0);
      if (std::getenv("TENON_SHOW_CUBIN"))
        std::printf("sm_%d %-18s %3d registers %5d instructions, loads %d/%d/%d, stores %d/%d/%d, shared %d\n", sm,
                    s.entry.c_str(), said->registers, code->instructions, code->loads.bits32, code->loads.bits64,
                    code->loads.bits128, code->stores.bits32, code->stores.bits64, code->stores.bits128, said->shared);
    }
  }
}

// A text that moves 16 bytes where the renderer proved nothing, and one that does not where it did.
TEST(Cubin, AccessesThatWereNotPromisedAreFound) {
  CudaSource proved = render(kernels[0].text), unproved = render(kernels[0].text, 4);
  EXPECT_EQ(unproved.wide_loads + unproved.wide_stores, 0) << unproved.text;
  const auto code_of = [](const CudaSource& source) -> std::optional<CubinCode> {
    const codegen::Cubin cubin = codegen::compile_cuda(codegen::cuda_module(std::span(&source, 1)), 90);
    if (!cubin.ok) return std::nullopt;
    return codegen::read_cubin(cubin.image).value().at(0);
  };
  const auto right = code_of(proved), also_right = code_of(unproved);
  if (!right || !also_right) GTEST_SKIP() << "no NVRTC";
  EXPECT_EQ(fault(proved, *right), "");
  EXPECT_EQ(fault(unproved, *also_right), "");
  EXPECT_NE(fault(unproved, *right), "");
  EXPECT_NE(fault(proved, *also_right), "");
}

// Bytes that are no cubin, or one that was cut or changed anywhere, give nothing or something, and no read outside.
TEST(Cubin, HostileBytesAreRefused) {
  EXPECT_FALSE(codegen::read_cubin(""));
  EXPECT_FALSE(
      codegen::read_cubin("\x7f"
                          "ELF"));
  EXPECT_FALSE(codegen::read_cubin(std::string(4096, '\xff')));
  const CudaSource source = render(kernels[0].text);
  const codegen::Cubin cubin = codegen::compile_cuda(codegen::cuda_module(std::span(&source, 1)), 90);
  if (!cubin.ok) GTEST_SKIP() << cubin.log;
  for (size_t size = 0; size < cubin.image.size() / 2; size += 1 + size / 64)
    EXPECT_FALSE(codegen::read_cubin(std::string(cubin.image, 0, size))) << size;  // the table of sections stands later
  uint64_t random = 1;
  for (int n = 0; n < 20000; ++n) {
    std::string changed = cubin.image;
    for (int k = 0; k < 3; ++k) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const size_t at = (random >> 33) % (n % 2 ? 64 : changed.size());
      changed[at] = static_cast<char>(random >> 24);
    }
    codegen::read_cubin(changed);
  }
  for (const char* log :
       {"", "Compiling entry function '", "Compiling entry function 'x'\n99999999999999999999 registers",
        " registers\n", "Compiling entry function 'x' \n bytes smem"})
    codegen::read_ptxas_log(log);
}

}  // namespace
}  // namespace tenon
