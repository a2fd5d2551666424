// Programs over free extents: what a function computes with x.shape(), numel(), slices, reshapes, ranges and loops means the same
// whether its extents are numbers or are known only when it runs. Each function is run eagerly, jitted over numbers, and compiled
// once over symbols and then run at each size; its gradient too.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <functional>

#include "messages.h"
#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/compile.h"

namespace tn = tenon;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

using Sizes = std::vector<std::vector<int64_t>>;

std::string bytes_of(const Tensor& t) {
  return std::string(static_cast<const char*>(t.raw()), static_cast<size_t>(t.numel() * tn::bytes(t.dtype())));
}

tenon::ir::Array array_of(const Tensor& t) {
  tenon::ir::Array a({t.dtype(), t.shape()});
  std::copy_n(static_cast<const unsigned char*>(t.raw()), a.data.size(), a.data.begin());
  return a;
}

// f over one tensor whose first axes are free, [free..., rest...]; bounds 1 to 64 each.
template <class F>
void expect_one_meaning(const char* name, const F& f, const std::vector<int64_t>& rest, const Sizes& sizes) {
  tn::Shape symbolic;
  for (size_t i = 0; i < sizes[0].size(); ++i) symbolic.push_back(tn::dim("free_" + std::to_string(i), 1, 64));
  for (int64_t d : rest) symbolic.push_back(d);
  const auto gradient = [&](const Tensor& x) {
    return tn::grad([&](const Tensor& y) { return tn::sum(f(y) * f(y)); })(x);
  };
  std::vector<std::shared_ptr<const tenon::runtime::Executable>> programs;
  std::vector<std::vector<Tensor>> captured;
  for (const tn::Lowered& lowered :
       {tn::jit(f).lower(tn::spec(symbolic, tn::f32)), tn::jit(gradient).lower(tn::spec(symbolic, tn::f32))}) {
    programs.push_back(tenon::runtime::compile(*lowered.entry()->program.graph));
    captured.push_back(lowered.entry()->program.captured);
  }
  for (const std::vector<int64_t>& size : sizes) {
    tn::Shape shape;
    for (int64_t d : size) shape.push_back(d);
    for (int64_t d : rest) shape.push_back(d);
    const Tensor x = tn::normal(tn::key(3), shape);
    const tenon::ir::Array in = array_of(x);
    const std::string at = std::string(name) + tenon::to_string(shape);
    const Tensor wanted[] = {f(x), gradient(x)}, jitted[] = {tn::jit(f)(x), tn::jit(gradient)(x)};
    for (int i : {0, 1}) {
      std::vector<tenon::ir::Array> inputs = {in};
      for (const Tensor& t : captured[i]) inputs.push_back(array_of(t));
      const tenon::ir::Array out = programs[i]->run(inputs)[0];
      EXPECT_EQ(wanted[i].shape(), out.type.shape) << at;
      EXPECT_EQ(bytes_of(wanted[i]), bytes_of(jitted[i])) << at;
      EXPECT_TRUE(bytes_of(wanted[i]) == std::string(out.data.begin(), out.data.end())) << at << " program " << i;
    }
  }
}

const Sizes one = {{1}, {2}, {7}, {64}};
const Sizes even = {{2}, {8}, {10}, {64}};
const Sizes two = {{1, 1}, {2, 3}, {7, 1}, {5, 33}};

TEST(FreeExtents, ShapeFunctions) {
  expect_one_meaning("pad", [](const Tensor& x) { return tn::pad(x, {{0, 1}, {1, 2}}, "reflect"); }, {4}, even);
  expect_one_meaning("roll", [](const Tensor& x) { return tn::roll(tn::tile(x, {2, 1}), {3, -1}, {0, 1}); }, {4}, one);
  expect_one_meaning("planes", [](const Tensor& x) { return tn::tril(x, 1) + tn::sum(tn::diagonal(x)); }, {}, two);
}

