// Functions with rules of their own, checkpoints, implicit derivatives, Jacobians: what each gives, under the other transforms, and what it
// refuses.
#include <gtest/gtest.h>

#include <cmath>

#include "tenon/tenon.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
using tn::Tensor;
using tn::testing::message_of;

namespace {

std::vector<double> values(const Tensor& t) { return t.astype(tn::f64).reshape({-1}).to_vector<double>(); }
Tensor f64(std::initializer_list<double> v) { return tn::tensor(std::vector<double>(v)); }
Tensor scalar(double v) { return tn::tensor(v); }
double number(const Tensor& t) { return t.item<double>(); }

void expect_near(const Tensor& a, const Tensor& b, double tolerance = 1e-12) {
  ASSERT_EQ(tn::to_string(a.shape()), tn::to_string(b.shape()));
  const auto x = values(a), y = values(b);
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_NEAR(x[i], y[i], tolerance * std::max(1.0, std::abs(y[i]))) << "element " << i;
}
void expect_same(const Tensor& a, const Tensor& b) { expect_near(a, b, 0); }

// ---- custom_vjp

struct Weights {
  Tensor w, b;
};

// A derivative that is not that of the function, so that it shows.
auto tripled() {
  return tn::custom_vjp([](Tensor x) { return tn::sin(x); },
                        [](Tensor x) { return std::pair(tn::sin(x), std::pair(x, 3)); },
                        [](std::pair<Tensor, int> r, Tensor ct) { return ct * (r.first * double(r.second)); });
}

TEST(CustomVjp, IsWhatReverseModeUses) {
  const auto f = tripled();
  const Tensor x = f64({1, 2, 3});
  const auto loss = [&](Tensor t) { return tn::sum(f(t) * 2.); };
  expect_same(f(x), tn::sin(x));
  expect_same(tn::grad(loss)(x), x * 6.);
  expect_same(tn::jit(tn::grad(loss))(x), x * 6.);
  expect_same(tn::vmap(tn::grad([&](Tensor t) { return f(t); }))(x), x * 3.);
  expect_same(tn::grad([&](Tensor t) { return tn::sum(tn::vmap(f)(t)); })(x), x * 3.);
  Tensor leaf = f64({1, 2, 3});
  leaf.set_requires_grad(true);
  loss(leaf).backward();
  expect_same(leaf.grad(), x * 6.);
  // Higher orders differentiate the rule.
  expect_same(tn::grad([&](Tensor t) { return tn::sum(tn::grad(loss)(t) * t); })(x), x * 12.);
  expect_same(tn::jvp(tn::grad(loss), x, x).second, x * 6.);
  // Forward mode transposes the rule.
  expect_same(tn::jvp(f, x, f64({1, 1, 2})).second, x * 3. * f64({1, 1, 2}));
  expect_same(tn::hessian(loss)(x), tn::grad([&](Tensor t) { return tn::sum(tn::grad(loss)(t)); })(x).reshape({3, 1}) *
                                        (tn::arange(0, 3).reshape({3, 1}) == tn::arange(0, 3)).astype(tn::f64));
}

TEST(CustomVjp, TreesSeveralArgumentsIntegersAndScans) {
  const auto f =
      tn::custom_vjp([](const Weights& p, Tensor i, Tensor x) { return tn::take(p.w, i, 0) * x + p.b; },
                     [](const Weights& p, Tensor i, Tensor x) {
                       return std::pair(tn::take(p.w, i, 0) * x + p.b, std::tuple(p, i, x));
                     },
                     [](const std::tuple<Weights, Tensor, Tensor>& r, Tensor ct) {
                       const auto& [p, i, x] = r;
                       return std::tuple(Weights{p.w * tn::sum(ct), ct * 2.}, Tensor(), x * 0. + tn::sum(ct) * 5.);
                     });
  const Weights p{f64({1, 2}), f64({3, 4, 5})};
  const Tensor i = tn::tensor(std::vector<int64_t>{0, 1, 1}), x = f64({1, 1, 1});
  const auto loss = [&](const Weights& q, Tensor k, Tensor y) { return tn::sum(f(q, k, y)); };
  const auto [by_p, by_i, by_x] = tn::grad<0, 1, 2>(loss)(p, i, x);
  expect_same(by_p.w, f64({3, 6}));
  expect_same(by_p.b, f64({2, 2, 2}));
  EXPECT_FALSE(by_i.defined());
  expect_same(by_x, f64({15, 15, 15}));
  // Shared by all lanes: the cotangent is the sum.
  const auto lanes = [&](const Weights& q) { return tn::sum(tn::vmap(f, {.in_axes = {tn::none, 0, 0}})(q, i, x)); };
  expect_same(tn::grad(lanes)(p).b, f64({6, 6, 6}));
  const auto scanned = [&](Tensor s) {
    const auto g = tripled();
    return tn::sum(tn::scan([&](Tensor c, Tensor) { return std::pair(g(c), 0); }, s, tn::zeros({4})).first);
  };
  EXPECT_TRUE(std::isfinite(values(tn::grad(scanned)(x))[0]));
  expect_same(tn::jit(tn::grad(scanned))(x), tn::grad(scanned)(x));
}

TEST(CustomVjp, WhatItRefuses) {
  const auto bad =
      tn::custom_vjp([](Tensor x) { return tn::sum(x); }, [](Tensor x) { return std::pair(tn::sum(x), x); },
                     [](Tensor, Tensor ct) { return ct; });
  const std::string shape = message_of([&] { tn::grad(bad)(f64({1, 2})); });
  EXPECT_HAS(shape, "custom_vjp");
  EXPECT_HAS(shape, "f64[2]");
  EXPECT_HAS(shape, "f64[]");
  const auto other = tn::custom_vjp([](Tensor x) { return tn::sum(x); }, [](Tensor x) { return std::pair(x, x); },
                                    [](Tensor, Tensor ct) { return ct; });
  EXPECT_HAS(message_of([&] { other(f64({1, 2})); }), "custom_vjp");
  const auto clipped = tn::custom_vjp([](Tensor x) { return x * 1.; }, [](Tensor x) { return std::pair(x * 1., x); },
                                      [](Tensor, Tensor ct) { return tn::clip(ct, -1, 1); });
  expect_same(tn::grad([&](Tensor x) { return tn::sum(clipped(x) * 9.); })(f64({1, 2})), f64({1, 1}));
  EXPECT_HAS(message_of([&] { tn::jvp(clipped, f64({1}), f64({1})); }), "linear");
}

// ---- custom_jvp, custom_batch

TEST(CustomJvp, IsWhatBothModesUse) {
  const auto f = tn::custom_jvp([](Tensor x, Tensor y) { return x * y; },
                                [](std::tuple<Tensor, Tensor> p, std::tuple<Tensor, Tensor> t) {
                                  const auto& [x, y] = p;
                                  const auto& [dx, dy] = t;
                                  return std::pair(x * y, 10. * dx + x * dy);
                                });
  const Tensor x = f64({1, 2}), y = f64({3, 4});
  expect_same(tn::jvp(f, std::tuple(x, y), std::tuple(x, y)).second, x * 10. + x * y);
  const auto loss = [&](Tensor a, Tensor b) { return tn::sum(f(a, b)); };
  const auto [by_x, by_y] = tn::grad<0, 1>(loss)(x, y);
  expect_same(by_x, f64({10, 10}));
  expect_same(by_y, x);
  expect_same(tn::jit(tn::grad(loss))(x, y), by_x);
  expect_same(tn::vmap(tn::grad([&](Tensor a, Tensor b) { return f(a, b); }))(x, y), by_x);
  expect_same(tn::grad([&](Tensor a) { return tn::sum(tn::vmap(f, {.in_axes = {0, tn::none}})(a, y)); })(x),
              f64({20, 20}));
  Tensor leaf = f64({1, 2});
  leaf.set_requires_grad(true);
  loss(leaf, y).backward();
  expect_same(leaf.grad(), by_x);
  const auto one = tn::custom_jvp([](Tensor v) { return tn::exp(v); },
                                  [](Tensor v, Tensor t) { return std::pair(tn::exp(v), t * tn::exp(v)); });
  expect_same(tn::grad(tn::grad([&](Tensor v) { return one(v); }))(scalar(1)), tn::exp(scalar(1)));
  const auto bad =
      tn::custom_jvp([](Tensor v) { return tn::sum(v); }, [](Tensor v, Tensor t) { return std::pair(tn::sum(v), t); });
  const std::string message = message_of([&] { bad(x); });
  EXPECT_HAS(message, "custom_jvp");
  EXPECT_HAS(message, "f64[2]");
}

TEST(CustomBatch, IsWhatVmapUses) {
  int traced = 0;
  const auto f = tn::custom_batch([](Tensor x, Tensor w) { return tn::sum(x * w); },
                                  [&](Tensor x, Tensor w) {
                                    ++traced;
                                    return tn::sum(x * w, {.axes = {1}}) + 100.;
                                  });
  const Tensor x = f64({1, 2, 3, 4}).reshape({2, 2}), w = f64({1, 1});
  expect_same(f(Tensor(x[0]), w), scalar(3));
  EXPECT_EQ(traced, 0);
  expect_same(tn::vmap(f, {.in_axes = {0, tn::none}})(x, w), f64({103, 107}));
  expect_same(tn::jit(tn::vmap(f, {.in_axes = {0, tn::none}}))(x, w), f64({103, 107}));
  EXPECT_EQ(traced, 2);
  expect_same(tn::vmap(tn::grad(f), {.in_axes = {0, tn::none}})(x, w), tn::ones({2, 2}).astype(tn::f64));
}

// ---- checkpoint

TEST(Checkpoint, SameBitsLessMemory) {
  const auto layer = [](Tensor x) {
    for (int i = 0; i < 6; ++i) x = tn::sin(tn::matmul(x, x) * 0.1) + tn::checkpoint_name(tn::exp(-x), "e");
    return x;
  };
  const auto loss = [&](auto f) {
    return [=](Tensor x) {
      for (int i = 0; i < 4; ++i) x = f(x);
      return tn::sum(x);
    };
  };
  const Tensor x = tn::normal(tn::key(1), {64, 64}, {.dtype = tn::f64}) * 0.1;
  const Tensor expected = tn::grad(loss(layer))(x);
  const auto plain = tn::jit(tn::grad(loss(layer)));
  const uint64_t all = plain.lower(x).compile().memory().arena_bytes;
  const auto arena = [&](tn::CheckpointPolicy policy) {
    const auto g = tn::jit(tn::grad(loss(tn::checkpoint(layer, {.policy = std::move(policy)}))));
    expect_same(g(x), expected);
    return g.lower(x).compile().memory().arena_bytes;
  };
  const uint64_t nothing = arena(tn::save_nothing), dots = arena(tn::save_dots), names = arena(tn::save_names({"e"}));
  const uint64_t everything = arena(tn::save_everything);
  EXPECT_LT(nothing, all * 2 / 3);
  EXPECT_LT(nothing, dots);
  EXPECT_LT(dots, everything + 1);
  EXPECT_LT(nothing, names);
  expect_same(tn::grad(loss(tn::checkpoint(layer)))(x), expected);  // eagerly
  Tensor leaf = x.detach();
  leaf.set_requires_grad(true);
  loss(tn::checkpoint(layer))(leaf).backward();
  expect_same(leaf.grad(), expected);
  const Tensor stack = tn::stack({x, x * 2.}, 0);
  expect_same(tn::vmap(tn::grad(loss(tn::checkpoint(layer))))(stack), tn::vmap(tn::grad(loss(layer)))(stack));
  expect_same(tn::jvp(tn::grad(loss(tn::checkpoint(layer))), x, x).second, tn::jvp(tn::grad(loss(layer)), x, x).second);
}

TEST(Checkpoint, SparsePatternsLookInside) {
  const auto f = [](Tensor x) { return tn::sin(x) * Tensor(x[{tn::slice(0, 4)}]); };
  const auto squares = [](Tensor x) { return x * x - 1.; };
  const Tensor x = f64({1, 2, 3, 4});
  const tn::Csr plain = tn::sparse_jacobian(squares)(x), kept = tn::sparse_jacobian(tn::checkpoint(squares))(x);
  EXPECT_EQ(kept.values.numel(), plain.values.numel());
  expect_same(kept.columns, plain.columns);
  expect_same(kept.values, plain.values);
  const auto rule = tn::custom_jvp(squares, [=](Tensor p, Tensor t) { return std::pair(squares(p), 2. * p * t); });
  expect_same(tn::sparse_jacobian(rule)(x).columns, plain.columns);
  expect_same(tn::sparse_jacobian(tn::checkpoint(f))(x).columns, tn::sparse_jacobian(f)(x).columns);
}

// ---- implicit derivatives

TEST(Implicit, FixedPointsHaveTheDerivativesOfTheirEquation) {
  // x = cos(a x)  =>  dx/da = -x sin(a x) / (1 + a sin(a x))
  const auto f = [](Tensor x, Tensor a) { return tn::cos(a * x); };
  const auto solve = [&](Tensor a) { return tn::fixed_point(f, scalar(0.5), a); };
  const double a = 0.7, x = number(solve(scalar(a)));
  EXPECT_NEAR(x, std::cos(a * x), 1e-14);
  const double slope = -x * std::sin(a * x) / (1 + a * std::sin(a * x));
  EXPECT_NEAR(number(tn::grad(solve)(scalar(a))), slope, 1e-13);
  EXPECT_NEAR(number(tn::jit(tn::grad(solve))(scalar(a))), slope, 1e-13);
  EXPECT_NEAR(number(tn::jvp(solve, scalar(a), scalar(1)).second), slope, 1e-13);
  EXPECT_EQ(number(tn::grad([&](Tensor s) { return tn::fixed_point(f, s, scalar(a)); })(scalar(0.5))), 0);
  const Tensor as = f64({0.3, 0.7, 0.9});
  const Tensor slopes = tn::vmap(tn::grad(solve))(as);
  EXPECT_NEAR(values(slopes)[1], slope, 1e-13);
  const double h = 1e-5,
               second = (number(tn::grad(solve)(scalar(a + h))) - number(tn::grad(solve)(scalar(a - h)))) / (2 * h);
  EXPECT_NEAR(number(tn::grad(tn::grad(solve))(scalar(a))), second, 1e-8);
}

TEST(Implicit, RootsOfSystems) {
  // p = (u, v): u^2 + v = a, u - v^2 = b
  const auto f = [](const Weights& x, Tensor a) {
    return Weights{x.w * x.w + x.b - Tensor(a[0]), x.w - x.b * x.b - Tensor(a[1])};
  };
  const auto solve = [](const Weights& start, Tensor a) {
    Weights x = start;
    const auto step = [&](Tensor, const Weights& s) {
      const Tensor r = s.w * s.w + s.b - Tensor(a[0]), q = s.w - s.b * s.b - Tensor(a[1]);
      const Tensor det = -4. * s.w * s.b - 1.;
      return Weights{s.w - (-2. * s.b * r - q) / det, s.b - (2. * s.w * q - r) / det};
    };
    return tn::fori_loop(0, 50, step, x);
  };
  const auto root = [&](Tensor a) {
    const Weights x = tn::custom_root(f, solve, Weights{scalar(1.2), scalar(0.8)}, a);
    return tn::stack({x.w, x.b}, 0);
  };
  const Tensor a = f64({2, 0.3});
  const auto x = values(root(a));
  EXPECT_NEAR(x[0] * x[0] + x[1], 2, 1e-12);
  const Tensor j = tn::jacrev(root)(a), k = tn::jacfwd(root)(a), l = tn::jit(tn::jacrev(root))(a);
  const double det = -4 * x[0] * x[1] - 1;
  expect_near(j, f64({-2 * x[1] / det, -1 / det, -1 / det, 2 * x[0] / det}).reshape({2, 2}), 1e-11);
  expect_near(j, k, 1e-12);
  expect_near(j, l, 0);
}

// ---- Jacobians and linear functions

TEST(Jacobians, ShapesTreesAndBothDirections) {
  const Tensor x = f64({1, 2, 3});
  const auto f = [](Tensor v) {
    return tn::stack({Tensor(v[0]) * Tensor(v[1]), tn::sin(Tensor(v[2]))}, 0).reshape({2, 1});
  };
  const Tensor forward = tn::jacfwd(f)(x), reverse = tn::jacrev(f)(x);
  EXPECT_EQ(tn::to_string(forward.shape()), "[2, 1, 3]");
  expect_same(forward, reverse);
  expect_near(forward, f64({2, 1, 0, 0, 0, std::cos(3.)}).reshape({2, 1, 3}), 1e-15);
  const Weights p{f64({1, 2}), scalar(3)};
  const auto g = [](const Weights& q, Tensor y) { return q.w * q.b * y; };
  const Weights by_p = tn::jacfwd(g)(p, scalar(2));
  EXPECT_EQ(tn::to_string(by_p.w.shape()), "[2, 2]");
  expect_same(by_p.b, f64({2, 4}));
  const auto [y, w] = tn::jacrev<1, 0>(g)(p, scalar(2));
  expect_same(y, f64({3, 6}));
  expect_same(w.b, by_p.b);
  const auto split = [](Tensor v) { return Weights{v * 2., tn::sum(v)}; };
  const Weights of = tn::jacrev(split)(x);
  EXPECT_EQ(tn::to_string(of.w.shape()), "[3, 3]");
  expect_same(of.b, f64({1, 1, 1}));
  const auto both = [](const Weights& q) { return Weights{q.w * q.b, q.b * 2.}; };
  const auto rows = tn::tree::leaves(tn::jacfwd(both)(p));
  ASSERT_EQ(rows.size(), 4u);
  expect_same(rows[1], p.w);
  expect_same(rows[3], scalar(2));
  EXPECT_HAS(message_of([&] { tn::jacfwd(f)(tn::arange(0, 3)); }), "rules_test.cc");
}

TEST(Jacobians, HessiansAndProducts) {
  const auto f = [](Tensor v) { return tn::sum(v * v * v) + Tensor(v[0]) * Tensor(v[1]); };
  const Tensor x = f64({1, 2});
  expect_near(tn::hessian(f)(x), f64({6, 1, 1, 12}).reshape({2, 2}));
  expect_near(tn::jit(tn::hessian(f))(x), f64({6, 1, 1, 12}).reshape({2, 2}));
  expect_near(tn::hvp(f, x, f64({1, -1})), f64({5, -11}));
  const auto g = [](Tensor a, const Weights& p) { return tn::sum(a * p.w * p.b); };
  const Weights p{f64({1, 2}), scalar(3)}, d{f64({1, 0}), scalar(1)};
  const auto [by_a, by_p] = tn::hvp(g, std::tuple(x, p), std::tuple(f64({0, 1}), d));
  expect_near(by_a, p.w + f64({3, 0}));
  expect_near(by_p.b, scalar(2 + 1));
  const auto blocks = tn::tree::leaves(tn::hessian([](const Weights& q) { return tn::sum(q.w * q.w) * q.b; })(p));
  ASSERT_EQ(blocks.size(), 4u);
  expect_near(blocks[1], p.w * 2.);
  const auto vector = [](Tensor v) { return v * v; };
  EXPECT_EQ(tn::to_string(tn::hessian(vector)(x).shape()), "[2, 2, 2]");
  expect_near(tn::jacrev(tn::jacrev(f))(x), f64({6, 1, 1, 12}).reshape({2, 2}));
  expect_near(tn::vmap(tn::hessian(f))(tn::stack({x, x * 2.}, 0))[{1, 1, 1}], scalar(24));
}

TEST(Linearize, PushesWithoutCallingAgain) {
  int calls = 0;
  const auto f = [&](Tensor x, Tensor y) {
    ++calls;
    return tn::sin(x) * y;
  };
  const Tensor x = f64({1, 2}), y = f64({3, 4});
  const auto [value, push] = tn::linearize(f, x, y);
  expect_same(value, tn::sin(x) * y);
  expect_same(push(x, y), tn::jvp(f, std::tuple(x, y), std::tuple(x, y)).second);
  EXPECT_EQ(calls, 2);
  push(y, x);
  EXPECT_EQ(calls, 2);
  expect_same(tn::jit(push)(x, y), push(x, y));
  const Tensor stack = tn::stack({x, y}, 0);
  expect_same(tn::vmap(push, {.in_axes = {0, tn::none}})(stack, y)[1], push(y, y));
  EXPECT_HAS(message_of([&] { push(scalar(1), y); }), "tangent");
}

TEST(Linearize, TransposesWhatIsLinearAlone) {
  const Tensor m = f64({1, 2, 3, 4, 5, 6}).reshape({2, 3});
  const auto f = [&](Tensor x) { return tn::matmul(m, x) - 2. * Tensor(x[{tn::slice(0, 2)}]); };
  const auto t = tn::linear_transpose(f, f64({0, 0, 0}));
  const Tensor ct = f64({1, -1});
  expect_near(t(ct), tn::matmul(ct, m) - f64({2, -2, 0}));
  expect_near(tn::jit(t)(ct), t(ct));
  for (auto bad :
       {+[](Tensor x) { return x * x; }, +[](Tensor x) { return x + 1.; }, +[](Tensor x) { return tn::sin(x); },
        +[](Tensor x) { return tn::ones_like(x); }, +[](Tensor x) { return tn::concat({x, tn::ones_like(x)}, 0); }})
    EXPECT_HAS(message_of([&] { tn::linear_transpose(bad, f64({1, 2})); }), "linear");
}

}  // namespace
