// What generates code for processors, as a table of functions. LLVM is behind it: linked into this library, or in a plug-in that
// is loaded when first something has to be compiled, so that a program which finds its code in the cache starts without it.
// Refuses to be asked after its end.
#pragma once

#include <string>
#include <vector>

#include "tenon/codegen/codegen.h"

namespace tenon::codegen {

struct Compiler {
  void (*start)();  // makes all of LLVM's statics; once, before anything else
  Processor (*host_processor)();
  std::vector<std::string> (*compile_objects)(const ir::Program&, const Target&, const Options&);
  void (*drop_kept_objects)();
  std::string (*llvm_text)(const ir::Program&, const Target&, const Options&);
  int64_t (*arena_bytes)(const ir::Program&, const Target&);
  std::string (*data_object)(const std::string& name, const std::string& data, const CpuTarget&);
  std::string (*archive_objects)(std::span<const std::string> objects, const std::string& name);
  const void* (*address)();  // somewhere in LLVM's code
};

// Ready to be used, in a section (ir/base/undisturbed.h). Error where the plug-in cannot be loaded, InternalError after the end.
const Compiler& compiler();

// The one that is linked (codegen/llvm/linked.cc) or loaded (codegen/loaded.cc).
const Compiler& find_compiler();
bool is_too_late_to_find();  // the process ends on another thread

// What a plug-in and its user must agree on, for objects of C++ pass between them.
std::string plugin_build();

}  // namespace tenon::codegen
