// The code generator where it is linked into whoever uses it.
#include "tenon/codegen/llvm/emitter.h"

namespace tenon::codegen {

void start_at_load();  // codegen/llvm/load.cc

const Compiler& find_compiler() {
  [[maybe_unused]] void (*const volatile taken_along)() = &start_at_load;  // an archive gives what somebody refers to
  return emitter::table;
}
bool compiler_is_apart() { return false; }
bool is_too_late_to_find() { return false; }

}  // namespace tenon::codegen
