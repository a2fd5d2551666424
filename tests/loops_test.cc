// Loops and cases beside while_loop and scan: bounds that are known when the program runs, switch_case, map, associative_scan,
// unrolled scans; eagerly, compiled and differentiated; and what their errors name.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

namespace tn = tenon;
using Doubles = std::vector<double>;

Doubles values(const Tensor& t) { return t.to_vector<double>(); }
Tensor count(int64_t n, DType t = tn::i64) { return tn::full({}, n, {.dtype = t}); }

TEST(ForiLoop, TakesBoundsThatAreKnownWhenItRuns) {
  const auto power = [](const Tensor& low, const Tensor& high, const Tensor& x) {
    return tn::fori_loop(low, high, [&](const Tensor& i, const Tensor& y) { return y * x + i; }, x);
  };
  const Tensor x = tn::tensor(1.25);
  for (const DType t : {tn::i32, tn::i64, tn::u8})
    for (const auto& [low, high] : {std::pair<int, int>{0, 0}, {0, 5}, {2, 5}, {5, 2}, {7, 7}, {3, 12}}) {
      const auto fixed = [low = low, high = high](const Tensor& v) {
        return tn::fori_loop(low, high, [&](const Tensor& i, const Tensor& y) { return y * v + i; }, v);
      };
      const double wanted = fixed(x).item<double>(), slope = tn::grad(fixed)(x).item<double>();
      EXPECT_EQ(power(count(low, t), count(high, t), x).item<double>(), wanted);
      EXPECT_EQ(tn::jit(power)(count(low, t), count(high, t), x).item<double>(), wanted);
      EXPECT_EQ(tn::grad<2>(power)(count(low, t), count(high, t), x).item<double>(), slope);
      EXPECT_EQ(tn::jit(tn::grad<2>(power))(count(low, t), count(high, t), x).item<double>(), slope);
    }
  const auto mixed = [](const Tensor& n, const Tensor& v) {
    return tn::fori_loop(1, n, [](const Tensor& i, const Tensor& y) { return y + i; }, v);
  };
  EXPECT_EQ(mixed(count(4), tn::tensor(0.0)).item<double>(), 6);
  EXPECT_EQ(tn::fori_loop(
                count(2), 4, [](const Tensor& i, const Tensor& y) { return y + i; }, tn::tensor(0.0))
                .item<double>(),
            5);
  EXPECT_HAS(message_of([&] { mixed(tn::tensor(4.0), x); }), "integer scalar");
  EXPECT_HAS(message_of([&] { mixed(tn::arange(0, 3), x); }), "integer scalar");
}

struct State {
  Tensor position, momentum_of_mass;
};

TEST(ForiLoop, NamesTheMemberWhoseTypeChanges) {
  const State s{tn::ones({2}), tn::ones({3})};
  const auto wrong = [](const Tensor&, const State& v) {
    return State{v.position, v.momentum_of_mass.astype(tn::f64)};
  };
  const std::string text = message_of([&] { tn::fori_loop(0, count(3), wrong, s); });
  EXPECT_HAS(text, "momentum_of_mass");
  EXPECT_HAS(text, "f32[3]");
  EXPECT_HAS(text, "f64[3]");
  EXPECT_HAS(text, "loops_test.cc");
}

TEST(SwitchCase, RunsTheCaseOfItsClampedIndex) {
  const auto chosen = [](const Tensor& i, const Tensor& x) {
    return tn::switch_case(
        i,
        std::tuple{[](const Tensor& v) { return v * 2; }, [](const Tensor& v) { return v * v; },
                   [](const Tensor& v) { return tn::sin(v); }, [](const Tensor& v) { return v * v * v; },
                   [&](const Tensor& v) { return v * x; }},
        x);
  };
  const Tensor x = tn::tensor(3.0);
  const Doubles wanted = {6, 9, std::sin(3.0), 27, 9}, slopes = {2, 6, std::cos(3.0), 27, 6};
  for (int64_t i = -2; i < 8; ++i) {
    const auto at = static_cast<size_t>(std::clamp<int64_t>(i, 0, 4));
    EXPECT_NEAR(chosen(count(i), x).item<double>(), wanted[at], 1e-15) << i;
    EXPECT_NEAR(tn::jit(chosen)(count(i, tn::i32), x).item<double>(), wanted[at], 1e-15) << i;
    EXPECT_NEAR(tn::grad<1>(chosen)(count(i), x).item<double>(), slopes[at], 1e-14) << i;
  }
  EXPECT_EQ(tn::switch_case(7, std::tuple{[](const Tensor& v) { return v; }}, x).item<double>(), 3);
  const auto differ = std::tuple{[](const Tensor& v) { return v; }, [](const Tensor& v) { return v.astype(tn::f32); }};
  EXPECT_HAS(message_of([&] { tn::switch_case(count(0), differ, x); }), "switch_case");
  EXPECT_HAS(message_of([&] { tn::switch_case(tn::tensor(1.0), std::tuple{[](const Tensor& v) { return v; }}, x); }),
             "integer scalar");
}

