// What the code generator calls itself. Without LLVM behind it, so that a cache can be asked before the generator is loaded.
#include <llvm/Config/llvm-config.h>

#include "tenon/codegen/compiler.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/kernel/program.h"

namespace tenon::codegen {

namespace {

constexpr const char* emitter_version = "17";  // raise it when generated code changes

}  // namespace

std::string compiler_version() { return "llvm " LLVM_VERSION_STRING " emitter " + std::string(emitter_version); }

std::string plugin_build() {
  std::string text = compiler_version() + " built by " __VERSION__;
  for (const size_t size :
       {sizeof(Compiler), sizeof(ir::Program), sizeof(ir::Kernel), sizeof(ir::Step), sizeof(ir::ProgramBuffer),
        sizeof(ir::Instruction), sizeof(Target), sizeof(Options), sizeof(Error)})
    text += " " + std::to_string(size);
  return text;
}

}  // namespace tenon::codegen