TEST(FreeExtents, Windows) {
  const auto plane = [](const Tensor& x) { return tn::unsqueeze(x, 0); };
  const auto averaged = [&](const Tensor& x) {
    return tn::avg_pool2d(plane(x), 3, {.stride = 2, .padding = 1, .count_include_pad = false});
  };
  const auto stretched = [&](const Tensor& x) {
    return tn::interpolate(tn::unsqueeze(plane(x), 0), {.scale_factor = 2, .mode = "bilinear"});
  };
  const Sizes some = {{2, 2}, {3, 5}, {9, 33}};
  expect_one_meaning("max", [&](const Tensor& x) { return tn::max_pool2d(plane(x), 2, {3, 0, 1, true}); }, {}, some);
  expect_one_meaning("average", averaged, {}, some);
  expect_one_meaning("stretched", stretched, {}, some);
  expect_one_meaning(
      "convolution", [](const Tensor& x) { return tn::conv2d(x, tn::ones({2, 3, 2, 2})); }, {3, 4, 4}, one);
}

TEST(FreeExtents, Reshapes) {
  expect_one_meaning("flatten", [](const Tensor& x) { return x.reshape({x.shape()[0], -1}) * 2; }, {3, 4}, one);
  expect_one_meaning("split", [](const Tensor& x) { return x.reshape({x.shape()[0], 4, -1}); }, {12}, one);
  expect_one_meaning("all", [](const Tensor& x) { return x.reshape({-1}) + 1; }, {3, 4}, one);
  expect_one_meaning("number", [](const Tensor& x) { return x.reshape({x.numel()}) + 1; }, {3}, two);
  expect_one_meaning(
      "heads",
      [](const Tensor& x) {
        const auto b = x.shape()[0], t = x.shape()[1];
        const Tensor h = x.reshape({b, t, 2, 3}).transpose({0, 2, 1, 3});
        return tn::matmul(h, h.transpose({0, 1, 3, 2})).reshape({b * 2, t, -1});
      },
      {6}, two);
  expect_one_meaning("join", [](const Tensor& x) { return tn::softmax(x.reshape({-1, x.shape()[2]}), -1); }, {5}, two);
  expect_one_meaning(
      "pairs", [](const Tensor& x) { return tn::sum(x.reshape({x.shape()[0] / 2, 2, 3}), {.axes = {1}}); }, {3}, even);
  expect_one_meaning(
      "open pairs", [](const Tensor& x) { return tn::sum(x.reshape({-1, 2, 3}), {.axes = {1}}); }, {3}, even);
}

TEST(FreeExtents, Slices) {
  for (int64_t step : {1, 3, -2}) {
    for (int64_t start : {int64_t{0}, int64_t{3}, int64_t{-4}, INT64_MAX})
      for (int64_t stop : {INT64_MAX, int64_t{5}, INT64_MIN})
        expect_one_meaning(
            ("slice " + std::to_string(start) + ":" + std::to_string(stop) + ":" + std::to_string(step)).c_str(),
            [=](const Tensor& x) { return x[{tn::slice(start, stop, step), tn::all}] + 0; }, {2},
            {{1}, {2}, {5}, {6}, {9}});
  }
  expect_one_meaning("half", [](const Tensor& x) { return x[{tn::slice(0, x.shape()[0] / 2)}] * 3; }, {2}, one);
  expect_one_meaning(
      "but one", [](const Tensor& x) { return x[{tn::slice(1, INT64_MAX)}] - x[{tn::slice(0, -1)}]; }, {2}, one);
  expect_one_meaning("last", [](const Tensor& x) { return x[-1] + x[0]; }, {2}, one);
  expect_one_meaning("middle", [](const Tensor& x) { return x[x.shape()[0] / 2]; }, {2}, one);
  expect_one_meaning(
      "assigned",
      [](Tensor x) {
        x[{tn::slice(0, x.shape()[0] / 2)}] = 5;
        x[{tn::slice(0, INT64_MAX, 2)}] *= 2;
        x[-1] += 1;
        return x;
      },
      {2}, one);
  expect_one_meaning(
      "window",
      [](const Tensor& x) {
        const Tensor start = tn::tensor<int64_t>(1);
        return tn::dynamic_slice(x, std::vector{start, start}, {x.shape()[0] / 2, 2});
      },
      {3}, one);
}

