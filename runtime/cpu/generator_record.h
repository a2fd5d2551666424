// What the code generator says of itself and of this processor. Where it is a plug-in, the answers are kept in the disk cache, so
// that a process which finds its programs there does not load it.
#pragma once

#include <string>

#include "tenon/codegen/codegen.h"

namespace tenon::runtime {

struct GeneratorRecord {
  codegen::Processor host;
  std::string build;  // of LLVM, and of the plug-in where there is one: part of every cache key
};
// Asked for once. Error where the plug-in must be loaded and cannot be.
const GeneratorRecord& generator_record();

}  // namespace tenon::runtime
