// The one name that the plug-in of the code generator shows (codegen/loaded.cc).
#include "tenon/codegen/llvm/emitter.h"

// What the plug-in was built as, which must be what asks for it, and its table.
extern "C" const tenon::codegen::Compiler* tenon_llvm(const char* build) {
  return build == tenon::codegen::plugin_build() ? &tenon::codegen::emitter::table : nullptr;
}
