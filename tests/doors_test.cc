// Every public function that takes numbers, with ten extreme numbers in each place, eagerly, under a trace, with a named
// extent and compiled: it works, or throws tenon::Error that names the caller's place. Nothing else.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <functional>

#include "tenon/tenon.h"

namespace tn = tenon;
namespace {

using tn::Tensor;

const int64_t extremes[] = {-1,
                            0,
                            1,
                            int64_t{1} << 31,
                            int64_t{1} << 32,
                            int64_t{1} << 62,
                            (int64_t{1} << 62) + 2,
                            4611686018427387847,
                            INT64_MAX,
                            INT64_MIN};

struct Door {
  const char* name;
  std::vector<int64_t> usual;  // numbers with which it works on f32[6, 4]
  std::function<Tensor(const Tensor& x, const std::vector<int64_t>& n)> call;
  bool loops;  // runs as often as a number says: not to be run with a large one
};

using N = const std::vector<int64_t>&;
using X = const Tensor&;

struct DoorList {
  std::vector<Door> all;
  template <class F>
  void add(const char* name, std::vector<int64_t> usual, F call, bool loops = false) {
    all.push_back({name, std::move(usual), std::move(call), loops});
  }
};

Tensor index(int64_t v) { return tn::full({}, v, {.dtype = tn::i64}); }

void making_doors(DoorList& d) {
  d.add("zeros", {2, 3}, [](X, N n) { return tn::zeros({n[0], n[1]}); });
  d.add("ones", {2, 0, 3}, [](X, N n) { return tn::ones({n[0], n[1], n[2]}); });
  d.add("full", {2, 3}, [](X, N n) { return tn::full({n[0], n[1]}, 7); });
  d.add("full of halves", {2}, [](X, N n) { return tn::full({n[0]}, 7, {.dtype = tn::f16}); });
  d.add("full of a value", {2}, [](X, N n) { return tn::full({2}, n[0]); });
  d.add("arange", {0, 10, 2}, [](X, N n) { return tn::arange(n[0], n[1], n[2]); });
  d.add("arange of one number", {5}, [](X, N n) { return tn::arange(n[0]); });
  d.add("arange of floats", {0, 10, 2}, [](X, N n) {
    return tn::arange(static_cast<double>(n[0]), static_cast<double>(n[1]), static_cast<double>(n[2]));
  });
  d.add("spec", {2, 3}, [](X x, N n) { return static_cast<void>(tn::spec({n[0], n[1]}, tn::f32)), x; });
  d.add("dim", {1, 8}, [](X x, N n) {
    return static_cast<void>(
               tn::dim("doors_" + std::to_string(n[0] % 97) + "_" + std::to_string(n[1] % 97), n[0], n[1])),
           x;
  });
  d.add("from_blob", {2, 3}, [](X x, N n) {
    static const float six[6] = {};
    return static_cast<void>(tn::from_blob(six, {n[0], n[1]}, tn::f32)), x;
  });
  d.add("Shape", {2, 3}, [](X x, N n) { return static_cast<void>(tn::Shape{n[0], n[1]}), x; });
}

void movement_doors(DoorList& d) {
  d.add("reshape", {8, 3}, [](X x, N n) { return x.reshape({n[0], n[1]}); });
  d.add("reshape to three", {8, 3, 1}, [](X x, N n) { return tn::reshape(x, {n[0], n[1], n[2]}); });
  d.add("broadcast_to", {2, 6, 4}, [](X x, N n) { return tn::broadcast_to(x, {n[0], n[1], n[2]}); });
  d.add("transpose", {1, 0}, [](X x, N n) { return x.transpose({n[0], n[1]}); });
  d.add("flip", {0, 1}, [](X x, N n) { return tn::flip(x, {n[0], n[1]}); });
  d.add("pad", {1, 2, 0, 1}, [](X x, N n) { return tn::pad(x, {{n[0], n[1]}, {n[2], n[3]}}); });
  d.add("pad of integers with a value", {7},
        [](X x, N n) { return tn::pad(x.astype(tn::i32), {{1, 1}, {0, 0}}, static_cast<double>(n[0])); });
  d.add("concat", {0}, [](X x, N n) { return tn::concat({x, x}, n[0]); });
  d.add("stack", {0}, [](X x, N n) { return tn::stack({x, x}, n[0]); });
  d.add("squeeze", {1}, [](X x, N n) { return tn::squeeze(tn::expand_dims(x, 1), n[0]); });
  d.add("expand_dims", {0}, [](X x, N n) { return tn::expand_dims(x, n[0]); });
  d.add("index", {1}, [](X x, N n) { return x[n[0]]; });
  d.add("index of the second axis", {1}, [](X x, N n) { return x[{tn::all, n[0]}]; });
  d.add("slice", {1, 5, 2}, [](X x, N n) { return x[{tn::slice(n[0], n[1], n[2])}]; });
  d.add("slice backwards", {5, 1, -2}, [](X x, N n) { return x[{tn::all, tn::slice(n[0], n[1], n[2])}]; });
  d.add("dynamic_slice", {2, 3}, [](X x, N n) {
    const Tensor starts[] = {index(1), index(1)};
    return tn::dynamic_slice(x, starts, {n[0], n[1]});
  });
  d.add("dynamic_slice by starts", {2, 3}, [](X x, N n) {
    const Tensor starts[] = {index(n[0]), index(n[1])};
    return tn::dynamic_slice(x, starts, {2, 2});
  });
  d.add("dynamic_update_slice", {2, 1}, [](X x, N n) {
    const Tensor starts[] = {index(n[0]), index(n[1])};
    return tn::dynamic_update_slice(x, tn::ones({2, 2}), starts);
  });
}

void reduction_doors(DoorList& d) {
  d.add("sum", {0, 1}, [](X x, N n) { return tn::sum(x, {{n[0], n[1]}, true}); });
  d.add("mean", {0}, [](X x, N n) { return tn::mean(x, {{n[0]}}); });
  d.add("logsumexp", {0}, [](X x, N n) { return tn::logsumexp(x, {{n[0]}}); });
  d.add("argmax", {0}, [](X x, N n) { return tn::argmax(x, n[0]); });
  d.add("cumsum", {0}, [](X x, N n) { return tn::cumsum(x, n[0]); });
  d.add("sort", {0}, [](X x, N n) { return tn::sort(x, n[0]); });
  d.add("argsort", {0}, [](X x, N n) { return tn::argsort(x, n[0]); });
  d.add("softmax", {0}, [](X x, N n) { return tn::softmax(x, n[0]); });
  d.add("log_softmax", {0}, [](X x, N n) { return tn::log_softmax(x, n[0]); });
}

void indexing_doors(DoorList& d) {
  d.add("take", {1, 2, 0}, [](X x, N n) { return tn::take(x, tn::tensor({n[0], n[1]}), n[2]); });
  d.add("scatter_add", {1, 0},
        [](X x, N n) { return tn::scatter_add(x, tn::tensor({n[0], n[0]}), tn::ones({2, 4}), n[1]); });
  d.add("gather", {0, 1}, [](X x, N n) { return tn::gather(x, n[0], tn::broadcast_to(tn::tensor(n[1]), {2, 3})); });
  d.add("scatter", {0, 1},
        [](X x, N n) { return tn::scatter(x, n[0], tn::broadcast_to(tn::tensor(n[1]), {2, 3}), tn::ones({2, 3})); });
  d.add("scatter_reduce", {1, 0}, [](X x, N n) {
    return tn::scatter_reduce(x, n[1], tn::broadcast_to(tn::tensor(n[0]), {2, 3}), tn::ones({2, 3}), "prod");
  });
  d.add("take_along_axis", {1, 0},
        [](X x, N n) { return tn::take_along_axis(x, tn::broadcast_to(tn::tensor(n[0]), {2, 1}), n[1]); });
  d.add("index_add", {0, 1}, [](X x, N n) { return tn::index_add(x, n[0], tn::tensor({n[1]}), 1); });
  d.add("index_put", {1, 2},
        [](X x, N n) { return tn::index_put(x, {tn::tensor({n[0], n[1]}), tn::tensor({n[1], n[0]})}, 1); });
  d.add("x[i, none, j]", {1, 2},
        [](X x, N n) { return x[{tn::tensor({n[0], n[1]}), tn::none, tn::tensor({n[1], n[0]})}]; });
  d.add("embedding", {1, 0}, [](X x, N n) { return tn::embedding(tn::tensor({n[0], n[0]}), x.reshape({6, 4}), n[1]); });
  d.add("select_scatter", {0, 1}, [](X x, N n) { return tn::select_scatter(x, 7, n[0], n[1]); });
  d.add("slice_scatter", {0, 1, 2, 1}, [](X x, N n) { return tn::slice_scatter(x, 7, n[0], n[1], n[2], n[3]); });
  d.add("masked_select", {3}, [](X x, N n) { return tn::masked_select(x, x > 0, n[0]); });
  d.add("nonzero", {3, 0}, [](X x, N n) { return tn::nonzero(x, n[0], n[1]); });
  d.add("one_hot", {3, 2}, [](X, N n) { return tn::one_hot(tn::tensor({n[0], int64_t{1}, n[0]}), n[1]); });
}

void contraction_doors(DoorList& d) {
  d.add("convolution", {1, 0, 0, 1, 1}, [](X x, N n) {
    return tn::convolution(x.reshape({1, 6, 4}), tn::ones({3, 4, 2}),
                           {.strides = {n[0]}, .low = {n[1]}, .high = {n[2]}, .dilation = {n[3]}, .groups = n[4]});
  });
}

void random_doors(DoorList& d) {
  d.add("key", {7}, [](X, N n) { return tn::key(static_cast<uint64_t>(n[0])); });
  d.add("split", {3}, [](X, N n) { return tn::split(tn::key(7), n[0])[0]; });
  d.add("fold_in", {3}, [](X, N n) { return tn::fold_in(tn::key(7), n[0]); });
  d.add("random_bits", {2, 3}, [](X, N n) { return tn::random_bits(tn::key(7), {n[0], n[1]}, tn::u64); });
  d.add("uniform", {2, 3}, [](X, N n) { return tn::uniform(tn::key(7), {n[0], n[1]}); });
  d.add("normal", {2, 3}, [](X, N n) { return tn::normal(tn::key(7), {n[0], n[1]}, {tn::f64}); });
}

void loop_doors(DoorList& d) {
  d.add(
      "fori_loop", {2, 4},
      [](X x, N n) { return tn::fori_loop(n[0], n[1], [](const Tensor&, const Tensor& s) { return s + 1; }, x); },
      true);
  d.add(
      "scan", {3},
      [](X x, N n) {
        const auto step = [](const Tensor& s, int) { return std::make_pair(s + 1, 0); };
        return tn::scan(step, x, 0, {.length = n[0]}).first;
      },
      true);
}

std::vector<Door> doors() {
  DoorList d;
  making_doors(d);
  movement_doors(d);
  reduction_doors(d);
  indexing_doors(d);
  contraction_doors(d);
  random_doors(d);
  loop_doors(d);
  return std::move(d.all);
}

// Calls it; fails the test unless it works or throws an Error. Gives the message, or "".
template <class F>
std::string outcome(const std::string& what, F f) {
  const auto start = std::chrono::steady_clock::now();
  std::string error;
  try {
    f();
  } catch (const tn::Error& e) {
    error = e.what();
    EXPECT_FALSE(error.empty()) << what;
  } catch (const std::exception& e) {
    ADD_FAILURE() << what << ": " << e.what();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 120) << what << ": " << error;  // a compile on a busy machine is far below
  return error;
}

std::string text(const Door& door, const std::vector<int64_t>& n) {
  std::string s = door.name;
  for (int64_t v : n) s += " " + std::to_string(v);
  return s;
}

// f(door, numbers): each door with each extreme in each place, and with one in all places.
template <class F>
void for_each_call(F f) {
  for (const Door& door : doors()) {
    f(door, door.usual);
    for (int64_t v : extremes) {
      for (size_t i = 0; i < door.usual.size(); ++i) {
        std::vector<int64_t> n = door.usual;
        n[i] = v;
        f(door, n);
      }
      if (door.usual.size() > 1) f(door, std::vector<int64_t>(door.usual.size(), v));
    }
  }
}

// What is too large for a test must not succeed because the machine has the memory.
class Doors : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    limited_ = false;
#else
    getrlimit(RLIMIT_AS, &before_);
    rlimit limit = before_;
    limit.rlim_cur = rlim_t{6} << 30;
    limited_ = setrlimit(RLIMIT_AS, &limit) == 0;
#endif
  }
  void TearDown() override {
    if (limited_) setrlimit(RLIMIT_AS, &before_);
  }
  bool may_run(const Door& door, const std::vector<int64_t>& n) const {
    for (int64_t v : n) {
      if (door.loops && v > 1000) return false;
      if (!limited_ && v >= (int64_t{1} << 31) && v <= (int64_t{1} << 36)) return false;
    }
    return !(door.loops && n.size() == 2 && static_cast<double>(n[1]) - static_cast<double>(n[0]) > 1000);
  }
  rlimit before_{};
  bool limited_ = false;
};

