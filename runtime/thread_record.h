// What a thread keeps from call to call: which buffers it reads just now, since when it reads shared tables, what it counted, and
// blocks of small objects for the next call. Made when a thread first asks, handed on to another thread after its end, never
// destroyed, so that it serves in every destructor that the thread runs. Refuses to count readers: one pays an atomic operation
// for a whole call.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenon::runtime {

class Buffer;

struct alignas(128) ThreadRecord {  // the thread's own lines, and those that processors fetch with them
  static constexpr uint32_t most_pins = 64;
  struct Pin {
    std::atomic<const Buffer*> buffer{nullptr};
    const void* slot = nullptr;  // where it was found; the thread's own business
  };
  std::atomic<uint32_t> meetings{0};  // raised by the reader after it pinned, by a writer before it looks at the pins
  std::atomic<uint32_t> pinned{0};  // how many of the pins count
  std::array<Pin, most_pins> pins;

  // Reading (runtime/reading.h): the age of the tables when the outermost section began, 0 outside.
  std::atomic<uint64_t> reads_since{0};
  uint32_t sections = 0;  // one inside another; the thread's own business

  // Of look-ups without a lock, by the kind of cache. The thread alone writes them.
  static constexpr size_t most_kinds = 8;
  struct Counts {
    std::atomic<uint64_t> hits{0}, misses{0}, comparisons{0};
  };
  std::array<Counts, most_kinds> counts;
  static void count(std::atomic<uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  // What was found last in a cache, to be tried first: good as long as nothing has been retired since. The thread's own business.
  struct Found {
    const void* cache = nullptr;
    uint64_t age = 0;  // of the tables
    const void* entry = nullptr;
  };
  std::array<Found, 16> found;  // by the cache's address
  Found& found_in(const void* cache) { return found[(reinterpret_cast<uintptr_t>(cache) >> 5) % found.size()]; }

  // Blocks for small objects (runtime/recycled.h), in lists by their size. The thread's own business.
  static constexpr size_t granule = 64, block_sizes = 6, most_blocks = 64;  // of each size
  struct Blocks {
    void* first = nullptr;  // each holds the address of the next
    uint32_t count = 0;
  };
  std::array<Blocks, block_sizes> blocks;

  Blocks cells;  // of results (frontend/tensor/result_cell.h), likewise

  bool taken = false;  // a thread has it; under the lock of thread_record.cc
  ThreadRecord* next = nullptr;  // of all records, whoever has them
};

// Eight bytes of the thread's static block, found without a call also where the library is a shared one.
extern constinit thread_local ThreadRecord* own_record [[gnu::tls_model("initial-exec")]];
ThreadRecord& take_record();
inline ThreadRecord& this_thread() { return own_record != nullptr ? *own_record : take_record(); }

ThreadRecord* first_record();  // of all, by `next`

// Whether two threads ever had records at once. As long as none had, nobody looks at another's pins, and pinning needs no atomic
// operation; before the second has its record, all threads pass a barrier, so that it sees what was pinned so.
extern constinit std::atomic<bool> several_threads;
// Every thread passes a barrier (membarrier(2)). False where the system refuses: then nothing is known of the others.
bool everybody_passes();

// How many pins there are on a buffer. Whoever pins it later finds that it is no longer where it was.
uint32_t pins_on(const Buffer* buffer);

}  // namespace tenon::runtime
