// x[...] with none, ellipsis, lists made at run time, tensors of integers and bools, read and assigned, against nested loops: NumPy's rules
// for where the axes of several index tensors stand.
#include "tenon/tests/index_arrays.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
using namespace tenon::testing;
using tn::all;
using tn::Index;
using tn::Tensor;

namespace {

std::vector<double> values(const Tensor& t) { return t.to_vector<double>(); }

struct Setting {
  Draws draw;
  Grid x = draw.reals({4, 5, 6}), i = draw.integers({3}, -4, 4), j = draw.integers({2, 1}, 0, 5);
  Tensor v = x.tensor(), a = i.tensor(tn::i64), b = j.tensor(tn::i32);
  int64_t at_i(int64_t n) const { return static_cast<int64_t>(i[{n}]) + (i[{n}] < 0 ? 4 : 0); }
  int64_t at_j(int64_t n) const { return static_cast<int64_t>(j[{n, 0}]); }
};

TEST(Index, NewAxesAndTheRest) {
  Setting s;
  const Tensor& x = s.v;
  EXPECT_EQ(tn::to_string(x[tn::none].shape()), "[1, 4, 5, 6]");
  EXPECT_EQ(tn::to_string(x[{tn::ellipsis, tn::none}].shape()), "[4, 5, 6, 1]");
  EXPECT_EQ(tn::to_string(x[{1, tn::none, tn::ellipsis, 2, tn::none}].shape()), "[1, 5, 1]");
  EXPECT_EQ(values(x[{tn::ellipsis, 2}]), values(x[{all, all, 2}]));
  EXPECT_EQ(values(x[{0, tn::ellipsis, tn::slice(1, 6, 2)}]), values(x[{0, all, tn::slice(1, 6, 2)}]));
  EXPECT_EQ(values(x[{1, 2, tn::ellipsis, 3}]), values(x[{1, 2, 3}]));
  std::vector<Index> list;
  for (int64_t d = 0; d < x.ndim(); ++d) list.push_back(d == 1 ? Index(tn::slice(4, 0, -1)) : Index(d));
  EXPECT_EQ(values(x[list]), values(x[{0, tn::slice(4, 0, -1), 2}]));
  EXPECT_EQ(tn::to_string(x[std::vector<Index>{}].shape()), "[4, 5, 6]");
  EXPECT_EQ(tn::to_string(tn::tensor(1.f)[{tn::none, tn::ellipsis, tn::none}].shape()), "[1, 1]");
  Tensor y = tn::zeros({2, 3});
  y[{tn::ellipsis, tn::none, 1}] = tn::tensor({{1.f}, {2.f}});
  y[list = {0, tn::ellipsis}] += 10;
  EXPECT_EQ(values(y), (std::vector<double>{10, 11, 10, 0, 2, 0}));
}

TEST(Index, OneTensor) {
  Setting s;
  Grid first({3, 5, 6}), last({4, 5, 2, 1});
  each(first.shape, [&](const Place& p) { first[p] = s.x[{s.at_i(p[0]), p[1], p[2]}]; });
  each(last.shape, [&](const Place& p) { last[p] = s.x[{p[0], p[1], s.at_j(p[2])}]; });
  expect_both([](Tensor x, Tensor a) { return x[a]; }, first, 0, s.v, s.a);
  expect_both([](Tensor x, Tensor b) { return x[{tn::ellipsis, b}]; }, last, 0, s.v, s.b);
  // A number beside it counts as a tensor: neighbours stay in place, apart they go to the front.
  Grid beside({4, 3}), apart({3, 5});
  each(beside.shape, [&](const Place& p) { beside[p] = s.x[{p[0], s.at_i(p[1]), 2}]; });
  each(apart.shape, [&](const Place& p) { apart[p] = s.x[{s.at_i(p[0]), p[1], 5}]; });
  expect_both([](Tensor x, Tensor a) { return x[{all, a, 2}]; }, beside, 0, s.v, (s.i.tensor(tn::i64) + 4) % 4);
  expect_both([](Tensor x, Tensor a) { return x[{a, all, -1}]; }, apart, 0, s.v, s.a);
  EXPECT_EQ(values(s.v[tn::tensor(1)]), values(s.v[1]));
}

TEST(Index, SeveralTensorsBroadcast) {
  Setting s;
  Grid neighbours({2, 3, 6}), behind({4, 2, 3}), around({2, 3, 5}), fresh({4, 1, 2, 3}), part({2, 3, 1, 2});
  each({2, 3, 6}, [&](const Place& p) { neighbours[p] = s.x[{s.at_i(p[1]), s.at_j(p[0]), p[2]}]; });
  each({4, 2, 3}, [&](const Place& p) { behind[p] = s.x[{p[0], s.at_j(p[1]), s.at_i(p[2])}]; });
  each({2, 3, 5}, [&](const Place& p) { around[p] = s.x[{s.at_i(p[1]), p[2], s.at_j(p[0])}]; });
  each({4, 1, 2, 3}, [&](const Place& p) { fresh[p] = behind[{p[0], p[2], p[3]}]; });
  each({2, 3, 1, 2}, [&](const Place& p) { part[p] = s.x[{s.at_i(p[1]), s.at_j(p[0]), 1 + 3 * p[3]}]; });
  const auto two = [](Tensor x, Tensor a, Tensor b) { return x[{a, b}]; };
  expect_both(two, neighbours, 0, s.v, s.a, s.b);
  const Tensor c = (s.a + 4) % 4;
  expect_both([](Tensor x, Tensor a, Tensor b) { return x[{all, b, a}]; }, behind, 0, s.v, c, s.b);
  expect_both([](Tensor x, Tensor a, Tensor b) { return x[{a, all, b}]; }, around, 0, s.v, s.a, s.b);
  expect_both([](Tensor x, Tensor a, Tensor b) { return x[{all, tn::none, b, a}]; }, fresh, 0, s.v, c, s.b);
  expect_both([](Tensor x, Tensor a, Tensor b) { return x[{a, b, tn::none, tn::slice(1, 6, 3)}]; }, part, 0, s.v, s.a,
              s.b);
  // Free extents.
  const auto free = tn::jit(two, {.dynamic = {{0, 0}, {1, 0}}});
  expect_grid(free(s.v, s.a, s.b), neighbours);
}

TEST(Index, Masks) {
  Setting s;
  const Tensor positive = s.v > 0.;
  std::vector<double> wanted;
  for (double v : s.x.values)
    if (v > 0) wanted.push_back(v);
  EXPECT_EQ(values(s.v[positive]), wanted);
  const Tensor rows = tn::tensor({true, false, true, true});
  EXPECT_EQ(values(s.v[rows]), values(s.v[tn::tensor({0, 2, 3})]));
  EXPECT_EQ(values(s.v[{rows, 1}]), values(s.v[{tn::tensor({0, 2, 3}), 1}]));
  EXPECT_EQ(tn::to_string(s.v[{tn::ellipsis, tn::zeros({6}).astype(tn::boolean)}].shape()), "[4, 5, 0]");
  Tensor x = s.v;
  x[positive] = 1;
  x[{all, tn::tensor({false, true, false, false, true})}] = -1;
  Grid y = s.x;
  each(y.shape, [&](const Place& p) { y[p] = p[1] == 1 || p[1] == 4 ? -1 : y[p] > 0 ? 1 : y[p]; });
  expect_grid(x, y);
  x[x > 100.] += 5;  // nothing
  expect_grid(x, y);
}

TEST(Assign, ThroughTensors) {
  Setting s;
  const Grid value = s.draw.reals({2, 3, 6});
  Grid set = s.x, add = s.x, part = s.x;
  each(value.shape, [&](const Place& p) { set[{s.at_i(p[1]), s.at_j(p[0]), p[2]}] = value[p]; });
  // Read, add, write: of several updates at one place the last counts.
  each(value.shape, [&](const Place& p) {
    const Place to{s.at_i(p[1]), s.at_j(p[0]), p[2]};
    add[to] = s.x[to] + value[p];
  });
  each({2, 3, 3}, [&](const Place& p) { part[{s.at_i(p[1]), s.at_j(p[0]), 5 - 2 * p[2]}] = value[{p[0], p[1], 0}]; });
  const Tensor u = value.tensor();
  expect_both([](Tensor x, Tensor a, Tensor b, Tensor v) { return x[{a, b}] = v, x; }, set, 0, s.v, s.a, s.b, u);
  expect_both([](Tensor x, Tensor a, Tensor b, Tensor v) { return x[{a, b}] += v, x; }, add, 0, s.v, s.a, s.b, u);
  expect_both([](Tensor x, Tensor a, Tensor b,
                 Tensor v) { return x[{a, b, tn::slice(5, 0, -2)}] = v[{all, all, tn::slice(0, 1)}], x; },
              part, 0, s.v, s.a, s.b, u);
  Tensor x = tn::zeros({3, 2});
  x[{tn::tensor({0, 0, 2, 9, -1}), 1}] += 1;  // 9 is outside, -1 is the last
  EXPECT_EQ(values(x), (std::vector<double>{0, 1, 0, 0, 0, 1}));
  x[{tn::none, tn::tensor({1})}] = tn::tensor({{{7.f, 8.f}}});
  EXPECT_EQ(values(x[1]), (std::vector<double>{7, 8}));
  x[tn::tensor({0, 2})][{all, 0}] = 4;
  EXPECT_EQ(values(x), (std::vector<double>{4, 1, 7, 8, 4, 1}));
}

TEST(Assign, IndexPut) {
  Setting s;
  const Grid value = s.draw.reals({6});
  Grid set = s.x, sum = s.x;
  each({2, 3, 6}, [&](const Place& p) {
    const Place to{s.at_i(p[1]), s.at_j(p[0]), p[2]};
    set[to] = value[{p[2]}];
    sum[to] += value[{p[2]}];
  });
  const Tensor u = value.tensor();
  expect_both([](Tensor x, Tensor a, Tensor b, Tensor v) { return tn::index_put(x, {a, b}, v); }, set, 0, s.v, s.a, s.b,
              u);
  expect_both([](Tensor x, Tensor a, Tensor b, Tensor v) { return tn::index_put(x, {a, b}, v, true); }, sum, 0, s.v,
              s.a, s.b, u);
  EXPECT_EQ(values(tn::index_put(tn::zeros({3}), tn::tensor({1, 1}), tn::tensor({2.f, 3.f}))),
            (std::vector<double>{0, 3, 0}));
  EXPECT_EQ(values(tn::index_put(tn::zeros({3}), {tn::tensor({1, 1})}, 2, true)), (std::vector<double>{0, 4, 0}));
}

TEST(Index, Refused) {
  Setting s;
  const Tensor& x = s.v;
  EXPECT_HAS(message_of([&] { (void)x[{s.a, s.a, s.a, s.a}]; }), "4 indices into");
  EXPECT_HAS(message_of([&] { (void)x[{tn::ellipsis, 1, tn::ellipsis}]; }), "one ellipsis");
  EXPECT_HAS(message_of([&] { (void)x[x]; }), "integers, or bools");
  EXPECT_HAS(message_of([&] { (void)x[{tn::tensor({0, 1, 2}), tn::tensor({0, 1})}]; }), "broadcast");
  EXPECT_HAS(message_of([&] { (void)x[{s.a, 9}]; }), "out of range");
  EXPECT_HAS(message_of([&] { (void)x[tn::tensor({true, false})]; }), "does not fit axis 0");
  EXPECT_HAS(message_of([&] { tn::jit([](Tensor t) { return t[t > 0.]; })(x); }), "tn::where");
  EXPECT_HAS(message_of([&] { tn::jit([](Tensor t) { return t[t > 0.]; })(x); }), "tn::masked_select");
  EXPECT_HAS(message_of([&] {
               Tensor y = x;
               y[s.a] = tn::ones({2});
             }),
             "does not stretch");
}

}  // namespace
