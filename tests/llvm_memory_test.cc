// Memory and control in kernels rendered through LLVM: strides, gathers, reversals, masks that run out of bounds, flat
// indices taken apart, non-temporal stores at every alignment, carried values, rare parts, memory of one iteration.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "tenon/tests/compiled.h"

namespace tenon::testing {
namespace {

Compiled compile(const std::string& text, const Target& target = codegen::host_target()) {
  return Compiled(program_of(ir::parse_kernel(text)), target);
}

TEST(LlvmMemory, StridesAndReversals) {
  Compiled code = compile(R"(kernel @t(%x: in f32[n, m], %y: out f32[m, n], %z: out f32[m, n]) {
  parallel %0 < m {
    %3 = add n, -1
    vector %1 < n {
      %2 = load %x[%1, %0]
      %4 = sub %3, %1
      store %y[%0, %1], %2
      store %z[%0, %4], %2
    }
  }
})");
  for (int64_t n : {1, 5, 16, 33, 70}) {
    for (int64_t m : {1, 3, 17}) {
      std::vector<float> x(n * m), y(n * m), z(n * m);
      std::iota(x.begin(), x.end(), 1.f);
      ASSERT_EQ(code.run({x.data()}, {y.data(), z.data()}, {n, m}), 0);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < m; ++j) {
          ASSERT_EQ(y[j * n + i], x[i * m + j]);
          ASSERT_EQ(z[j * n + n - 1 - i], x[i * m + j]);
        }
    }
  }
}

TEST(LlvmMemory, ReadsBackwards) {
  Compiled code = compile(R"(kernel @t(%x: in i16[n], %y: out i16[n]) {
  %1 = add n, -1
  vector %0 < n {
    %2 = sub %1, %0
    %3 = load %x[%2]
    store %y[%0], %3
  }
})");
  for (int64_t n = 0; n < 100; ++n) {
    std::vector<int16_t> x(n + 1), y(n + 1, -7);
    std::iota(x.begin(), x.end(), int16_t{1});
    ASSERT_EQ(code.run({x.data()}, {y.data()}, {n}), 0);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], x[n - 1 - i]);
    ASSERT_EQ(y[n], -7);
  }
}

// Padding: the mask is false where the index runs out of the buffer on either side.
TEST(LlvmMemory, MaskedLoadsStayInside) {
  for (const Target& target : {codegen::host_target(), Target::portable()}) {
    Compiled code = compile(R"(kernel @t(%x: in f32[n], %y: out f32[m], %z: out bool[m]) {
  vector %0 < m {
    %1 = add %0, -5
    %2 = ge %1, 0
    %3 = lt %1, n
    %4 = bit_and %2, %3
    %5 = load %x[%1] if %4 else f32 -1
    store %y[%0], %5
    store %z[%0], %4
  }
})",
                            target);
    for (int64_t n : {0, 1, 7, 16, 40}) {
      const int64_t m = n + 23;
      std::vector<float> x(n), y(m);
      std::vector<unsigned char> z(m, 9);
      std::iota(x.begin(), x.end(), 1.f);
      ASSERT_EQ(code.run({n ? x.data() : nullptr}, {y.data(), z.data()}, {n, m}), 0);
      for (int64_t i = 0; i < m; ++i) {
        const bool inside = i >= 5 && i - 5 < n;
        ASSERT_EQ(y[i], inside ? x[i - 5] : -1.f);
        ASSERT_EQ(z[i], inside ? 1 : 0);
      }
    }
  }
}

// Guards that change at one place, whatever it is, and at several that are known: the loop is in pieces, and reads no more than
// there is.
TEST(LlvmMemory, GuardedLoadsInPieces) {
  const Target targets[] = {codegen::host_target(), Target::portable()};
  for (const Target& target : targets) {
    Compiled joined = compile(R"(kernel @t(%x: in f32[n], %y: in f32[m], %z: out f32[k]) {
  %a = neg n
  vector %i < k {
    %j = add %i, %a
    %b = ge %i, n
    %v = load %y[%j] if %b else f32 0
    %c = lt %i, n
    %w = load %x[%i] if %c else %v
    store %z[%i], %w
  }
})",
                              target);
    for (int64_t n : {0, 1, 15, 16, 17, 63, 64, 65, 200})
      for (int64_t m : {0, 1, 16, 33, 64, 130}) {
        const int64_t k = n + m;
        std::vector<float> x(n), y(m), z(k + 1, -1.f);
        for (int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(i + 1);
        for (int64_t i = 0; i < m; ++i) y[i] = static_cast<float>(1000 + i);
        for (bool pieces : {false, true}) {
          ASSERT_EQ(joined.run({x.data(), y.data()}, {z.data()}, {n, m, k}, pieces), 0);
          for (int64_t i = 0; i < k; ++i) ASSERT_EQ(z[i], i < n ? x[i] : y[i - n]) << n << " " << m << " at " << i;
          ASSERT_EQ(z[k], -1.f);
        }
      }
    Compiled border = compile(R"(kernel @t(%x: in f32[100], %z: out f32[173], %g: out bool[173]) {
  vector %i < 173 {
    %j = add %i, -37
    %b = ge %j, 0
    %c = lt %j, 100
    %d = bit_and %b, %c
    %v = load %x[%j] if %d else f32 5
    %e = lt %i, 150
    %w = select %e, %v, f32 6
    store %z[%i], %w
    store %g[%i], %d
  }
})",
                              target);
    std::vector<float> x(100), z(174, -1.f);
    std::vector<unsigned char> g(174, 9);
    for (int64_t i = 0; i < 100; ++i) x[i] = static_cast<float>(i + 10);
    for (bool pieces : {false, true}) {
      ASSERT_EQ(border.run({x.data()}, {z.data(), g.data()}, {}, pieces), 0);
      for (int64_t i = 0; i < 173; ++i) {
        const bool inside = i >= 37 && i < 137;
        ASSERT_EQ(z[i], i >= 150 ? 6.f : inside ? x[i - 37] : 5.f) << i;
        ASSERT_EQ(g[i], inside) << i;
      }
      ASSERT_TRUE(z[173] == -1.f && g[173] == 9);
    }
  }
}

