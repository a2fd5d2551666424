// A hash table of numbers into an array that somebody else owns: the builder's way to find equal types, attributes and
// nodes. Open addressing, 8 bytes a slot, no allocation per entry. Refuses to delete.
#pragma once

#include <cstdint>
#include <vector>

namespace tenon::ir {

inline uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;  // Fibonacci hashing; the shift spreads the high bits downward
  return hash ^ (hash >> 32);
}

class IndexTable {
 public:
  static constexpr uint32_t none = UINT32_MAX;

  // The entry with this hash for which equal(index) holds, or none.
  template <class Equal>
  uint32_t find(uint64_t hash, Equal equal) const {
    if (slots_.empty()) return none;
    const uint32_t tag = static_cast<uint32_t>(hash >> 32);
    for (size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.index == none) return none;
      if (slot.tag == tag && equal(slot.index)) return slot.index;
    }
  }

  void insert(uint64_t hash, uint32_t index) {
    if ((count_ + 1) * 4 > slots_.size() * 3) grow();
    place({static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(hash), index});
    ++count_;
  }

 private:
  struct Slot {
    uint32_t tag = 0, low = 0, index = none;
  };
  size_t mask() const { return slots_.size() - 1; }
  void place(Slot slot) {
    size_t at = slot.low & mask();
    while (slots_[at].index != none) at = (at + 1) & mask();
    slots_[at] = slot;
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.index != none) place(slot);
  }
  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace tenon::ir
