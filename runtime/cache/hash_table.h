// Pointers by the hash of what they point to: the index of a cache in memory. Open addressing, at most half full, so that a look-up
// meets one line of memory before the entry itself. Look-ups take no lock and see each change before or after it; changes are made
// one at a time. So a slot is written once: what is taken out leaves a mark, until the table is laid out anew.
// Refuses to compare keys: whoever looks up says which of the entries with one hash is meant. Refuses to destroy a table that
// readers may be in.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace tenon::runtime {

template <class T>
class HashTable {
  struct Slot {
    std::atomic<T*> entry{nullptr};
    uint64_t hash = 0;  // written before the entry
  };

 public:
  class Slots {  // one layout
   public:
    explicit Slots(size_t capacity) : mask(capacity - 1), slot(new Slot[capacity]) {}

   private:
    friend class HashTable;
    const size_t mask;
    const std::unique_ptr<Slot[]> slot;
  };

  HashTable() = default;
  HashTable(const HashTable&) = delete;
  HashTable& operator=(const HashTable&) = delete;
  ~HashTable() { delete slots_.load(std::memory_order_relaxed); }

  size_t size() const { return count_; }

  // The entry with this hash for which meant(entry) holds, or null. Entries of others stay only where readers are waited for
  // (runtime/reading.h), or changes are kept out.
  template <class Meant>
  T* find(uint64_t hash, Meant meant) const {
    const Slots* const slots = slots_.load(std::memory_order_acquire);
    if (slots == nullptr) return nullptr;
    for (size_t at = hash & slots->mask;; at = (at + 1) & slots->mask) {
      const Slot& slot = slots->slot[at];
      T* const entry = slot.entry.load(std::memory_order_acquire);
      if (entry == nullptr) return nullptr;
      if (entry != gone() && slot.hash == hash && meant(*entry)) return entry;
    }
  }

  // Makes room for one more, if memory is there: gives the layout that was in its place, if it was another.
  std::unique_ptr<const Slots> make_room() {
    const Slots* const now = slots_.load(std::memory_order_relaxed);
    if (now != nullptr && (used_ + 1) * 2 <= now->mask + 1) return nullptr;
    size_t capacity = 4;
    while (capacity < (count_ + 1) * 3) capacity *= 2;
    auto fresh = std::make_unique<Slots>(capacity);
    if (now != nullptr)
      for (size_t at = 0; at <= now->mask; ++at) {
        T* const entry = now->slot[at].entry.load(std::memory_order_relaxed);
        if (entry != nullptr && entry != gone()) place(*fresh, now->slot[at].hash, entry);
      }
    used_ = count_;
    slots_.store(fresh.release(), std::memory_order_release);
    return std::unique_ptr<const Slots>(now);
  }

  void insert(uint64_t hash, T* entry) {  // into room that there is
    place(*slots_.load(std::memory_order_relaxed), hash, entry);
    ++count_;
    ++used_;
  }

  void erase(uint64_t hash, const T* entry) {
    const Slots& slots = *slots_.load(std::memory_order_relaxed);
    size_t at = hash & slots.mask;
    while (slots.slot[at].entry.load(std::memory_order_relaxed) != entry) at = (at + 1) & slots.mask;
    slots.slot[at].entry.store(gone(), std::memory_order_release);
    --count_;
  }

  // The first entry in the slots from `from` on, which it moves there; null behind the last. For taking out all, one by one.
  T* next(size_t& from) const {
    const Slots* const slots = slots_.load(std::memory_order_relaxed);
    for (; slots != nullptr && from <= slots->mask; ++from) {
      T* const entry = slots->slot[from].entry.load(std::memory_order_relaxed);
      if (entry != nullptr && entry != gone()) return entry;
    }
    return nullptr;
  }

 private:
  static T* gone() { return reinterpret_cast<T*>(uintptr_t{1}); }  // the mark
  static void place(const Slots& slots, uint64_t hash, T* entry) {
    size_t at = hash & slots.mask;
    while (slots.slot[at].entry.load(std::memory_order_relaxed) != nullptr) at = (at + 1) & slots.mask;
    slots.slot[at].hash = hash;
    slots.slot[at].entry.store(entry, std::memory_order_release);
  }
  std::atomic<const Slots*> slots_{nullptr};
  size_t count_ = 0, used_ = 0;  // entries; slots that are not empty
};

}  // namespace tenon::runtime
