// How many threads are in sections, and the one that waits until there are none. Refuses to sleep on anything that a forked
// child would find in use: waiting is polling, since forks and exits are rare and sections short.
#include "tenon/ir/base/undisturbed.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace tenon {
namespace {

constinit std::atomic<int> inside{0};  // threads in a section
constinit std::atomic<bool> wanted{false};  // somebody wants to be alone
constinit std::mutex alone;  // held from begin_alone to end_alone
constinit thread_local int depth = 0;  // of this thread's sections, and of brief locks

struct alignas(64) Brief {
  std::atomic_flag held = ATOMIC_FLAG_INIT;
};
constexpr size_t families = 3, locks_of_family = 32;
constinit Brief brief[families][locks_of_family];

Brief& brief_of(LockFamily family, const void* object) {
  const auto address = reinterpret_cast<uintptr_t>(object);
  return brief[static_cast<size_t>(family)][(address >> 4 ^ address >> 9) % locks_of_family];
}

// All or none, so that whoever holds one and wants another is not waited for with that other held.
bool take_all_brief() {
  for (size_t i = 0; i < families * locks_of_family; ++i) {
    if (!brief[i / locks_of_family][i % locks_of_family].held.test_and_set(std::memory_order_acquire)) continue;
    while (i-- > 0) brief[i / locks_of_family][i % locks_of_family].held.clear(std::memory_order_release);
    return false;
  }
  return true;
}

}  // namespace

void lock_briefly(LockFamily family, const void* object) {
  ++depth;  // a section inside does not wait for who waits for this lock
  std::atomic_flag& held = brief_of(family, object).held;
  while (held.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
}

void unlock_briefly(LockFamily family, const void* object) {
  brief_of(family, object).held.clear(std::memory_order_release);
  --depth;
}

void Undisturbed::enter() {
  if (depth++ != 0) return;
  while (true) {
    inside.fetch_add(1);
    if (!wanted.load()) return;  // who comes to want it now sees the count
    inside.fetch_sub(1);
    const std::lock_guard until_over(alone);
  }
}

void Undisturbed::leave() {
  if (--depth == 0) inside.fetch_sub(1, std::memory_order_release);
}

void begin_alone() {
  alone.lock();
  wanted.store(true);
  const int own = depth != 0;
  for (int round = 0; inside.load() != own || !take_all_brief(); ++round)
    round < 100 ? std::this_thread::yield() : std::this_thread::sleep_for(std::chrono::microseconds(20));
}

void end_alone(bool forked_child) {
  if (forked_child) inside.store(depth != 0);  // others were counted while they stepped back
  for (auto& family : brief)
    for (Brief& lock : family) lock.held.clear(std::memory_order_release);
  wanted.store(false);
  alone.unlock();
}

}  // namespace tenon
