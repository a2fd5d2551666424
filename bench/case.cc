// Measuring: subjects in turn, medians, Google Benchmark's report. One benchmark iteration measures a whole case.
#include "tenon/bench/case.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "tenon/bench/table.h"

namespace tenon::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double sample_seconds =
    200e-6;  // short enough to fall between two interruptions, long beside the clock's 30 ns
constexpr size_t fewest_rounds = 5, most_rounds = 301;

double seconds_of(const Subject& s, int64_t calls) {
  if (s.timed) return s.timed() * static_cast<double>(calls);
  const auto start = Clock::now();
  for (int64_t i = 0; i < calls; ++i) s.run();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double quantile(std::vector<double> samples, double q) {
  std::sort(samples.begin(), samples.end());
  return samples[q * static_cast<double>(samples.size() - 1) + 0.5];
}

}  // namespace

double to_unit(Unit unit, double work, double seconds) {
  switch (unit) {
    case Unit::gigabytes:
    case Unit::gigaflops: return work / seconds * 1e-9;
    case Unit::microseconds: return seconds / work * 1e6;
    case Unit::nanoseconds: return seconds / work * 1e9;
  }
  return 0;
}

Result measure(const Case& c) {
  const int before = tenon_runtime_threads();
  tenon_runtime_set_threads(c.threads);
  const std::vector<Subject> subjects = c.prepare();
  std::vector<int64_t> calls;
  for (const Subject& s : subjects) {
    seconds_of(s, 1);  // compiles
    double once = seconds_of(s, 1);
    if (once < 1e-5) once = seconds_of(s, 20) / 20;
    calls.push_back(s.timed ? 1 : std::max<int64_t>(1, static_cast<int64_t>(sample_seconds / std::max(once, 1e-9))));
  }
  std::vector<std::vector<double>> samples(subjects.size());
  const auto start = Clock::now();
  for (size_t round = 0; round < most_rounds; ++round) {
    if (round >= fewest_rounds && std::chrono::duration<double>(Clock::now() - start).count() > c.seconds) break;
    for (size_t k = 0; k < subjects.size(); ++k) {
      const size_t s = (k + round) % subjects.size();
      if (calls[s] > 1) seconds_of(subjects[s], 1);  // its own data back into the caches
      samples[s].push_back(seconds_of(subjects[s], calls[s]) / static_cast<double>(calls[s]));
    }
  }
  tenon_runtime_set_threads(before);

  Result r;
  double rate = 0;
  for (size_t s = 0; s < subjects.size(); ++s) {
    const double time = quantile(samples[s], 0.5), work = subjects[s].work > 0 ? subjects[s].work : c.work;
    r.value[subjects[s].name] = to_unit(c.unit, work, time);
    if (s == 0)
      rate = work / time, r.seconds = time, r.spread = quantile(samples[s], 0.9) / time;
    else
      r.per[subjects[s].name] = rate / (work / time);
  }
  return r;
}

void add(Case c) {
  const std::string name = c.name + "/threads:" + std::to_string(c.threads);
  const auto run = [c = std::move(c)](benchmark::State& state) {
    Result r;
    for (auto _ : state) {
      try {
        r = measure(c);
      } catch (const std::exception& e) {
        state.SkipWithError(e.what());
        break;
      }
      state.SetIterationTime(r.seconds);
    }
    if (r.value.empty()) return;
    state.counters["spread"] = r.spread;
    for (const auto& [subject, value] : r.value) state.counters[subject] = value;
    for (const auto& [subject, ratio] : r.per) state.counters["per_" + subject] = ratio;
    keep(c, std::move(r));
  };
  benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(1)->UseManualTime()->Unit(benchmark::kMicrosecond);
}

}  // namespace tenon::bench