TEST(Map, StacksWhatItGivesForEachRow) {
  const Tensor xs = tn::arange(0, 12).astype(tn::f64).reshape({4, 3});
  const auto f = [](const Tensor& row) { return std::make_pair(tn::sum(row * row), row + 1); };
  const auto check = [&](const std::pair<Tensor, Tensor>& got) {
    EXPECT_EQ(values(got.first), (Doubles{5, 50, 149, 302}));
    EXPECT_EQ(values(got.second), values(xs + 1));
  };
  const auto mapped = [&](const Tensor& x) { return tn::map(f, x); };
  check(mapped(xs));
  check(tn::jit(mapped)(xs));
  EXPECT_EQ(values(tn::grad([&](const Tensor& x) { return tn::sum(tn::map(f, x).first); })(xs)), values(2 * xs));
  EXPECT_EQ(tn::map([](const Tensor& x) { return x * 2; }, tn::zeros({0, 3})).shape(), Shape({0, 3}));
}

struct Affine {
  Tensor a, b;
};

TEST(AssociativeScan, GivesEveryPrefix) {
  const auto compose = [](const Affine& f, const Affine& g) { return Affine{f.a * g.a, f.b * g.a + g.b}; };
  for (const int64_t n : {0, 1, 2, 3, 4, 5, 7, 8, 13, 100}) {
    const Affine xs{tn::sin(tn::arange(0, 2 * n).astype(tn::f64)).reshape({2, n}) + 0.5,
                    tn::cos(tn::arange(0, 2 * n).astype(tn::f64)).reshape({2, n})};
    for (const bool reverse : {false, true}) {
      const auto scan = [&](const Affine& x) {
        return tn::associative_scan(compose, x, {.axis = 1, .reverse = reverse});
      };
      const Affine got = tn::jit(scan)(xs), eager = scan(xs);
      EXPECT_EQ(values(got.b), values(eager.b));
      const Doubles a = values(xs.a), b = values(xs.b), have = values(got.b);
      for (int64_t row = 0; row < 2; ++row) {
        double u = 1, v = 0;
        for (int64_t k = 0; k < n; ++k) {
          const auto at = static_cast<size_t>(row * n + (reverse ? n - 1 - k : k));
          v = v * a[at] + b[at], u = u * a[at];
          EXPECT_NEAR(have[at], v, 1e-12 * (1 + std::abs(v))) << n;
        }
      }
    }
  }
  const auto sums = [](const Tensor& x) {
    return tn::sum(tn::associative_scan([](const Tensor& l, const Tensor& r) { return l + r; }, x));
  };
  EXPECT_EQ(values(tn::grad(sums)(tn::ones({5}, {.dtype = tn::f64}))), (Doubles{5, 4, 3, 2, 1}));
  EXPECT_HAS(message_of([&] { tn::associative_scan(compose, Affine{tn::ones({2}), tn::ones({3})}); }),
             "associative_scan");
}

// f's left operand is the later element where the scan is reversed.
TEST(AssociativeScan, KeepsTheOrderOfItsOperands) {
  const auto first = [](const Tensor& l, const Tensor&) { return l; };
  const Tensor x = tn::tensor({1.0, 2.0, 3.0, 4.0, 5.0});
  EXPECT_EQ(values(tn::associative_scan(first, x)), (Doubles{1, 1, 1, 1, 1}));
  EXPECT_EQ(values(tn::associative_scan(first, x, {.reverse = true})), (Doubles{5, 5, 5, 5, 5}));
}

