// Pointers by the hash of what they point to: the index of a cache in memory. Open addressing, at most half full, so that a look-up
// meets one line of memory before the entry itself; what is taken out leaves no trace, since those behind it move up.
// Refuses to compare keys: whoever looks up says which of the entries with one hash is meant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tenon::runtime {

template <class T>
class HashTable {
 public:
  size_t size() const { return count_; }

  // The entry with this hash for which meant(entry) holds, or null.
  template <class Meant>
  T* find(uint64_t hash, Meant meant) const {
    if (count_ == 0) return nullptr;
    for (size_t at = hash & mask(); slots_[at].entry != nullptr; at = (at + 1) & mask())
      if (slots_[at].hash == hash && meant(*slots_[at].entry)) return slots_[at].entry;
    return nullptr;
  }

  void insert(uint64_t hash, T* entry) {  // changes nothing if memory is out
    if ((count_ + 1) * 2 > slots_.size()) grow();
    place(slots_, {hash, entry});
    ++count_;
  }

  void erase(uint64_t hash, const T* entry) {
    size_t hole = hash & mask();
    while (slots_[hole].entry != entry) hole = (hole + 1) & mask();
    for (size_t at = (hole + 1) & mask(); slots_[at].entry != nullptr; at = (at + 1) & mask()) {
      const size_t way = (at - slots_[at].hash) & mask();  // from where it belongs
      if (way < ((at - hole) & mask())) continue;  // the hole lies before that
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --count_;
  }

  // The first entry in the slots from `from` on, which it moves there; null behind the last. For taking out all, one by one.
  T* next(size_t& from) const {
    while (from < slots_.size() && slots_[from].entry == nullptr) ++from;
    return from < slots_.size() ? slots_[from].entry : nullptr;
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    T* entry = nullptr;
  };
  size_t mask() const { return slots_.size() - 1; }
  static void place(std::vector<Slot>& slots, const Slot& slot) {
    size_t at = slot.hash & (slots.size() - 1);
    while (slots[at].entry != nullptr) at = (at + 1) & (slots.size() - 1);
    slots[at] = slot;
  }
  void grow() {
    std::vector<Slot> larger(slots_.empty() ? 4 : slots_.size() * 2);
    for (const Slot& slot : slots_)
      if (slot.entry != nullptr) place(larger, slot);
    slots_.swap(larger);
  }
  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace tenon::runtime
