// Registers with fork, when the library is loaded. The C runtime registers before (runtime/c/memory.c), so that in a fork its
// lock is taken after no thread is in a section any more: a thread in a section may need that lock, never the other way.
#include "tenon/runtime/fork.h"

#include <pthread.h>

#include "tenon/ir/base/undisturbed.h"

namespace tenon::runtime {
namespace {

constinit ForkCounts counts;

void before() { begin_alone(); }
void in_parent() {
  ++counts.forks;
  end_alone();
}
void in_child() {
  ++counts.forks;
  ++counts.generation;
  end_alone(true);
}

[[gnu::constructor]] void register_with_fork() { pthread_atfork(before, in_parent, in_child); }

}  // namespace

ForkCounts fork_counts() { return counts; }

}  // namespace tenon::runtime
