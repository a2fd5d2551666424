// tn::vmap as its users write it: axes, trees, nesting with every other transform, named axes, control flow whose lanes part, and what
// it refuses.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tenon/tenon.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

using tn::testing::message_of;

std::string text(const tn::Shape& shape) { return tn::to_string(shape); }

template <class F>
void expect_message(F f, std::initializer_list<const char*> parts) {
  const std::string message = message_of(f);
  for (const char* part : parts) EXPECT_HAS(message, part);
}

std::vector<double> values(const Tensor& t) { return t.astype(tn::f64).reshape({-1}).to_vector<double>(); }

Tensor numbers(std::initializer_list<int64_t> shape, double scale = 0.25, double shift = -1) {
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  return (tn::arange(0, count).astype(tn::f64) * scale + shift).reshape(tn::Extents(std::vector<int64_t>(shape)));
}

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(text(a.shape()), text(b.shape()));
  const auto x = values(a), y = values(b);
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_TRUE(x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])))
        << "element " << i << ": " << x[i] << " and " << y[i];
}

// f on every row of axis 0, stacked.
Tensor one_by_one(const std::function<Tensor(Tensor)>& f, const Tensor& xs) {
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < static_cast<int64_t>(xs.shape()[0].number()); ++i) rows.push_back(f(Tensor(xs[i])));
  return tn::stack(rows, 0);
}

TEST(Vmap, AxesOfArgumentsAndResults) {
  const auto f = [](Tensor x, Tensor y) { return tn::matmul(x, y); };
  const Tensor a = numbers({4, 2, 3}), b = numbers({3, 5}), c = numbers({3, 4, 5});
  expect_same(tn::vmap(f, {.in_axes = {0, tn::none}})(a, b), tn::matmul(a, b));
  const Tensor both = tn::vmap(f, {.in_axes = {0, 1}, .out_axes = 2})(a, c);
  EXPECT_EQ(text(both.shape()), "[2, 5, 4]");
  for (int64_t i = 0; i < 4; ++i)
    expect_same(both[{tn::all, tn::all, i}], tn::matmul(Tensor(a[i]), Tensor(c[{tn::all, i}])));
  expect_same(tn::vmap(f, {.in_axes = {-3, -2}})(a, c), both.transpose({2, 0, 1}));
  const auto pair = tn::vmap([](Tensor x) { return std::pair(x * 2, tn::sum(x)); }, {.out_axes = {1, 0}})(b);
  EXPECT_EQ(text(pair.first.shape()), "[5, 3]");
  EXPECT_EQ(text(pair.second.shape()), "[3]");
}

struct Params {
  Tensor w, b;
};

TEST(Vmap, TreesAndIntegerLeaves) {
  const auto f = [](const Params& p, std::pair<Tensor, Tensor> x) {
    return Params{p.w * x.first + p.b, p.b + x.second};
  };
  const Params p{numbers({3, 2}), numbers({3, 2}, 1)};
  const Tensor i = tn::arange(0, 3);
  const Params r = tn::vmap(f)(p, std::pair(numbers({3, 2}, 0.5), i));
  expect_same(r.b, p.b + i.reshape({3, 1}));
  const Params shared =
      tn::vmap(f, {.in_axes = {tn::none, 0}})(Params{numbers({2}), numbers({2}, 1)}, std::pair(p.w, i));
  EXPECT_EQ(text(shared.w.shape()), "[3, 2]");
}

TEST(Vmap, AnUnbatchedResultIsRepeatedAndNoneGivesItOnce) {
  const Tensor x = numbers({3, 2}), k = numbers({4});
  const auto f = [&](Tensor row, Tensor c) { return std::pair(tn::sum(row), c * 2); };
  const auto repeated = tn::vmap(f, {.in_axes = {0, tn::none}})(x, k);
  EXPECT_EQ(text(repeated.second.shape()), "[3, 4]");
  const auto once = tn::vmap(f, {.in_axes = {0, tn::none}, .out_axes = {0, tn::none}})(x, k);
  expect_same(once.second, k * 2);
  expect_message([&] { tn::vmap(f, {.in_axes = {0, tn::none}, .out_axes = tn::none})(x, k); }, {"out_axes"});
}

