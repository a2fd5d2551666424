// Forks of this process. Every lock of the library is held inside a section (ir/base/undisturbed.h); a fork waits until no
// thread is in one, so a child finds each of them free and what they guard whole. Refuses to be a place for callbacks: what
// must know of forks compares counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tenon::runtime {

struct ForkCounts {
  uint64_t forks = 0;  // of this process and its ancestors
  uint64_t generation = 0;  // how many of them made an ancestor of this process, or itself
};
ForkCounts fork_counts();  // asked for in a section, in which it does not change

// Forks of this process that may have left others that go on in this program: a child, or a child of a child, that has neither
// ended nor begun another program.
struct OpenForks {
  // Whether none of the forks after number `after`, up to number `until`, is one.
  bool none(uint64_t after, uint64_t until) const {
    for (size_t k = 0; k < count; ++k)
      if (runs[k].first <= until && runs[k].last > after) return false;
    return true;
  }
  struct Run {
    uint64_t first, last;
  };
  static constexpr size_t most = 8;  // what forks beyond it leave is told apart no more
  std::array<Run, most> runs{};
  size_t count = 0;
};
OpenForks open_forks();  // asked for in a section, by one thread at a time; a few system calls

}  // namespace tenon::runtime
