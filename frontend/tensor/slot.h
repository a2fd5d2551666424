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

#include "tenon/frontend/tensor/thread_record.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/buffer.h"

namespace tenon {

using BufferPtr = std::shared_ptr<runtime::Buffer>;

class Slot {
 public:
  explicit Slot(BufferPtr buffer) : now_(buffer.get()), buffer_(std::move(buffer)) {}

  bool empty() const { return now_.load(std::memory_order_relaxed) == nullptr; }  // after a donation
  BufferPtr buffer() const;  // a share of it; null when empty
  void replace(BufferPtr buffer);
  void put_back(BufferPtr buffer);  // what was taken (below), if nobody has put another there
  Location donated() const;  // where, when empty

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
  Pins();
  ~Pins();
  Pins(const Pins&) = delete;
  Pins& operator=(const Pins&) = delete;
  void add(const Slot& slot);
  void add_share(const Slot& slot);  // counted, so that share() can give it on; either all are, or none
  void hold();
  const runtime::Buffer* operator[](size_t i) const;  // null where the slot was empty
  const BufferPtr& share(size_t i) const { return more_[i]; }
  // The buffer for this call alone, leaving the slot empty: null when somebody else holds it or reads it. `at` is kept as the
  // place of the donation.
  BufferPtr take(size_t i, Slot& slot, const Location& at) const;

 private:
  ThreadRecord& record_;
  const uint32_t base_;
  uint32_t count_ = 0;
  std::vector<BufferPtr> more_;  // those that find no room in the record, or are counted
};

// Lets go of a buffer that was in a slot: now, or when the last call that reads it is over.
void retire(BufferPtr buffer);

}  // namespace tenon