TEST(LlvmMemory, GathersAndMaskedScatters) {
  Compiled code = compile(R"(kernel @t(%x: in f64[n], %i: in i64[m], %y: out f64[m], %z: inout f64[n]) {
  vector %0 < m {
    %1 = load %i[%0]
    %2 = ge %1, 0
    %3 = lt %1, n
    %4 = bit_and %2, %3
    %5 = load %x[%1] if %4 else f64 -3
    store %y[%0], %5
    store %z[%1], %5 if %4
  }
})");
  const int64_t n = 30;
  for (int64_t m : {1, 15, 16, 29, 64}) {
    std::vector<double> x(n), y(m), z(n, 0);
    std::iota(x.begin(), x.end(), 1.0);
    std::vector<int64_t> at(m);
    for (int64_t k = 0; k < m; ++k) at[k] = k * 7 % 41 - 5;
    ASSERT_EQ(code.run({x.data(), at.data()}, {y.data(), z.data()}, {n, m}), 0);
    std::vector<double> wanted(n, 0);
    for (int64_t k = 0; k < m; ++k) {
      const bool inside = at[k] >= 0 && at[k] < n;
      ASSERT_EQ(y[k], inside ? x[at[k]] : -3);
      if (inside) wanted[at[k]] = x[at[k]];
    }
    ASSERT_EQ(z, wanted);
  }
}

TEST(LlvmMemory, FlatIndicesTakenApart) {
  Compiled code = compile(R"(kernel @t(%x: in f32[3, 4, 5], %w: in f32[4], %y: out f32[60]) {
  vector %0 < 60 {
    %1 = div %0, 20
    %2 = div %0, 5
    %3 = rem %2, 4
    %4 = rem %0, 5
    %5 = load %x[%1, %3, %4]
    %6 = load %w[%3]
    %7 = mul %5, %6
    store %y[%0], %7
  }
})");
  std::vector<float> x(60), w = {1, 10, 100, 1000}, y(60);
  std::iota(x.begin(), x.end(), 1.f);
  ASSERT_EQ(code.run({x.data(), w.data()}, {y.data()}), 0);
  for (int i = 0; i < 60; ++i) ASSERT_EQ(y[i], x[i] * w[i / 5 % 4]);
}

TEST(LlvmMemory, NontemporalStoresAtEveryAlignment) {
  for (const Target& target : {codegen::host_target(), Target::portable()}) {
    Compiled code = compile(R"(kernel @t(%x: in f32[n], %y: out f32[n], %z: out f32[n]) {
  parallel %0 < n grain 64 {
    %1 = load %x[%0]
    %2 = add %1, %1
    store %y[%0], %1 nontemporal
    store %z[%0], %2 nontemporal
  }
})",
                            target);
    alignas(64) static float y[600], z[600];
    std::vector<float> x(400);
    std::iota(x.begin(), x.end(), 1.f);
    for (int64_t n : {0, 1, 15, 16, 63, 64, 130, 400})
      for (int64_t shift : {0, 1, 3, 15})
        for (int64_t other : {0, 16, 5})
          for (bool pieces : {false, true}) {
            std::fill(std::begin(y), std::end(y), -7.f);
            std::fill(std::begin(z), std::end(z), -7.f);
            ASSERT_EQ(code.run({x.data()}, {y + 16 + shift, z + 16 + other}, {n}, pieces), 0);
            for (int64_t i = -16; i < n + 16; ++i) {
              const bool inside = i >= 0 && i < n;
              ASSERT_EQ(y[16 + shift + i], inside ? x[i] : -7.f) << n << " " << shift << " " << i;
              ASSERT_EQ(z[16 + other + i], inside ? x[i] + x[i] : -7.f);
            }
          }
  }
}

