// Tables of the GPUs over the small runtime in C, whose faults become errors here.
#include "tenon/runtime/cuda/table.h"

#include <algorithm>
#include <array>
#include <memory>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/cache/build_identity.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/cuda/status.h"
#include "tenon/runtime/fork.h"

namespace tenon::runtime {
namespace {

[[noreturn]] void fail(const tenon_cuda_fault& fault) {
  Location at;
  if (fault.file != nullptr) at = {.file = fault.file, .line = fault.line, .column = fault.column};
  throw Error(fault.text, at);
}

void check_code(int32_t code, const tenon_cuda_fault& fault) {
  if (code == TENON_DEVICE_FAILED || code == TENON_NO_MEMORY) fail(fault);
  if (code != TENON_OK) throw InternalError("a GPU's runtime refused a call with code " + std::to_string(code));
}

tenon_cuda_device* opened(const Device& self) {
  tenon_cuda_device* device = nullptr;
  tenon_cuda_fault fault;
  check_code(tenon_cuda_open(self.index, &device, &fault), fault);
  return device;
}

const Target& target(const Device& self);

void* allocate(const Device& self, uint64_t bytes) {
  void* memory = nullptr;
  tenon_cuda_fault fault;
  int32_t code = tenon_cuda_allocate(opened(self), bytes, &memory, &fault);
  if (code == TENON_NO_MEMORY) {  // programs that nobody holds take room, too
    clear_memory_cache();
    code = tenon_cuda_allocate(opened(self), bytes, &memory, &fault);
  }
  check_code(code, fault);
  return memory;
}

// What a device that fails holds is gone with it, and destructors have nobody to tell.
void free_block(const Device& self, void* memory, uint64_t) {
  tenon_cuda_device* device = nullptr;
  if (tenon_cuda_open(self.index, &device, nullptr) == TENON_OK) tenon_cuda_free(device, memory);
}

void copy_in(const Device& self, void* to, const void* from, uint64_t bytes) {
  tenon_cuda_fault fault;
  check_code(tenon_cuda_copy_in(opened(self), to, from, bytes, &fault), fault);
}
void copy_out(const Device& self, void* to, const void* from, uint64_t bytes) {
  tenon_cuda_fault fault;
  check_code(tenon_cuda_copy_out(opened(self), to, from, bytes, &fault), fault);
}
void copy(const Device& self, void* to, const void* from, uint64_t bytes) {
  tenon_cuda_fault fault;
  check_code(tenon_cuda_copy(opened(self), to, from, bytes, &fault), fault);
}
void copy_rows(const Device& self, void* to, uint64_t to_stride, const void* from, uint64_t from_stride, uint64_t bytes,
               uint64_t rows) {
  tenon_cuda_fault fault;
  check_code(tenon_cuda_copy_rows(opened(self), to, to_stride, from, from_stride, bytes, rows, &fault), fault);
}
void synchronize(const Device& self) {
  tenon_cuda_fault fault;
  check_code(tenon_cuda_synchronize(opened(self), &fault), fault);
}

tenon_custom resolve(void*, const char* name) { return reinterpret_cast<tenon_custom>(find_custom_call(name)); }

void* load(const Device& self, const Artifact& artifact) {
  const Manifest& m = artifact.manifest;
  if (artifact.objects.empty()) throw Error("'" + m.entry + "' has no code for a GPU; compile it again");
  std::vector<const void*> modules;
  std::vector<uint64_t> sizes;
  for (size_t k = 0; k + 1 < artifact.objects.size(); ++k) {
    modules.push_back(artifact.objects[k].data());
    sizes.push_back(artifact.objects[k].size());
  }
  tenon_cuda_image image{};
  image.struct_size = sizeof image;
  image.name = m.entry.c_str();
  image.list = artifact.objects.back().data();
  image.list_bytes = artifact.objects.back().size();
  image.modules = modules.data();
  image.module_bytes = sizes.data();
  image.module_count = static_cast<uint32_t>(modules.size());
  image.resolve = &resolve;
  tenon_cuda_program* program = nullptr;
  tenon_cuda_fault fault;
  check_code(tenon_cuda_load(opened(self), &image, &program, &fault), fault);
  return program;
}

void unload(void* code) { tenon_cuda_unload(static_cast<tenon_cuda_program*>(code)); }
uint64_t code_bytes(const void* code) { return tenon_cuda_code_bytes(static_cast<const tenon_cuda_program*>(code)); }
int64_t arena_bytes(const void* code, const int64_t* dims) {
  return tenon_cuda_arena_bytes(static_cast<const tenon_cuda_program*>(code), dims);
}

std::string describe(const void* code) {
  const std::string reason = tenon_cuda_no_graph(static_cast<const tenon_cuda_program*>(code));
  return reason.empty() ? "calls from the second on are one graph of the driver"
                        : "kernels are launched one by one: " + reason;
}

int32_t run(const Device&, const void* code, tenon_call& call, const Caller& caller, bool* started) {
  const tenon_cuda_caller who{caller.name, caller.at.known() ? caller.at.file : nullptr, caller.at.line,
                              caller.at.column};
  tenon_cuda_fault fault;
  int32_t begun = 0;
  const int32_t result = tenon_cuda_run(const_cast<tenon_cuda_program*>(static_cast<const tenon_cuda_program*>(code)),
                                        &call, &who, &begun, &fault);
  if (started != nullptr && begun != 0) *started = true;
  if (result == TENON_DEVICE_FAILED || result == TENON_NO_MEMORY) fail(fault);
  return result;
}

constexpr Device table_of(int index) {
  return {.kind = TargetKind::cuda,
          .index = index,
          .name = "cuda",
          .host_addressed = false,
          .target = &target,
          .compiler = &cuda_compiler,
          .allocate = &allocate,
          .free = &free_block,
          .copy_in = &copy_in,
          .copy_out = &copy_out,
          .copy = &copy,
          .copy_rows = &copy_rows,
          .synchronize = &synchronize,
          .generate = &codegen::compile_cuda_program,
          .load = &load,
          .unload = &unload,
          .code_bytes = &code_bytes,
          .arena_bytes = &arena_bytes,
          .describe = &describe,
          .run = &run};
}

struct Gpu {
  Device table;
  Target target;
  bool serves = false;
};

// The devices that the driver shows.
struct Gpus {
  std::vector<std::unique_ptr<const Gpu>> all;
  Gpus() {
    const CudaStatus status = cuda_status();
    for (size_t k = 0; k < status.devices.size(); ++k) {
      auto gpu = std::make_unique<Gpu>(
          Gpu{table_of(static_cast<int>(k)), Target::cuda_sm(status.devices[k].sm), !status.device_faults.at(k)});
      gpu->target.cores = std::max(1, status.devices[k].multiprocessors);
      all.push_back(std::move(gpu));
    }
  }
};
const Gpus& gpus() {
  static constinit Forever<const Gpus> all;
  return all.get([] { return new Gpus; });
}

// Whether this process may use devices: asked once, for itself and not for its children.
bool serves() {
  struct Answer {
    bool yes;
    uint64_t generation;
  };
  static constinit Forever<const Answer> answer;
  const Undisturbed section;
  const Answer& a = answer.get([] { return new Answer{cuda_reason().empty(), fork_counts().generation}; });
  return a.yes && a.generation == fork_counts().generation;
}

const Target& target(const Device& self) { return gpus().all.at(static_cast<size_t>(self.index))->target; }

}  // namespace

std::string cuda_compiler() {
  static constinit Forever<const std::string> build;
  return codegen::cuda_compiler_version() + " build " + build.get([] {
    const void* code = codegen::cuda_compiler_address();
    return new std::string(code != nullptr ? module_identity(code) : "none");
  });
}

const Device* cuda_device(int index) {
  if (index < 0 || !serves()) return nullptr;
  const Gpus& g = gpus();
  return static_cast<size_t>(index) < g.all.size() && g.all[static_cast<size_t>(index)]->serves
             ? &g.all[static_cast<size_t>(index)]->table
             : nullptr;
}

// A process that has used no device asks no driver.
void synchronize_cuda() {
  constexpr int most_devices = 64;
  for (int index = 0; index < most_devices; ++index) {
    tenon_cuda_device* const device = tenon_cuda_known(index);
    tenon_cuda_fault fault;
    if (device != nullptr) check_code(tenon_cuda_synchronize(device, &fault), fault);
  }
}

void refuse_cuda_device(int index) {
  const std::string name = "cuda:" + std::to_string(index);
  if (index < 0) throw Error("there is no device " + name + ": devices are numbered from 0");
  if (const std::string reason = cuda_reason(); !reason.empty())
    throw Error(name + " cannot be used: " + reason + " (tn::doctor() says more)");
  const CudaStatus status = cuda_status();
  if (static_cast<size_t>(index) >= status.devices.size())
    throw Error("there is no device " + name + ": the driver shows " + std::to_string(status.devices.size()) +
                ", numbered from 0");
  const Fault& fault = status.device_faults.at(static_cast<size_t>(index));
  throw Error(name + " cannot be used: " + fault.what + "; " + fault.remedy);
}

tenon_cuda_counts cuda_counts(int index) { return tenon_cuda_count(opened(device_of(TargetKind::cuda, index))); }

}  // namespace tenon::runtime
