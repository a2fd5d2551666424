// The list of all threads' records. A key of pthreads says when a thread is over, late: after the destructors of the program's
// thread-locals. Whatever asks later still is given a record again.
#include "tenon/runtime/thread_record.h"

#include <pthread.h>
#include <time.h>

#include <mutex>

#include "tenon/ir/base/undisturbed.h"

namespace tenon::runtime {

constinit thread_local ThreadRecord* own_record [[gnu::tls_model("initial-exec")]] = nullptr;

constinit std::atomic<bool> several_threads{false};

namespace {

constinit std::atomic<ThreadRecord*> first{nullptr};
constinit Mutex lock;
constinit pthread_key_t key = 0;
constinit bool has_key = false;

void give_back(void* record) {
  const std::lock_guard hold(lock);
  static_cast<ThreadRecord*>(record)->taken = false;
  own_record = nullptr;
}

// Threads that a forked child does not have read nothing in it. Their blocks stay unused: one may be half in its list.
void clear_in_child() {
  for (ThreadRecord* r = first.load(std::memory_order_relaxed); r != nullptr; r = r->next) {
    if (r == own_record) continue;
    r->pinned.store(0, std::memory_order_relaxed);
    r->reads_since.store(0, std::memory_order_relaxed);
    r->sections = 0;
    r->found = {};
    r->blocks = {};
    r->cells = {};
    r->taken = false;
  }
}

void meet_others() {
  if (several_threads.exchange(true)) return;
  constexpr timespec long_enough{0, 1000000};  // for what a processor still holds back, where no barrier is to be had
  if (!everybody_passes()) nanosleep(&long_enough, nullptr);
}

// When the library is loaded: who forks may hold a lock of the C library's that registering takes.
[[gnu::constructor]] void register_with_fork() { pthread_atfork(nullptr, nullptr, clear_in_child); }

}  // namespace

ThreadRecord& take_record() {
  const std::lock_guard hold(lock);
  if (!has_key)
    has_key = pthread_key_create(&key, give_back) == 0;  // without one, records of ended threads stay theirs
  ThreadRecord* record = first.load(std::memory_order_relaxed);
  while (record != nullptr && record->taken) record = record->next;
  if (record == nullptr) {
    record = new ThreadRecord;
    if (first.load(std::memory_order_relaxed) != nullptr) meet_others();
    record->next = first.load(std::memory_order_relaxed);
    first.store(record, std::memory_order_release);
  }
  record->taken = true;
  if (has_key) pthread_setspecific(key, record);
  own_record = record;
  return *record;
}

ThreadRecord* first_record() { return first.load(std::memory_order_acquire); }

uint32_t pins_on(const Buffer* buffer) {
  uint32_t count = 0;
  for (ThreadRecord* r = first_record(); r != nullptr; r = r->next) {
    // Either the reader's raise came first, and its pins are seen here, or it comes now, and sees what was done before.
    r->meetings.fetch_add(1, std::memory_order_acq_rel);
    for (uint32_t i = 0; i < r->pinned.load(std::memory_order_acquire); ++i)
      count += r->pins[i].buffer.load(std::memory_order_acquire) == buffer;
  }
  return count;
}

}  // namespace tenon::runtime
