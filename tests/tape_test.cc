// The eager tape keeps what was recorded: in-place forms, repeated operands, parts without a derivative, several backwards, and
// everything released at the end.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <functional>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

using Floats = std::vector<float>;
Floats values(const Tensor& t) { return t.to_vector<float>(); }
Tensor leaf(std::initializer_list<float> row) { return tn::tensor(row, {.requires_grad = true}); }

TEST(Tape, InPlaceKeepsWhatWasRecorded) {
  auto w = tn::tensor(1.f, {.requires_grad = true});
  Tensor loss = w * w;
  const Tensor square = loss;
  loss += w * 3;
  loss *= loss;  // its own operand
  loss.backward();
  EXPECT_EQ(w.grad().item(), 2 * 4 * 5);
  EXPECT_EQ(square.item(), 1);
}

TEST(Tape, AccumulationInALoop) {
  auto w = leaf({1, 2});
  Tensor total = tn::zeros({2});
  for (int i = 1; i <= 4; ++i) {
    total += w * i;
    total[0] += w[1];
  }
  tn::sum(total).backward();
  EXPECT_EQ(values(w.grad()), (Floats{10, 14}));
}

TEST(Tape, ReleasesEverything) {
  std::vector<std::weak_ptr<tn::TapeEntry>> entries;
  std::vector<std::weak_ptr<tn::Cell>> cells;
  const auto note = [&](const Tensor& t) {
    cells.push_back(t.cell());
    if (t.cell()->entry) entries.push_back(t.cell()->entry);
  };
  for (const bool backward : {true, false}) {
    auto w = leaf({1, 2});
    note(w);
    Tensor x = w * w;
    note(x);
    x += x;
    note(x);
    x[0] *= x[1];
    note(x);
    const Tensor mask = x > 1, kept = tn::floor(x);
    note(mask), note(kept);
    Tensor loss = tn::sum(tn::jit([](const Tensor& a, const Tensor& b) { return a * b; })(x, x));
    note(loss);
    loss += loss;
    note(loss);
    if (backward) loss.backward();
  }
  EXPECT_EQ(entries.size(), 2u * 7);
  for (const auto& e : entries) EXPECT_TRUE(e.expired());
  for (const auto& c : cells) EXPECT_TRUE(c.expired());
}

TEST(Tape, AnIntermediateCellIsNotKeptAlive) {
  auto w = leaf({1, 2});
  std::weak_ptr<tn::Cell> cell;
  Tensor loss;
  {
    const Tensor x = w * 2;
    cell = x.cell();
    loss = tn::sum(x);
  }
  EXPECT_TRUE(cell.expired());
  loss.backward();
  EXPECT_EQ(values(w.grad()), (Floats{2, 2}));
}

// One value taken twice by an op, and used again: the sums run in reverse program order on both ways.
TEST(Tape, RepeatedOperandsGiveTheBitsOfGrad) {
  const auto twice = tn::jit([](const Tensor& a, const Tensor& b) { return tn::sin(a) * b + a / b; });
  const auto back = tn::jit([](const Tensor& a, const Tensor& b) { return std::make_tuple(a, a * b, b); });
  const std::vector<std::function<Tensor(const Tensor&)>> functions = {
      [](const Tensor& x) { return tn::pow(x, x) * x; },
      [](const Tensor& x) { return x / x + x; },
      [](const Tensor& x) { return (x + 1) / (x * x + 1.5); },  // x + 1 is a value of its own
      [](const Tensor& x) { return tn::atan2(x, x * x) - x / x * x; },
      [&](const Tensor& x) { return twice(x, x) * x; },
      [&](const Tensor& x) { return twice(twice(x, x), x) + x; },
      [](const Tensor& x) { return tn::gelu(x) + x * tn::softmax(x); },
      [](const Tensor& x) { return (x + 1) * tn::sin(x) * tn::exp(x + 2 - 1) * x; },
      [&](const Tensor& x) {
        const auto [a, b, c] = back(x, tn::sin(x));
        return a * b + c * x * a + tn::exp(a) * tn::sin(x);
      },
      [](const Tensor& x) { return tn::where(x > 0.5, x * x, x) * tn::concat({x, x})[{tn::slice(3, 10)}] * x; },
      [](const Tensor& x) {
        return tn::cond(
                   x[0] > 0, [](const Tensor& a, const Tensor& b) { return a * b / (a + b); },
                   [](const Tensor& a, const Tensor& b) { return a - b; }, x, x) *
               x;
      }};
  const Tensor x = tn::uniform(tn::key(5), {7}) + 0.1;
  for (size_t i = 0; i < functions.size(); ++i) {
    const auto f = [&](const Tensor& t) { return tn::sum(functions[i](t)); };
    const auto expected = values(tn::grad(f)(x));
    auto w = tn::copy_from(x.raw(), x.shape(), tn::f32, true);
    f(w).backward();
    EXPECT_EQ(values(w.grad()), expected) << i;
    EXPECT_EQ(values(tn::jit(tn::grad(f))(x)), expected) << i;
  }
}

