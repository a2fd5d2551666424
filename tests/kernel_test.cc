// Kernels: what the builder merges, hoists and folds, as golden text; the text's round trip; every complaint of the
// verifier. The lowering rules have a test of their own (tests/lowering_test.cc).
#include "tenon/ir/kernel/kernel.h"

#include <gtest/gtest.h>

#include "tenon/ir/base/error.h"
#include "tenon/ir/kernel/scalar.h"
#include "tenon/tests/kernel_machine.h"

namespace tenon::ir {
namespace {

// x: in f32[n, m] and y: out f32[n, m], with the two loops that most tests want.
struct Rows {
  std::shared_ptr<Symbols> symbols = std::make_shared<Symbols>();
  Dim n = symbols->add("n", 1), m = symbols->add("m", 1);  // no row is empty: what is the same for a row stands outside
  KernelBuilder b{"rows", symbols};
  BufferId x, y;
  explicit Rows(DType t = f32) {
    x = b.buffer("x", t, Shape{n, m}, Space::input);
    y = b.buffer("y", t, Shape{n, m}, Space::output);
  }
  ScalarId open(LoopKind kind, Dim extent) { return b.open_loop(kind, b.extent(extent))[0]; }
  Scalar at(ScalarId v) { return {&b, v}; }
  Scalar load(BufferId buffer, std::vector<ScalarId> index) { return {&b, b.load(buffer, index)}; }
  void store(BufferId buffer, std::vector<ScalarId> index, Scalar value) { b.store(buffer, index, value.id); }
  std::string finish() {
    const Kernel kernel = b.finish();
    EXPECT_EQ(verify(kernel), std::vector<std::string>{});
    const std::string text = kernel.text();
    EXPECT_EQ(parse_kernel(text).text(), text);
    return text;
  }
};

TEST(KernelBuilder, MergesAndHoistsPureCode) {
  Rows k;
  const ScalarId i = k.open(LoopKind::parallel, k.n), j = k.open(LoopKind::vector, k.m);
  const Scalar row = k.load(k.x, {i, k.b.index_literal(0)}), value = k.load(k.x, {i, j});
  const Scalar scaled = sqrt(abs(row)), again = sqrt(abs(k.load(k.x, {i, k.b.index_literal(0)})));
  EXPECT_EQ(scaled.id, again.id);
  k.store(k.y, {i, j}, value * scaled + like(value, 0.5));
  k.b.close_loop();
  k.b.close_loop();
  EXPECT_EQ(k.finish(), R"(kernel @rows(%x: in f32[n, m], %y: out f32[n, m]) {
  parallel %0 < n {
    %1 = load %x[%0, 0]
    %2 = abs %1
    %3 = sqrt %2
    vector %4 < m {
      %5 = load %x[%0, %4]
      %6 = mul %5, %3
      %7 = add %6, f32 0.5
      store %y[%0, %4], %7
    }
  }
}
)");
}

TEST(KernelBuilder, KeepsRareCodeInside) {
  Rows k;
  const ScalarId i = k.open(LoopKind::parallel, k.n), j = k.open(LoopKind::vector, k.m);
  const Scalar row = k.load(k.x, {i, k.b.index_literal(0)}), value = k.load(k.x, {i, j});
  const Scalar result = rare(value > like(value, 100), [&] { return row / like(row, 3); }, value);
  k.store(k.y, {i, j}, result);
  k.b.close_loop();
  k.b.close_loop();
  EXPECT_EQ(k.finish(), R"(kernel @rows(%x: in f32[n, m], %y: out f32[n, m]) {
  parallel %0 < n {
    %1 = load %x[%0, 0]
    vector %2 < m {
      %3 = load %x[%0, %2]
      %4 = gt %3, f32 100
      %5 = rare %4, %3 {
        %6 = div %1, f32 3
        yield %6
      }
      store %y[%0, %2], %5
    }
  }
}
)");
}