TEST_F(Doors, EagerCallsWorkOrAreErrors) {
  const Tensor x = tn::arange(0, 24).astype(tn::f32).reshape({6, 4});
  for_each_call([&](const Door& door, const std::vector<int64_t>& n) {
    if (!may_run(door, n)) return;
    const std::string error = outcome(text(door, n), [&] {
      const Tensor r = door.call(x, n);
      if (r.numel() < 1'000'000) r.astype(tn::f64).to_vector<double>();
    });
    if (n == door.usual) {
      EXPECT_EQ(error, "") << door.name;
    }
    const std::string name = door.name;
    if (error.empty() || name == "Shape") return;
    EXPECT_NE(error.find("doors_test.cc"), std::string::npos) << text(door, n) << ": " << error;
  });
}

TEST_F(Doors, TracedCallsWorkOrAreErrors) {
  const Tensor x = tn::ones({6, 4}), symbolic = tn::spec({tn::dim("doors_n", 1, 4096), 4}, tn::f32);
  for_each_call([&](const Door& door, const std::vector<int64_t>& n) {
    for (const Tensor& argument : {x, symbolic})
      outcome("traced " + text(door, n), [&] {
        const auto traced = tn::trace([&](const Tensor& t) { return door.call(t, n); }, argument);
        const std::string ir = traced.ir();
        EXPECT_EQ(tn::parse(ir).ir(), ir);
      });
  });
}

TEST_F(Doors, CompiledCallsWorkOrAreErrors) {
  const Tensor x = tn::ones({6, 4});
  size_t count = 0;
  for_each_call([&](const Door& door, const std::vector<int64_t>& n) {
    if (!may_run(door, n) || count++ % 7 != 0) return;
    const std::string error = outcome("compiled " + text(door, n), [&] {
      const Tensor r = tn::jit([&](const Tensor& t) { return door.call(t, n); })(x);
      if (r.numel() < 1'000'000) r.astype(tn::f64).to_vector<double>();
    });
    if (!error.empty() && std::string(door.name) != "Shape") {
      EXPECT_NE(error.find("doors_test.cc"), std::string::npos) << text(door, n) << ": " << error;
    }
  });
}

}  // namespace