TEST(Vmap, WhatItRefuses) {
  const auto f = [](const Params& p, Tensor x) { return p.w * x; };
  expect_message([&] { tn::vmap(f)(Params{numbers({3, 2}), numbers({4, 2})}, numbers({3, 2})); },
                 {"3", "4", "'w'", "'b'", "vmap_test.cc"});
  expect_message([&] { tn::vmap(f, {.in_axes = {0, 0, 0}})(Params{numbers({3}), numbers({3})}, numbers({3})); },
                 {"in_axes", "3", "2"});
  expect_message([&] { tn::vmap(f, {.in_axes = {0, 2}})(Params{numbers({3}), numbers({3})}, numbers({3})); },
                 {"axis 2"});
  expect_message([&] { tn::vmap(f, {.in_axes = tn::none})(Params{numbers({3}), numbers({3})}, numbers({3})); },
                 {"none"});
  expect_message([&] { tn::psum(numbers({2}), "rows"); }, {"'rows'", "axis_name"});
  expect_message([&] { tn::vmap([](Tensor x) { return tn::psum(x, "cols"); }, {.axis_name = "rows"})(numbers({2})); },
                 {"'cols'", "'rows'"});
}

TEST(Vmap, NoLanes) {
  const Tensor y =
      tn::vmap([](Tensor x) { return std::pair(tn::sum(tn::exp(x)), tn::argmax(x, 0)); })(tn::zeros({0, 3})).first;
  EXPECT_EQ(text(y.shape()), "[0]");
  EXPECT_EQ(y.dtype(), tn::f32);
}

TEST(Vmap, NestsWithEveryTransform) {
  const auto f = [](Tensor x) { return tn::sum(tn::sin(x) * x); };
  const Tensor x = numbers({3, 4});
  const Tensor expected = one_by_one([&](Tensor r) { return tn::grad(f)(r); }, x);
  expect_same(tn::vmap(tn::grad(f))(x), expected);
  expect_same(tn::jit(tn::vmap(tn::grad(f)))(x), expected);
  expect_same(tn::vmap(tn::jit(tn::grad(tn::jit(f))))(x), expected);
  expect_same(tn::grad([&](Tensor t) { return tn::sum(tn::vmap(f)(t)); })(x), expected);
  const Tensor cube = numbers({2, 3, 4});
  const Tensor nested = tn::vmap(tn::vmap(tn::grad(f)))(cube);
  for (int64_t i = 0; i < 2; ++i)
    expect_same(Tensor(nested[i]), one_by_one([&](Tensor r) { return tn::grad(f)(r); }, cube[i]));
  const auto tangent = [&](Tensor p, Tensor t) { return tn::jvp(f, p, t).second; };
  expect_same(tn::vmap(tangent)(x, x * 2), tn::jvp(tn::vmap(f), x, x * 2).second);
  Tensor leaf = numbers({3, 4});
  leaf.set_requires_grad(true);
  tn::sum(tn::vmap(f)(leaf)).backward();  // the tape goes through
  expect_same(leaf.grad(), expected);
}

TEST(Vmap, NamedAxes) {
  const Tensor x = numbers({4, 3});
  const auto centred = [](Tensor r) { return r - tn::pmean(r, "batch"); };
  expect_same(tn::vmap(centred, {.axis_name = "batch"})(x), x - tn::mean(x, {.axes = {0}}));
  const auto all = [](Tensor r) {
    return std::tuple(tn::psum(r, "i"), tn::pmax(r, "i"), tn::all_gather(r, "i"), tn::axis_index("i"),
                      tn::psum(tn::ones({2}), "i"));
  };
  const auto [sum, max, gathered, index, ones] =
      tn::vmap(all, {.out_axes = {tn::none, tn::none, tn::none, 0, tn::none}, .axis_name = "i"})(x);
  expect_same(sum, tn::sum(x, {.axes = {0}}));
  expect_same(max, tn::max(x, {.axes = {0}}));
  expect_same(gathered, x);
  expect_same(index, tn::arange(0, 4));
  EXPECT_EQ(index.dtype(), tn::i64);
  expect_same(ones, tn::full({2}, 4.f));
  // An axis of another vmap goes along.
  const auto inner = [](Tensor r) { return tn::all_gather(tn::psum(r, "outer"), "inner"); };
  const Tensor cube = numbers({2, 3, 2});
  const Tensor y = tn::vmap(tn::vmap(inner, {.axis_name = "inner"}), {.axis_name = "outer"})(cube);
  EXPECT_EQ(text(y.shape()), "[2, 3, 3, 2]");
  expect_same(y[{1, 2}], tn::sum(cube, {.axes = {0}}));
  // Derivatives within and without.
  const auto loss = [](Tensor r) { return tn::sum(tn::psum(r * r, "i") * r); };
  const auto total = [&](Tensor t) { return tn::sum(tn::vmap(loss, {.axis_name = "i"})(t)); };
  const Tensor g = tn::grad(total)(x);
  const Tensor h =
      tn::vmap(tn::grad(loss), {.axis_name = "i"})(x);  // every lane's loss by its own argument, all of them added up
  for (size_t k = 0; k < values(g).size(); ++k) EXPECT_NEAR(values(g)[k], values(h)[k], 1e-12);
  for (auto fn : {+[](Tensor r) { return tn::sum(tn::pmax(r, "i") * r); },
                  +[](Tensor r) { return tn::sum(tn::all_gather(r, "i") * r); }}) {
    const Tensor a = tn::grad([&](Tensor t) { return tn::sum(tn::vmap(fn, {.axis_name = "i"})(t)); })(x);
    const Tensor b = tn::vmap(tn::grad(fn), {.axis_name = "i"})(x);
    for (size_t k = 0; k < values(a).size(); ++k) EXPECT_NEAR(values(a)[k], values(b)[k], 1e-12);
  }
  // In a jitted function, whose trace must not be taken for one without the axis.
  const auto jitted = tn::jit([](Tensor r) { return tn::psum(r, "i"); });
  expect_same(tn::vmap(jitted, {.out_axes = tn::none, .axis_name = "i"})(x), tn::sum(x, {.axes = {0}}));
  expect_message([&] { jitted(x); }, {"'i'"});
}