// What has no derivative gives zeros, as grad does, and does not disturb the rest.
TEST(Tape, FlatFunctionsGiveZeros) {
  using Function = Tensor (*)(const Tensor&);
  const Function functions[] = {
      [](const Tensor& x) { return tn::floor(x); },
      [](const Tensor& x) { return tn::sign(x) * tn::ceil(x) + tn::round(x * 3); },
      [](const Tensor& x) { return (x > 1).astype(tn::f32); },
      [](const Tensor& x) { return tn::where(x == 2, 1.0, 0.0); },
      [](const Tensor& x) { return tn::argmax(x).astype(tn::f32) * 2; },
      [](const Tensor& x) { return tn::floor(x) * x; },
      [](const Tensor& x) { return tn::jit([](const Tensor& t) { return tn::trunc(t); })(x); },
      [](const Tensor& x) { return tn::where(x > 1, x, 0) + (x <= 1).astype(tn::f32); }};
  for (size_t i = 0; i < std::size(functions); ++i) {
    const auto f = [&](const Tensor& x) { return tn::sum(functions[i](x)); };
    auto x = leaf({0.5f, 1.5f, 2.f});
    f(x).backward();
    ASSERT_TRUE(x.grad().defined()) << i;
    EXPECT_EQ(values(x.grad()), values(tn::grad(f)(x.detach()))) << i;
  }
  auto x = leaf({1, 2});
  const Tensor mask = x > 1;
  EXPECT_FALSE(mask.requires_grad());
  EXPECT_TRUE(mask.is_leaf());
  EXPECT_FALSE(static_cast<bool>(mask.grad_fn()));
  EXPECT_HAS(message_of([&] { tn::sum(mask).backward(); }), "not floating");
  EXPECT_FALSE(tn::stop_gradient(x).requires_grad());
  EXPECT_HAS(message_of([&] { tn::sum(tn::stop_gradient(x)).backward(); }), "no history");
}

TEST(Tape, RetainGraph) {
  auto x = leaf({1, 2});
  Tensor y = tn::exp(x) * x, loss = tn::sum(y * y);
  loss.backward({.retain_graph = true});
  const Floats once = values(x.grad());
  x.zero_grad();
  loss.backward({.retain_graph = true});
  EXPECT_EQ(values(x.grad()), once);
  x.zero_grad();
  loss.backward();
  EXPECT_EQ(values(x.grad()), once);
  EXPECT_HAS(message_of([&] { loss.backward(); }), "retain_graph");

  x.zero_grad();
  const Tensor z = x * x;
  z.backward(tn::tensor({1.f, 10.f}), {.retain_graph = true});
  z.backward(tn::tensor({1.f, 10.f}));
  EXPECT_EQ(values(x.grad()), (Floats{4, 80}));
}

