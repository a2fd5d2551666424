// When LLVM is started and when it ends. An object file of its own, which must be behind LLVM's archives where those are linked
// into the same library (CMakeLists.txt): what a library does when it is loaded goes in the order of linking, and LLVM's
// statics are made then, too. Refuses to hold anything that is needed before.
#include <atomic>
#include <cstdlib>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/llvm/pipeline.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

namespace {

constinit std::atomic<bool> ended{false};

// LLVM's statics go from here on. Compilations that run come to their end first; none that comes later finds `ended` unset.
void end_llvm() {
  begin_alone();
  ended.store(true);
  end_alone();
}

// When the library is loaded, so that no thread is in the middle of it while another one ends the process, and so that the
// destructors of the program's own statics, which run before end_llvm, still compile. It takes what the first compilation is
// then spared. What fails here is said by the first compilation.
[[gnu::constructor]] void start_at_load() {
  try {
    start_llvm();
  } catch (...) {
  }
}

}  // namespace

bool has_ended() { return ended.load(); }

void end_llvm_at_exit() { std::atexit(end_llvm); }

}  // namespace tenon::codegen
