// A loop of tiny steps: the Lorenz system, explicit Euler, 100,000 steps in one scan.
// Eager runs a thousandth of the steps op by op; its figure is per step, like the others.
#include <benchmark/benchmark.h>
#include <tenon/tenon.h>

#include "tenon/bench/case.h"
#include "tenon/bench/lorenz.h"

namespace tenon::bench {
namespace {

using State = Point<Tensor>;

constexpr int64_t steps = 100000, eager_steps = 100;

}  // namespace

void add_scan() {
  Case c;
  c.name = "Lorenz, step of a scan";
  c.unit = Unit::nanoseconds;
  c.work = steps;
  c.published = "10.3 (JAX)";
  c.bars = {{"per C++", true, 1 / 1.5}};  // at most 1.5 times the loop's time
  c.prepare = [] {
    const State start{tensor(1.0f), tensor(1.0f), tensor(1.0f)};
    auto compiled = jit([](const State& s) {
      const auto body = [](const State& p, const std::vector<Tensor>& none) {
        return std::pair(advance<Tensor>(p), none);
      };
      return scan(body, s, std::vector<Tensor>{}, {.length = steps}).first;
    });
    const auto op_by_op = [=] {
      State p = start;
      for (int64_t i = 0; i < eager_steps; ++i) p = advance<Tensor>(p);
    };
    const auto by_hand = [] {
      Point<float> p{1, 1, 1};
      benchmark::DoNotOptimize(p);
      for (int64_t i = 0; i < steps; ++i) p = advance<float>(p);
      benchmark::DoNotOptimize(p);
    };
    return std::vector<Subject>{
        {fused, [=] { compiled(start); }}, {eager, op_by_op, static_cast<double>(eager_steps)}, {loop, by_hand}};
  };
  add(c);
}

}  // namespace tenon::bench
