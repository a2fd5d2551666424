// Items that one thread makes ahead while another uses them: what batches are handed over through. At most so many lie ready; an
// exception of the maker comes out of next() at its item; who lets go of a stream early waits for the item at hand and no more. A
// forked child, which has no such thread, goes on by itself with the same items. Refuses to reorder.
#pragma once

#include <cstdint>
#include <memory>

namespace tenon::data::detail {

// Makes item 0, 1, ... of what `state` describes; called by one thread of each stream, and by those of several streams at once.
struct Maker {
  std::shared_ptr<const void> state;
  std::shared_ptr<void> (*make)(const void* state, int64_t item) = nullptr;
  std::shared_ptr<void> operator()(int64_t item) const { return make(state.get(), item); }
};

class Stream {
 public:
  Stream() = default;  // of nothing
  // ahead: how many items may lie ready; 0: next() makes them.
  Stream(Maker maker, int64_t count, int64_t ahead);
  Stream(Stream&& other) noexcept : state_(other.state_) { other.state_ = nullptr; }
  Stream& operator=(Stream&& other) noexcept {
    State* const mine = state_;
    state_ = other.state_;
    other.state_ = mine;
    return *this;
  }
  ~Stream();
  std::shared_ptr<void> next();  // null after the last one, and after an exception

 private:
  struct State;
  State* state_ = nullptr;
};

}  // namespace tenon::data::detail
