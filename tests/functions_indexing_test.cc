// gather, scatter and their kind against nested loops: every axis, fewer indices than x has elements, several updates at one place, indices
// outside, no elements, numbers; masks of a bounded size; what is refused.
#include "tenon/tests/function_case.h"
#include "tenon/tests/index_arrays.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
using namespace tenon::testing;
using tn::Tensor;

namespace {

Place with(Place at, size_t axis, int64_t place) {
  at[axis] = place;
  return at;
}

TEST(Indexing, Battery) {
  const Drawn x = {{4, 3}}, u = {{5, 3}}, i = integers({5, 3}, -1, 5), row = {{3}}, rows = integers({5}, -1, 5),
              mask = booleans({4, 3});
  const std::vector<Drawn> truths = {mask, i, booleans({5, 3})};
  const Drawn ties = apart({4, 3}), more = apart({5, 3}, -2.5, 1.5);
  const std::vector<std::vector<Drawn>> one = {{{{}}, integers({}, 0, 1), {{}}}},
                                        whole = {
                                            {integers({3, 2}, -9, 9), integers({2, 2}, 0, 3), integers({2, 2}, 1, 5)}};
  check_functions({
      {"gather", TENON_CALL(tn::gather(x[0], 0, x[1])), {x, i}, one},
      {"gather", TENON_CALL(tn::gather(x[0], 1, x[1])), {{{3, 19}}, integers({2, 40}, 0, 19)}},
      {"scatter", TENON_CALL(tn::scatter(x[0], 0, x[1], x[2])), {x, i, u}, one},
      {"scatter_add", TENON_CALL(tn::scatter_add(x[0], 0, x[1], x[2])), {x, i, u}, one, 2, false},
      {"scatter_add", TENON_CALL(tn::scatter_add(x[0], x[1], x[2], 0)), {x, rows, u}, {}, 2, false},
      {"scatter_reduce", TENON_CALL(tn::scatter_reduce(x[0], 0, x[1], x[2], "sum")), {x, i, u}, whole},
      {"scatter_reduce", TENON_CALL(tn::scatter_reduce(x[0], 0, x[1], x[2], "prod")), {x, i, u}, whole},
      {"scatter_reduce", TENON_CALL(tn::scatter_reduce(x[0], 0, x[1], x[2], "mean")), {x, i, u}, whole},
      {"scatter_reduce", TENON_CALL(tn::scatter_reduce(x[0], 0, x[1], x[2], "amax")), {ties, i, more}, whole},
      {"scatter_reduce",
       TENON_CALL(tn::scatter_reduce(x[0], 0, x[1], x[2], "amin", {.include_self = false})),
       {ties, i, more},
       whole},
      {"scatter_add", TENON_CALL(tn::scatter_add(x[0], 0, x[1], x[2])), truths},
      {"scatter_reduce", TENON_CALL(tn::scatter_reduce(x[0], 0, x[1], x[2], "prod", {.include_self = false})), truths},
      {"take_along_axis", TENON_CALL(tn::take_along_axis(x[0], x[1], 0)), {x, integers({2, 1}, -4, 4)}, one},
      {"take_along_dim",
       TENON_CALL(tn::take_along_dim(x[0], x[1])),
       {x, integers({7}, -12, 12)},
       {},
       2,
       true,
       true,
       true,
       -1},
      {"put_along_axis", TENON_CALL(tn::put_along_axis(x[0], x[1], x[2], 0)), {x, integers({2, 1}, -4, 4), row}},
      {"index_select", TENON_CALL(tn::index_select(x[0], 0, x[1])), {x, rows}, one},
      {"index_add", TENON_CALL(tn::index_add(x[0], 0, x[1], x[2], {.alpha = 1.5})), {x, rows, u}, {}, 2, false},
      {"index_copy", TENON_CALL(tn::index_copy(x[0], 0, x[1], x[2])), {x, rows, u}, one},
      {"index_fill", TENON_CALL(tn::index_fill(x[0], 0, x[1], 0.5)), {x, rows}},
      {"index_reduce", TENON_CALL(tn::index_reduce(x[0], 0, x[1], x[2], "prod")), {x, rows, u}},
      {"embedding", TENON_CALL(tn::embedding(x[0], x[1])), {integers({2, 2}, 0, 4), x}},
      {"index_put", TENON_CALL(tn::index_put(x[0], {x[1], x[2]}, x[3])), {x, rows, integers({5}, -3, 3), {{5}}}},
      {"index_put", TENON_CALL(tn::index_put(x[0], x[1], x[2], true)), {x, rows, row}, {}, 2, false},
      {"select_scatter", TENON_CALL(tn::select_scatter(x[0], x[1], 0, 1)), {x, row}},
      {"slice_scatter", TENON_CALL(tn::slice_scatter(x[0], x[1], 0, 0, 4, 2)), {x, {{2, 3}}}},
      {"masked_fill", TENON_CALL(tn::masked_fill(x[0], x[1], -0.5)), {x, mask}},
      {"masked_select", TENON_CALL(tn::masked_select(x[0], x[1], 9)), {x, mask}},
      {"masked_scatter", TENON_CALL(tn::masked_scatter(x[0], x[1], x[2])), {x, mask, u}},
      {"nonzero", TENON_CALL(tn::nonzero(x[0], 9)), {mask}, {}, 0},
  });
}

TEST(AlongAnAxis, GatherScatterAndTheirKind) {
  Draws draw;
  const Place shapes[][3] = {{{4, 5, 3}, {4, 5, 3}, {4, 5, 3}},
                             {{4, 5, 3}, {2, 6, 2}, {3, 6, 2}},
                             {{7}, {9}, {9}},
                             {{3, 19}, {2, 19}, {2, 19}},
                             {{2, 0}, {2, 0}, {2, 0}}};
  for (const auto& [shape, index_shape, src_shape] : shapes)
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      const Grid x = draw.reals(shape), src = draw.reals(src_shape);
      bool part = true;
      for (size_t d = 0; d < shape.size(); ++d) part = part && (d == axis || index_shape[d] <= shape[d]);
      if (!part) continue;
      const int64_t extent = shape[axis], a = static_cast<int64_t>(axis);
      const Grid i = draw.integers(index_shape, -1, extent + 2);
      Grid read(index_shape), set = x, sum = x, prod = x, most = x, count(shape, 1), untouched = x, apart(shape);
      each(index_shape, [&](const Place& at) {
        const auto k = static_cast<int64_t>(i[at]);
        if (extent > 0) read[at] = x[with(at, axis, std::min(std::max<int64_t>(k, 0), extent - 1))];
        if (k < 0 || k >= extent) return;
        const Place to = with(at, axis, k);
        set[to] = src[at];
        sum[to] += src[at];
        prod[to] *= src[at];
        most[to] = std::max(most[to], src[at]);
        untouched[to] = count[to] == 1 ? src[at] : std::min(untouched[to], src[at]);
        count[to] += 1;
        apart[to] += src[at];
      });
      Grid mean = sum, own_mean = x;
      each(shape, [&](const Place& at) {
        mean[at] /= count[at];
        if (count[at] > 1) own_mean[at] = apart[at] / (count[at] - 1);
      });
      SCOPED_TRACE("axis " + std::to_string(axis));
      const auto reduce = [a](const char* how, bool self = true) {
        return
            [=](Tensor v, Tensor k, Tensor u) { return tn::scatter_reduce(v, a, k, u, how, {.include_self = self}); };
      };
      const Tensor v = x.tensor(), k = i.tensor(tn::i32), u = src.tensor();
      expect_both([a](Tensor t, Tensor n) { return tn::gather(t, a, n); }, read, 0, v, k);
      expect_both([a](Tensor t, Tensor n, Tensor s) { return tn::scatter(t, a, n, s); }, set, 0, v, k, u);
      expect_both([a](Tensor t, Tensor n, Tensor s) { return tn::scatter_add(t, a, n, s); }, sum, 0, v, k, u);
      expect_both(reduce("sum"), sum, 0, v, k, u);
      expect_both(reduce("prod"), prod, 0, v, k, u);
      expect_both(reduce("amax"), most, 0, v, k, u);
      expect_both(reduce("amin", false), untouched, 0, v, k, u);
      expect_both(reduce("mean"), mean, 1e-15, v, k, u);
      expect_both(reduce("mean", false), own_mean, 1e-15, v, k, u);
    }
}

