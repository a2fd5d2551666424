// Tables that are read without a lock, and the end of what was in them. Who reads is in a section; who takes something out of a
// table gives it to retire(), which destroys it when every section that may have found it is over. A section costs its thread two
// stores and no barrier: whoever retires makes all threads pass one instead (membarrier(2)), or where the system has none, readers
// do. Refuses to be a lock: sections may be long, as a call is, and nest.
#pragma once

#include <atomic>
#include <cstdint>

#include "tenon/runtime/thread_record.h"

namespace tenon::runtime {

extern constinit std::atomic<uint64_t> tables_age;  // raised whenever something is retired
extern constinit std::atomic<bool> readers_pass_barriers;  // where the system has no barrier for all threads
extern constinit std::atomic<uint32_t> retired_count;
void release_retired();  // what no section may have found

class Reading {
 public:
  Reading() : record_(this_thread()) {
    if (record_.sections++ != 0) return;
    record_.reads_since.store(tables_age.load(std::memory_order_acquire), std::memory_order_relaxed);
    pass();
  }
  ~Reading() {
    if (--record_.sections != 0) return;
    record_.reads_since.store(0, std::memory_order_release);
    pass();  // whoever retires something now finds this section over, or is found here
    if (retired_count.load(std::memory_order_relaxed) != 0) release_retired();
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ThreadRecord& thread() const { return record_; }
  // Of the tables, when the outermost section began. What was found in an earlier section of this age stays as long as this one, if
  // this one is current: nothing had been retired yet when others could see that it had begun.
  uint64_t age() const { return record_.reads_since.load(std::memory_order_relaxed); }
  bool is_current() const { return tables_age.load(std::memory_order_acquire) == age(); }

 private:
  static void pass() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (readers_pass_barriers.load(std::memory_order_relaxed)) __sync_synchronize();
  }
  ThreadRecord& record_;
};

// What has been taken out of tables: a part of `what`, so that retiring asks for no memory, of which there may be none.
struct Retired {
  void* what = nullptr;
  void (*destroy)(void* what) = nullptr;
  uint64_t age = 0;
  Retired* next = nullptr;
};
// Nobody who begins a section now can find it. It is destroyed in this call, or at the end of the last section that may have.
void retire(Retired& one);

}  // namespace tenon::runtime
