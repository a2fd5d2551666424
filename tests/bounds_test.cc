// The bounds check of kernels: kernels that leave their buffers in every way that one can think of, each beside the kernel
// that is right; and programs of the kind that once stored a narrow value over a wide space.
#include <gtest/gtest.h>

#include "tenon/ir/graph/build.h"
#include "tenon/ir/kernel/bounds.h"
#include "tenon/passes/pass.h"
#include "tenon/tests/case_builder.h"
#include "tenon/tests/routes.h"

namespace tenon::testing {
namespace {

using namespace ir;

std::vector<std::string> findings(const std::string& text, const std::vector<int64_t>& free = {}) {
  const Kernel kernel = parse_kernel(text);
  EXPECT_EQ(verify(kernel), std::vector<std::string>{}) << text;
  return check_bounds(kernel, kernel.symbols->evaluate(free));
}

// One kernel with a hole: filled one way it is sound, the other way it is not, at every value of n given.
struct Pair {
  const char *name, *before, *good, *bad, *after;
  std::vector<int64_t> good_at, bad_at;  // values of n; {-1}: there is no n
};

const Pair pairs[] = {
    {"a narrow value over a wide space",
     "kernel @k(%x: in f32[640], %y: out f32[",
     "640",
     "64",
     "]) {\n  vector %0 < 640 {\n    %1 = load %x[%0]\n    store %y[%0], %1\n  }\n}\n",
     {-1},
     {-1}},
    {"the same, symbolic",
     "kernel @k(%x: in f32[(n * 10)], %y: out f32[",
     "(n * 10)",
     "n",
     "]) {\n  vector %0 < (n * 10) {\n    %1 = load %x[%0]\n    store %y[%0], %1\n  }\n}\n",
     {0, 1, 7},
     {1, 7}},
    {"one behind the end",
     "kernel @k(%x: in f32[9], %y: out f32[9]) {\n  vector %0 < 9 {\n    %1 = ",
     "mul %0, 1",
     "add %0, 1",
     "\n    %2 = load %x[%1]\n    store %y[%0], %2\n  }\n}\n",
     {-1},
     {-1}},
    {"every other element, in blocks that overlap the end",
     "kernel @k(%x: in f32[(n * 2)], %y: out f32[(n * 6)]) {\n  %0 = add (n * 6), 63\n  %1 = div %0, 64\n  parallel %2 "
     "< %1 {\n"
     "    %3 = mul %2, 64\n    %4 = sub (n * 6), %3\n    %5 = min 64, %4\n    vector %6 < %5 {\n      %7 = add %3, %6\n"
     "      %8 = div %7, 2\n      %9 = div %8, ",
     "3",
     "2",
     "\n      %10 = mul %9, 2\n      %11 = add %10, 1\n      %12 = load %x[%11]\n      store %y[%7], %12\n    }\n  "
     "}\n}\n",
     {1, 2, 5, 7, 33},
     {2, 5, 33}},
    {"matrices turned, in blocks that overlap the end",
     "kernel @k(%x: in f32[((n * 100) * 2)], %y: out f32[((n * 100) * 2)]) {\n  %0 = add ((n * 100) * 2), 63\n  %1 = "
     "div %0, 64\n  parallel %2 < %1 "
     "{\n    %3 = mul %2, 64\n    %4 = sub ((n * 100) * 2), %3\n    %5 = min 64, %4\n    vector %6 < %5 {\n      %7 = "
     "add %3, %6\n      %8 = div "
     "%7, 2\n      %9 = rem %8, 10\n      %10 = div %8, 10\n      %11 = rem %10, 10\n      %12 = div %10, 10\n      "
     "%13 = mul 10, %12\n      %14 = "
     "add %9, %13\n      %15 = mul ",
     "10",
     "11",
     ", %14\n      %16 = add %11, %15\n      %17 = mul %16, 2\n      %18 = load %x[%17]\n      store %y[%7], %18\n    "
     "}\n  }\n}\n",
     {1, 2, 5, 7, 33},
     {1, 5, 33}},
    {"windows of complex numbers, which masks keep inside, in blocks that overlap the end",
     "kernel @k(%x: in u64[(n * 24)], %y: out u64[(((n + 1) / 2) * 144)]) {\n"
     "  %0 = add (((n + 1) / 2) * 144), 4095\n  %1 = div %0, 4096\n  parallel %2 < %1 {\n"
     "    %3 = mul %2, 4096\n    %4 = sub (((n + 1) / 2) * 144), %3\n    %5 = min 4096, %4\n"
     "    vector %6 < %5 {\n      %7 = add %3, %6\n      %8 = div %7, 2\n"
     "      %9 = lt %8, (((n + 1) / 2) * 72)\n      %10 = rem %8, ((n + 1) / 2)\n"
     "      %11 = div %8, ((n + 1) / 2)\n      %12 = rem %11, 3\n      %13 = div %11, 3\n"
     "      %14 = rem %13, 3\n      %15 = div %13, 3\n      %16 = rem %15, 2\n      %17 = div %15, ",
     "2",
     "1",
     "\n      %18 = mul %16, 2\n      %19 = add %12, %18\n      %20 = sub %19, 1\n      %21 = ge %20, 0\n"
     "      %22 = lt %20, 3\n      %23 = bit_and %21, %22\n      %24 = mul %10, 2\n      %25 = add %14, %24\n"
     "      %26 = sub %25, 1\n      %27 = ge %26, 0\n      %28 = lt %26, n\n      %29 = bit_and %27, %28\n"
     "      %30 = bit_and %23, %29\n      %31 = bit_and %9, %30\n      %32 = mul 3, %17\n"
     "      %33 = add %20, %32\n      %34 = mul n, %33\n      %35 = add %26, %34\n      %36 = mul %35, 2\n"
     "      %37 = load %x[%36] if %31 else u64 0\n      store %y[%7], %37\n    }\n  }\n}\n",
     {1, 2, 5, 33, 100, 100003},
     {5, 33, 100003}},
    {"a guard on a quotient",
     "kernel @k(%x: in f32[6], %y: out f32[24]) {\n  vector %0 < 24 {\n    %1 = div %0, 2\n    %2 = div %1, 3\n    %3 "
     "= lt %2, ",
     "2",
     "3",
     "\n    %4 = load %x[%1] if %3 else f32 0\n    store %y[%0], %4\n  }\n}\n",
     {-1},
     {-1}},
    {"one before the start",
     "kernel @k(%x: in f32[9], %y: out f32[9]) {\n  vector %0 < 9 {\n    %1 = ",
     "sub 8, %0",
     "sub 7, %0",
     "\n    %2 = load %x[%1]\n    store %y[%0], %2\n  }\n}\n",
     {-1},
     {-1}},
    {"a tail",
     "kernel @k(%x: in f32[n], %y: out f32[n]) {\n  %0 = add n, 63\n  %1 = div %0, 64\n  parallel %2 < %1 {\n"
     "    %3 = mul %2, 64\n    %4 = sub n, %3\n    %5 = min ",
     "64, %4",
     "64, 64",
     "\n    vector %6 < %5 {\n      %7 = add %3, %6\n      %8 = load %x[%7]\n      store %y[%7], %8\n    }\n  }\n}\n",
     {0, 1, 64, 65, 1000},
     {1, 65, 1000}},
    {"rows and columns exchanged",
     "kernel @k(%x: in f32[n, 5], %y: out f32[n, 5]) {\n  %0 = mul n, 5\n"
     "  parallel %1 < %0 {\n    %2 = div %1, 5\n    %3 = rem %1, 5\n    %4 = load %x[%2, %3]\n    store %y[",
     "%2, %3",
     "%3, %2",
     "], %4\n  }\n}\n",
     {0, 3, 5, 9},
     {3, 9}},
    {"an index from memory",
     "kernel @k(%i: in i64[4], %x: in f32[9], %y: out f32[4]) {\n  vector %0 < 4 {\n"
     "    %1 = load %i[%0]\n    %2 = min %1, 8\n    %3 = max %2, ",
     "0",
     "-1",
     "\n    %4 = load %x[%3]\n    store %y[%0], %4\n  }\n}\n",
     {-1},
     {-1}},
    {"a mask",
     "kernel @k(%i: in i64[4], %x: in f32[9], %y: out f32[4]) {\n  vector %0 < 4 {\n    %1 = load %i[%0]\n"
     "    %2 = ge %1, 0\n    %3 = lt %1, ",
     "9",
     "10",
     "\n    %4 = bit_and %2, %3\n    %5 = load %x[%1] if %4 else f32 0\n    store %y[%0], %5\n  }\n}\n",
     {-1},
     {-1}},
    {"a mask of one side",
     "kernel @k(%i: in i64[4], %x: in f32[9], %y: out f32[4]) {\n  vector %0 < 4 {\n"
     "    %1 = load %i[%0]\n    %2 = ge %1, 0\n    %3 = lt %1, 9\n    %4 = ",
     "bit_and",
     "bit_or",
     " %2, %3\n    %5 = load %x[%1] if %4 else f32 0\n    store %y[%0], %5\n  }\n}\n",
     {-1},
     {-1}},
    {"an index that wraps",
     "kernel @k(%i: in i64[4], %x: in f32[9], %y: out f32[4]) {\n  vector %0 < 4 {\n    %1 = load %i[%0]\n"
     "    %2 = add %1, 5\n    %3 = ge ",
     "%2, 0",
     "%1, -5",
     "\n    %4 = lt %2, 9\n    %5 = bit_and %3, %4\n    %6 = load %x[%2] if %5 else f32 0\n    store %y[%0], %6\n"
     "  }\n}\n",
     {-1},
     {-1}},
    {"a load ahead of an empty loop",
     "kernel @k(%x: in f32[4, n], %y: out f32[4, n]) {\n  parallel %0 < 4 {\n",
     "",
     "    %1 = load %x[%0, 0]\n",
     "    vector %2 < n {\n      %3 = load %x[%0, %2]\n      store %y[%0, %2], %3\n    }\n  }\n}\n",
     {0, 1, 5},
     {0}},
    {"a reduction's length",
     "kernel @k(%x: in f32[4, n], %y: out f32[4]) {\n  vector %0 < 4 {\n"
     "    %1 = reduce(add) lanes 16 block 512 %2 < ",
     "n",
     "512",
     " {\n      %3 = load %x[%0, %2]\n      yield %3\n    }\n    store %y[%0], %1\n  }\n}\n",
     {0, 5, 600},
     {5, 511}},
};

TEST(Bounds, KernelsThatLeaveTheirBuffers) {
  for (const Pair& p : pairs) {
    for (const bool bad : {false, true})
      for (const int64_t n : bad ? p.bad_at : p.good_at) {
        const std::string text = std::string(p.before) + (bad ? p.bad : p.good) + p.after;
        const std::vector<std::string> found = findings(text, n < 0 ? std::vector<int64_t>{} : std::vector<int64_t>{n});
        EXPECT_EQ(found.empty(), !bad) << p.name << ", n = " << n << "\n" << text << (bad ? "" : found[0]);
      }
  }
}

// ---- low-rank values that are stretched into a product with one reader, beside a stem that is stored

Value narrow_value(int kind, Value w) {
  switch (kind) {
    case 0: return w + w;
    case 1: return exp(w);
    case 2: return w * w - w;
    default: return w;
  }
}

Value product(int kind, Value e, Value wide) { return kind == 0 ? e * wide : kind == 1 ? e - wide : max(e, wide); }

// `axes`: those of the wide space that the narrow value follows.
Case stem_case(const Shape& shape, const std::vector<int64_t>& axes, const std::vector<int64_t>& reduced, int narrow,
               int join, Op reduction, Random& random) {
  CaseBuilder c("stem");
  const Type wide{f32, shape};
  Shape kept;
  for (int64_t a : axes) kept.push_back(shape[a]);
  const Value x = c.input(random_array(wide, random, Domain::unit)),
              y = c.input(random_array(wide, random, Domain::unit));
  const Value w = c.input(random_array({f32, kept}, random, Domain::unit));
  const Value e = x - y;
  const Value stretched = broadcast(narrow_value(narrow, w), shape, axes);
  const Value r = reduce(reduction, product(join, e, stretched), reduced);
  c.outputs({e, r});
  return c.finish();
}

TEST(Bounds, LowRankValuesStayNarrow) {
  Random random(17);
  int count = 0;
  const auto check = [&](const Shape& shape, const std::vector<int64_t>& axes, const std::vector<int64_t>& reduced,
                         int narrow, int join, Op reduction) {
    const Case c = stem_case(shape, axes, reduced, narrow, join, reduction, random);
    const Program program = passes::build_program(*c.graph, Target::portable());
    EXPECT_EQ(passes::check_bounds(program), std::vector<std::string>{}) << c.graph->text();
    const auto wrong = first_disagreement(c.graph, c.inputs, c.nans);
    EXPECT_FALSE(wrong) << *wrong << "\n" << c.graph->text() << program.text();
    ++count;
  };
  for (const Shape& shape : {Shape{64, 10}, Shape{10, 64}, Shape{7, 300}, Shape{1000, 1000}})
    for (int64_t axis : {0, 1})
      for (int64_t reduced : {0, 1}) check(shape, {axis}, {reduced}, 0, 0, Op::reduce_sum);
  for (int narrow : {1, 2, 3})
    for (int join : {0, 1, 2})
      for (Op reduction : {Op::reduce_sum, Op::reduce_max}) check({64, 10}, {narrow % 2}, {0}, narrow, join, reduction);
  for (const std::vector<int64_t>& axes : {std::vector<int64_t>{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {}})
    for (const std::vector<int64_t>& reduced : {std::vector<int64_t>{0}, {1}, {0, 1}, {1, 2}})
      check({6, 20, 9}, axes, reduced, 0, 0, Op::reduce_sum);
  EXPECT_GT(count, 50);
}

// A point joins the group of what it reads only where it reads at its own index, whatever the kind of the group.
TEST(Bounds, PointsThatReadAtAnotherIndexStayOutside) {
  Random random(23);
  const auto square = [](CaseBuilder& c, int kind, Random& r) {
    const auto in = [&](Shape shape) { return c.input(random_array({f32, std::move(shape)}, r, Domain::unit)); };
    switch (kind) {
      case 0: return exp(in({6, 6}));
      case 1: return reduce(Op::reduce_sum, in({6, 6, 40}), {2});
      case 2: return reduce(Op::reduce_sum, in({40, 6, 6}), {0});
      case 3: return reduce(Op::reduce_max, in({6, 40, 6}), {1});
      case 4: return reduce(Op::reduce_sum, in({20000, 2, 2}), {0});  // in parts, by all threads
      case 5: return reduce(Op::reduce_sum, in({2, 2, 40000}), {2});
      default: return dot_general(in({6, 40}), in({40, 6}), {}, {}, {1}, {0});
    }
  };
  const auto elsewhere = [](int way, Value s) {
    const Shape shape = s.shape();
    switch (way) {
      case 0: return transpose(s, {1, 0});
      case 1: return reverse(s, {0});
      case 2: return reverse(s, {1});
      case 3: return broadcast(slice(s, {0, 0}, {shape[0], 1}, {1, 1}), shape, {0, 1});
      default: return reshape(transpose(reshape(s, {shape[0] * shape[1] / 2, 2}), {1, 0}), shape);
    }
  };
  for (int kind = 0; kind < 7; ++kind)
    for (int way = 0; way < 5; ++way)
      for (const bool dear : {false, true}) {
        CaseBuilder c("elsewhere");
        const Value s = square(c, kind, random), t = dear ? sin(exp(s)) : s;
        c.outputs({t * elsewhere(way, t), s + like(s, 1)});
        const Case one = c.finish();
        const auto wrong = first_disagreement(one.graph, one.inputs, one.nans);
        EXPECT_FALSE(wrong) << "kind " << kind << ", way " << way << ": " << *wrong << "\n" << one.graph->text();
      }
}

}  // namespace
}  // namespace tenon::testing