TEST(Scan, BitsDoNotDependOnUnrolling) {
  for (const int64_t n : {1, 3, 7})
    for (const bool reverse : {false, true}) {
      const Tensor xs = tn::sin(tn::arange(0, 3 * n).astype(tn::f64)).reshape({n, 3}), k = tn::tensor({0.5, 1.5, 2.5});
      const auto run = [&](int64_t unroll) {
        return tn::jit([=](const Tensor& c, const Tensor& x) {
          const auto step = [&](const Tensor& carry, const Tensor& row) {
            const Tensor next = tn::sin(carry) * c + row;
            return std::make_pair(next, next * row);
          };
          return tn::scan(step, c, x, {.reverse = reverse, .unroll = unroll});
        });
      };
      const auto slope = [&](int64_t unroll) {
        const auto f = run(unroll);
        return tn::jit(tn::grad<0, 1>([=](const Tensor& c, const Tensor& x) {
          const auto [last, ys] = f(c, x);
          return tn::sum(last * c) + tn::sum(ys * ys);
        }));
      };
      const auto [last, ys] = run(1)(k, xs);
      const auto [by_k, by_xs] = slope(1)(k, xs);
      for (const int64_t unroll : {2, 3, 100}) {
        const auto [last_unrolled, ys_unrolled] = run(unroll)(k, xs);
        EXPECT_EQ(values(last_unrolled), values(last));
        EXPECT_EQ(values(ys_unrolled), values(ys));
        const auto [k_unrolled, xs_unrolled] = slope(unroll)(k, xs);
        EXPECT_EQ(values(k_unrolled), values(by_k));
        EXPECT_EQ(values(xs_unrolled), values(by_xs));
      }
    }
  const auto same = [](const Tensor& c, const Tensor& x) { return std::make_pair(c, x); };
  EXPECT_HAS(message_of([&] { tn::scan(same, tn::ones({2}), tn::ones({3, 2}), {.unroll = 0}); }), "unroll");
}

// Constants that have derivatives, one of them read twice, rows in and out, a count that chunks do not divide.
TEST(Scan, BitsDoNotDependOnMemory) {
  for (const int64_t n : {3, 10, 101})
    for (const bool reverse : {false, true}) {
      const Tensor xs = tn::sin(tn::arange(0, 3 * n).astype(tn::f64)).reshape({n, 3}), k = tn::tensor({0.5, 1.5, 2.5});
      const auto slope = [&](int64_t memory) {
        return tn::jit(tn::grad<0, 1>([=](const Tensor& c, const Tensor& x) {
          const auto step = [&](const Tensor& carry, const Tensor& row) {
            const Tensor next = tn::sin(carry) * c + row / (c + 2.0);
            return std::make_pair(next, next * row);
          };
          const auto [last, ys] = tn::scan(step, c, x, {.reverse = reverse, .memory = memory});
          return tn::sum(last * c) + tn::sum(ys * ys);
        }));
      };
      const auto kept = slope(0);
      const auto [by_k, by_xs] = kept(k, xs);
      for (const int64_t memory : {1, 2000}) {
        const auto f = slope(memory);
        const auto [k_few, xs_few] = f(k, xs);
        EXPECT_EQ(values(k_few), values(by_k)) << n << " iterations, " << memory << " bytes";
        EXPECT_EQ(values(xs_few), values(by_xs)) << n << " iterations, " << memory << " bytes";
      }
    }
}

TEST(Scan, KeepsLittleWhereItIsToldTo) {
  const auto bytes = [](int64_t memory) {
    const auto f = tn::jit(tn::grad([=](const Tensor& x) {
      const auto step = [](const Tensor& c, int none) { return std::make_pair(tn::sin(c) + c, none); };
      return tn::sum(tn::scan(step, x, 0, {.length = 10000, .memory = memory}).first);
    }));
    return f.lower(tn::ones({100}, {.dtype = tn::f64})).compile().memory().arena_bytes;
  };
  EXPECT_GT(bytes(0), 10000 * 800);
  EXPECT_LT(bytes(1), 10000 * 800 / 20);
}

// A row that an iteration stores into what the loop carries is stored in place, whichever of the results reads it.
TEST(Loops, UpdateWhatTheyCarryInPlace) {
  const auto filled = tn::jit([](const Tensor& x) {
    const auto step = [&](const Tensor& i, const std::pair<Tensor, Tensor>& s) {
      const Tensor row = tn::dynamic_slice(s.first, std::vector{i, i * 0}, {1, 64});
      const Tensor next = row * 0.5 + s.second;
      return std::make_pair(tn::dynamic_update_slice(s.first, next, std::vector{i, i * 0}),
                            tn::sum(row).reshape({1, 1}) + s.second);
    };
    return tn::fori_loop(0, 50, step, std::make_pair(x, tn::ones({1, 1}, {.dtype = tn::f64}))).first;
  });
  const Tensor x = tn::sin(tn::arange(0, 50 * 64).astype(tn::f64)).reshape({50, 64});
  const Doubles got = values(filled(x));
  Doubles wanted = values(x);
  double s = 1;
  for (int64_t i = 0; i < 50; ++i) {
    const Tensor row = x[{i}];
    for (int64_t j = 0; j < 64; ++j)
      wanted[static_cast<size_t>(64 * i + j)] = wanted[static_cast<size_t>(64 * i + j)] * 0.5 + s;
    s = tn::sum(row).item<double>() + s;
  }
  EXPECT_EQ(got, wanted);
}

}  // namespace
}  // namespace tenon::testing
