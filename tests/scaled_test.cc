// x 2^n rounded once: the instruction of AVX-512 in vectors, tails and single lanes, and what stands for it elsewhere, give the
// bits of the C library's scalbn at every power, subnormal results, overflow, zeros, infinities and NaN; so the expansions of
// all functions give the same bits with and without it. Where the processor lacks AVX-512 the two are one.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "tenon/ir/kernel/scalar.h"
#include "tenon/ir/math/exp.h"
#include "tenon/tests/compiled.h"

namespace tenon::testing {
namespace {

using ir::KernelBuilder;
using ir::LoopKind;
using ir::Scalar;
using ir::ScalarId;
using ir::Space;

// y[i] = x[i] 2^n[i].
ir::Kernel scale_kernel(DType type, DType power, LoopKind kind) {
  auto symbols = std::make_shared<Symbols>();
  const Dim count = symbols->add("n");
  KernelBuilder b("scale", symbols);
  const auto x = b.buffer("x", type, Shape{count}, Space::input), n = b.buffer("n", power, Shape{count}, Space::input);
  const auto y = b.buffer("y", type, Shape{count}, Space::output);
  const ScalarId i = b.open_loop(kind, b.extent(count))[0];
  const Scalar value{&b, b.load(x, std::span(&i, 1))}, exponent{&b, b.load(n, std::span(&i, 1))};
  const Scalar whole = ir::cast(exponent, ir::math::integer_of(value));
  const Scalar otherwise = ir::math::scale_in_two_steps(value, whole);
  b.store(y, std::span(&i, 1), scaled(value, exponent, otherwise).id);
  b.close_loop();
  return b.finish();
}

// The host, the host with registers half as wide, and the portable floor, which has no such instruction.
std::vector<Target> targets() {
  std::vector<Target> all{codegen::host_target(), codegen::host_target(), Target::portable()};
  all[1].cpu().vector_bytes = 32;
  return all;
}

template <class T>
bool same(T a, T b) {
  return std::memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

// Around 1, of either sign, and what has no exponent.
template <class T>
std::vector<T> significands() {
  const T ulp = std::numeric_limits<T>::epsilon(), inf = std::numeric_limits<T>::infinity();
  std::vector<T> all;
  for (T v : {T(1), 1 + ulp, 1 - ulp / 2, T(1.5), T(1.25), 2 - ulp, T(0.5), T(0.75), T(1) + ulp * 3, T(0), inf})
    all.push_back(v), all.push_back(-v);
  all.push_back(std::numeric_limits<T>::quiet_NaN());
  return all;
}

template <class T, class N>
void check(const Target& target, LoopKind kind, const std::vector<T>& x, const std::vector<N>& n) {
  constexpr DType type = sizeof(T) == 4 ? f32 : f64;
  constexpr DType power = std::is_floating_point_v<N> ? type : sizeof(N) == 4 ? i32 : i64;
  Compiled code(program_of(scale_kernel(type, power, kind)), target);
  std::vector<T> y(x.size());
  ASSERT_EQ(code.run({x.data(), n.data()}, {y.data()}, {static_cast<int64_t>(x.size())}), 0);
  int wrong = 0;
  for (size_t i = 0; i < x.size() && wrong < 3; ++i) {
    const T expected = std::scalbn(x[i], static_cast<int>(n[i]));
    if (!same(y[i], expected))
      ADD_FAILURE() << x[i] << " times 2^" << n[i] << " is " << y[i] << ", not " << expected, ++wrong;
  }
}

template <class T, class N>
void check_every_power() {
  const int most = sizeof(T) == 4 ? 252 : 2044;  // of the spelling for every machine
  std::vector<T> x;
  std::vector<N> n;
  for (T v : significands<T>())
    for (int power = -most; power <= most; ++power) x.push_back(v), n.push_back(static_cast<N>(power));
  for (const Target& target : targets())
    for (LoopKind kind : {LoopKind::vector, LoopKind::serial}) check(target, kind, x, n);
}

TEST(Scaled, EveryPower) {
  check_every_power<float, float>();
  check_every_power<float, int32_t>();
  check_every_power<double, double>();
  check_every_power<double, int64_t>();
}

TEST(Scaled, VectorsOfEveryLength) {
  for (size_t count = 1; count < 70; ++count) {
    const std::vector<float> x(count, 1.5f), n(count, -140.f);
    check(codegen::host_target(), LoopKind::vector, x, n);
  }
}

template <class T>
void check_random() {
  constexpr size_t count = size_t{1} << 20;
  const int most = sizeof(T) == 4 ? 252 : 2044;
  std::mt19937_64 random(5);
  std::vector<T> x(count), n(count);
  for (int round = 0; round < 10; ++round) {
    for (size_t i = 0; i < count; ++i) {
      const T fraction = static_cast<T>(std::ldexp(static_cast<double>(random() >> 11), -53));
      x[i] = (random() % 2 ? 1 : -1) * (1 + fraction) / 2;
      // Half of the powers where results are subnormal.
      const int subnormal = std::numeric_limits<T>::min_exponent - static_cast<int>(random() % 60);
      n[i] = static_cast<T>(random() % 2 ? subnormal : static_cast<int>(random() % (2 * most + 1)) - most);
    }
    for (const Target& target : targets()) check(target, LoopKind::vector, x, n);
  }
}

TEST(Scaled, RandomSinglePrecision) { check_random<float>(); }
TEST(Scaled, RandomDoublePrecision) { check_random<double>(); }

// Any bits, and numbers of everyday size.
template <class T>
std::vector<T> arguments(size_t count) {
  std::mt19937_64 random(11);
  std::vector<T> all;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bits = random();
    T any;
    std::memcpy(&any, &bits, sizeof any);
    const double size = std::ldexp(static_cast<double>(bits >> 11), -53 - static_cast<int>(bits % 16));
    all.push_back(i % 4 == 0 ? any : static_cast<T>((bits >> 4) % 2 ? size * 800 : size * -800));
  }
  return all;
}

template <class T>
void check_row(ir::Op op) {
  constexpr DType type = sizeof(T) == 4 ? f32 : f64;
  const int arity = ir::def(op).arity;
  auto symbols = std::make_shared<Symbols>();
  const Dim count = symbols->add("n");
  KernelBuilder b("row", symbols);
  const auto x = b.buffer("x", type, Shape{count}, Space::input), y = b.buffer("y", type, Shape{count}, Space::output);
  const ScalarId i = b.open_loop(LoopKind::vector, b.extent(count))[0];
  const std::vector<ScalarId> operands(static_cast<size_t>(arity), b.load(x, std::span(&i, 1)));
  const ScalarId value = b.scalar(op, operands);
  if (b.dtype(value) != type) return;
  b.store(y, std::span(&i, 1), value);
  b.close_loop();
  const ir::Program program = program_of(b.finish());
  const std::vector<T> inputs = arguments<T>(20000);
  std::vector<std::vector<T>> results;
  for (const Target& target : targets()) {
    results.emplace_back(inputs.size());
    Compiled code(program, target);
    ASSERT_EQ(code.run({inputs.data()}, {results.back().data()}, {static_cast<int64_t>(inputs.size())}), 0);
  }
  int wrong = 0;
  for (size_t k = 0; k < inputs.size() && wrong < 3; ++k)
    for (size_t r = 1; r < results.size(); ++r)
      if (!same(results[0][k], results[r][k]))
        ADD_FAILURE() << ir::name(op) << " of " << inputs[k] << ": " << results[0][k] << " and " << results[r][k],
            ++wrong;
}

TEST(Scaled, ExpansionsHaveTheSameBitsWithAndWithout) {
  for (int k = 0; k < ir::op_count; ++k) {
    const ir::Op op = static_cast<ir::Op>(k);
    const ir::OpDef& row = ir::def(op);
    if (row.family != ir::Family::elementwise || !row.expand.scalar || !contains(row.dtypes, f32)) continue;
    check_row<float>(op);
    check_row<double>(op);
  }
}

}  // namespace
}  // namespace tenon::testing