TEST(Tape, SecondDerivativesAreRefusedAndNameGrad) {
  auto x = leaf({1, 2});
  tn::sum(x * x * x).backward();
  const Tensor g = x.grad();
  EXPECT_HAS(message_of([&] { tn::sum(g * g).backward(); }), "tn::grad");
  EXPECT_HAS(message_of([&] { tn::sum(x * x + tn::sin(g)).backward(); }), "tn::grad");
  const auto f = tn::jit([](const Tensor& a, const Tensor& b) { return tn::sum(a * b); });
  EXPECT_HAS(message_of([&] { f(x, g).backward(); }), "tn::grad");
  EXPECT_HAS(message_of([&] { f(g, g).backward(); }), "tn::grad");
  x.zero_grad();
  tn::sum(x * g.detach()).backward();  // meant as a constant
  EXPECT_EQ(values(x.grad()), values(g));
  {
    tn::NoGrad off;
    x -= 0.1 * x.grad();
  }
  x.data() -= 0.1 * x.grad();
  x.zero_grad();
  tn::sum(x).backward();
  EXPECT_EQ(values(x.grad()), (Floats{1, 1}));
}

// A loop of unknown length costs a gradient nothing where nobody needs its tangent.
Tensor halvings(const Tensor& x) {  // f32 carries
  const auto more = [](const std::pair<Tensor, Tensor>& s) { return s.first > 0.1; };
  const auto step = [](const std::pair<Tensor, Tensor>& s) { return std::make_pair(s.first / 2, s.second + 1); };
  return tn::while_loop(more, step, std::make_pair(x, tn::tensor(0.f))).second;
}

TEST(Tape, WhileLoopsWhoseTangentNobodyNeeds) {
  using Function = Tensor (*)(const Tensor&);
  const Function functions[] = {
      [](const Tensor& x) { return x * halvings(x); }, [](const Tensor& x) { return x * tn::floor(halvings(x) * x); },
      [](const Tensor& x) {
        const auto f = [](const Tensor& c, const Tensor& i) {
          return std::make_pair(c + halvings(c) * i, halvings(c));
        };
        return tn::scan(f, x, tn::tensor({1.f, 2.f, 3.f})).first;
      },
      [](const Tensor& x) {
        return tn::cond(x > 0, [](const Tensor& t) { return t * halvings(t); }, [](const Tensor& t) { return t; }, x);
      },
      [](const Tensor& x) {  // a carry that only the loop itself reads
        const auto f = [](const std::pair<Tensor, Tensor>& c, const Tensor& i) {
          const Tensor n = tn::while_loop([](const Tensor& t) { return t < 9; }, [](const Tensor& t) { return t * 3; },
                                          c.second * c.second + 1);
          return std::make_pair(std::make_pair(c.first * i, n), i);
        };
        return tn::scan(f, std::make_pair(x, x), tn::tensor({1.f, 2.f, 3.f})).first.first;
      }};
  for (size_t i = 0; i < std::size(functions); ++i) {
    auto x = tn::tensor(1.7f, {.requires_grad = true});
    const float slope =
        (functions[i](tn::tensor(1.7f + 1.f / 64)).item() - functions[i](tn::tensor(1.7f - 1.f / 64)).item()) * 32;
    EXPECT_NEAR(tn::grad(functions[i])(x.detach()).item(), slope, 2e-3 * std::abs(slope)) << i;
    functions[i](x).backward();
    EXPECT_EQ(x.grad().item(), tn::grad(functions[i])(x.detach()).item()) << i;
  }
  // Beside a result that has a derivative, in a call that is one entry of the tape.
  const auto f = tn::jit([](const Tensor& x) {
    const Tensor n = tn::while_loop([](const Tensor& t) { return t < 9; }, [](const Tensor& t) { return t * 2; }, x);
    return std::make_pair(x * x, n);
  });
  auto x = tn::tensor(3.f, {.requires_grad = true});
  auto [square, last] = f(x);
  square.backward({.retain_graph = true});
  EXPECT_EQ(x.grad().item(), 6);
  last.backward();  // 4 x
  EXPECT_EQ(x.grad().item(), 10);
  const auto first = [&](const Tensor& t) { return f(t); };
  EXPECT_EQ(tn::grad(first)(tn::tensor(3.f)).first.item(), 6);
  EXPECT_EQ(tn::grad([&](const Tensor& t) { return f(t).second; })(tn::tensor(3.f)).item(), 4);
}

