// Cells of concrete tensors. One that nobody holds any longer stays with its thread as it is, with its slot, its buffer's record, the
// room of its extents and of the shared pointer's counts, so that the next result is made by filling in what differs. Its memory goes
// back to the device: what is kept counts as nothing. Internal to the frontend. Refuses to keep a slot or a buffer that somebody
// else still holds, and anything where an address sanitizer watches (runtime/recycled.h).
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/runtime/recycled.h"

namespace tenon {

struct ResultCell {
  ResultCell* next = nullptr;  // of those that the thread keeps
  Cell cell;
  alignas(std::max_align_t) std::byte counts[64];

  // Of the thread that lets go of it.
  static void keep(ResultCell* whole) {
    runtime::ThreadRecord* const own = runtime::own_record;
    if (!runtime::recycles || own == nullptr || own->cells.count == runtime::ThreadRecord::most_blocks) {
      delete whole;
      return;
    }
    whole->next = static_cast<ResultCell*>(own->cells.first);
    own->cells.first = whole;
    ++own->cells.count;
  }
  static ResultCell* take() {
    runtime::ThreadRecord* const own = runtime::own_record;
    if (own == nullptr || own->cells.first == nullptr) return new ResultCell;
    auto* const whole = static_cast<ResultCell*>(own->cells.first);
    own->cells.first = whole->next;
    --own->cells.count;
    return whole;
  }

  // What a shared pointer to the cell does when the last holder goes, and then, with its counts, when the last observer does.
  struct Clear {
    void operator()(Cell* cell) const { cell->clear(); }
  };
  template <class T>
  struct Counts {
    using value_type = T;
    ResultCell* whole;
    explicit Counts(ResultCell* of) : whole(of) {}
    template <class U>
    Counts(const Counts<U>& other) : whole(other.whole) {}  // NOLINT: as allocators are
    T* allocate(size_t) {
      static_assert(sizeof(T) <= sizeof counts && alignof(T) <= alignof(std::max_align_t));
      return reinterpret_cast<T*>(whole->counts);
    }
    void deallocate(T*, size_t) { keep(whole); }
    bool operator==(const Counts& other) const { return whole == other.whole; }
  };
};

// As Cell() makes it, but for what is to be used again: a slot and a buffer without memory, and extents of any length.
inline std::shared_ptr<Cell> new_cell() {
  ResultCell* const whole = ResultCell::take();
  return {&whole->cell, ResultCell::Clear(), ResultCell::Counts<Cell>(whole)};
}

}  // namespace tenon
