// Runs every f32 input through each unary expansion and reports the largest error in ulp against the C library's double
// or long double functions (themselves within 2^-16 ulp of f32). Cases that could only be settled beyond that are not
// looked at; two-operand functions are sampled by math_test. Fails when any error reaches 1 ulp.
//
//   math_exhaustive [--step N] [--threads N] [NAME...]
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tenon/tests/math_table.h"

namespace tenon::testing {
namespace {

struct Worst {
  double ulp = 0;
  float argument = 0;
  int64_t not_nearest = 0, inputs = 0, special = 0;  // special: wrong NaN, infinity or zero sign
  float special_argument = 0;
};

// 1 / ulp of the f32 with value's exponent, without a call.
double inverse_ulp(double value) {
  const int64_t exponent = static_cast<int64_t>(std::bit_cast<uint64_t>(value) >> 52 & 0x7ff) - 1023;
  const int64_t bounded = exponent < -126 ? -126 : exponent > 127 ? 127 : exponent;
  return std::bit_cast<double>(static_cast<uint64_t>(1023 + 23 - bounded) << 52);
}

// One result that is infinite, NaN or zero, or should be.
void compare(float argument, float value, double exact, Worst& worst) {
  const float nearest = static_cast<float>(exact);
  if (std::bit_cast<uint32_t>(value) == std::bit_cast<uint32_t>(nearest) && std::isfinite(exact) && exact != 0) {
    const double error = std::isinf(value) ? 0 : std::fabs(value - exact) * inverse_ulp(exact);
    if (error > worst.ulp) worst.ulp = error, worst.argument = argument;
    return;
  }
  const bool special = !std::isfinite(exact) || exact == 0 || std::isnan(value);
  if (special) {
    const bool same =
        std::isnan(exact) ? std::isnan(value) : std::bit_cast<uint32_t>(value) == std::bit_cast<uint32_t>(nearest);
    if (!same && worst.special++ == 0) worst.special_argument = argument;
    return;
  }
  ++worst.not_nearest;
  const double bounded = std::isinf(value) ? std::copysign(0x1p128, value) : value;
  const double error = std::fabs(bounded - std::max(-0x1p128, std::min(0x1p128, exact))) * inverse_ulp(exact);
  if (error > worst.ulp) worst.ulp = error, worst.argument = argument;
}

void compare_block(const Lanes& x, const Lanes& y, const double* exact, Worst& worst) {
  const float *arguments = x.data<float>(), *values = y.data<float>();
  double error[Lanes::size];
  int64_t not_nearest = 0;
  for (int i = 0; i < Lanes::size; ++i) {
    const double value = values[i];
    const bool usual = std::fabs(value) < 0x1p128 && std::fabs(exact[i]) < 0x1p128 && value != 0 && exact[i] != 0;
    error[i] = usual ? std::fabs(value - exact[i]) * inverse_ulp(exact[i]) : -1;
    not_nearest += usual && values[i] != static_cast<float>(exact[i]);
  }
  worst.not_nearest += not_nearest;
  for (int i = 0; i < Lanes::size; ++i) {
    if (error[i] < 0)
      compare(arguments[i], values[i], exact[i], worst);
    else if (error[i] > worst.ulp)
      worst.ulp = error[i], worst.argument = arguments[i];
  }
  worst.inputs += Lanes::size;
}

Worst run(const UnaryFunction& function, uint64_t step, unsigned threads) {
  Worst total;
  std::mutex mutex;
  const uint64_t count = (uint64_t{1} << 32) / step, blocks = (count + Lanes::size - 1) / Lanes::size;
  std::vector<std::thread> pool;
  uint64_t done = 0;
  for (unsigned t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      Worst mine;
      for (uint64_t block = t; block < blocks; block += threads) {
        Lanes x(DType::f32);
        for (int i = 0; i < Lanes::size; ++i)
          x.data<uint32_t>()[i] = static_cast<uint32_t>((block * Lanes::size + i) * step);
        const Lanes y = function.expansion(x);
        double exact[Lanes::size];
        for (int i = 0; i < Lanes::size; ++i) exact[i] = function.reference(x.data<float>()[i]);
        compare_block(x, y, exact, mine);
        if (block / threads % 8192 == 0) {
          const std::lock_guard lock(mutex);
          done = std::max(done, block);
          std::fprintf(stderr, "\r%-9s %3.0f %%", function.name.data(), 100.0 * done / blocks);
        }
      }
      const std::lock_guard lock(mutex);
      if (mine.ulp > total.ulp) total.ulp = mine.ulp, total.argument = mine.argument;
      if (mine.special && !total.special) total.special_argument = mine.special_argument;
      total.special += mine.special;
      total.not_nearest += mine.not_nearest;
      total.inputs += mine.inputs;
    });
  for (auto& thread : pool) thread.join();
  std::fprintf(stderr, "\r                \r");
  return total;
}

void count_operations(const UnaryFunction& function, int64_t& always, int64_t& rare) {
  Lanes x(DType::f32);
  for (int i = 0; i < Lanes::size; ++i) x.data<float>()[i] = i % 2 ? 1e30f : 0.3f;
  Lanes::operations = Lanes::rare_operations = 0;
  function.expansion(x);
  always = Lanes::operations;
  rare = Lanes::rare_operations;
}

int main(int argc, char** argv) {
  uint64_t step = 1;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--step") && i + 1 < argc)
      step = std::max(1l, std::atol(argv[++i]));
    else if (!std::strcmp(argv[i], "--threads") && i + 1 < argc)
      threads = static_cast<unsigned>(std::max(1, std::atoi(argv[++i])));
    else
      names.push_back(argv[i]);
  }
  bool failed = false;
  std::printf("%-9s %11s %9s %15s %12s %9s %6s %5s %7s\n", "function", "inputs", "max ulp", "at", "not nearest",
              "special", "ops", "rare", "seconds");
  for (const auto& function : unary_functions) {
    bool wanted = names.empty();
    for (const auto& name : names) wanted |= name == function.name;
    if (!wanted) continue;
    int64_t operations = 0, rare = 0;
    count_operations(function, operations, rare);
    const auto start = std::chrono::steady_clock::now();
    const Worst worst = run(function, step, threads);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf("%-9s %11lld %9.5f %15.7g %12lld %9lld %6lld %5lld %7.1f\n", function.name.data(),
                static_cast<long long>(worst.inputs), worst.ulp, worst.argument,
                static_cast<long long>(worst.not_nearest), static_cast<long long>(worst.special),
                static_cast<long long>(operations), static_cast<long long>(rare), seconds);
    if (worst.special) std::printf("  first wrong special value at %a\n", worst.special_argument);
    std::fflush(stdout);
    failed |= worst.ulp >= 1 || worst.special;
  }
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace tenon::testing

int main(int argc, char** argv) { return tenon::testing::main(argc, argv); }