TEST(AlongAnAxis, BroadcastsAndCountsFromTheEnd) {
  Draws draw;
  const Grid x = draw.reals({3, 1, 4}), i = draw.integers({1, 5, 6}, -4, 4), v = draw.reals({3, 1, 6});
  Grid read({3, 5, 6});
  const auto place = [&](double k) { return static_cast<int64_t>(k < 0 ? k + 4 : k); };
  each(read.shape, [&](const Place& at) { read[at] = x[{at[0], 0, place(i[{0, at[1], at[2]}])}]; });
  expect_both([](Tensor t, Tensor k) { return tn::take_along_axis(t, k, 2); }, read, 0, x.tensor(), i.tensor(tn::i64));
  expect_both([](Tensor t, Tensor k) { return tn::take_along_dim(t, k, -1); }, read, 0, x.tensor(), i.tensor(tn::i64));
  const Grid k = draw.integers({1, 1, 6}, -4, 4);
  Grid put = x;
  each({3, 1, 6}, [&](const Place& at) { put[{at[0], 0, place(k[{0, 0, at[2]}])}] = v[at]; });
  expect_both([](Tensor t, Tensor n, Tensor s) { return tn::put_along_axis(t, n, s, 2); }, put, 0, x.tensor(),
              k.tensor(tn::i64), v.tensor());
  const Tensor flat = tn::take_along_dim(x.tensor(), tn::tensor({{-1, 0}, {5, 2}}));
  EXPECT_EQ(flat.to_vector<double>(), (std::vector<double>{x.values[11], x.values[0], x.values[5], x.values[2]}));
}