TEST(Vmap, LanesThatPartInABranch) {
  const auto f = [](Tensor x) {
    return tn::cond(x > 0., [](Tensor v) { return tn::log(v) + tn::sqrt(v); }, [](Tensor v) { return v * v; }, x);
  };
  for (const Tensor& x : {numbers({6}), numbers({3}, 0.5, -4), numbers({3}, 0.5, 4)}) {
    expect_same(tn::vmap(f)(x), one_by_one(f, x));
    expect_same(tn::jit(tn::vmap(f))(x), one_by_one(f, x));
    expect_same(tn::vmap(tn::grad(f))(x), one_by_one(tn::grad(f), x));
    const auto total = [&](Tensor t) { return tn::sum(tn::vmap(f)(t)); };
    expect_same(tn::jit(tn::grad(total))(x), one_by_one(tn::grad(f), x));  // no NaN of the branch not taken
  }
  // A shared operand, and a branch that is dear.
  const auto dear = [](Tensor w, Tensor x) {
    return tn::cond(
        tn::sum(x) > 0., [](Tensor a, Tensor b) { return tn::sum(tn::log(tn::matmul(a, b))); },
        [](Tensor, Tensor b) { return tn::sum(b); }, w, x);
  };
  const Tensor w = tn::ones({2, 2}).astype(tn::f64), x = numbers({4, 2}, 0.5, -2);
  const auto total = [&](Tensor a, Tensor b) { return tn::sum(tn::vmap(dear, {.in_axes = {tn::none, 0}})(a, b)); };
  const Tensor by_w = tn::grad(total)(w, x);
  for (double v : values(by_w)) EXPECT_TRUE(std::isfinite(v));
  EXPECT_TRUE(std::isfinite(values(tn::grad(total)(w, -tn::abs(x)))[0]));  // nobody takes it
}

TEST(Vmap, LanesThatLeaveALoopWhenTheyLike) {
  const auto collatz = [](Tensor n) {
    using State = std::pair<Tensor, Tensor>;
    return tn::while_loop([](const State& s) { return s.first != 1; },
                          [](const State& s) {
                            const Tensor odd = tn::rem(s.first, 2) == 1;
                            return State(tn::where(odd, 3 * s.first + 1, s.first / 2), s.second + 1);
                          },
                          State(n, tn::zeros({}, {.dtype = tn::i64})))
        .second;
  };
  const Tensor n = tn::arange(1, 28);
  expect_same(tn::vmap(collatz)(n), one_by_one(collatz, n));
  expect_same(tn::jit(tn::vmap(collatz))(n), one_by_one(collatz, n));
  // A loop in a loop, whose inner count is each lane's own.
  const auto nested = [](Tensor x) {
    return tn::while_loop([](Tensor v) { return v < 100.; },
                          [](Tensor v) {
                            return tn::while_loop([](Tensor u) { return tn::rem(tn::floor(u), 7.) != 0.; },
                                                  [](Tensor u) { return u + 1.; }, v + 1.);
                          },
                          x);
  };
  const Tensor x = numbers({5}, 13.25, 0.5);
  expect_same(tn::vmap(nested)(x), one_by_one(nested, x));
  // Forward derivatives through it.
  const auto newton = [](Tensor a) {
    return tn::while_loop([&](Tensor v) { return tn::abs(v * v - a) > 1e-12; },
                          [&](Tensor v) { return v - (v * v - a) / (2. * v); }, a);
  };
  const Tensor a = numbers({4}, 0.75, 0.5);
  const auto push = [&](Tensor p) { return tn::jvp(newton, p, tn::ones({}).astype(tn::f64)).second; };
  expect_same(tn::vmap(push)(a), one_by_one(push, a));
}

