// Pinning, replacing and taking buffers. The protocol: a reader publishes what it found, raises its count of meetings, and
// looks whether it is still there; a writer changes the slot, raises every reader's count, and looks for pins. Whoever comes
// second sees the other.
#include "tenon/frontend/tensor/slot.h"

#include <mutex>
#include <utility>

namespace tenon {
namespace {

struct Retired {
  Mutex mutex;
  std::vector<BufferPtr> buffers;
};
constinit Forever<Retired> retired;
constinit std::atomic<size_t> retired_count{0};

void release_retired() {
  std::vector<BufferPtr> free;  // destroyed after the lock
  Retired& all = retired.get();
  const std::lock_guard hold(all.mutex);
  for (size_t i = 0; i < all.buffers.size();) {
    if (pins_on(all.buffers[i].get()) != 0) {
      ++i;
      continue;
    }
    free.push_back(std::move(all.buffers[i]));
    all.buffers[i] = std::move(all.buffers.back());
    all.buffers.pop_back();
  }
  retired_count.store(all.buffers.size(), std::memory_order_relaxed);
}

}  // namespace

void retire(BufferPtr buffer) {
  if (buffer == nullptr || pins_on(buffer.get()) == 0) return;
  Retired& all = retired.get();
  const std::lock_guard hold(all.mutex);
  all.buffers.push_back(std::move(buffer));
  retired_count.store(all.buffers.size(), std::memory_order_relaxed);
}

BufferPtr Slot::buffer() const {
  const std::lock_guard hold(lock_);
  return buffer_;
}

void Slot::replace(BufferPtr buffer) {
  {
    const std::lock_guard hold(lock_);
    now_.store(buffer.get(), std::memory_order_release);
    buffer_.swap(buffer);
  }
  retire(std::move(buffer));
}

void Slot::put_back(BufferPtr buffer) {
  {
    const std::lock_guard hold(lock_);
    if (buffer_ == nullptr) {
      now_.store(buffer.get(), std::memory_order_release);
      buffer_.swap(buffer);
    }
  }
  retire(std::move(buffer));
}

Location Slot::donated() const {
  const std::lock_guard hold(lock_);
  return donated_;
}

Pins::Pins() : record_(this_thread()), base_(record_.pinned.load(std::memory_order_relaxed)) {}

void Pins::add(const Slot& slot) {
  if (base_ + count_ >= ThreadRecord::most_pins) {
    more_.push_back(slot.buffer());
    return;
  }
  ThreadRecord::Pin& pin = record_.pins[base_ + count_++];
  pin.slot = &slot;
  pin.buffer.store(slot.now_.load(std::memory_order_acquire), std::memory_order_relaxed);
}

void Pins::add_share(const Slot& slot) { more_.push_back(slot.buffer()); }

void Pins::hold() {
  if (count_ == 0) return;
  record_.pinned.store(base_ + count_, std::memory_order_relaxed);
  for (bool changed = true; changed;) {
    changed = false;
    record_.meetings.fetch_add(1, std::memory_order_acq_rel);
    for (uint32_t i = base_; i < base_ + count_; ++i) {
      ThreadRecord::Pin& pin = record_.pins[i];
      const runtime::Buffer* there = pin.slot->now_.load(std::memory_order_acquire);
      if (there == pin.buffer.load(std::memory_order_relaxed)) continue;
      pin.buffer.store(there, std::memory_order_relaxed);
      changed = true;
    }
  }
}

const runtime::Buffer* Pins::operator[](size_t i) const {
  return i < count_ ? record_.pins[base_ + i].buffer.load(std::memory_order_relaxed) : more_[i - count_].get();
}

BufferPtr Pins::take(size_t i, Slot& slot, const Location& at) const {
  const bool counted = i >= count_;
  BufferPtr taken;
  {
    const std::lock_guard hold(slot.lock_);
    if (slot.buffer_.get() != (*this)[i] || slot.buffer_.use_count() != 1 + counted || slot.buffer_->borrowed())
      return nullptr;
    slot.now_.store(nullptr, std::memory_order_release);
    taken = std::move(slot.buffer_);
    slot.donated_ = at;
  }
  if (pins_on(taken.get()) == !counted) return taken;
  slot.put_back(std::move(taken));
  return nullptr;
}

Pins::~Pins() {
  for (uint32_t i = base_; i < base_ + count_; ++i) record_.pins[i].buffer.store(nullptr, std::memory_order_release);
  record_.pinned.store(base_, std::memory_order_release);
  if (retired_count.load(std::memory_order_relaxed) != 0) release_retired();
}

}  // namespace tenon