TEST(KernelBuilder, LoadsOfWhatChangesStayInOrder) {
  Rows k;
  const BufferId t = k.b.scratch("t", f32, Shape{k.m});
  const ScalarId j = k.open(LoopKind::serial, k.m);
  const ScalarId zero = k.b.index_literal(0);
  const Scalar before = k.load(t, {zero}), same = k.load(t, {zero});
  EXPECT_EQ(before.id, same.id);
  k.store(t, {j}, before);
  const Scalar after = k.load(t, {zero});
  EXPECT_NE(before.id, after.id);
  k.store(k.y, {zero, j}, after);
  k.b.close_loop();
  EXPECT_EQ(k.finish(), R"(kernel @rows(%x: in f32[n, m], %y: out f32[n, m]) {
  scratch %t: f32[m]
  serial %0 < m {
    %1 = load %t[0]
    store %t[%0], %1
    %2 = load %t[0]
    store %y[0, %0], %2
  }
}
)");
}

TEST(KernelBuilder, FoldsIndexArithmetic) {
  Rows k;
  const Scalar i = k.at(k.open(LoopKind::parallel, k.n)), zero = like(i, 0), one = like(i, 1),
               extent = k.at(k.b.extent(k.n));
  EXPECT_EQ((i + zero).id, i.id);
  EXPECT_EQ((zero + i).id, i.id);
  EXPECT_EQ((i * one).id, i.id);
  EXPECT_EQ((i * zero).id, zero.id);
  EXPECT_EQ((i - i).id, zero.id);
  EXPECT_EQ(((i + one) + like(i, 2)).id, (i + like(i, 3)).id);
  EXPECT_EQ(((i + one) - one).id, i.id);
  EXPECT_EQ(((i * like(i, 6)) * like(i, 7)).id, (like(i, 42) * i).id);
  EXPECT_EQ((i / one).id, i.id);
  EXPECT_EQ(rem(i, one).id, zero.id);
  EXPECT_EQ(rem(i, extent).id, i.id);  // an index stays below its loop's extent
  EXPECT_EQ((i / extent).id, zero.id);
  EXPECT_EQ((i < extent).id, k.b.literal(boolean, 1));
  EXPECT_EQ((i >= zero).id, k.b.literal(boolean, 1));
  EXPECT_EQ((like(i, 7) / zero).id, zero.id);
  EXPECT_EQ(rem(like(i, 7), zero).id, like(i, 7).id);
  EXPECT_EQ((like_bits(i, uint64_t{1} << 63) / like(i, -1)).id, like_bits(i, uint64_t{1} << 63).id);
  EXPECT_EQ((like(i, -7) / like(i, 2)).id, like(i, -3).id);
  EXPECT_EQ(select(i < extent, i, zero).id, i.id);
  const Scalar j = i + one, seven = like(i, 7);  // taken apart and put together again
  EXPECT_EQ((rem(j, seven) + j / seven * seven).id, j.id);
  EXPECT_EQ((extent * (j / extent) + rem(j, extent)).id, j.id);
  EXPECT_NE((rem(j, seven) + j / seven * like(i, 8)).id, j.id);
  EXPECT_NE((rem(j, seven) + i / seven * seven).id, j.id);
  const Scalar f = {&k.b, k.b.literal(f32, 0)};
  EXPECT_NE((f + f).id, f.id);  // floating arithmetic is not folded here
  const Scalar g = cast(i, f32);
  EXPECT_EQ(abs(-g).id, abs(g).id);
  k.b.close_loop();
}

