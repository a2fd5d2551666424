// Forks of this process. Every lock of the library is held inside a section (ir/base/undisturbed.h); a fork waits until no
// thread is in one, so a child finds each of them free and what they guard whole. Refuses to be a place for callbacks: what
// must know of forks compares counts.
#pragma once

#include <cstdint>

namespace tenon::runtime {

struct ForkCounts {
  uint64_t forks = 0;  // of this process and its ancestors
  uint64_t generation = 0;  // how many of them made an ancestor of this process, or itself
};
ForkCounts fork_counts();  // asked for in a section, in which it does not change

}  // namespace tenon::runtime
