// ./dev soak: everything that a long-lived process does, for as long as one likes (TENON_SOAK_SECONDS, half an hour), in caches that
// turn over all the time. Every result is compared with that of another route, and memory must stay where it is.
// Refuses to stop at what it finds before it has said which seed finds it again.
#include <sys/wait.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tenon/runtime/cpu/code_memory.h"
#include "tenon/tests/gradient_program.h"
#include "tenon/tests/program_routes.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

constexpr uint64_t MiB = 1 << 20;
constexpr uint64_t cache_bytes = 8 * MiB;  // a few hundred programs
constexpr double most_rise = 32;  // MiB that the line through the samples of memory may rise over the run
constexpr double warm = 0.25;  // of the run, before samples count: caches and pools fill
constexpr size_t most_findings = 5;

using Clock = std::chrono::steady_clock;
using Finding = std::string;  // empty: nothing is wrong

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    const auto x = a[i].to_vector<double>(), y = b[i].to_vector<double>();
    for (size_t k = 0; k < x.size(); ++k)
      if (!(std::isnan(x[k]) ? std::isnan(y[k]) : x[k] == y[k] && std::signbit(x[k]) == std::signbit(y[k])))
        return false;
  }
  return a.size() == b.size();
}

// ---- one activity each: what is wrong, or nothing

Finding programs(uint64_t seed) {
  const RandomProgram program = random_program(seed);
  const auto found = first_finding(program, seed, [](const char*) {});
  return found ? found->route + ": " + found->message : "";
}

Finding shipped(uint64_t seed) {
  const RandomProgram program = random_program(seed);
  const auto found = first_finding(program.at(program.runs[0]), seed, seed % 2 ? "aot" : "shared object");
  return found ? found->route + ": " + found->message : "";
}

Finding gradients(uint64_t seed) {
  const GradientProgram program = random_gradient_program(seed, 3 + static_cast<int>(seed % 9), false);
  Leaves at = random_leaves(seed, seed % 4 == 0 ? f64 : f32);
  const std::vector<Tensor> expected = flat(grad(program)(at));
  if (!same_bits(expected, flat(jit(grad(program))(at)))) return "jit(grad): " + program.text();
  for (Tensor* t : {&at.full, &at.inner.row, &at.inner.rest[0], &at.inner.rest[1]}) t->set_requires_grad(true);
  program(at).backward();
  std::vector<Tensor> taped;
  for (const Tensor& t : flat(at)) taped.push_back(t.grad().defined() ? t.grad() : zeros_like(t.detach()));
  return same_bits(expected, taped) ? "" : "backward: " + program.text();
}

Tensor block(const Tensor& x, int k) { return softmax(tanh(x * static_cast<float>(k + 1)) + sum(x, {{0}, true}), -1); }

// Shapes and values change: one long-lived function whose signatures turn over, and one that is made and dropped.
Finding shapes(uint64_t seed) {
  static const auto* const lasting = new auto(jit(block, {.memory_cache_bytes = MiB / 2}));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 8; ++i) {
    const Tensor x =
        normal(key(random()), {static_cast<int64_t>(random() % 40 + 1), static_cast<int64_t>(random() % 9 + 1)});
    const int k = static_cast<int>(random() % 3);
    const Tensor expected = block(x, k);
    if (!same_bits({expected}, {(*lasting)(x, k)})) return "a jitted function";
    if (i == 0 && !same_bits({expected}, {jit(block)(x, k)})) return "a function jitted for one call";
  }
  return "";
}

// A child of a process whose other threads compute goes on with all that it inherits.
Finding child(uint64_t seed) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(120);
    _exit(shapes(seed).empty() && gradients(seed).empty() ? 0 : 1);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  return WIFSIGNALED(status) ? "a child died of signal " + std::to_string(WTERMSIG(status))
                             : "a child found a difference";
}

Finding threads(uint64_t seed) {
  constexpr uint64_t count = 4;
  std::vector<Finding> findings(count + 1);
  std::vector<std::thread> running;
  for (uint64_t t = 0; t < count; ++t)
    running.emplace_back([&findings, t, seed] {
      try {
        findings[t] = shapes(seed + t) + gradients(seed + t);
      } catch (const std::exception& e) {
        findings[t] = e.what();
      }
    });
  findings[count] = child(seed);
  for (std::thread& t : running) t.join();
  for (const Finding& f : findings)
    if (!f.empty()) return f;
  return "";
}

