// The table by which the code generator is asked.
#include "tenon/codegen/llvm/emitter.h"
#include "tenon/codegen/llvm/pipeline.h"

namespace tenon::codegen {

constinit const Compiler emitter::table{.start = &start_llvm,
                                        .host_processor = &emitter::host_processor,
                                        .compile_objects = &emitter::compile_objects,
                                        .drop_kept_objects = &emitter::drop_kept_objects,
                                        .llvm_text = &emitter::llvm_text,
                                        .arena_bytes = &emitter::arena_bytes,
                                        .data_object = &emitter::data_object,
                                        .archive_objects = &emitter::archive_objects,
                                        .address = &emitter::address};

}  // namespace tenon::codegen