TEST(Vmap, OneProgramHoweverManyLanes) {
  const auto lines = [](int64_t lanes) {
    const auto f = [](Tensor x, Tensor i, Tensor k) {
      const Tensor picked = tn::take(x, i, 0);
      const Tensor drawn = tn::uniform(k, {3});
      const std::vector<Tensor> starts = {i[0], i[1]};
      return tn::sum(tn::sort(picked) * drawn.astype(tn::f64)) + tn::cumsum(x, 0)[{1, 0}] +
             tn::sum(tn::scatter_add(x, i, x, 0)) + tn::sum(tn::dynamic_slice(x, starts, {1, 2}));
    };
    const Tensor keys = tn::stack(std::vector<Tensor>(static_cast<size_t>(lanes), tn::key(3)), 0);
    const Tensor x = tn::ones({lanes, 3, 3}).astype(tn::f64), i = tn::zeros({lanes, 3}, {.dtype = tn::i64});
    const std::string text = tn::trace(tn::vmap(f), x, i, keys).ir();
    EXPECT_EQ(text.find("while"), std::string::npos);
    EXPECT_EQ(text.find("scan "), std::string::npos);
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(lines(2), lines(50));
}

TEST(Vmap, HowManyLanesMayBeKnownLate) {
  const auto f = [](Tensor x, Tensor w) {
    const Tensor y =
        tn::cond(tn::sum(x) > 0., [](Tensor v) { return tn::sqrt(tn::abs(v)); }, [](Tensor v) { return v * v; }, x);
    const auto halve = [](Tensor v) { return v * 0.5; };
    const Tensor small = tn::while_loop([](Tensor v) { return tn::sum(tn::abs(v)) > 1.; }, halve, y + 4.);
    return tn::sum(tn::cumsum(tn::sort(x)) * tn::matmul(x, w)) + tn::sum(small);
  };
  const Tensor w = numbers({3, 3});
  const auto free =
      tn::jit(tn::vmap(tn::grad([&](Tensor x, Tensor m) { return tn::sum(tn::sin(x) * tn::matmul(x, m)); }),
                       {.in_axes = {0, tn::none}}),
              {.dynamic = {{0, 0}}});
  const auto value = tn::jit(tn::vmap(f, {.in_axes = {0, tn::none}}), {.dynamic = {{0, 0}}});
  for (int64_t lanes : {1, 2, 5}) {
    const Tensor x = numbers({lanes, 3}, 0.375, -2);
    expect_same(value(x, w), one_by_one([&](Tensor r) { return f(r, w); }, x));
    expect_same(free(x, w), one_by_one(
                                [&](Tensor r) {
                                  return tn::grad([&](Tensor v) { return tn::sum(tn::sin(v) * tn::matmul(v, w)); })(r);
                                },
                                x));
  }
}

TEST(Vmap, NoLanesThroughControlFlow) {
  const auto f = [](Tensor x) {
    const Tensor y = tn::cond(
        x > 0., [](Tensor v) { return tn::sum(tn::matmul(tn::ones({1, 1}).astype(tn::f64), v.reshape({1, 1}))); },
        [](Tensor v) { return v; }, x);
    return tn::while_loop([](Tensor v) { return v > 1.; }, [](Tensor v) { return v * 0.5; }, y);
  };
  EXPECT_EQ(text(tn::vmap(f)(tn::zeros({0}).astype(tn::f64)).shape()), "[0]");
  EXPECT_EQ(text(tn::jit(tn::vmap(f))(tn::zeros({0}).astype(tn::f64)).shape()), "[0]");
}

TEST(Vmap, EveryLaneDrawsItsOwnNumbers) {
  const Tensor keys = tn::stack(tn::split(tn::key(7), 5), 0);
  const auto draw = [](Tensor k) { return tn::normal(k, {4, 3}); };
  expect_same(tn::vmap(draw)(keys), one_by_one(draw, keys));
  expect_same(tn::jit(tn::vmap(draw))(keys), one_by_one(draw, keys));
}

}  // namespace