TEST(FreeExtents, RangesPadsAndCounts) {
  expect_one_meaning(
      "arange", [](const Tensor& x) { return x * tn::arange(0, x.shape()[0]).reshape({-1, 1}); }, {2}, one);
  expect_one_meaning(
      "arange by 2", [](const Tensor& x) { return tn::sum(x) * tn::arange(1, x.shape()[0] * 2, 2).astype(tn::f32); },
      {2}, one);
  expect_one_meaning("mean", [](const Tensor& x) { return tn::sum(x) / x.numel(); }, {2}, two);
  expect_one_meaning(
      "pad", [](const Tensor& x) { return tn::pad(x, {{1, x.shape()[1]}, {x.shape()[0] - 1, 0}}); }, {}, two);
  expect_one_meaning(
      "one_hot", [](const Tensor& x) { return tn::one_hot(tn::argmax(x, 1), x.shape()[1]) * x; }, {}, two);
  expect_one_meaning(
      "concat",
      [](const Tensor& x) {
        const Tensor twice = tn::concat({x, x});
        return twice[{tn::slice(x.shape()[0], 2 * x.shape()[0])}] + x;
      },
      {3}, one);
  expect_one_meaning("full", [](const Tensor& x) { return tn::full({x.shape()[0] + 1, 2}, 3.0) + x[0]; }, {2}, one);
  expect_one_meaning(
      "broadcast", [](const Tensor& x) { return tn::broadcast_to(tn::sum(x), {x.shape()[1], x.shape()[0]}); }, {}, two);
}

TEST(FreeExtents, Loops) {
  expect_one_meaning(
      "scan",
      [](const Tensor& x) {
        const auto [last, all] = tn::scan(
            [](const Tensor& c, const Tensor& row) { return std::pair(c * 0.5 + row, tn::sin(c)); }, tn::zeros({2}), x);
        return tn::concat({all, last.reshape({1, 2})});
      },
      {2}, one);
  expect_one_meaning(
      "reversed scan",
      [](const Tensor& x) {
        return tn::scan([](const Tensor& c, const Tensor& row) { return std::pair(c + row, c * row); }, tn::zeros({}),
                        x, {.reverse = true})
            .second;
      },
      {}, one);
  expect_one_meaning(
      "fori_loop",
      [](const Tensor& x) {
        return tn::fori_loop(
            0, x.shape()[0], [&](const Tensor& i, const Tensor& s) { return s + tn::take(x, i) * i; }, tn::zeros({2}));
      },
      {2}, one);
  expect_one_meaning(
      "cond",
      [](const Tensor& x) {
        return tn::cond(
            tn::sum(x) > 0, [](const Tensor& y) { return y.reshape({-1}); },
            [](const Tensor& y) { return tn::flip(y.reshape({y.numel()}), {0}); }, x);
      },
      {3}, one);
}