TEST(KernelBuilder, HalvesComputeWideAndRoundOnce) {
  Rows k(bf16);
  const ScalarId i = k.open(LoopKind::parallel, k.n), j = k.open(LoopKind::vector, k.m);
  const Scalar x = k.load(k.x, {i, j});
  const Scalar zero = like(x, 0), above = x > like(x, 1), negated = neg(x);
  const Scalar chosen = select(above, negated, abs(x));
  const Scalar sum = chosen + zero;
  k.store(k.y, {i, j}, sum);
  k.b.close_loop();
  k.b.close_loop();
  const std::string text = k.finish();
  EXPECT_EQ(text, R"(kernel @rows(%x: in bf16[n, m], %y: out bf16[n, m]) {
  %0 = cast f32 bf16 0x3f80
  %1 = cast f32 bf16 0x0
  parallel %2 < n {
    vector %3 < m {
      %4 = load %x[%2, %3]
      %5 = cast f32 %4
      %6 = gt %5, %0
      %7 = neg %4
      %8 = abs %4
      %9 = select %6, %7, %8
      %10 = cast f32 %9
      %11 = add %10, %1
      %12 = cast bf16 %11
      store %y[%2, %3], %12
    }
  }
}
)");
}

TEST(KernelBuilder, ExpandsHalvesInF64) {
  Rows k(f16);
  const ScalarId i = k.open(LoopKind::parallel, k.n);
  k.store(k.y, {i, i}, log2(k.load(k.x, {i, i})));
  k.b.close_loop();
  const std::string text = k.finish();
  const size_t widened = text.find(" = cast f64 %"), rounded = text.find(" = cast f16 %");
  ASSERT_NE(widened, std::string::npos);
  ASSERT_LT(widened, rounded);
  EXPECT_EQ(text.find(" = cast f16 %", rounded + 1), std::string::npos);
  EXPECT_EQ(text.find("f32"), std::string::npos);
}

TEST(KernelBuilder, RefusesWhatIsNoScalarOp) {
  Rows k;
  const Scalar x = {&k.b, k.b.literal(f32, 0)}, i = {&k.b, k.b.index_literal(3)};
  EXPECT_THROW(x + i, InternalError);
  EXPECT_THROW(x & x, InternalError);
  EXPECT_THROW(like(i, 0.5), InternalError);
  EXPECT_THROW(like(cast(x, u8), 256), InternalError);
  const ScalarId j = k.open(LoopKind::serial, k.n);
  const Scalar inside = k.load(k.x, {j, j});
  k.b.close_loop();
  EXPECT_THROW(inside + inside, InternalError);  // out of scope
  EXPECT_THROW(k.b.close_loop(), InternalError);
}

TEST(KernelText, ReadsEveryForm) {
  const std::string text =
      R"(kernel @all(%x: in f32[n, (n + 4)], %i: in i64[max(n, 3)], %z: inout u8[], %y: out f32[n]) {
  scratch %t: f32[(n * 2)]
  store %z[], u8 255 if true
  %0, %1 = serial %2 < (n / 2) carry %3 = f32 -0, %4 = -5 {
    %5 = load %x[%2, 0] if false else f32 0x7fc00001
    %6 = add %3, %5 #12
    %7 = add %4, 1
    yield %6, %7
  }
  %8, %9 = reduce(add, argmax) lanes 16 block 512 %10 < n {
    %11 = load %x[%10, 1]
    yield %11, %11
  } #7
  parallel %12 < n grain 64 {
    %13 = cast f16 %0
    %14 = bitcast u16 %13
    %15 = eq %14, u16 15360
    %16 = rare %15, %0 {
      yield f32 1e+30
    }
    %17 = scaled %16, f32 3, %0
    store %y[%12], %17 if %15 nontemporal
  }
  contract f32 [1, n, 4, n] {
    lhs %18, %19, %20 {
      %21 = load %x[%19, %20]
      yield %21
    }
    rhs %22, %23, %24 {
      %25 = load %x[%23, %24]
      yield %25
    }
    epilogue %26, %27, %28, %29 {
      store %t[%28], %29
    }
  }
}
)";
  const Kernel kernel = parse_kernel(text);
  EXPECT_EQ(kernel.text(), text);
  EXPECT_EQ(verify(kernel), std::vector<std::string>{});
}