TEST(Tape, PullbacksCheckTheirCotangents) {
  const auto f = [](const Tensor& x) { return std::make_pair(x * x, tn::floor(x)); };
  const auto x = tn::tensor({1.f, 2.f});
  const auto [y, pull] = tn::vjp(f, x);
  const auto good = tn::ones({2});
  EXPECT_EQ(values(pull({good, good})), (Floats{2, 4}));
  EXPECT_HAS(message_of([&] { pull({tn::ones({3}), good}); }), "f32[3]");
  EXPECT_HAS(message_of([&] { pull({tn::ones({}), good}); }), "tape_test.cc");
  EXPECT_HAS(message_of([&] { pull({tn::ones({2}, {.dtype = tn::f64}), good}); }), "f64[2]");
  EXPECT_HAS(message_of([&] { pull({good, tn::ones({1, 2})}); }), "f32[1, 2]");
  EXPECT_HAS(message_of([&] { tn::jit([&](const Tensor& t) { return tn::vjp(f, t).second({tn::sum(t), t}); })(x); }),
             "cotangent");
}

TEST(Tape, CallsThatGiveBackTheirArgument) {
  const auto f = tn::jit([](const Tensor& a, const Tensor& b) { return std::make_pair(a, a + b); });
  auto x = leaf({1, 2});
  const auto [same, sum] = f(x, x);
  EXPECT_TRUE(same.requires_grad());
  EXPECT_FALSE(same.is_leaf());
  tn::sum(same * sum).backward();
  EXPECT_EQ(values(x.grad()), (Floats{4, 8}));
  const auto [again, unused] = f(x * 1, tn::ones({2}));
  x.zero_grad();
  tn::sum(again).backward();
  EXPECT_EQ(values(x.grad()), (Floats{1, 1}));
}

// A signature holds which tensors require grad, and whether gradients are recorded.
TEST(Tape, SignaturesTellWhatRequiresGrad) {
  const auto f = tn::jit([](const Tensor& a, const Tensor& b) { return tn::sum(a * b * b); });
  const Tensor p = tn::tensor({1.f, 2.f}), q = tn::tensor({3.f, 5.f});
  auto a = leaf({1, 2}), b = leaf({3, 5});
  const auto check = [&](bool by_a, bool by_b) {
    a.zero_grad(), b.zero_grad();
    const Tensor y = f(by_a ? a : p, by_b ? b : q);
    EXPECT_EQ(y.item(), 59);
    ASSERT_EQ(y.requires_grad(), by_a || by_b);
    if (by_a || by_b) y.backward();
    ASSERT_EQ(a.grad().defined(), by_a);
    ASSERT_EQ(b.grad().defined(), by_b);
    if (by_a) {
      EXPECT_EQ(values(a.grad()), (Floats{9, 25}));
    }
    if (by_b) {
      EXPECT_EQ(values(b.grad()), (Floats{6, 20}));
    }
  };
  for (int round = 0; round < 2; ++round)
    for (int which : {0, 3, 1, 2, 0}) check(which & 1, which & 2);
  {
    tn::NoGrad off;
    EXPECT_FALSE(f(a, b).requires_grad());
  }
  check(true, true);
  // A tensor whose derivative is zero is another signature than one that has a derivative.
  const auto g = tn::jit([](const Tensor& x, const Tensor& y) { return tn::sum(x * y); });
  for (int round = 0; round < 2; ++round) {
    a.zero_grad();
    g(tn::floor(a), a).backward();
    EXPECT_EQ(values(a.grad()), (Floats{1, 2}));
    a.zero_grad();
    g(a * 1, a).backward();
    EXPECT_EQ(values(a.grad()), (Floats{2, 4}));
    a.zero_grad();
    g(a, a).backward();
    EXPECT_EQ(values(a.grad()), (Floats{2, 4}));
  }
}

}  // namespace