// Extents that are known when the program runs; what does not fit is refused then.
TEST(AlongAnAxis, FreeExtents) {
  Draws draw;
  const auto f = [](Tensor x, Tensor i, Tensor u) {
    return tn::sum(tn::sin(tn::gather(x, 0, i))) + tn::sum(tn::sin(tn::scatter_reduce(x, 0, i, u, "prod")));
  };
  const auto free = tn::jit(f, {.dynamic = {{0, 0}, {0, 1}, {1, 1}, {2, 1}}});
  for (const auto& [rows, columns] : {std::pair{3, 4}, {5, 1}, {2, 7}}) {
    const Tensor x = draw.reals({rows, columns}).tensor(), u = draw.reals({2, columns}).tensor();
    const Tensor i = draw.integers({2, columns}, -1, rows + 1).tensor(tn::i64);
    EXPECT_EQ(free(x, i, u).to_vector<double>(), f(x, i, u).to_vector<double>());
  }
  const Tensor x = draw.reals({3, 4}).tensor(), i = draw.integers({2, 5}, 0, 3).tensor(tn::i64);
  EXPECT_THROW(free(x, i, draw.reals({2, 5}).tensor()), tn::Error);
}

TEST(Rows, AddedCopiedFilledReduced) {
  Draws draw;
  for (size_t axis = 0; axis < 3; ++axis) {
    const Grid x = draw.reals({4, 5, 3}), i = draw.integers({6}, -1, 6);
    const int64_t extent = x.shape[axis], a = static_cast<int64_t>(axis);
    Place rows = x.shape;
    rows[axis] = 6;
    const Grid src = draw.reals(rows);
    Grid read(rows), add = x, copy = x, fill = x, least = x;
    each(rows, [&](const Place& at) {
      const auto k = static_cast<int64_t>(i[{at[axis]}]);
      read[at] = x[with(at, axis, std::min(std::max<int64_t>(k, 0), extent - 1))];
      if (k < 0 || k >= extent) return;
      const Place to = with(at, axis, k);
      fill[to] = 2.5;
      least[to] = std::min(least[to], src[at]);
    });
    for (int64_t n = 0; n < 6; ++n)  // in ascending order of the indices
      each(x.shape, [&](const Place& to) {
        if (to[axis] != static_cast<int64_t>(i[{n}])) return;
        add[to] += 0.5 * src[with(to, axis, n)];
        copy[to] = src[with(to, axis, n)];
      });
    const Tensor v = x.tensor(), k = i.tensor(tn::i64), u = src.tensor();
    expect_both([a](Tensor t, Tensor n) { return tn::index_select(t, a, n); }, read, 0, v, k);
    expect_both([a](Tensor t, Tensor n, Tensor s) { return tn::index_add(t, a, n, s, {.alpha = 0.5}); }, add, 0, v, k,
                u);
    expect_both([a](Tensor t, Tensor n, Tensor s) { return tn::index_copy(t, a, n, s); }, copy, 0, v, k, u);
    expect_both([a](Tensor t, Tensor n) { return tn::index_fill(t, a, n, 2.5); }, fill, 0, v, k);
    expect_both([a](Tensor t, Tensor n, Tensor s) { return tn::index_reduce(t, a, n, s, "amin"); }, least, 0, v, k, u);
  }
}

