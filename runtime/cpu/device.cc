// The processor as a device: memory from the recycling allocator, programs as machine code that is linked into this process
// and called in place, custom calls by their name. Refuses code for processors with more instructions than this one has.
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/base/environment.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/cpu/code_memory.h"
#include "tenon/runtime/cpu/generator_record.h"
#include "tenon/runtime/device.h"
#include "tenon/runtime/targets.h"

namespace tenon::runtime {
namespace {

struct CustomCalls {
  Mutex mutex;
  std::map<std::string, void*> functions;
};
CustomCalls& custom_calls() {
  static constinit Forever<CustomCalls> calls;  // programs may run until the process ends
  return calls.get();
}

void* resolve(const char* symbol) {
  CustomCalls& calls = custom_calls();
  std::lock_guard lock(calls.mutex);
  const auto it = calls.functions.find(symbol);
  return it == calls.functions.end() ? nullptr : it->second;
}

const codegen::CodeMemory memory{&allocate_code, &release_code, &resolve};

// The arena of one call, from the recycling allocator.
struct Arena {
  void* data = nullptr;
  uint64_t size = 0;
  explicit Arena(int64_t bytes) : size(static_cast<uint64_t>(bytes)) {
    if (size == 0) return;
    data = tenon_alloc_at_least(size, &size);
    if (data == nullptr)
      throw Error("out of memory: an arena of " + std::to_string(bytes) + " bytes could not be allocated");
  }
  ~Arena() {
    if (data != nullptr) tenon_free(data, size);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
};

void* allocate(const Device&, uint64_t bytes) { return tenon_alloc(bytes); }
void free_block(const Device&, void* memory, uint64_t bytes) { tenon_free(memory, bytes); }

// Code is made for the processor at hand, or for a lesser one that TENON_TARGET names: what runs elsewhere can be measured here.
Target target_from_environment(Target host) {
  const std::string name = environment(Variable::target);
  if (name.empty() || name == "native") return host;
  Target target;
  try {
    target = named_target(name);
  } catch (const Error& e) {
    throw Error("TENON_TARGET: " + e.message());
  }
  const uint64_t needed = needed_features(target);
  if (target.kind() != TargetKind::cpu || (needed & ~tenon_cpu_features()) != 0)
    throw Error("TENON_TARGET is " + name +
                ", which this processor cannot run: name a lesser one, or none for its own");
  target.cores = host.cores;
  target.tiles.nontemporal_bytes = host.tiles.nontemporal_bytes;
  return target;
}

const Target& host(const Device&) {
  static constinit Forever<const Target> target;
  return target.get([] { return new Target(target_from_environment(codegen::host_target(generator_record().host))); });
}

// A library that was built anew says the same version.
std::string compiler() { return codegen::compiler_version() + " build " + generator_record().build; }

void copy(const Device&, void* to, const void* from, uint64_t bytes) { std::memcpy(to, from, bytes); }
// Rows of a number or two are most of what is copied so: a size that is known takes no call.
template <uint64_t size>
void copy_each(char* to, uint64_t to_stride, const char* from, uint64_t from_stride, uint64_t rows) {
  for (uint64_t i = 0; i < rows; ++i) std::memcpy(to + i * to_stride, from + i * from_stride, size);
}
void copy_rows(const Device&, void* to_memory, uint64_t to_stride, const void* from_memory, uint64_t from_stride,
               uint64_t bytes, uint64_t rows) {
  auto* to = static_cast<char*>(to_memory);
  const auto* from = static_cast<const char*>(from_memory);
  if (rows > 1 && bytes == 4) return copy_each<4>(to, to_stride, from, from_stride, rows);
  if (rows > 1 && bytes == 8) return copy_each<8>(to, to_stride, from, from_stride, rows);
  for (uint64_t i = 0; i < rows; ++i) std::memcpy(to + i * to_stride, from + i * from_stride, bytes);
}
void synchronize(const Device&) {}  // run() returns when all is done

// Linked code, and the arena of every call where it is known.
struct Program {
  codegen::Linked linked;
  int64_t arena_bytes = -1;
  const tenon_env* env = tenon_runtime_env();  // one for the life of the process
};
const Program& program_of(const void* code) { return *static_cast<const Program*>(code); }

void* load(const Device&, const Artifact& artifact) {
  const Manifest& m = artifact.manifest;
  if (const uint64_t lacking = m.needs & ~tenon_cpu_features(); lacking != 0)
    throw Error("this processor lacks " + feature_expression(lacking) + ", which '" + m.entry +
                "' was compiled for; compile it for another target");
  auto program = std::make_unique<Program>(Program{codegen::link_objects(artifact.objects, m.entry, memory)});
  if (m.is_static) program->arena_bytes = program->linked.arena_bytes(nullptr);
  return program.release();
}

void unload(void* code) {
  release_code(program_of(code).linked.code);
  delete static_cast<Program*>(code);
}

uint64_t code_bytes(const void* code) { return program_of(code).linked.code.size + sizeof(Program); }

int64_t arena_bytes(const void* code, const int64_t* dims) { return program_of(code).linked.arena_bytes(dims); }

int32_t run(const Device&, const void* code, tenon_call& call, const Caller&, bool* started) {
  const Program& program = program_of(code);
  // Planned buffers and the kernels' scratch memory; negative if the extents are such that the entry refuses them.
  const int64_t bytes = program.arena_bytes >= 0 ? program.arena_bytes : program.linked.arena_bytes(call.dims);
  const Arena arena(std::max<int64_t>(0, bytes));
  call.arena = arena.data;
  if (call.env == nullptr) call.env = program.env;
  if (started != nullptr) *started = true;
  return program.linked.entry(&call);
}

}  // namespace

void register_custom_call(const std::string& name, void* function) {
  if (const std::string fault = codegen::custom_name_fault(name); !fault.empty())
    throw Error("register_custom_call: the name '" + name.substr(0, 100) + "' " + fault +
                "; name a C function of your own");
  if (function == nullptr) throw Error("register_custom_call: no function is given for '" + name + "'");
  CustomCalls& calls = custom_calls();
  std::lock_guard lock(calls.mutex);
  calls.functions[name] = function;
}

void* find_custom_call(const char* name) { return resolve(name); }

bool is_c_library_name(const std::string& name) { return codegen::in_c_library(name); }

extern const Device cpu_device;
constinit const Device cpu_device{.kind = TargetKind::cpu,
                                  .index = 0,
                                  .name = "cpu",
                                  .host_addressed = true,
                                  .target = &host,
                                  .compiler = &compiler,
                                  .allocate = &allocate,
                                  .free = &free_block,
                                  .copy_in = &copy,
                                  .copy_out = &copy,
                                  .copy = &copy,
                                  .copy_rows = &copy_rows,
                                  .synchronize = &synchronize,
                                  .generate = &codegen::compile_objects,
                                  .load = &load,
                                  .unload = &unload,
                                  .code_bytes = &code_bytes,
                                  .arena_bytes = &arena_bytes,
                                  .describe = nullptr,
                                  .run = &run};

}  // namespace tenon::runtime
