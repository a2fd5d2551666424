// The scheduler: sweeps over the threads, each running until it waits; where nobody is ready, either all wait at
// the barrier, which opens, or it is a failure.
#include "tenon/tests/cuda/driver/block.h"

#include <algorithm>
#include <cfenv>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

namespace simulated {

Running running;

uint64_t next_random(uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

__attribute__((no_sanitize("address"))) void fill(void* begin, size_t bytes, unsigned word) {
  auto* at = static_cast<volatile char*>(begin);
  size_t i = 0;
  for (; i < bytes && reinterpret_cast<uintptr_t>(at + i) % 4 != 0; ++i)
    at[i] = static_cast<char>(word >> 8 * (reinterpret_cast<uintptr_t>(at + i) % 4));
  for (; i + 4 <= bytes; i += 4) *reinterpret_cast<volatile unsigned*>(at + i) = word;
  for (; i < bytes; ++i) at[i] = static_cast<char>(word >> 8 * (reinterpret_cast<uintptr_t>(at + i) % 4));
}

__attribute__((no_sanitize("address"))) size_t first_unlike(const void* begin, size_t bytes, unsigned word) {
  const auto* at = static_cast<const volatile char*>(begin);
  for (size_t i = 0; i < bytes;) {
    const uintptr_t phase = reinterpret_cast<uintptr_t>(at + i) % 4;
    if (phase == 0 && i + 4 <= bytes && *reinterpret_cast<const volatile unsigned*>(at + i) == word) {
      i += 4;
      continue;
    }
    if (at[i] != static_cast<char>(word >> 8 * phase)) return i;
    ++i;
  }
  return bytes;
}

Index coordinates(int thread) {
  const Index e = running.launch->block;
  const auto t = static_cast<unsigned>(thread);
  return {t % e.x, t / e.x % e.y, t / e.x / e.y};
}

namespace {

void say(int code, const char* format, va_list values) {
  if (running.failure_code != 0) return;
  running.failure_code = code;
  const Index b = running.block;
  int n = std::snprintf(running.failure, sizeof running.failure, "kernel %s, block (%u, %u, %u)",
                        running.launch->kernel->name, b.x, b.y, b.z);
  if (running.now) {
    const Index t = coordinates(running.now->number);
    n += std::snprintf(running.failure + n, sizeof running.failure - static_cast<size_t>(n), ", thread (%u, %u, %u)",
                       t.x, t.y, t.z);
  }
  n += std::snprintf(running.failure + n, sizeof running.failure - static_cast<size_t>(n), ": ");
  std::vsnprintf(running.failure + n, sizeof running.failure - static_cast<size_t>(n), format, values);
}

}  // namespace

void say_failure(int code, const char* format, ...) {
  va_list values;
  va_start(values, format);
  say(code, format, values);
  va_end(values);
}

void fail(int code, const char* format, ...) {
  va_list values;
  va_start(values, format);
  say(code, format, values);
  va_end(values);
  leave(running.now->fiber, true);
  __builtin_unreachable();
}

void wait() { leave(running.now->fiber); }

namespace {

constexpr size_t shared_most = 256 << 10, shared_gap = 1024;
alignas(1024) char shared[shared_most + shared_gap];
constexpr unsigned gap_word = 0x7ffafffa;

void run_thread() {
  entered();
  const Launch& launch = *running.launch;
  void* pointers[256];
  for (size_t i = 0; i < launch.arguments.size(); ++i) pointers[i] = const_cast<uint64_t*>(launch.arguments[i].data());
  launch.kernel->call(pointers);
  running.now->state = Thread::ended;
  leave(running.now->fiber, true);
}

// Stacks of threads that have ended serve the next ones: where nobody waits, one stack serves them all.
struct FreeStacks {
  std::vector<char*> free;
  int made = 0;
  char* take() {
    if (free.empty()) return stack_of(made++);
    char* stack = free.back();
    free.pop_back();
    return stack;
  }
};
FreeStacks stacks;

std::vector<uint32_t> sequence(uint64_t count) {
  std::vector<uint32_t> order(count);
  for (uint32_t i = 0; i < count; ++i) order[i] = i;
  return order;
}
void permute(std::vector<uint32_t>& order) {
  if (running.manner.order == Order::random)
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[next_random(running.random) % i]);
}

void resume(Thread& t) {
  running.now = &t;
  *running.launch->module->thread = coordinates(t.number);
  if (t.state == Thread::fresh) {
    t.fiber.stack = stacks.take();
    t.state = Thread::ready;
    prepare(t.fiber, run_thread);
  }
  enter(t.fiber);
  running.now = nullptr;
  if (t.state == Thread::ended) stacks.free.push_back(t.fiber.stack);
}

// All wait: at the one barrier, or for what will not come.
bool open_barrier() {
  int waiting = 0, gone = 0, line = 0, other = 0;
  const Thread* in_warp = nullptr;
  for (int i = 0; i < running.count; ++i) {
    const Thread& t = running.threads[static_cast<size_t>(i)];
    if (t.state == Thread::at_barrier) {
      ++waiting;
      if (line == 0) line = t.line;
      if (t.line != line) other = t.line;
    }
    gone += t.state == Thread::ended;
    if (t.state == Thread::in_warp) in_warp = &t;
  }
  if (in_warp) {
    say_failure(
        error_launch_failed,
        "lanes are missing: thread %d waits in line %d for the lanes %08x of its warp, which do not all come; %d "
        "threads wait at a barrier, %d have ended",
        in_warp->number, in_warp->line, in_warp->mask, waiting, gone);
    return false;
  }
  if (gone > 0 || other > 0) {
    if (other > 0)
      say_failure(error_launch_failed, "the barrier diverges: threads wait at it in line %d and in line %d", line,
                  other);
    else
      say_failure(error_launch_failed, "the barrier diverges: %d threads wait in line %d and %d have ended", waiting,
                  line, gone);
    return false;
  }
  for (int i = 0; i < running.count; ++i) running.threads[static_cast<size_t>(i)].state = Thread::ready;
  return true;
}

void run_block(std::vector<uint32_t>& order) {
  stacks.free.clear(), stacks.made = 0;
  for (int i = 0; i < running.count; ++i) {
    Thread& t = running.threads[static_cast<size_t>(i)];
    t.state = Thread::fresh;
    t.number = i;
    t.groups.clear();
  }
  for (;;) {
    permute(order);
    for (uint32_t p = 0; p < order.size(); ++p) running.threads[order[p]].place = p;
    // Who comes first in the order runs ahead as far as it can, which finds missing barriers; at random, all keep step instead.
    const bool ahead = running.manner.order != Order::random || next_random(running.random) % 4 != 0;
    bool moved = false;
    for (uint32_t p = 0; p < order.size(); ++p) {
      Thread& t = running.threads[order[p]];
      if (t.state > Thread::ready) continue;
      moved = true;
      running.first_ready = ~0u;
      resume(t);
      if (running.failure_code != 0) return;
      if (ahead && running.first_ready <= p) p = running.first_ready - 1;
    }
    if (moved && !ahead) continue;
    bool alive = false;
    for (int i = 0; i < running.count; ++i) alive |= running.threads[static_cast<size_t>(i)].state != Thread::ended;
    if (!alive) return;
    if (!open_barrier()) return;
  }
}

void poison_shared() {
  const Module& m = *running.launch->module;
  fill(m.shared_begin, static_cast<size_t>(m.shared_end - m.shared_begin), nan_word);
  fill(shared, running.launch->shared_bytes, nan_word);
  fill(shared + running.launch->shared_bytes, shared_gap, gap_word);
}

void check_shared() {
  const size_t off = first_unlike(shared + running.launch->shared_bytes, shared_gap, gap_word);
  if (off < shared_gap)
    say_failure(error_illegal_address, "dynamic shared memory of %zu bytes is written at offset %zu",
                running.launch->shared_bytes, running.launch->shared_bytes + off);
}

}  // namespace

Outcome run(const Launch& launch, const Manner& manner) {
  running.launch = &launch;
  running.manner = manner;
  running.random = (manner.seed + 1) * 0x9e3779b97f4a7c15u;
  running.failure_code = 0;
  running.failure[0] = '\0';
  running.count = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
  if (running.threads.empty()) running.threads.resize(most_threads);
  const Module& m = *launch.module;
  *m.services = &services;
  *m.dynamic_shared = shared;
  *m.block_extent = launch.block;
  *m.grid_extent = launch.grid;

  std::fenv_t before;
  std::fegetenv(&before);  // the caller's rounding is no business of a GPU
  std::fesetenv(FE_DFL_ENV);
  {
    const FaultsAreCaught guard;
    std::vector<uint32_t> threads = sequence(static_cast<uint64_t>(running.count));
    if (manner.order == Order::reverse) std::reverse(threads.begin(), threads.end());
    const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
    std::vector<uint32_t> shuffled;
    if (manner.order == Order::random && blocks <= 1u << 20) permute(shuffled = sequence(blocks));
    for (uint64_t i = 0; i < blocks && running.failure_code == 0; ++i) {
      const uint64_t b = manner.order == Order::reverse ? blocks - 1 - i : shuffled.empty() ? i : shuffled[i];
      running.block = {static_cast<unsigned>(b % launch.grid.x),
                       static_cast<unsigned>(b / launch.grid.x % launch.grid.y),
                       static_cast<unsigned>(b / launch.grid.x / launch.grid.y)};
      *m.block = running.block;
      poison_shared();
      run_block(threads);
      if (running.failure_code == 0) check_shared();
    }
  }
  std::fesetenv(&before);
  return {running.failure_code, running.failure};
}

}  // namespace simulated