TEST(FreeExtents, Networks) {
  const Tensor filters = tn::normal(tn::key(1), {3, 3, 2, 4}), dense = tn::normal(tn::key(2), {4 * 4 * 4, 5});
  expect_one_meaning("cnn",
                     [&](const Tensor& x) {
                       const Tensor y =
                           tn::relu(tn::convolution(x, filters, {.strides = {2, 2}, .low = {1, 1}, .high = {1, 1}}));
                       return tn::softmax(tn::matmul(y.reshape({y.shape()[0], -1}), dense), -1);
                     },
                     {8, 8, 2}, {{1}, {2}, {5}, {16}});
  const Tensor wq = tn::normal(tn::key(4), {8, 8}), wv = tn::normal(tn::key(5), {8, 8});
  expect_one_meaning("attention",
                     [&](const Tensor& x) {
                       const auto b = x.shape()[0], t = x.shape()[1];
                       const auto heads = [&](const Tensor& w) {
                         return tn::matmul(x, w).reshape({b, t, 2, 4}).transpose({0, 2, 1, 3});
                       };
                       const Tensor q = heads(wq), v = heads(wv);
                       Tensor scores = tn::matmul(q, q.transpose({0, 1, 3, 2})) / 2;
                       const Tensor i = tn::arange(0, t);
                       scores = tn::where(i.reshape({-1, 1}) >= i, scores, -1e9);
                       return tn::matmul(tn::softmax(scores, -1), v).transpose({0, 2, 1, 3}).reshape({b, t, 8}) + x;
                     },
                     {8}, {{1, 1}, {2, 7}, {3, 16}});
}

TEST(FreeExtents, ArithmeticOutsideTraces) {
  const tn::Dim n = tn::dim("outside_n", 2, 64);
  EXPECT_EQ(tn::Dim(n * 2 + n), tn::Dim(3 * n));
  EXPECT_EQ(tn::Dim((n * 8) % 4), 0);
  EXPECT_TRUE(n + 1 > n);
  EXPECT_TRUE(n >= 2);
  EXPECT_FALSE(n > 64);
  EXPECT_HAS(message_of([&] { (void)(n > 3); }), "outside_n is 2 to 64");
  EXPECT_HAS(message_of([&] { (void)(n - 65); }), "negative for every value");
  EXPECT_HAS(message_of([&] { (void)(n * -1); }), "never negative");
  EXPECT_HAS(message_of([&] { (void)(n / 0); }), "division by 0");
  const auto doubled = tn::trace([](const Tensor& x, const Tensor& y) { return tn::concat({x, x}) + y; },
                                 tn::spec({n}, tn::f32), tn::spec({n * 2}, tn::f32));
  EXPECT_HAS(doubled.ir(), "(outside_n * 2)");
}

// A number is C++'s, of any sign.
TEST(FreeExtents, NumbersStayNumbers) {
  const Tensor x = tn::ones({2, 3});
  EXPECT_EQ(x.numel(), 6);
  EXPECT_EQ(x.numel() - 7, -1);
  EXPECT_EQ(x.shape()[0] / 2 * 4 % 3, 1);
  EXPECT_EQ(-x.numel(), -6);
  const int64_t n = x.numel();
  const double share = 1.0 / x.numel();
  EXPECT_EQ(std::vector<float>(x.numel()).size(), 6u);
  EXPECT_EQ(static_cast<double>(n) * share, 1);
  EXPECT_HAS(message_of([&] { (void)(x.numel() * INT64_MAX); }), "64 bits");
  const tn::Extent least = INT64_MIN;
  EXPECT_HAS(message_of([&] { (void)(least / -1); }), "64 bits");
  EXPECT_EQ(least % -1, 0);
}

TEST(FreeExtents, WhatIsNotDecidedIsCheckedAtTheCall) {
  const auto f = [](const Tensor& x) { return x.reshape({-1, 4}); };
  const auto lowered = tn::jit(f).lower(tn::spec({tn::dim("checked_n", 1, 64)}, tn::f32));
  const auto program = tenon::runtime::compile(*lowered.entry()->program.graph);
  for (int64_t n : {4, 8, 64})
    EXPECT_EQ(program->run(std::vector{array_of(tn::ones({n}))})[0].type.shape, (tn::Shape{n / 4, 4}));
  for (int64_t n : {1, 5, 63}) EXPECT_THROW((void)program->run(std::vector{array_of(tn::ones({n}))}), tn::Error) << n;
}