struct Activity {
  const char* name;
  uint64_t in_a_hundred;
  Finding (*run)(uint64_t seed);
  uint64_t count = 0;
};

// ---- the run

double resident() {
  double whole = 0, pages = 0;
  std::ifstream("/proc/self/statm") >> whole >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE)) / MiB;
}

struct Samples {
  std::vector<double> seconds, values;
  // How far the line of least squares through the samples rises from first to last.
  double rise() const {
    const auto n = static_cast<double>(seconds.size());
    if (n < 3) return 0;
    double t = 0, v = 0, tt = 0, tv = 0;
    for (size_t i = 0; i < seconds.size(); ++i) t += seconds[i] / n, v += values[i] / n;
    for (size_t i = 0; i < seconds.size(); ++i)
      tt += (seconds[i] - t) * (seconds[i] - t), tv += (seconds[i] - t) * (values[i] - v);
    return tv / tt * (seconds.back() - seconds.front());
  }
};

void say(double now, const std::vector<Activity>& activities) {
  uint64_t bytes = 0, evictions = 0;
  for (const auto& cache : cache_stats().caches) bytes += cache.bytes, evictions += cache.evictions;
  std::printf("%6.0f s ", now);
  for (const Activity& a : activities) std::printf(" %s %llu,", a.name, static_cast<unsigned long long>(a.count));
  const runtime::CodeMemoryStats code = runtime::code_memory_stats();
  std::printf(" memory %.0f MiB, code %.1f of %.1f MiB, caches %.1f MiB, evictions %llu\n", resident(),
              static_cast<double>(code.live_bytes) / MiB, static_cast<double>(code.slab_bytes) / MiB,
              static_cast<double>(bytes) / MiB, static_cast<unsigned long long>(evictions));
  std::fflush(stdout);
}

int soak(double seconds, uint64_t seed) {
  std::vector<Activity> activities = {{"programs", 40, programs}, {"gradients", 30, gradients}, {"shapes", 20, shapes},
                                      {"threads", 6, threads},    {"shipped", 2, shipped},      {"children", 2, child}};
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  Samples memory;
  size_t findings = 0;
  for (double said = 0, sampled = 0; elapsed() < seconds && findings < most_findings; ++seed) {
    uint64_t draw = std::mt19937_64(seed)() % 100, which = 0;
    while (draw >= activities[which].in_a_hundred) draw -= activities[which++].in_a_hundred;
    Activity& activity = activities[which];
    Finding found;
    try {
      found = activity.run(seed);
    } catch (const std::exception& e) {
      found = e.what();
    }
    ++activity.count;
    if (!found.empty())
      ++findings, std::printf("TENON_FUZZ_SEED=%llu %s: %s\n", static_cast<unsigned long long>(seed), activity.name,
                              found.c_str());
    const double now = elapsed();
    if (now > warm * seconds && now - sampled > seconds / 500) {
      memory.seconds.push_back(sampled = now);
      memory.values.push_back(resident());
    }
    if (now - said > std::min(10.0, seconds / 5)) say(said = now, activities);
  }
  say(elapsed(), activities);
  const double rise = memory.rise();
  std::printf("%zu findings; the line through %zu samples of memory rises by %.1f MiB, of %.0f that it may\n", findings,
              memory.values.size(), rise, most_rise);
  return findings == 0 && rise <= most_rise ? 0 : 1;
}

}  // namespace
}  // namespace tenon::testing

int main() {
  const auto number = [](const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
  };
  const std::string folder = tenon::testing::temporary_folder("soak");
  setenv("TENON_CACHE_DIR", folder.c_str(), 1);
  setenv("TENON_CACHE_BYTES", "33554432", 1);
  tenon::set_memory_cache_bytes(tenon::testing::cache_bytes);
  const int result =
      tenon::testing::soak(static_cast<double>(number("TENON_SOAK_SECONDS", 1800)), number("TENON_FUZZ_SEED", 1));
  std::filesystem::remove_all(folder);
  return result;
}