TEST(KernelText, SaysWhereItIsMalformed) {
  const auto error = [](const char* text) -> std::string {
    try {
      parse_kernel(text);
    } catch (const Error& e) {
      return e.message();
    }
    return "no error";
  };
  EXPECT_EQ(error("kernel @k() {\n  %0 = add %1, %1\n}"), "kernel text, line 2, column 14: an unknown scalar");
  EXPECT_EQ(error("kernel @k() {\n  store %y[0], 1\n}"), "kernel text, line 2, column 11: an unknown buffer");
  EXPECT_EQ(error("kernel @k(%x: in f33[2]) {}"), "kernel text, line 1, column 18: expected a dtype");
  EXPECT_EQ(error("kernel @k() { %0 = neg u8 256 }"),
            "kernel text, line 1, column 30: a literal that does not fit its dtype");
  EXPECT_EQ(error("kernel @k() { %0 = wobble 1 }"), "kernel text, line 1, column 20: expected an instruction");
  EXPECT_EQ(error("kernel @k() { neg 1 }"), "kernel text, line 1, column 21: this has 1 results, not 0");
  EXPECT_EQ(error("kernel @k() { } x"), "kernel text, line 1, column 17: expected the end");
  std::string deep = "kernel @k() ";
  for (int i = 0; i < 100000; ++i) deep += "{ serial %" + std::to_string(i) + " < 1 ";
  EXPECT_NE(error(deep.c_str()).find("nested too deeply"), std::string::npos);
  EXPECT_NE(error(("kernel @k(%x: in f32[" + std::string(100000, '(') + "]) {}").c_str()).find("nested too deeply"),
            std::string::npos);
}

TEST(KernelVerifier, ReportsEveryViolation) {
  const auto problems = [](const std::string& body) {
    return verify(parse_kernel("kernel @k(%x: in f32[n], %y: out f32[n], %p: in bool[n]) {\n" + body + "}\n"));
  };
  const auto one = [&](const std::string& body) {
    const std::vector<std::string> found = problems(body);
    return found.size() == 1 ? found[0].substr(found[0].find(')') + 1) : std::to_string(found.size()) + " problems";
  };
  EXPECT_EQ(one("store %x[0], f32 1"), ": stores to an input");
  EXPECT_EQ(one("store %y[0], f64 1"), ": stores a value of a wrong dtype");
  EXPECT_EQ(one("store %y[0, 0, 0], f32 1"), ": one index for each dimension of the buffer");
  EXPECT_EQ(one("%0 = load %x[f32 0]"), ": an index is i64");
  EXPECT_EQ(one("%0 = load %x[]"), ": one index for each dimension of the buffer");
  EXPECT_EQ(one("%0 = load %x[0] if 1 else f32 0"), ": a mask is bool");
  EXPECT_EQ(one("%0 = add 1, f32 1"), ": not in the exact set, or of wrong dtypes");
  EXPECT_EQ(one("%0 = exp f32 1"), ": not in the exact set, or of wrong dtypes");
  EXPECT_EQ(one("%0 = add f16 0x0, f16 0x0"), ": not in the exact set, or of wrong dtypes");
  EXPECT_EQ(one("serial %0 < 2 { parallel %1 < 3 { } }"), ": a parallel loop stands in the body only");
  EXPECT_EQ(one("vector %0 < 2 { vector %1 < 3 { } }"), ": a vector loop inside another");
  EXPECT_EQ(one("%0 = vector %1 < 2 carry %2 = 0 { yield %2 }"), ": only a serial loop carries values");
  EXPECT_EQ(one("%0 = serial %1 < 2 carry %2 = 0 { yield f32 1 }"), "2 problems");  // the yield and the result
  EXPECT_EQ(one("%0 = reduce(add) lanes 16 block 40 %1 < n { yield f32 1 }"),
            ": lanes and block are positive, and lanes divide the block");
  EXPECT_EQ(one("%0 = reduce(sub) lanes 1 block 64 %1 < n { yield f32 1 }"), ": cannot combine this dtype so");
  EXPECT_EQ(one("%0 = reduce(add) lanes 1 block 64 %1 < n { yield f16 0x0 }"), ": cannot combine this dtype so");
  EXPECT_EQ(one("%0 = rare true, f32 1 { store %y[0], f32 2 yield f32 1 }"),
            ": stores where code may run any number of times");
  EXPECT_EQ(one("%0 = scaled f32 1, f32 1"), ": operands are x, n and otherwise");
  EXPECT_EQ(one("%0 = scaled f32 1, 1, f32 1"), ": n is as wide as x");
  EXPECT_EQ(one("%0 = scaled f64 1, 1, f32 1"), "2 problems");  // the value and the result
  EXPECT_EQ(one("%0 = scaled 1, 1, 1"), ": x is f32 or f64");
  EXPECT_EQ(one("serial %0 < 2 { scratch %t: f32[4] } store %t[0], f32 1"), ": scratch is not declared here");
  EXPECT_EQ(one("serial %0 < 2 { } store %y[%0], f32 1"), ": an operand is not visible here");
  EXPECT_EQ(problems("store %x[0], f64 1  vector %0 < 2 { vector %1 < f32 3 { } }").size(), 4u);  // all of them
}

