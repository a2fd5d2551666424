// Reductions rendered through LLVM against the contract's tree written plainly: rows, columns, pairs, arg reductions,
// several results at once, every extent around lanes and blocks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "tenon/ir/kernel/scalar.h"
#include "tenon/tests/compiled.h"

namespace tenon::testing {
namespace {

using ir::KernelBuilder;
using ir::LoopKind;
using ir::Op;
using ir::ScalarId;
using ir::Space;

float max_of(float x, float y) {
  if (x != x || y != y) return NAN;
  if (x == y) return std::signbit(x) ? y : x;
  return x > y ? x : y;
}

// The tree, level by level.
template <class T, class Combine>
T tree(const std::vector<T>& values, ir::Tree order, T identity, Combine combine) {
  std::vector<T> level;
  for (size_t first = 0; first < values.size(); first += order.block) {
    std::vector<T> lanes(order.lanes, identity);
    for (size_t i = first; i < std::min(values.size(), first + order.block); ++i) {
      T& lane = lanes[(i - first) % order.lanes];
      lane = combine(lane, values[i]);
    }
    for (size_t half = order.lanes / 2; half >= 1; half /= 2)
      for (size_t l = 0; l < half; ++l) lanes[l] = combine(lanes[l], lanes[l + half]);
    level.push_back(lanes[0]);
  }
  while (level.size() > 1) {
    std::vector<T> next;
    for (size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(combine(level[i], level[i + 1]));
    if (level.size() % 2) next.push_back(level.back());
    level = next;
  }
  return level.empty() ? identity : level[0];
}

float sum_of(const std::vector<float>& v, ir::Tree order) {
  return v.empty() ? 0.f : tree<float>(v, order, -0.f, [](float x, float y) { return x + y; });
}

::testing::AssertionResult same(float got, float wanted) {
  if ((got != got && wanted != wanted) || std::memcmp(&got, &wanted, 4) == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << got << " is not " << wanted;
}

std::vector<float> draw(size_t n, std::mt19937& random) {
  std::vector<float> v(n);
  for (float& x : v)
    x = std::ldexp(static_cast<float>(random() % 20001) - 10000.f, static_cast<int>(random() % 20) - 10);
  return v;
}

const std::vector<int64_t> extents = {0,    1,    2,    3,    15,   16,   17,   31,   33,   63,   64,   65,
                                      67,   100,  128,  129,  300,  511,  512,  513,  528,  700,  1023, 1024,
                                      1025, 1537, 2047, 2048, 2049, 2560, 3000, 4096, 4100, 5000, 7777, 9000};

// y[r], z[r] = the two reductions of x[r, :]; either extents are symbols or numbers.
ir::Kernel rows(Dim r, Dim n, std::shared_ptr<Symbols> symbols, ir::Tree order, LoopKind outer, DType t = f32,
                std::vector<Op> reductions = {Op::add, Op::max}) {
  KernelBuilder b("rows", symbols);
  const auto x = b.buffer("x", t, Shape{r, n}, Space::input);
  const auto y = b.buffer("y", t, Shape{r}, Space::output), z = b.buffer("z", t, Shape{r}, Space::output);
  const auto i = b.open_loop(outer, b.extent(r))[0];
  const auto j = b.open_reduce(reductions, order, b.extent(n));
  const ScalarId at[] = {i, j};
  const auto v = b.load(x, at);
  const ScalarId yields[] = {v, v};
  const auto results = b.close_reduce(yields);
  b.store(y, std::span(&i, 1), results[0]);
  b.store(z, std::span(&i, 1), results[1]);
  b.close_loop();
  return b.finish();
}

void check_rows(ir::Tree order, LoopKind outer) {
  auto symbols = std::make_shared<Symbols>();
  const Dim r = symbols->add("r"), n = symbols->add("n");
  Compiled dynamic(program_of(rows(r, n, symbols, order, outer)));
  std::mt19937 random(7);
  for (int64_t extent : extents) {
    for (int64_t count : {1, 3, 20}) {
      std::vector<float> x = draw(static_cast<size_t>(count * extent) + 1, random), y(count), z(count);
      if (extent > 2) x[1] = extent % 2 ? NAN : -INFINITY;
      if (count > 1) {  // zeros of both signs, and of one, are the largest of two rows
        for (int64_t e = 0; e < extent; ++e) {
          x[extent + e] = e % 3 ? -0.f : -1.f;
          x[2 * extent + e] = e == extent / 2 ? 0.f : -0.f;
        }
      }
      const auto check = [&](Compiled& code, std::vector<int64_t> dims, bool pieces) {
        ASSERT_EQ(code.run({x.data()}, {y.data(), z.data()}, dims, pieces), 0);
        for (int64_t i = 0; i < count; ++i) {
          const std::vector<float> row(x.begin() + i * extent, x.begin() + (i + 1) * extent);
          EXPECT_TRUE(same(y[i], sum_of(row, order))) << "sum of " << extent;
          EXPECT_TRUE(same(z[i], tree<float>(row, order, -INFINITY, max_of))) << "max of " << extent;
        }
      };
      check(dynamic, {count, extent}, false);
      if (count == 3) {
        check(dynamic, {count, extent}, true);
        auto none = std::make_shared<Symbols>();
        Compiled fixed(program_of(rows(count, extent, none, order, outer)));
        check(fixed, {}, false);
      }
    }
  }
}

TEST(LlvmReduce, RowsOver16Lanes) { check_rows(ir::row_tree, LoopKind::parallel); }
TEST(LlvmReduce, RowTreeInsideLanes) { check_rows(ir::row_tree, LoopKind::vector); }
TEST(LlvmReduce, ChainsInSingleLanes) { check_rows(ir::column_tree, LoopKind::serial); }
TEST(LlvmReduce, PairsInsideLanes) { check_rows(ir::pair_tree, LoopKind::vector); }

// y[j] = sum of x[:, j]
ir::Kernel columns(Dim n, Dim c, std::shared_ptr<Symbols> symbols) {
  KernelBuilder b("columns", symbols);
  const auto x = b.buffer("x", f32, Shape{n, c}, Space::input), y = b.buffer("y", f32, Shape{c}, Space::output);
  const auto j = b.open_loop(LoopKind::vector, b.extent(c))[0];
  const auto i = b.open_reduce({Op::add}, ir::column_tree, b.extent(n));
  const ScalarId at[] = {i, j};
  const auto v = b.load(x, at);
  const auto sum = b.close_reduce(std::span(&v, 1))[0];
  b.store(y, std::span(&j, 1), sum);
  b.close_loop();
  return b.finish();
}

TEST(LlvmReduce, Columns) {
  auto symbols = std::make_shared<Symbols>();
  const Dim n = symbols->add("n"), c = symbols->add("c");
  Compiled dynamic(program_of(columns(n, c, symbols)));
  std::mt19937 random(8);
  for (int64_t extent : extents) {
    if (extent > 3000) continue;
    for (int64_t count : {1, 16, 37, 64, 100}) {
      std::vector<float> x = draw(static_cast<size_t>(count * extent) + 1, random), y(count + 1, -7.f);
      ASSERT_EQ(dynamic.run({x.data()}, {y.data()}, {extent, count}), 0);
      for (int64_t j = 0; j < count; ++j) {
        std::vector<float> column;
        for (int64_t i = 0; i < extent; ++i) column.push_back(x[i * count + j]);
        ASSERT_TRUE(same(y[j], sum_of(column, ir::column_tree))) << extent << " x " << count;
      }
      ASSERT_EQ(y[count], -7.f);
    }
  }
}

// Index of the first extreme element, the first NaN winning; and the sum of all, for one buffer of any dtype.
template <class T>
void check_arg(DType type, LoopKind outer, ir::Tree order, const Target& target) {
  for (Op op : {Op::argmax, Op::argmin}) {
    auto symbols = std::make_shared<Symbols>();
    const Dim r = symbols->add("r"), n = symbols->add("n");
    KernelBuilder b("arg", symbols);
    const auto x = b.buffer("x", type, Shape{r, n}, Space::input), y = b.buffer("y", i64, Shape{r}, Space::output);
    const auto i = b.open_loop(outer, b.extent(r))[0];
    const auto j = b.open_reduce({op}, order, b.extent(n));
    const ScalarId at[] = {i, j};
    const auto v = b.load(x, at);
    b.store(y, std::span(&i, 1), b.close_reduce(std::span(&v, 1))[0]);
    b.close_loop();
    Compiled code(program_of(b.finish()), target);
    std::mt19937 random(9);
    for (int64_t extent : extents) {
      if (extent == 0) continue;
      const int64_t count = 21;
      std::vector<T> values(static_cast<size_t>(count * extent));
      for (T& e : values) e = static_cast<T>(static_cast<int>(random() % 90) - 45);
      if constexpr (std::is_floating_point_v<T>) {
        values[0] = -INFINITY;
        if (extent > 20) values[extent + 19] = values[extent + 7] = NAN;
        if (extent > 20) values[2 * extent + 5] = -0.0f;
        for (int64_t e = 0; e < extent; ++e) values[3 * extent + e] = op == Op::argmax ? -INFINITY : INFINITY;
        if (extent > 600) values[4 * extent + 590] = NAN;
      }
      for (int64_t e = 0; e < extent; ++e) values[5 * extent + e] = 7;  // the first of equals, wherever they stand
      for (int64_t e = extent / 3; e < extent; e += 3) values[6 * extent + e] = op == Op::argmax ? T(100) : T(0);
      std::vector<int64_t> got(count);
      ASSERT_EQ(code.run({values.data()}, {got.data()}, {count, extent}), 0);
      for (int64_t k = 0; k < count; ++k) {
        const T* row = &values[k * extent];
        int64_t best = 0;
        for (int64_t e = 1; e < extent; ++e) {
          if (row[best] != row[best]) break;
          if (row[e] != row[e] || (op == Op::argmax ? row[e] > row[best] : row[e] < row[best])) best = e;
        }
        ASSERT_EQ(got[k], best) << "extent " << extent << " row " << k;
      }
    }
  }
}

TEST(LlvmReduce, ArgReductions) {
  const Target targets[] = {codegen::host_target(), Target::portable()};  // with and without masks
  for (const Target& target : targets)
    for (const auto& [order, outer] :
         {std::pair(ir::row_tree, LoopKind::parallel), std::pair(ir::column_tree, LoopKind::vector)}) {
      check_arg<float>(f32, outer, order, target);
      check_arg<double>(f64, outer, order, target);
      check_arg<int8_t>(i8, outer, order, target);
      check_arg<int16_t>(i16, outer, order, target);
      check_arg<int32_t>(i32, outer, order, target);
      check_arg<int64_t>(i64, outer, order, target);
      check_arg<uint8_t>(u8, outer, order, target);
    }
  check_arg<double>(f64, LoopKind::vector, ir::row_tree, codegen::host_target());
}

// Whether all and whether any of the conditions in each row hold.
TEST(LlvmReduce, Conditions) {
  const Target targets[] = {codegen::host_target(), Target::portable()};
  for (const Target& target : targets)
    for (const auto& [order, outer] :
         {std::pair(ir::row_tree, LoopKind::parallel), std::pair(ir::column_tree, LoopKind::vector)}) {
      auto symbols = std::make_shared<Symbols>();
      const Dim r = symbols->add("r"), n = symbols->add("n");
      Compiled code(program_of(rows(r, n, symbols, order, outer, boolean, {Op::bit_and, Op::bit_or})), target);
      std::mt19937 random(12);
      for (int64_t extent : extents) {
        const int64_t count = 70;  // rows of trues, of falses, and with one that differs
        std::vector<uint8_t> values(static_cast<size_t>(count * extent)), all(count), some(count);
        for (int64_t k = 0; k < count; ++k) {
          std::fill_n(values.begin() + k * extent, extent, k % 2);
          if (extent > 0 && k % 4 > 1) values[k * extent + random() % extent] ^= 1;
        }
        ASSERT_EQ(code.run({values.data()}, {all.data(), some.data()}, {count, extent}), 0);
        for (int64_t k = 0; k < count; ++k) {
          const auto row = values.begin() + k * extent;
          ASSERT_EQ(all[k], std::count(row, row + extent, 1) == extent) << extent << " row " << k;
          ASSERT_EQ(some[k], std::count(row, row + extent, 1) > 0) << extent << " row " << k;
        }
      }
    }
}

// A softmax over rows: reductions and vector loops side by side, with a row kept in scratch memory.
TEST(LlvmReduce, NormalisedRows) {
  auto symbols = std::make_shared<Symbols>();
  const Dim r = symbols->add("r");
  const int64_t n = 300;
  KernelBuilder b("normalise", symbols);
  const auto x = b.buffer("x", f32, Shape{r, n}, Space::input), y = b.buffer("y", f32, Shape{r, n}, Space::output);
  const auto i = b.open_loop(LoopKind::parallel, b.extent(r))[0];
  const auto row = b.scratch("row", f32, Shape{n});
  auto j = b.open_reduce({Op::max}, ir::row_tree, b.index_literal(n));
  ScalarId at[] = {i, j};
  auto v = b.load(x, at);
  const auto top = b.close_reduce(std::span(&v, 1))[0];
  j = b.open_loop(LoopKind::vector, b.index_literal(n))[0];
  at[1] = j;
  ScalarId pair[] = {b.load(x, at), top};
  const auto shifted = b.scalar(Op::sub, pair);
  b.store(row, std::span(&j, 1), shifted);
  b.close_loop();
  j = b.open_reduce({Op::add}, ir::row_tree, b.index_literal(n));
  v = b.load(row, std::span(&j, 1));
  const auto sum = b.close_reduce(std::span(&v, 1))[0];
  j = b.open_loop(LoopKind::vector, b.index_literal(n))[0];
  at[1] = j;
  ScalarId ratio[] = {b.load(row, std::span(&j, 1)), sum};
  b.store(y, at, b.scalar(Op::div, ratio));
  b.close_loop();
  b.close_loop();
  Compiled code(program_of(b.finish()));
  std::mt19937 random(10);
  const int64_t count = 9;
  std::vector<float> in = draw(count * n, random), out(count * n);
  for (bool pieces : {false, true}) {
    ASSERT_EQ(code.run({in.data()}, {out.data()}, {count}, pieces), 0);
    for (int64_t k = 0; k < count; ++k) {
      std::vector<float> values(in.begin() + k * n, in.begin() + (k + 1) * n);
      const float highest = tree<float>(values, ir::row_tree, -INFINITY, max_of);
      for (float& e : values) e -= highest;
      const float total = sum_of(values, ir::row_tree);
      for (int64_t e = 0; e < n; ++e) ASSERT_TRUE(same(out[k * n + e], values[e] / total));
    }
  }
}

}  // namespace
}  // namespace tenon::testing