// What needs a number says so, and where it was asked.
TEST(FreeExtents, ErrorsNameThePlace) {
  const Tensor x = tn::spec({tn::dim("placed_n", 1, 64), 3}, tn::f32);
  const auto number = [](const Tensor& y) { return y + static_cast<double>(std::vector<int>(y.numel()).size()); };
  const std::string error = message_of([&] { (void)tn::trace(number, x); });
  EXPECT_HAS(error, "free extent");
  const auto branches = tn::jit([](const Tensor& y) { return y.shape()[0] > 4 ? y + 1 : y; }, {.dynamic = {{0, 0}}});
  const std::string undecided = message_of([&] { (void)branches(tn::ones({3})); });
  EXPECT_HAS(undecided, "free_extents_test.cc");
  EXPECT_HAS(undecided, "while 'jit' traces: whether 4 < argument0_axis0 is not decided");
  const auto wrong = [](const Tensor& y) { return y.reshape({y.shape()[0], 4}); };
  EXPECT_HAS(message_of([&] { (void)tn::trace(wrong, x); }), "placed_n");
  EXPECT_HAS(message_of([&] { (void)tn::trace(wrong, x); }), "free_extents_test.cc");
}

TEST(Dynamic, OneTraceServesEverySize) {
  int traces = 0;
  const auto f = [&](const Tensor& x, const Tensor& w) {
    ++traces;
    return tn::softmax(tn::matmul(x, w).reshape({x.shape()[0], 2, -1}), -1) * x.shape()[0];
  };
  const auto free = tn::jit(f, {.dynamic = {{0, 0, tn::dim("rows", 1, 64)}}});
  const Tensor w = tn::normal(tn::key(1), {3, 4});
  for (int64_t n : {1, 2, 33, 64}) {
    const Tensor x = tn::normal(tn::key(2), {n, 3});
    traces = 0;
    const Tensor y = free(x, w);
    EXPECT_EQ(traces, n == 1) << n;
    EXPECT_EQ(bytes_of(y), bytes_of(tn::jit(f)(x, w))) << n;
  }
  EXPECT_HAS(message_of([&] { free(tn::ones({65, 3}), w); }), "'rows' is 65, outside its bounds [1, 64]");
}

// What a program needs at most, from the bounds of its extents.
TEST(Dynamic, MemoryIsThatOfTheLargestExtents) {
  const auto network = [](const Tensor& x, const Tensor& w, const Tensor& v) {
    return tn::softmax(tn::matmul(tn::tanh(tn::matmul(x, w)), v), -1);
  };
  const auto memory = [&](const tn::Extent& n) {
    return tn::jit(network)
        .lower(tn::spec({n, 8}, tn::f32), tn::spec({8, 16}, tn::f32), tn::spec({16, 3}, tn::f32))
        .compile();
  };
  const tn::MemoryInfo fixed = memory(64).memory(), free = memory(tn::dim("up_to_64", 1, 64)).memory();
  EXPECT_GT(free.arena_bytes, 0);
  EXPECT_LE(free.arena_bytes, 2 * fixed.arena_bytes + 4096);
  EXPECT_EQ(free.input_bytes, fixed.input_bytes);
  EXPECT_EQ(free.output_bytes, 64 * 3 * 4);
  EXPECT_HAS(memory(tn::dim("up_to_64", 1, 64)).explain(), "arena up to ");
  const auto open = memory(tn::dim("up_to_anything"));
  EXPECT_EQ(open.memory().arena_bytes, -1);
  EXPECT_EQ(open.memory().output_bytes, -1);
  EXPECT_HAS(open.explain(), "arena without a bound");
}