TEST(Rows, NumbersAndIntegers) {
  EXPECT_EQ(tn::index_select(tn::tensor({1, 2, 3}), 0, tn::tensor(1)).to_vector<int>(), std::vector<int>{2});
  EXPECT_EQ(tn::gather(tn::tensor(5), 0, tn::tensor({0, 0})).to_vector<int>(), (std::vector<int>{5, 5}));
  EXPECT_EQ(tn::scatter(tn::zeros({2, 3}), 1, tn::tensor({{0}, {2}}), 7).to_vector<float>(),
            (std::vector<float>{7, 0, 0, 0, 0, 7}));
  // The mean of integers rounds down, as PyTorch's.
  const Tensor mean =
      tn::scatter_reduce(tn::tensor({-3, 4, 9}), 0, tn::tensor({0, 1, 1}), tn::tensor({-2, 1, 3}), "mean");
  EXPECT_EQ(mean.to_vector<int>(), (std::vector<int>{-3, 2, 9}));
  const Tensor most =
      tn::scatter_reduce(tn::tensor({-3, 4}), 0, tn::tensor({0}), tn::tensor({-128}), "amax", {.include_self = false});
  EXPECT_EQ(most.to_vector<int>(), (std::vector<int>{-128, 4}));
}

// Sums and maxima of bools are or, products and minima and.
TEST(Rows, Bools) {
  const Tensor x = tn::tensor({true, false, true, false}), i = tn::tensor({0, 1, 1, 2}),
               v = tn::tensor({false, true, false, false});
  using B = std::vector<bool>;
  EXPECT_EQ(tn::scatter_add(x, i, v).to_vector<bool>(), (B{1, 1, 1, 0}));
  EXPECT_EQ(tn::scatter_add(x, 0, i, v).to_vector<bool>(), (B{1, 1, 1, 0}));
  EXPECT_EQ(tn::index_add(x, 0, i, v, {.alpha = 2}).to_vector<bool>(), (B{1, 1, 1, 0}));
  EXPECT_EQ(tn::index_put(x, i, v, true).to_vector<bool>(), (B{1, 1, 1, 0}));
  for (const char* most : {"sum", "amax"}) {
    EXPECT_EQ(tn::scatter_reduce(x, 0, i, v, most).to_vector<bool>(), (B{1, 1, 1, 0}));
    EXPECT_EQ(tn::index_reduce(x, 0, i, v, most, {.include_self = false}).to_vector<bool>(), (B{0, 1, 0, 0}));
  }
  for (const char* least : {"prod", "amin"}) {
    EXPECT_EQ(tn::scatter_reduce(x, 0, i, v, least).to_vector<bool>(), (B{0, 0, 0, 0}));
    EXPECT_EQ(tn::index_reduce(x, 0, i, tn::logical_not(v), least, {.include_self = false}).to_vector<bool>(),
              (B{1, 0, 1, 0}));
  }
  EXPECT_HAS(message_of([&] { tn::scatter_reduce(x, 0, i, v, "mean"); }), "bools have no mean");
}

// Sums of halves round once, not after every update.
TEST(Rows, HalvesRoundOnce) {
  const Tensor x = tn::zeros({1}).astype(tn::f16), i = tn::zeros({3000}, {.dtype = tn::i64});
  EXPECT_EQ(tn::scatter_reduce(x, 0, i, tn::ones({3000}).astype(tn::f16), "sum").item<float>(), 3000);
  EXPECT_EQ(tn::scatter_add(x, i, tn::ones({3000}).astype(tn::f16)).item<float>(), 2048);
}

TEST(Rows, Embedding) {
  Draws draw;
  const Grid w = draw.reals({5, 3}), i = draw.integers({2, 4}, 0, 5);
  Grid read({2, 4, 3});
  each(read.shape, [&](const Place& at) { read[at] = w[{static_cast<int64_t>(i[{at[0], at[1]}]), at[2]}]; });
  const Tensor k = i.tensor(tn::i64);
  expect_both([](Tensor n, Tensor v) { return tn::embedding(n, v); }, read, 0, k, w.tensor());
  expect_both([](Tensor n, Tensor v) { return tn::embedding(n, v, -1); }, read, 0, k, w.tensor());
  const Tensor rows = tn::tensor({4, 1, 4, 2});
  for (const auto& f : {+[](Tensor v, Tensor n) { return tn::sum(tn::embedding(n, v, {.padding = 4})); },
                        +[](Tensor v, Tensor n) { return tn::sum(tn::embedding(n, v, {.padding_idx = -1})); }}) {
    const Tensor g = tn::grad(f)(w.tensor(), rows);
    EXPECT_EQ(tn::sum(g, {{1}}).to_vector<double>(), (std::vector<double>{0, 3, 3, 0, 0}));
  }
}

