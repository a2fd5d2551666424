// The processor as a device: memory from the recycling allocator, programs as machine code that is linked into this process
// and called in place, custom calls by their name. Refuses code for processors with more instructions than this one has.
#include <algorithm>
#include <cstring>
#include <map>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/cpu/code_memory.h"
#include "tenon/runtime/device.h"

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
    data = tenon_alloc(size);
    if (data == nullptr)
      throw Error("out of memory: an arena of " + std::to_string(size) + " bytes could not be allocated");
  }
  ~Arena() {
    if (data != nullptr) tenon_free(data, size);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
};

const Target& host() {
  static constinit Forever<const Target> target;
  return target.get([] { return new Target(codegen::host_target()); });
}

void copy(void* to, const void* from, uint64_t bytes) { std::memcpy(to, from, bytes); }
void synchronize() {}  // run() returns when all is done

void* load(const Artifact& artifact) {
  const Manifest& m = artifact.manifest;
  if (tenon_cpu_level() < m.level)
    throw Error("this processor lacks x86-64-v" + std::to_string(m.level) + ", which '" + m.entry +
                "' was compiled for; compile it with a lower target");
  return new codegen::Linked(codegen::link_objects(artifact.objects, m.entry, memory));
}

void unload(void* code) {
  const auto* linked = static_cast<codegen::Linked*>(code);
  release_code(linked->code);
  delete linked;
}

int32_t run(const void* code, tenon_call& call, bool* started) {
  const auto& linked = *static_cast<const codegen::Linked*>(code);
  // Planned buffers and the kernels' scratch memory; negative if the extents are such that the entry refuses them.
  const Arena arena(std::max<int64_t>(0, linked.arena_bytes(call.dims)));
  call.arena = arena.data;
  if (call.env == nullptr) call.env = tenon_runtime_env();
  if (started != nullptr) *started = true;
  return linked.entry(&call);
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

extern const Device cpu_device;
constinit const Device cpu_device{.kind = TargetKind::cpu,
                                  .name = "cpu",
                                  .host_addressed = true,
                                  .target = &host,
                                  .compiler = &codegen::compiler_version,
                                  .allocate = &tenon_alloc,
                                  .free = &tenon_free,
                                  .copy_in = &copy,
                                  .copy_out = &copy,
                                  .copy = &copy,
                                  .synchronize = &synchronize,
                                  .generate = &codegen::compile_objects,
                                  .load = &load,
                                  .unload = &unload,
                                  .run = &run};

}  // namespace tenon::runtime