TEST(Dynamic, GradientsAndDonationsFollow) {
  int traces = 0;
  const auto f = [&](const Tensor& x, const Tensor& w) {
    ++traces;
    return tn::mean(tn::tanh(tn::matmul(x, w)));
  };
  const auto free = tn::jit(f, {.dynamic = {{0, 0}}});
  const Tensor w = tn::normal(tn::key(1), {3, 4}).detach().set_requires_grad(true);
  for (int64_t n : {1, 2, 33}) {
    const Tensor x = tn::normal(tn::key(2), {n, 3});
    free(x, w).backward();
    const Tensor gradient = w.grad();
    w.cell();
    Tensor(w).zero_grad();
    tn::jit(f)(x, w).backward();
    EXPECT_EQ(bytes_of(gradient), bytes_of(w.grad())) << n;
    Tensor(w).zero_grad();
  }
  EXPECT_EQ(traces, 1 + 3);
  const auto twice = tn::jit([](const Tensor& x) { return x * 2; }, {.donate = {0}, .dynamic = true});
  for (int64_t n : {2, 5, 7}) {
    Tensor x = tn::ones({n, 3});
    const void* memory = x.raw();
    const Tensor y = twice(x);
    EXPECT_EQ(y.shape(), (tn::Shape{n, 3}));
    EXPECT_EQ(y.raw(), memory);
    EXPECT_EQ(y.to_vector<float>(), std::vector<float>(static_cast<size_t>(3 * n), 2));
  }
}

TEST(Dynamic, EveryExtentAboveOne) {
  int traces = 0;
  const auto f = tn::jit([&](const Tensor& x, const Tensor& y) { return ++traces, x + y; }, {.dynamic = true});
  const auto run = [&](tn::Shape a, tn::Shape b) { return f(tn::ones(a), tn::ones(b)).shape(); };
  EXPECT_EQ(run({4, 3}, {3}), (tn::Shape{4, 3}));
  EXPECT_EQ(run({7, 5}, {5}), (tn::Shape{7, 5}));
  EXPECT_EQ(traces, 1);
  EXPECT_EQ(run({3, 3}, {3}), (tn::Shape{3, 3}));  // equal where they were not
  EXPECT_EQ(run({4, 3}, {1}), (tn::Shape{4, 3}));  // 1 stretches
  EXPECT_EQ(traces, 3);
}

TEST(Dynamic, WrongCallsAreNamed) {
  const auto add = [](const Tensor& x, const Tensor& y) { return x + y; };
  const tn::Dim n = tn::dim("wrong_n", 1, 64);
  const auto f = tn::jit(add, {.dynamic = {{0, 0, n}, {1, 0, n}}});
  EXPECT_EQ(f(tn::ones({3}), tn::ones({3})).numel(), 3);
  const std::string error = message_of([&] { f(tn::ones({3}), tn::ones({4})); });
  EXPECT_HAS(error, "argument 1");
  EXPECT_HAS(error, "wrong_n");
  EXPECT_HAS(message_of([&] { tn::jit(add, {.dynamic = {{2, 0, n}}})(tn::ones({3}), tn::ones({3})); }), "argument 2");
  EXPECT_HAS(message_of([&] { tn::jit(add, {.dynamic = {{0, 1, n}}})(tn::ones({3}), tn::ones({3})); }), "axis 1");
}

// In another trace the extents are that trace's, free or not.
TEST(Dynamic, InsideOtherTraces) {
  const auto inner = tn::jit([](const Tensor& x) { return x.reshape({-1}) * x.numel(); }, {.dynamic = {{0, 0}}});
  const auto outer = [&](const Tensor& x) { return inner(x) + inner(x * 2); };
  expect_one_meaning("nested", outer, {3}, one);
}

TEST(Dynamic, ExtentsAsArguments) {
  const auto f = [](const Tensor& x, tn::Dim n) { return x[{tn::slice(0, n)}] * n; };
  EXPECT_EQ(tn::jit(f)(tn::ones({5}), tn::Dim(3)).to_vector<float>(), std::vector<float>(3, 3));
  EXPECT_EQ(tn::jit(f)(tn::ones({5}), tn::Dim(2)).numel(), 2);
  const auto lowered = tn::jit(f).lower(tn::ones({5}), tn::dim("taken", 1, 5));
  EXPECT_HAS(lowered.ir(), "taken");
}

}  // namespace
