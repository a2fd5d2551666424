// The list of what is retired, and the barrier that all threads pass. Ages: a section notes how old the tables are when it begins;
// what is retired makes them older, so later sections are no reason to wait for. Refuses to destroy under its lock: destructors
// come back here.
#include "tenon/runtime/reading.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "tenon/ir/base/undisturbed.h"

namespace tenon::runtime {

constinit std::atomic<uint64_t> tables_age{1};
constinit std::atomic<bool> readers_pass_barriers{false};
constinit std::atomic<uint32_t> retired_count{0};

namespace {

constinit Mutex lock;
constinit Retired* retired_list = nullptr;

enum Command { all_threads = 1 << 0, own_threads = 1 << 3, register_own = 1 << 4 };  // linux/membarrier.h
bool membarrier(Command command) { return syscall(SYS_membarrier, command, 0, 0) == 0; }

[[gnu::constructor]] void register_barrier() {
  if (!membarrier(register_own) || !membarrier(own_threads))
    readers_pass_barriers.store(true), several_threads.store(true);
}

uint64_t oldest_section() {
  uint64_t oldest = UINT64_MAX;
  for (ThreadRecord* r = first_record(); r != nullptr; r = r->next)
    if (const uint64_t since = r->reads_since.load(std::memory_order_acquire); since != 0)
      oldest = std::min(oldest, since);
  return oldest;
}

}  // namespace

bool everybody_passes() {
  if (readers_pass_barriers.load(std::memory_order_relaxed)) {
    __sync_synchronize();
    return true;
  }
  return membarrier(own_threads) || (membarrier(register_own) && membarrier(own_threads)) || membarrier(all_threads);
}

void release_retired() {
  Retired* over = nullptr;
  {
    const std::lock_guard hold(lock);
    __sync_synchronize();  // of two sections that end at once, one sees that the other is over
    const uint64_t oldest = oldest_section();
    uint32_t left = 0;
    for (Retired** link = &retired_list; *link != nullptr;) {
      Retired* const one = *link;
      if (one->age < oldest) {
        *link = one->next;
        one->next = over;
        over = one;
      } else {
        link = &one->next;
        ++left;
      }
    }
    retired_count.store(left, std::memory_order_relaxed);
  }
  while (over != nullptr) {
    Retired* const one = over;
    over = one->next;
    one->destroy(one->what);
  }
}

void retire(Retired& one) {
  {
    const std::lock_guard hold(lock);
    one.age = tables_age.fetch_add(1, std::memory_order_acq_rel);
    one.next = retired_list;
    retired_list = &one;
    retired_count.fetch_add(1, std::memory_order_relaxed);
    if (!everybody_passes()) one.age = UINT64_MAX;  // it stays for good, rather than go under a reader's eyes
  }
  release_retired();
}

}  // namespace tenon::runtime
