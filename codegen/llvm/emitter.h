// The functions behind the table of the code generator (codegen/compiler.h), each as codegen/codegen.h says.
#pragma once

#include "tenon/codegen/compiler.h"

namespace tenon::codegen::emitter {

extern const Compiler table;

Processor host_processor();
std::vector<std::string> compile_objects(const ir::Program& program, const Target& target, const Options& options);
void drop_kept_objects();
std::string llvm_text(const ir::Program& program, const Target& target, const Options& options);
int64_t arena_bytes(const ir::Program& program, const Target& target);
std::string data_object(const std::string& name, const std::string& data, const CpuTarget& target);
std::string archive_objects(std::span<const std::string> objects, const std::string& name);
const void* address();

}  // namespace tenon::codegen::emitter
