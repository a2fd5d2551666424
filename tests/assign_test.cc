// In place: a Tensor variable is a value. x op= y and x[...] = y give this variable a new value on every route, and copies keep
// the old one; only x.data() reaches into the cell that copies share.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

std::vector<float> values(const Tensor& t) { return t.to_vector<float>(); }
using Floats = std::vector<float>;

TEST(Assign, ArgumentsAreValuesOnEveryRoute) {
  const auto f = [](Tensor a, Tensor b) {
    a += b;
    b += a;
    return a * 10 + b;
  };
  const Tensor s = tn::tensor(1.f);
  EXPECT_EQ(f(s, s).item(), 23);
  EXPECT_EQ(tn::jit(f)(s, s).item(), 23);
  EXPECT_EQ(tn::grad(f)(s, s).item(), tn::jit(tn::grad(f))(s, s).item());
  EXPECT_EQ(s.item(), 1);
}

TEST(Assign, CopiesKeepTheOldValue) {
  Tensor x = tn::tensor({1.f, 2.f, 3.f});
  const Tensor copy = x;
  Tensor& reference = x;
  x += 1;
  x[1] = 7;
  reference *= 2;
  EXPECT_EQ(values(copy), (Floats{1, 2, 3}));
  EXPECT_EQ(values(x), (Floats{4, 14, 8}));
  EXPECT_EQ(values(reference), values(x));
}

TEST(Assign, OnlyDataReachesTheSharedCell) {
  Tensor x = tn::tensor({1.f, 2.f});
  const Tensor copy = x;
  x.data() *= 10;
  EXPECT_EQ(values(copy), (Floats{10, 20}));
  copy.data()[1] += 5;
  x.data()[0] = 3;
  EXPECT_EQ(values(copy), (Floats{3, 25}));
  x.data() = 4;
  EXPECT_EQ(values(copy), (Floats{4, 4}));
  auto kept = x.data();  // a variable like any other
  kept += 1;
  EXPECT_EQ(values(x), (Floats{4, 4}));
  EXPECT_EQ(values(kept), (Floats{5, 5}));
}

TEST(Assign, ThroughNumbersSlicesAndAll) {
  Tensor x = tn::zeros({3, 4});
  x[0] = tn::tensor({1.f, 2.f, 3.f, 4.f});
  x[{1, 2}] = 9;
  x[{-1, tn::slice(0, 4, 2)}] = tn::tensor({5.f, 6.f});
  x[{tn::all, 3}] += 1;
  x[{0, tn::slice(2, -5, -1)}] -= tn::tensor({1.f, 2.f, 3.f});
  x[{2, tn::slice(3, -5, -2)}] = tn::tensor({7.f, 8.f});
  EXPECT_EQ(values(x), (Floats{-2, 0, 2, 5, 0, 0, 9, 1, 5, 8, 6, 7}));
  x[1][{tn::slice(0, 2)}] = 3;  // index by index
  x[1][2] /= 3;
  EXPECT_EQ(values(x[1]), (Floats{3, 3, 3, 1}));
  x[{tn::slice(1, 1)}] = 100;  // selects nothing
  x[{tn::slice(0, 2)}] = tn::tensor({{1.f}, {2.f}});
  EXPECT_EQ(values(x), (Floats{1, 1, 1, 1, 2, 2, 2, 2, 5, 8, 6, 7}));
}

TEST(Assign, CastsToTheVariablesDtype) {
  Tensor i = tn::tensor({1, 2, 3});
  i[0] = 7.9;
  i[1] = tn::tensor(2.5);
  i += 1;
  EXPECT_EQ(i.dtype(), tn::i32);
  EXPECT_EQ(i.to_vector<int>(), (std::vector<int>{8, 3, 4}));
  Tensor h = tn::ones({2}, {.dtype = tn::f16});
  h[1] *= tn::tensor({2.0});
  EXPECT_EQ(h.dtype(), tn::f16);
  EXPECT_EQ(values(h), (Floats{1, 2}));
}

TEST(Assign, ReadsAsATensor) {
  Tensor x = tn::tensor({{1.f, 2.f}, {3.f, 4.f}});
  auto row = x[0];
  row += 10;  // a variable of its own
  row[1] = 0;
  EXPECT_EQ(values(row), (Floats{11, 0}));
  EXPECT_EQ(values(x), (Floats{1, 2, 3, 4}));
  row = row * 2;
  row = x[1];
  EXPECT_EQ(values(row), (Floats{3, 4}));
  EXPECT_EQ((x[{1, 0}].item()), 3);
  EXPECT_EQ(x[0].shape(), tn::Shape({2}));
  EXPECT_EQ(tn::sum(x[1]).item(), 7);
  EXPECT_EQ(values(x[0] * x[1] - 1), (Floats{2, 7}));
  EXPECT_EQ(values(tn::stack({x[1], x[0]})), (Floats{3, 4, 1, 2}));
  EXPECT_EQ(tenon::testing::print(x[0]), "tensor([1., 2.])");
  const auto f = [](Tensor t) { return t[0]; };
  EXPECT_EQ(values(tn::jit(f)(x)), (Floats{1, 2}));
  EXPECT_EQ(values(tn::jit([](auto t) { return std::make_pair(t[1], 3); })(x[1]).first), (Floats{4}));
  EXPECT_EQ(tn::grad([](Tensor t) { return t[1]; })(x[1]).shape(), tn::Shape({2}));
  Tensor last = tn::fori_loop(0, 3, [](const Tensor&, const Tensor& s) { return s * 2; }, x[0]);
  EXPECT_EQ(values(last), (Floats{8, 16}));
  x[0] = x[1];
  std::swap(x, last);
  EXPECT_EQ(values(last), (Floats{3, 4, 3, 4}));
}

