// Programs cut by constrain against the whole program: values and cotangents, and whether anything is reduced over ranks.
#pragma once

#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <bit>
#include <functional>
#include <mutex>
#include <random>

namespace tenon::testing {

using dist::Mesh;
using dist::Spec;
using dist::World;
using List = std::vector<Tensor>;

inline Tensor drawn(const std::vector<int64_t>& shape, uint64_t seed) {
  std::mt19937_64 draw(seed);
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  std::vector<double> v(static_cast<size_t>(count));
  for (double& x : v) x = static_cast<double>(draw() >> 40) / (1 << 24) * 2 - 1;
  return copy_from(v.data(), Shape::from(shape), f64);
}

inline const std::vector<std::vector<Mesh::Axis>> meshes = {
    {{"model", 2}}, {{"model", 4}}, {{"data", 2}, {"model", 2}}};

inline int ranks_of(const std::vector<Mesh::Axis>& axes) {
  int n = 1;
  for (const Mesh::Axis& a : axes) n *= a.size;
  return n;
}

// What a function asks of a tensor that it gives a name to: nothing, or how it lies.
using Lay = std::function<Tensor(const Tensor&, const std::string&)>;
using Function = std::function<Tensor(const List&, const Lay&)>;

// f and its pullback as one program: the result, then the cotangents of the arguments.
inline List value_and_cotangents(const Function& f, const List& x, const Tensor& cotangent, const Lay& lay) {
  auto [y, pull] = vjp([&](const List& v) { return f(v, lay); }, x);
  List all{y};
  for (const Tensor& t : pull(cotangent)) all.push_back(t);
  return all;
}

inline bool reduces(const std::string& explained) {
  for (const char* op : {"all_reduce_sum over", "all_reduce_prod over", "reduce_scatter over"})
    if (explained.find(op) != std::string::npos) return true;
  return false;
}

// Elements that differ by more than the order of a sum explains; by anything where nothing is reduced over ranks.
inline void expect_alike(const Tensor& got, const Tensor& expected, bool exact, const std::string& what) {
  ASSERT_EQ(got.shape(), expected.shape()) << what;
  const std::vector<double> a = got.to_vector<double>(), b = expected.to_vector<double>();
  double most = 0;
  for (double v : b) most = std::max(most, std::abs(v));
  for (size_t i = 0; i < a.size(); ++i)
    if (exact)
      ASSERT_EQ(std::bit_cast<uint64_t>(a[i]), std::bit_cast<uint64_t>(b[i]))
          << what << ", element " << i << ": " << a[i] << " " << b[i];
    else
      ASSERT_NEAR(a[i], b[i], 1e-13 * most) << what << ", element " << i;
}

struct Outcome {
  bool exact = true;
  std::string explained;
};

// The program of every rank against that of one process.
inline Outcome check(const std::vector<Mesh::Axis>& axes, const Function& f, const List& x,
                     const std::function<Tensor(const Tensor&, const std::string&, const Mesh&)>& lay,
                     const std::string& what) {
  const Lay plain = [](const Tensor& t, const std::string&) { return t; };
  const Tensor y = f(x, plain);
  std::vector<int64_t> shape;
  for (Dim d : y.shape()) shape.push_back(d.number());
  const Tensor cotangent = drawn(shape, 99);
  const List whole =
      jit([&](const List& v, const Tensor& c) { return value_and_cotangents(f, v, c, plain); })(x, cotangent);
  Outcome outcome;
  std::mutex lock;
  dist::simulate(ranks_of(axes), [&](World w) {
    w.set_timeout(300);  // of what others compile meanwhile
    const Mesh mesh(w, axes);
    auto program = jit([&](const List& v, const Tensor& c) {
      return value_and_cotangents(f, v, c,
                                  [&](const Tensor& t, const std::string& name) { return lay(t, name, mesh); });
    });
    const std::string explained = program.lower(x, cotangent).compile().explain();
    const List got = program(x, cotangent);
    const std::lock_guard hold(lock);
    outcome = {!reduces(explained), explained};
    for (size_t k = 0; k < whole.size(); ++k)
      expect_alike(got[k], whole[k], outcome.exact,
                   what + (k == 0 ? ", result" : ", cotangent " + std::to_string(k - 1)) + ", rank " +
                       std::to_string(w.rank()) + "\n" + explained);
  });
  return outcome;
}

inline Tensor indices_of(const std::vector<int64_t>& v) {
  return copy_from(v.data(), {static_cast<int64_t>(v.size())}, i64);
}

}  // namespace tenon::testing