// The place of a store that counts from the start of a block is known before the block's loop.
TEST(LlvmMemory, NontemporalStoresInBlocks) {
  const std::string text = R"(kernel @t(%x: in f32[150], %y: out f32[150]) {
  parallel %0 < 3 {
    %1 = mul %0, 50
    vector %2 < 50 {
      %3 = add %1, %2
      %4 = load %x[%3]
      store %y[%3], %4 nontemporal
    }
  }
})";
  const std::string code_text = codegen::llvm_text(program_of(ir::parse_kernel(text)), codegen::host_target());
  EXPECT_NE(code_text.find("!nontemporal"), std::string::npos);
  Compiled code = compile(text);
  alignas(64) static float y[200];
  std::vector<float> x(150);
  std::iota(x.begin(), x.end(), 1.f);
  for (int64_t shift : {0, 1, 3, 14, 15}) {
    std::fill(std::begin(y), std::end(y), -7.f);
    ASSERT_EQ(code.run({x.data()}, {y + 16 + shift}), 0);
    for (int64_t i = -16; i < 150 + 16; ++i)
      ASSERT_EQ(y[16 + shift + i], i >= 0 && i < 150 ? x[i] : -7.f) << shift << " " << i;
  }
}

// A merged axis taken apart again: where all lanes stand in one row, its elements are loaded together.
TEST(LlvmMemory, RowsOfAMergedAxisAreLoadedTogether) {
  const std::string text = R"(kernel @t(%x: in f32[64], %z: in f32[40], %y: out f32[]) {
  %0 = reduce(add) lanes 16 block 512 %1 < 2560 {
    %2 = rem %1, 64
    %3 = div %1, 64
    %4 = load %x[%2]
    %5 = load %z[%3]
    %6 = mul %4, %5
    yield %6
  }
  store %y[], %0
})";
  const std::string code_text = codegen::llvm_text(program_of(ir::parse_kernel(text)), codegen::host_target());
  EXPECT_EQ(code_text.find("masked.gather"), std::string::npos) << code_text;
  std::vector<float> x(64), z(40);
  std::iota(x.begin(), x.end(), 1.f);
  std::iota(z.begin(), z.end(), -7.f);
  float y = 0, sum = 0;
  Compiled code = compile(text);
  ASSERT_EQ(code.run({x.data(), z.data()}, {&y}), 0);
  for (float a : z)
    for (float b : x) sum += a * b;
  EXPECT_EQ(y, sum);
}

TEST(LlvmMemory, SerialLoopsCarryValues) {
  Compiled code = compile(R"(kernel @t(%x: in f32[n, m], %y: out f32[n, m]) {
  vector %0 < m {
    %1, %2 = serial %3 < n carry %4 = f32 0, %5 = 0 {
      %6 = load %x[%3, %0]
      %7 = add %4, %6
      store %y[%3, %0], %7
      %8 = add %5, 1
      yield %7, %8
    }
  }
})");
  const int64_t n = 7;
  for (int64_t m : {1, 16, 20, 70}) {
    std::vector<float> x(n * m), y(n * m);
    std::iota(x.begin(), x.end(), 1.f);
    ASSERT_EQ(code.run({x.data()}, {y.data()}, {n, m}), 0);
    for (int64_t j = 0; j < m; ++j) {
      float sum = 0;
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i * m + j], sum += x[i * m + j]);
    }
  }
}

TEST(LlvmMemory, RarePartsRunWhereNeeded) {
  Compiled code = compile(R"(kernel @t(%x: in f32[n], %y: out f32[n]) {
  vector %0 < n {
    %1 = load %x[%0]
    %2 = gt %1, f32 100
    %3 = mul %1, f32 2
    %4 = rare %2, %3 {
      %5 = div %1, f32 3
      yield %5
    }
    store %y[%0], %4
  }
})");
  for (int64_t n : {1, 16, 50, 200}) {
    std::vector<float> x(n), y(n);
    std::iota(x.begin(), x.end(), 40.f);
    ASSERT_EQ(code.run({x.data()}, {y.data()}, {n}), 0);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], x[i] > 100 ? x[i] / 3.f : x[i] * 2);
  }
}

// Triangular loops: lanes would leave the inner loop at different times, so they run one after the other.
TEST(LlvmMemory, LanesWithLoopsOfDifferentLength) {
  Compiled code = compile(R"(kernel @t(%x: in f32[n], %y: out f32[n]) {
  vector %0 < n {
    %1 = reduce(add) lanes 1 block 64 %2 < %0 {
      %3 = load %x[%2]
      yield %3
    }
    store %y[%0], %1
  }
})");
  const int64_t n = 40;
  std::vector<float> x(n), y(n);
  std::iota(x.begin(), x.end(), 1.f);
  ASSERT_EQ(code.run({x.data()}, {y.data()}, {n}), 0);
  for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], static_cast<float>(i * (i + 1) / 2));
}

}  // namespace
}  // namespace tenon::testing