template <class T>
concept assigns_row = requires(T&& t) { std::forward<T>(t)[0] = tn::ones({2}); };
template <class T>
concept adds_to_row = requires(T&& t) { std::forward<T>(t)[0] += 1; };
template <class T>
concept adds = requires(T&& t) { std::forward<T>(t) += 1; };
template <class T>
concept assigns = requires(T&& t) { std::forward<T>(t) = tn::ones({2}); };
static_assert(assigns_row<Tensor&> && adds_to_row<Tensor&> && adds<Tensor&> && assigns<Tensor&>);
static_assert(!assigns_row<Tensor> && !adds_to_row<Tensor> && !adds<Tensor> && !assigns<Tensor>);
static_assert(!assigns_row<const Tensor&> && !adds_to_row<const Tensor&> && !adds<const Tensor&>);

// What the compiler says about jit of a function that takes `parameter`; empty when it builds.
std::string compiled(const std::string& parameter) {
  const char* chosen = std::getenv("CXX");
  const std::string compiler = chosen ? chosen : "c++",
                    source = std::string(TENON_BINARY_DIR) + "/reference_parameter.cc";
  std::ofstream(source) << "#include <tenon/tenon.h>\nnamespace tn = tenon;\nstruct Parts { tn::Tensor a; };\n"
                        << "auto f(const Parts& p) { return tn::jit([](" << parameter
                        << ") { return p.a + 1; })(p); }\n";
  const std::string include = std::string(" -I") + TENON_BINARY_DIR;
  FILE* pipe =
      popen((compiler + " -std=c++20 -fsyntax-only" + include + "/include" + include + "/forward " + source + " 2>&1")
                .c_str(),
            "r");
  std::string said;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) said.append(buffer, n);
  return pclose(pipe) == 0 ? "" : said;
}

TEST(Assign, ReferenceParametersUnderATransformDoNotCompile) {
  const std::string plain = compiled("const Parts& p");
  if (plain.find("not found") != std::string::npos) GTEST_SKIP() << "there is no compiler";
  EXPECT_EQ(plain, "");
  EXPECT_EQ(compiled("Parts p"), "");
  EXPECT_EQ(compiled("const auto& p"), "");
  const std::string said = compiled("Parts& p");
  EXPECT_HAS(said, "take them by value or const reference and return what changes");
}

TEST(Assign, ErrorsNameThePlace) {
  Tensor x = tn::ones({2, 3}), none;
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_HAS(text, part);
    EXPECT_HAS(text, "assign_test.cc");
  };
  has(message_of([&] { x[2] = 1; }), "out of range");
  has(message_of([&] { x[{0, -4}] = 1; }), "out of range");
  has(message_of([&] { x[0] = tn::ones({2}); }), "does not stretch");
  has(message_of([&] { x[{0, tn::slice(0, 3, 2)}] = tn::ones({3}); }), "does not stretch");
  has(message_of([&] { x += tn::ones({4, 2, 3}); }), "does not fit");
  has(message_of([&] { none += 1; }), "undefined");
  EXPECT_EQ(values(x), Floats(6, 1));
  Tensor u = tn::zeros({2}, {.dtype = tn::u8});
  has(message_of([&] { u[0] = 300; }), "does not fit u8");
}

TEST(Assign, LeavesThatRequireGrad) {
  auto w = tn::tensor({1.f, 2.f}, {.requires_grad = true});
  EXPECT_HAS(message_of([&] { w += 1; }), "x.data()");
  EXPECT_HAS(message_of([&] { w[0] = 1; }), "tn::NoGrad");
  const Tensor copy = w;
  {
    tn::NoGrad off;
    w -= tn::tensor({0.5f, 0.5f});
    w[1] = 4;
  }
  EXPECT_EQ(values(copy), (Floats{0.5, 4}));  // the training step: the leaf stays the leaf
  EXPECT_TRUE(w.requires_grad() && w.is_leaf());
  auto y = w * 1;
  y += 1;  // results may be assigned
  y[0] *= 3;
  tn::sum(y).backward();
  EXPECT_EQ(values(w.grad()), (Floats{3, 1}));
}

