// A thread of a block as a stack of its own, and the switch between two of them: what is kept is what a call keeps. Refuses
// architectures other than x86-64 and aarch64.
#pragma once

#include <cstddef>

namespace simulated {

struct Fiber {
  void* at = nullptr;  // its stack pointer while it does not run
  char* stack = nullptr;  // lowest byte
  void* fake = nullptr;  // AddressSanitizer's
};

constexpr int most_threads = 1024;
extern const size_t stack_bytes;

char* stack_of(int number);  // below it lies a page that nobody may touch

// Makes `fiber`, whose stack is set, ready to run `entry`, which must not return.
void prepare(Fiber& fiber, void (*entry)());

// From the scheduler, that is the thread that called the driver, to a fiber, and back. The last switch of a fiber drops it.
void enter(Fiber& fiber);
void entered();  // first thing in an entry
void leave(Fiber& fiber, bool last = false);

}  // namespace simulated