TEST(Masks, FillSelectScatter) {
  Draws draw;
  const Grid x = draw.reals({3, 4}), source = draw.reals({12});
  const Grid m = draw.integers({3, 4}, 0, 2);
  const Tensor v = x.tensor(), mask = m.tensor(tn::boolean);
  Grid filled = x, scattered = x;
  std::vector<double> chosen;
  std::vector<int64_t> places;
  each(x.shape, [&](const Place& at) {
    if (m[at] == 0) return;
    filled[at] = -7;
    scattered[at] = source.values[chosen.size()];
    chosen.push_back(x[at]);
    places.insert(places.end(), at.begin(), at.end());
  });
  expect_both([](Tensor t, Tensor b) { return tn::masked_fill(t, b, -7); }, filled, 0, v, mask);
  expect_both([](Tensor t, Tensor b, Tensor s) { return tn::masked_scatter(t, b, s); }, scattered, 0, v, mask,
              source.tensor());
  EXPECT_EQ(tn::masked_select(v, mask).to_vector<double>(), chosen);
  EXPECT_EQ(tn::nonzero(mask).to_vector<int64_t>(), places);
  Grid padded({9}), rows({9, 2}, -1);
  std::copy(chosen.begin(), chosen.end(), padded.values.begin());
  std::copy(places.begin(), places.end(), rows.values.begin());
  ASSERT_LT(chosen.size(), 9u);
  expect_both([](Tensor t, Tensor b) { return tn::masked_select(t, b, 9); }, padded, 0, v, mask);
  expect_both([](Tensor b) { return tn::nonzero(b, 9, -1); }, rows, 0, mask);
  EXPECT_EQ(tn::masked_select(v, mask, 2).to_vector<double>(), std::vector<double>(chosen.begin(), chosen.begin() + 2));
  EXPECT_EQ(tn::to_string(tn::nonzero(tn::tensor(3.f)).shape()), "[1, 0]");
  EXPECT_EQ(tn::masked_fill(tn::ones({2, 2}), tn::tensor({true, false}), 0).to_vector<float>(),
            (std::vector<float>{0, 1, 0, 1}));
}

TEST(Parts, SelectAndSliceScatter) {
  const Tensor x = tn::zeros({2, 3});
  EXPECT_EQ(tn::select_scatter(x, tn::tensor({1.f, 2.f}), 1, -1).to_vector<float>(),
            (std::vector<float>{0, 0, 1, 0, 0, 2}));
  EXPECT_EQ(tn::slice_scatter(x, tn::ones({2, 2}), 1, 0, 3, 2).to_vector<float>(),
            (std::vector<float>{1, 0, 1, 1, 0, 1}));
}

TEST(Refused, NamesWhatIsWrong) {
  const Tensor x = tn::ones({2, 3}), i = tn::tensor({{0, 1, 0}});
  EXPECT_HAS(message_of([&] { tn::gather(x, 1, tn::tensor({{0}, {0}, {1}})); }), "as many axes as x");
  EXPECT_HAS(message_of([&] { tn::gather(x, 2, i); }), "gather");
  EXPECT_HAS(message_of([&] { tn::gather(x, 0, x); }), "gather");
  EXPECT_HAS(message_of([&] { tn::scatter(x, 0, i, tn::ones({1, 2})); }), "src has as many axes");
  EXPECT_HAS(message_of([&] { tn::scatter_reduce(x, 0, i, x, "median"); }), "\"amin\", not \"median\"");
  EXPECT_HAS(message_of([&] { tn::index_add(x, 0, i, x); }), "vector");
  EXPECT_HAS(message_of([&] { tn::index_copy(x, 0, tn::tensor({0}), x); }), "has the shape [1, 3]");
  EXPECT_HAS(message_of([&] { tn::index_add(tn::tensor({1, 2}), 0, tn::tensor({0}), 1, {.alpha = 0.5}); }), "alpha");
  EXPECT_HAS(message_of([&] { tn::embedding(tn::tensor({0}), x, 2); }), "padding");
  EXPECT_HAS(message_of([&] { tn::masked_fill(x, x, 0); }), "bools");
  EXPECT_HAS(message_of([&] { tn::jit([](Tensor t) { return tn::masked_select(t, t > 0); })(x); }), "tn::where");
  EXPECT_HAS(message_of([&] { tn::jit([](Tensor t) { return tn::nonzero(t); })(x); }), "a size");
  EXPECT_HAS(message_of([&] { tn::gather(x, 0, x); }), "functions_indexing_test.cc");
}

}  // namespace
