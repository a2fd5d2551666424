// The replaceable content of a concrete tensor, and the one door to it for threads that share a tensor. An assignment through
// data() replaces the buffer, a donation takes it, while other threads may read: each reader gets the buffer that was there
// when it came, whole, for as long as it reads; the last writer's stays. Internal to the frontend. Refuses to let a buffer's
// bytes be written: only buffers as a whole come and go.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/buffer.h"
#include "tenon/runtime/thread_record.h"

namespace tenon {

using BufferPtr = std::shared_ptr<runtime::Buffer>;

// After use_count(), which orders nothing: what those did who held a share has been done.
template <class T>
void after_others(const std::shared_ptr<T>& shared) {
#if defined(__SANITIZE_THREAD__)
  std::shared_ptr<T>(shared).reset();  // it knows no fences
#else
  static_cast<void>(shared);
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
}
template <class T>
bool held_once(const std::shared_ptr<T>& shared) {
  if (shared.use_count() != 1) return false;
  after_others(shared);
  return true;
}

extern std::atomic<size_t> retired_buffers;  // that wait for the end of a call
void release_retired();

class Slot {
 public:
  explicit Slot(BufferPtr buffer) : now_(buffer.get()), buffer_(std::move(buffer)) {}

  bool empty() const { return now_.load(std::memory_order_relaxed) == nullptr; }  // after a donation
  BufferPtr buffer() const;  // a share of it; null when empty
  void replace(BufferPtr buffer);
  void put_back(BufferPtr buffer);  // what was taken (below), if nobody has put another there
  Location donated() const;  // where, when empty

  // Of one who alone holds the slot, to use it again. False, and nothing is done, where somebody else holds the buffer, none is there, or
  // its memory is borrowed, whose owner is let go with the buffer.
  bool give_up_memory() {
    if (buffer_ == nullptr || buffer_->borrowed() || !held_once(buffer_)) return false;
    buffer_->give_up();
    return true;
  }
  void* take_memory(int64_t bytes, const runtime::Device& device) { return buffer_->take(bytes, device); }

  // For small things beside the buffer that threads share, such as the gradient of the cell.
  const BriefMutex<LockFamily::tensors>& lock() const { return lock_; }

 private:
  friend class Pins;
  std::atomic<runtime::Buffer*> now_;  // buffer_.get(), to be read without the lock
  BriefMutex<LockFamily::tensors> lock_;
  BufferPtr buffer_;
  Location donated_;
};

// The buffers that a call reads, kept alive from hold() to the destructor without being counted. Whoever calls holds the
// tensors, so that their slots stay.
class Pins {
 public:
  Pins() : Pins(runtime::this_thread()) {}
  explicit Pins(runtime::ThreadRecord& of_this_thread)
      : record_(of_this_thread), base_(record_.pinned.load(std::memory_order_relaxed)), end_(base_) {}
  ~Pins() {
    record_.pinned.store(base_, std::memory_order_release);
    if (retired_buffers.load(std::memory_order_relaxed) != 0) release_retired();
  }
  Pins(const Pins&) = delete;
  Pins& operator=(const Pins&) = delete;

  void add(const Slot& slot) {
    if (end_ == runtime::ThreadRecord::most_pins) return add_share(slot);
    runtime::ThreadRecord::Pin& pin = record_.pins[end_++];
    pin.slot = &slot;
    pin.buffer.store(slot.now_.load(std::memory_order_acquire), std::memory_order_relaxed);
  }
  void add_share(const Slot& slot);  // counted, so that share() can give it on; either all are, or none
  void hold() {
    if (end_ == base_) return;
    record_.pinned.store(end_, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (!runtime::several_threads.load(std::memory_order_relaxed)) return;
    do record_.meetings.fetch_add(1, std::memory_order_acq_rel);
    while (!still_there());
  }
  const runtime::Buffer* operator[](size_t i) const {  // null where the slot was empty
    return i < end_ - base_ ? record_.pins[base_ + i].buffer.load(std::memory_order_relaxed)
                            : more_[i - (end_ - base_)].get();
  }
  const BufferPtr& share(size_t i) const { return more_[i]; }
  // The buffer for this call alone, leaving the slot empty: null when somebody else holds it or reads it. `at` is kept as the
  // place of the donation.
  BufferPtr take(size_t i, Slot& slot, const Location& at) const;

 private:
  bool still_there() {  // else what is there now is pinned instead
    bool unchanged = true;
    for (uint32_t i = base_; i < end_; ++i) {
      runtime::ThreadRecord::Pin& pin = record_.pins[i];
      const runtime::Buffer* now = static_cast<const Slot*>(pin.slot)->now_.load(std::memory_order_acquire);
      if (now == pin.buffer.load(std::memory_order_relaxed)) continue;
      pin.buffer.store(now, std::memory_order_relaxed);
      unchanged = false;
    }
    return unchanged;
  }
  runtime::ThreadRecord& record_;
  const uint32_t base_;
  uint32_t end_;
  std::vector<BufferPtr> more_;  // those that find no room in the record, or are counted
};

// Lets go of a buffer that was in a slot: now, or when the last call that reads it is over.
void retire(BufferPtr buffer);

}  // namespace tenon
