// Latencies of the C runtime and of the kernel cache: fork-join, allocation, loading an entry, code memory.
// Says nothing about kernels; figures here are what a call pays besides its kernels.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tenon/runtime/cache/digest.h"
#include "tenon/runtime/cache/disk_cache.h"
#include "tenon/runtime/cpu/code_memory.h"
#include "tenon/runtime/tenon_runtime.h"

namespace {

int32_t nothing(void*, int64_t, int64_t) { return 0; }

void in_place_loop(benchmark::State& state) {
  const tenon_env* env = tenon_runtime_env();
  for (auto _ : state) env->parallel_for(env->pool, 1, 1, nothing, nullptr);
}
BENCHMARK(in_place_loop);

// Two pieces that must run on two threads: each waits for the other, so the join is a real one.
struct Meeting {
  int arrived = 0;
};

int32_t meet(void* context, int64_t, int64_t) {
  int* arrived = &static_cast<Meeting*>(context)->arrived;
  __atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
  while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < 2) __builtin_ia32_pause();
  return 0;
}

// The median, because one preemption on a busy machine costs as much as ten thousand joins.
void fork_join(benchmark::State& state) {
  const int before = tenon_runtime_threads();
  tenon_runtime_set_threads(2);
  const tenon_env* env = tenon_runtime_env();
  std::vector<double> samples;
  for (auto _ : state) {
    if (state.range(0) != 0) usleep(static_cast<useconds_t>(state.range(0)));
    Meeting meeting;
    const auto start = std::chrono::steady_clock::now();
    env->parallel_for(env->pool, 2, 1, meet, &meeting);
    samples.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
  }
  tenon_runtime_set_threads(before);
  std::sort(samples.begin(), samples.end());
  state.counters["median_ns"] = samples[samples.size() / 2];
  state.counters["p90_ns"] = samples[samples.size() * 9 / 10];
}
BENCHMARK(fork_join)->ArgName("idle_us")->Arg(0)->Iterations(5000)->UseRealTime();
BENCHMARK(fork_join)->ArgName("idle_us")->Arg(500)->Iterations(500)->UseRealTime();  // the worker sleeps by then

void alloc_free(benchmark::State& state) {
  const auto bytes = static_cast<uint64_t>(state.range(0));
  tenon_free(tenon_alloc(bytes), bytes);
  for (auto _ : state) {
    void* block = tenon_alloc(bytes);
    benchmark::DoNotOptimize(block);
    tenon_free(block, bytes);
  }
}
BENCHMARK(alloc_free)->Arg(64)->Arg(4096)->Arg(65536)->Arg(1 << 20)->Arg(64 << 20);

void malloc_free(benchmark::State& state) {  // the yardstick
  for (auto _ : state) {
    void* block = std::malloc(static_cast<size_t>(state.range(0)));
    benchmark::DoNotOptimize(block);
    std::free(block);
  }
}
BENCHMARK(malloc_free)->Arg(64)->Arg(4096)->Arg(65536)->Arg(64 << 20);

void cache_load(benchmark::State& state) {
  const auto directory = std::filesystem::temp_directory_path() / ("tenon-bench-" + std::to_string(getpid()));
  const tenon::runtime::DiskCache cache(directory.string());
  const std::string key(4000, 'k');
  cache.store(key, std::string(static_cast<size_t>(state.range(0)), 'v'));
  for (auto _ : state)
    if (!cache.load(key)) state.SkipWithError("the entry is not there");
  std::filesystem::remove_all(directory);
}
BENCHMARK(cache_load)->Arg(20000)->Arg(500000);

void digest_bytes(benchmark::State& state) {
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(tenon::runtime::digest(text));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(digest_bytes)->Arg(20000);

void code_span(benchmark::State& state) {
  for (auto _ : state) tenon::runtime::release_code(tenon::runtime::allocate_code(4096, 64));
}
BENCHMARK(code_span);

}  // namespace
