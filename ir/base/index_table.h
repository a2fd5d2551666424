// A hash table of numbers into an array that somebody else owns: the builder's way to find equal types, attributes and
// nodes. Open addressing, 8 bytes a slot, at most half full, no allocation per entry. Refuses to delete.
//
// A hash's low bits are a place, so a caller who looks up neighbours in turn may give them neighbouring hashes and stay in
// the cache. Where a neighbourhood is crowded, entries move to a scattered place.
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
    const auto key = static_cast<uint32_t>(hash);
    uint32_t found = none;
    probe(key, [&](size_t at) {
      const Slot& slot = slots_[at];
      if (slot.index != none && !(slot.key == key && equal(slot.index))) return false;
      found = slot.index;
      return true;
    });
    return found;
  }

  void insert(uint64_t hash, uint32_t index) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    place({static_cast<uint32_t>(hash), index});
    ++count_;
  }

 private:
  struct Slot {
    uint32_t key = 0, index = none;
  };
  // Calls stop(place) along the places of a key until it says true.
  template <class Stop>
  void probe(uint32_t key, Stop stop) const {
    const size_t mask = slots_.size() - 1;
    size_t at = key & mask;
    for (int near = 0; near < 32; ++near, at = (at + 1) & mask)
      if (stop(at)) return;
    at = mix(key, slots_.size()) & mask;
    while (!stop(at)) at = (at + 1) & mask;
  }
  void place(Slot slot) {
    probe(slot.key, [&](size_t at) {
      if (slots_[at].index != none) return false;
      slots_[at] = slot;
      return true;
    });
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
