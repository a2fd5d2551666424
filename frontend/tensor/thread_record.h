// What a thread keeps from call to call: which buffers it reads just now. Made when a thread first asks,
// handed on to another thread after its end, never destroyed, so that it serves in every destructor that the thread runs.
// Internal to the frontend. Refuses to count: a reader pays one atomic operation for a whole call.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace tenon {

namespace runtime {
class Buffer;
}
class Slot;  // frontend/tensor/slot.h

struct ThreadRecord {
  static constexpr uint32_t most_pins = 64;
  struct Pin {
    std::atomic<const runtime::Buffer*> buffer{nullptr};
    const Slot* slot = nullptr;  // where it was found; the thread's own business
  };

  std::atomic<uint32_t> meetings{0};  // raised by the reader after it pinned, by a writer before it looks at the pins
  std::atomic<uint32_t> pinned{0};  // how many of the pins count
  std::array<Pin, most_pins> pins;

  bool taken = false;  // a thread has it; under the lock of thread_record.cc
  ThreadRecord* next = nullptr;  // of all records, whoever has them
};

ThreadRecord& this_thread();

// How many pins there are on a buffer. Whoever pins it later finds that it is no longer where it was.
uint32_t pins_on(const runtime::Buffer* buffer);

}  // namespace tenon
