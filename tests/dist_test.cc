// Ranks of one process: collectives against what they mean, eagerly, compiled and differentiated; meshes; parts; shards; and what
// goes wrong.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>

#include "tenon/tests/messages.h"

namespace tenon {
namespace {

using dist::Mesh;
using dist::Spec;
using dist::World;
using testing::message_of;
using Numbers = std::vector<double>;

Tensor vector_of(const Numbers& v) { return copy_from(v.data(), {static_cast<int64_t>(v.size())}, f64); }
Numbers numbers_of(const Tensor& t) { return t.to_vector<double>(); }

// x of rank r: 3 r, 3 r + 1, ...
Tensor own(int rank, int64_t count = 4) {
  Numbers v(static_cast<size_t>(count));
  std::iota(v.begin(), v.end(), 3.0 * rank);
  return vector_of(v);
}

// f of every rank, eagerly and compiled: they are the same, and what is expected.
template <class F, class E>
void on_ranks(int n, F f, E expected) {
  dist::simulate(n, [&](World w) {
    const Tensor x = own(w.rank());
    const Numbers plain = numbers_of(f(x, w)), compiled = numbers_of(jit([&](const Tensor& t) { return f(t, w); })(x));
    EXPECT_EQ(plain, expected(w.rank())) << "rank " << w.rank() << " of " << n;
    EXPECT_EQ(plain, compiled) << "rank " << w.rank() << " of " << n;
  });
}

TEST(Collectives, GiveWhatTheyMean) {
  for (const int n : {1, 2, 3, 5}) {
    const auto sum_of = [&](auto term) {
      Numbers v(4);
      for (int r = 0; r < n; ++r)
        for (int i = 0; i < 4; ++i) v[static_cast<size_t>(i)] += term(3.0 * r + i);
      return v;
    };
    on_ranks(
        n, [](const Tensor& x, const World& w) { return dist::all_reduce(x, w); },
        [&](int) { return sum_of([](double v) { return v; }); });
    on_ranks(
        n, [](const Tensor& x, const World& w) { return dist::all_reduce(x, w, {.op = "max"}); },
        [&](int) {
          Numbers v(4);
          for (int i = 0; i < 4; ++i) v[static_cast<size_t>(i)] = 3.0 * (n - 1) + i;
          return v;
        });
    on_ranks(
        n, [](const Tensor& x, const World& w) { return dist::all_reduce(x, w, dist::mean); },
        [&](int) {
          Numbers v = sum_of([](double x) { return x; });
          for (double& x : v) x /= n;
          return v;
        });
    on_ranks(
        n,
        [](const Tensor& x, const World& w) {
          return dist::all_gather(x.reshape({2, 2}), w, {.axis = 1}).reshape({-1});
        },
        [&](int) {
          Numbers v;
          for (int row = 0; row < 2; ++row)
            for (int r = 0; r < n; ++r)
              for (int i = 0; i < 2; ++i) v.push_back(3.0 * r + 2 * row + i);
          return v;
        });
    on_ranks(
        n,
        [n](const Tensor& x, const World& w) {
          return dist::reduce_scatter(concat(std::vector<Tensor>(static_cast<size_t>(n), x), 0), w);
        },
        [&](int) { return sum_of([](double v) { return v; }); });
  }
}

TEST(Collectives, MoveWhatTheyAreToldTo) {
  for (const int n : {1, 2, 3, 5}) {
    on_ranks(
        n,
        [n](const Tensor& x, const World& w) {
          return dist::all_to_all(x[slice(0, 1)] * 10 + arange(0, n).astype(f64), w);
        },
        [&](int rank) {
          Numbers v;
          for (int r = 0; r < n; ++r) v.push_back(30.0 * r + rank);
          return v;
        });
    on_ranks(
        n, [n](const Tensor& x, const World& w) { return dist::permute(x, w, {{n - 1, 0}}); },
        [&](int rank) {
          Numbers v(4);
          if (rank == 0) std::iota(v.begin(), v.end(), 3.0 * (n - 1));
          return v;
        });
    on_ranks(
        n, [n](const Tensor& x, const World& w) { return dist::broadcast(x, w, n - 1); },
        [&](int) {
          Numbers v(4);
          std::iota(v.begin(), v.end(), 3.0 * (n - 1));
          return v;
        });
    on_ranks(
        n,
        [n](const Tensor& x, const World& w) {
          return dist::exchange(x, w, {.to = (w.rank() + 1) % n, .from = (w.rank() + n - 1) % n});
        },
        [&](int rank) {
          Numbers v(4);
          std::iota(v.begin(), v.end(), 3.0 * ((rank + n - 1) % n));
          return v;
        });
    on_ranks(
        n, [](const Tensor& x, const World& w) { return x * 0 + dist::axis_index(w).astype(f64); },
        [&](int rank) { return Numbers(4, rank); });
  }
}

TEST(Collectives, GoAlongTheAxesOfAMesh) {
  dist::simulate(6, [](World w) {
    const Mesh mesh(w, {{"data", 2}, {"model", 3}});
    EXPECT_EQ(mesh["data"].rank(), w.rank() / 3);
    EXPECT_EQ(mesh["model"].rank(), w.rank() % 3);
    const Tensor x = full({}, static_cast<double>(w.rank()), {.dtype = f64});
    EXPECT_EQ(dist::all_reduce(x, mesh["model"]).item<double>(), w.rank() < 3 ? 3 : 12);
    EXPECT_EQ(dist::all_reduce(x, mesh["data"]).item<double>(), 2 * (w.rank() % 3) + 3);
    dist::barrier(w);
  });
}

// The loss is what all_reduce gives, or the sum of what the ranks have.
TEST(Collectives, HaveDerivatives) {
  dist::simulate(3, [](World w) {
    const int r = w.rank();
    const auto check = [&](auto f, const Numbers& expected) {
      const Tensor x = own(r, 3);
      EXPECT_EQ(numbers_of(grad(f)(x)), expected) << r;
      EXPECT_EQ(numbers_of(jit(grad(f))(x)), expected) << r;
    };
    const Tensor weights = vector_of({1, 10, 100});
    check([&](const Tensor& x) { return sum(dist::all_reduce(x * weights, w)); }, {1, 10, 100});
    check([&](const Tensor& x) { return sum(dist::all_reduce(x, w, dist::max) * weights); },
          r == 2 ? Numbers{1, 10, 100} : Numbers{0, 0, 0});
    check([&](const Tensor& x) { return sum(dist::broadcast(x, w, 1) * weights) * (r + 1.0); },
          r == 1 ? Numbers{6, 60, 600} : Numbers{0, 0, 0});
    check([&](const Tensor& x) { return sum(dist::permute(x, w, {{0, 2}, {1, 0}}) * weights) * (r + 1.0); },
          r == 0   ? Numbers{3, 30, 300}
          : r == 1 ? Numbers{1, 10, 100}
                   : Numbers{0, 0, 0});
    check([&](const Tensor& x) { return sum(dist::all_gather(x, w)[slice(3, 6)] * weights); },
          r == 1 ? Numbers{3, 30, 300} : Numbers{0, 0, 0});
    check([&](const Tensor& x) { return sum(dist::all_to_all(x, w) * (r + 1.0)); }, {1, 2, 3});
    const auto product = [&](const Tensor& x) { return sum(dist::all_reduce(x, w, dist::prod)); };
    Numbers others(3, 1);
    for (int k = 0; k < 3; ++k)
      for (int i = 0; i < 3; ++i)
        if (k != r) others[static_cast<size_t>(i)] *= 3.0 * k + i;
    check(product, others);
  });
}

TEST(Collectives, CarryLanesAlong) {
  dist::simulate(2, [](World w) {
    const Tensor x = own(w.rank(), 6).reshape({3, 2});
    const auto f = [&](const Tensor& v) {
      const Tensor all = dist::all_gather(v, w);
      return dist::all_to_all(all, w) + dist::all_reduce(all, w) + dist::reduce_scatter(concat({all, all}, 0), w);
    };
    const Numbers together = numbers_of(vmap(f)(x));
    Numbers apart;
    for (int i = 0; i < 3; ++i)
      for (double v : numbers_of(f(x[i]))) apart.push_back(v);
    EXPECT_EQ(together, apart);
  });
}

TEST(Collectives, RunInLoopsAndBranches) {
  dist::simulate(2, [](World w) {
    const auto f = jit([&](const Tensor& x) {
      return fori_loop(0, 3, [&](const Tensor&, const Tensor& v) { return dist::all_reduce(v * 0.5, w); }, x);
    });
    const Numbers mine = numbers_of(f(own(w.rank(), 2)));
    EXPECT_EQ(mine, (Numbers{1.5, 2.5}));
  });
}

TEST(Faults, ARankThatThrowsIsNamedEverywhere) {
  std::mutex lock;
  std::vector<std::string> seen;
  const auto begin = std::chrono::steady_clock::now();
  const std::string message = message_of([&] {
    dist::simulate(3, [&](World w) {
      if (w.rank() == 1) throw std::runtime_error("no more paper");
      try {
        dist::all_reduce(own(w.rank()), w);
      } catch (const Error& e) {
        const std::lock_guard hold(lock);
        seen.push_back(e.what());
        throw;
      }
    });
  });
  EXPECT_HAS(message, "rank 1");
  EXPECT_HAS(message, "no more paper");
  ASSERT_EQ(seen.size(), 2u);
  for (const std::string& s : seen) EXPECT_HAS(s, "rank 1 failed: no more paper");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(Faults, OtherShapesAndOtherOpsAreErrorsOnBoth) {
  for (const bool shapes : {true, false}) {
    std::atomic<int> errors = 0;
    const std::string message = message_of([&] {
      dist::simulate(2, [&](World w) {
        try {
          if (shapes)
            dist::all_reduce(own(w.rank(), 4 + w.rank()), w);
          else
            w.rank() == 0 ? dist::all_reduce(own(0), w) : dist::all_gather(own(1), w);
        } catch (const Error&) {
          ++errors;
          throw;
        }
      });
    });
    EXPECT_EQ(errors, 2);
    EXPECT_HAS(message, "dist_test.cc");
    EXPECT_HAS(message, shapes ? "5" : "all_gather");
  }
}

TEST(Faults, OtherGroupsAreErrorsThatNameBothLines) {
  const auto begin = std::chrono::steady_clock::now();
  std::atomic<int> errors = 0;
  const std::string message = message_of([&] {
    dist::simulate(4, [&](World w) {
      const dist::Mesh mesh(w, {{"data", 2}, {"model", 2}});
      w.set_timeout(60);
      try {
        const auto f =
            jit([&](const Tensor& x) { return dist::all_reduce(x, w.rank() == 1 ? mesh["model"] : dist::Group(w)); });
        f(own(w.rank()));
      } catch (const Error&) {
        ++errors;
        throw;
      }
    });
  });
  EXPECT_EQ(errors, 4);
  EXPECT_HAS(message, "ranks wait for each other: rank 0 waits for rank 1 in all_reduce(sum) of ");
  EXPECT_HAS(message, " over 4 ranks ");
  EXPECT_HAS(message, ", rank 1 waits for rank 0 in all_reduce(sum) of ");
  EXPECT_HAS(message, " over 2 ranks ");
  EXPECT_HAS(message, "over 'model' at " __FILE__ ":");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(Faults, ARankThatLeavesOrNeverComesIsAnError) {
  EXPECT_HAS(message_of([&] {
               dist::simulate(2, [&](World w) {
                 if (w.rank() == 0) dist::all_reduce(own(0), w);
               });
             }),
             "rank 1 has ended");
  EXPECT_HAS(message_of([&] {
               dist::simulate(2, [&](World w) {
                 w.set_timeout(0.2);
                 if (w.rank() == 1) std::this_thread::sleep_for(std::chrono::seconds(1));
                 dist::all_reduce(own(0), w);
               });
             }),
             "rank 1");
}

TEST(Faults, MisuseIsSaidWhereItIs) {
  EXPECT_HAS(message_of([] { dist::simulate(0, [](World) {}); }), "1 to 256");
  EXPECT_HAS(message_of([] { dist::simulate(2, [](World w) { Mesh(w, {{"data", 3}}); }); }), "the world has 2");
  const World alone = dist::init();
  EXPECT_EQ(alone.size(), 1);
  EXPECT_HAS(message_of([&] { Mesh(alone, {{"data", 1}})["model"]; }), "only 'data'");
  EXPECT_HAS(message_of([&] { dist::all_reduce(own(0), alone, {.op = "median"}); }), "median");
  EXPECT_HAS(message_of([&] { dist::all_reduce(ones({3}, {.dtype = i32}), alone, dist::mean); }), "astype");
  EXPECT_HAS(message_of([] { dist::simulate(2, [](World w) { dist::reduce_scatter(own(0, 3), w); }); }),
             "multiple of the 2");
  EXPECT_HAS(message_of([] { dist::simulate(2, [](World w) { dist::permute(own(0), w, {{0, 1}, {1, 1}}); }); }),
             "twice");
}

}  // namespace
}  // namespace tenon