TEST(KernelVerifier, ChecksHandMadeStructure) {
  Kernel kernel = parse_kernel("kernel @k(%y: out i64[4]) { serial %0 < 4 { store %y[%0], %0 } }");
  EXPECT_EQ(verify(kernel), std::vector<std::string>{});
  Kernel twice = kernel;
  twice.blocks[0].instructions.push_back(twice.blocks[0].instructions.back());
  EXPECT_FALSE(verify(twice).empty());
  Kernel lost = kernel;
  lost.blocks[0].instructions.pop_back();
  EXPECT_FALSE(verify(lost).empty());
  Kernel wild = kernel;
  wild.instructions.back().operands[0] = ScalarId{77};
  EXPECT_FALSE(verify(wild).empty());
  Kernel renamed = kernel;
  renamed.scalars.back().dtype = f32;
  EXPECT_FALSE(verify(renamed).empty());
}

TEST(KernelMachine, ChecksPowersOfTwo) {
  Array y({f32, Shape{}});
  Array* const buffers[] = {&y};
  const auto run = [&](const std::string& value) {
    testing::run_kernel(parse_kernel("kernel @k(%y: out f32[]) { %0 = scaled " + value + " store %y[], %0 }"), buffers);
    return y.as<float>()[0];
  };
  EXPECT_EQ(run("f32 1.5, f32 3, f32 12"), 12);
  EXPECT_EQ(run("f32 1.5, i32 -2, f32 0.375"), 0.375f);
  EXPECT_EQ(run("f32 1.5, f32 -150, f32 1e-45"), 0x1p-149f);
  EXPECT_THROW(run("f32 1.5, f32 3, f32 11"), InternalError);
  EXPECT_THROW(run("f32 0, f32 3, f32 -0"), InternalError);
  EXPECT_THROW(run("f32 0x7fc00000, f32 3, f32 1"), InternalError);
}

TEST(KernelMachine, ChecksAddresses) {
  Array y({i64, Shape{4}});
  Array* const buffers[] = {&y};
  testing::run_kernel(parse_kernel("kernel @k(%y: out i64[4]) { serial %0 < 4 { store %y[%0], %0 } }"), buffers);
  EXPECT_EQ(y.as<int64_t>()[3], 3);
  EXPECT_THROW(
      testing::run_kernel(parse_kernel("kernel @k(%y: out i64[4]) { serial %0 < 5 { store %y[%0], %0 } }"), buffers),
      InternalError);
}

}  // namespace
}  // namespace tenon::ir
