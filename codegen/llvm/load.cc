// Where LLVM is linked, it is started when the library is loaded. An object file of its own, which must be behind LLVM's archives
// where those are linked into the same library (CMakeLists.txt): what a library does when it is loaded goes in the order of
// linking, and LLVM's statics are made then, too. Refuses to hold anything that is needed before.
#include "tenon/codegen/compiler.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

// So that no thread is in the middle of it while another one ends the process, and so that the destructors of the program's own
// statics, which run before LLVM's, still compile. It takes what the first compilation is then spared. What fails here is said
// by the first compilation.
[[gnu::constructor]] void start_at_load();
void start_at_load() {
  const Undisturbed section;
  try {
    compiler();
  } catch (...) {
  }
}

}  // namespace tenon::codegen
