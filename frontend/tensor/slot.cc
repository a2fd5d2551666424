// Pinning, replacing and taking buffers. The protocol: a reader publishes what it found, raises its count of meetings, and
// looks whether it is still there; a writer changes the slot, raises every reader's count, and looks for pins. Whoever comes
// second sees the other.
#include "tenon/frontend/tensor/slot.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

namespace tenon {

using runtime::pins_on;

namespace {

struct Retired {
  Mutex mutex;
  std::vector<BufferPtr> buffers;
};
constinit Forever<Retired> retired;

}  // namespace

constinit std::atomic<size_t> retired_buffers{0};

// Runs in destructors, so it asks for no memory: one buffer after the other, each destroyed after the lock.
void release_retired() {
  Retired& all = retired.get();
  while (true) {
    BufferPtr one;
    const std::lock_guard hold(all.mutex);
    const auto at =
        std::find_if(all.buffers.begin(), all.buffers.end(), [](const BufferPtr& b) { return pins_on(b.get()) == 0; });
    if (at != all.buffers.end()) {
      one.swap(*at);
      at->swap(all.buffers.back());
      all.buffers.pop_back();
    }
    retired_buffers.store(all.buffers.size(), std::memory_order_relaxed);
    if (one == nullptr) return;
  }
}

void retire(BufferPtr buffer) {
  if (buffer == nullptr || pins_on(buffer.get()) == 0) return;
  Retired& all = retired.get();
  const std::lock_guard hold(all.mutex);
  try {
    all.buffers.push_back(buffer);
  } catch (const std::bad_alloc&) {  // somebody reads it: it stays for good, rather than go under his eyes
    alignas(BufferPtr) std::byte kept[sizeof(BufferPtr)];
    new (kept) BufferPtr(std::move(buffer));
  }
  retired_buffers.store(all.buffers.size(), std::memory_order_relaxed);
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

void Pins::add_share(const Slot& slot) { more_.push_back(slot.buffer()); }

BufferPtr Pins::take(size_t i, Slot& slot, const Location& at) const {
  const bool counted = i >= end_ - base_;
  BufferPtr taken;
  {
    const std::lock_guard hold(slot.lock_);
    if (slot.buffer_.get() != (*this)[i] || slot.buffer_.use_count() != 1 + counted || slot.buffer_->borrowed())
      return nullptr;
    slot.now_.store(nullptr, std::memory_order_release);
    taken = std::move(slot.buffer_);
    slot.donated_ = at;
  }
  after_others(taken);  // who have read what they wanted
  if (pins_on(taken.get()) == !counted) return taken;
  slot.put_back(std::move(taken));
  return nullptr;
}

}  // namespace tenon