TEST(Assign, GradientsReachTheValueAndTheUntouchedPart) {
  const auto f = [](Tensor x, const Tensor& y) {
    const Tensor before = x;
    x[{tn::slice(0, 2)}] = y * y;
    x[{tn::slice(3, -5, -2)}] *= 3;  // elements 3 and 1
    x[2] += y[0];
    return tn::sum(x * x + before);
  };
  auto x = tn::tensor({1.f, 2.f, 3.f, 4.f}), y = tn::tensor({5.f, 6.f});
  const auto [gx, gy] = tn::grad<0, 1>(f)(x, y);
  // x becomes y0^2, 3 y1^2, x2 + y0, 3 x3
  EXPECT_EQ(values(gx), (Floats{1, 1, 2 * 8 + 1, 2 * 9 * 4 + 1}));
  EXPECT_EQ(values(gy), (Floats{4 * 125 + 2 * 8, 4 * 9 * 216}));
  const auto [jx, jy] = tn::jit(tn::grad<0, 1>(f))(x, y);
  EXPECT_EQ(values(jx), values(gx));
  EXPECT_EQ(values(jy), values(gy));
  x.set_requires_grad(true), y.set_requires_grad(true);
  f(x * 1, y).backward();
  EXPECT_EQ(values(x.grad()), values(gx));
  EXPECT_EQ(values(y.grad()), values(gy));
}

TEST(Assign, InsideTracesAndControlFlow) {
  const Tensor outside = tn::tensor({1.f, 1.f});
  const auto f = [&](Tensor x) {
    Tensor local = tn::tensor({0.f, 0.f}), shared = outside;
    local += x;
    shared[0] = x[1];
    const Tensor y =
        tn::cond(x[0] > 0, [&](Tensor t) { return t[1] += local[0], t; }, [](Tensor t) { return t -= 1; }, x);
    return tn::fori_loop(0, 3, [&](const Tensor&, Tensor s) { return s[0] *= 2, s += shared; }, y);
  };
  for (float sign : {1.f, -1.f}) {
    const auto x = tn::tensor({sign * 2.f, 3.f});
    EXPECT_EQ(values(tn::jit(f)(x)), values(f(x))) << sign;
  }
  EXPECT_EQ(values(outside), (Floats{1, 1}));
  EXPECT_HAS(message_of([&] { tn::jit([&](Tensor x) { return outside.data() += 1, x; })(outside); }), "data()");
}

// Random selections: eager, jitted, and the loop that assigns element by element.
TEST(Assign, RandomSelectionsAgreeWithALoop) {
  std::mt19937_64 random(7);
  const auto draw = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  };
  for (int round = 0; round < 60; ++round) {
    const int64_t extents[] = {draw(1, 5), draw(1, 5)};
    std::vector<tn::Index> where;
    std::vector<std::vector<int64_t>> chosen;
    for (int64_t n : extents) {
      const int64_t kind = draw(0, 2);
      std::vector<int64_t> c;
      if (kind == 0) {
        for (int64_t i = 0; i < n; ++i) c.push_back(i);
        where.emplace_back(tn::all);
      } else if (kind == 1) {
        const int64_t i = draw(-n, n - 1);
        c.push_back(i < 0 ? i + n : i);
        where.emplace_back(i);
      } else {
        const int64_t start = draw(-n, n - 1), step = draw(1, 3) * (draw(0, 1) ? 1 : -1),
                      stop = step > 0 ? draw(0, n) : -n - 1;
        for (int64_t i = start < 0 ? start + n : start; step > 0 ? i < stop : i >= 0; i += step) c.push_back(i);
        where.push_back(tn::slice(start, stop, step));
      }
      chosen.push_back(c);
    }
    const Tensor x = tn::normal(tn::key(static_cast<uint64_t>(round)), {extents[0], extents[1]});
    const Tensor seen = x[{where[0], where[1]}];
    const Tensor v = tn::normal(tn::key(99), seen.shape());
    Floats expected = values(x);
    const Floats from = values(v);
    size_t next = 0;
    for (int64_t i : chosen[0])
      for (int64_t j : chosen[1]) expected[i * extents[1] + j] = from[next++];
    ASSERT_EQ(next, from.size());
    const auto f = [&](Tensor t, const Tensor& u) {
      t[{where[0], where[1]}] = u;
      return t;
    };
    EXPECT_EQ(values(f(x, v)), expected) << round;
    EXPECT_EQ(values(tn::jit(f)(x, v)), expected) << round;
    const auto g = [&](Tensor t, const Tensor& u) { return tn::sum(f(t, u) * x); };
    const auto [gt, gu] = tn::grad<0, 1>(g)(x, v);
    EXPECT_EQ(values(gu), values(seen)) << round;
    EXPECT_EQ(values(gt), values(f(x, tn::zeros_like(v)))) << round;
  }
}

}  // namespace
