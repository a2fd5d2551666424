// compile(): a graph becomes an executable. Passes, then code generation, then linking, behind two caches: one in memory,
// one on disk. Eager ops, jitted functions and gradients all come through here; there is no second path.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenon/ir/base/target.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/runtime/artifact.h"
#include "tenon/runtime/device.h"
#include "tenon/runtime/tenon_runtime.h"

namespace tenon::ir {
struct Array;
}

namespace tenon::runtime {

struct CompileOptions {
  bool fuse = true;
  bool check_nans = false;  // a check behind every op that might make a NaN (passes::check_nans)
  bool disk_cache = true;  // look into and fill the cache on disk
  bool memory_cache = true;  // an equal program compiled before in this process is shared
  std::vector<std::pair<uint32_t, uint32_t>> donations = {};  // (input, output)
  std::string entry = "tenon_main";
  std::optional<Target> target = {};  // none: what the device asks for
  const Device* device = nullptr;  // where it runs; none: the current one, or that of the target's kind
  int parts = 0;  // objects to deal kernels into; 0: decided by the program alone
  // Inputs at the end that lie beside the code, each at this offset in the object's section of constants; the manifest has the
  // others alone. codegen::put_constants fills the section of the one object.
  std::vector<int64_t> stored = {};
};

// Code loaded on a device, immutable, callable from any thread.
class Executable {
 public:
  const Manifest& manifest() const { return manifest_; }
  const Device& device() const { return *device_; }
  const std::vector<int64_t>& output_bytes() const { return output_bytes_; }  // where there are no symbols
  bool from_disk() const { return from_disk_; }
  double compile_seconds() const { return compile_seconds_; }
  uint64_t memory_bytes() const;  // code and manifest
  // Of one call with these values of the free symbols; negative where they are refused, or nobody knows.
  int64_t arena_bytes(const int64_t* dims) const;
  std::string describe() const;  // how calls run on the device; empty where there is nothing to say

  // One call. Pointers are to dense row-major memory of the device; dims are the values of the free symbols. Throws Error for a failed check, InternalError for a misuse; *started tells whether code had begun to run.
  // On a device whose work goes on, what fails while it runs is told later, with the caller's name and place.
  void run(const void* const* inputs, void* const* outputs, const int64_t* dims, const tenon_env* env = nullptr,
           bool* started = nullptr, const Caller& caller = {}) const;
  // The same over interpreter arrays, binding symbols from their shapes: for tests and tools.
  std::vector<ir::Array> run(std::span<const ir::Array> inputs, const tenon_env* env = nullptr) const;

  ~Executable();
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;

 private:
  friend std::shared_ptr<const Executable> load(Artifact artifact, const Device* device);
  friend std::shared_ptr<const Executable> compile(const ir::Graph&, const CompileOptions&);
  explicit Executable(const Device& device) : device_(&device) {}
  static std::shared_ptr<Executable> link(Artifact artifact, const Device& device);
  static std::shared_ptr<Executable> interpreted(const ir::Graph& graph, Artifact artifact, const Device& device);
  void interpret(const void* const* inputs, void* const* outputs, const int64_t* dims) const;
  void run_with_company(tenon_call& call, bool* started, const Caller& caller) const;
  const Device* device_;
  void* code_ = nullptr;  // what the device made of the artifact
  void set_manifest(Manifest manifest);
  Manifest manifest_;
  std::vector<int64_t> output_bytes_;
  std::shared_ptr<const ir::Graph> graph_;  // run by the interpreter where there is no code (compile.cc says when)
  bool from_disk_ = false;
  double compile_seconds_ = 0;
};

bool hunts_nans();  // TENON_CHECK_NANS, read once: every program is to be compiled with .check_nans
std::shared_ptr<const Executable> compile(const ir::Graph& graph, const CompileOptions& options = {});
// What a program is found by in both caches: everything that its code depends on.
std::string program_key(const ir::Graph& graph, const CompileOptions& options = {});
// Compiles to an artifact without linking or caching.
Artifact compile_artifact(const ir::Graph& graph, const CompileOptions& options = {});
// Loads an artifact on the device of its kind. Error when there is none, or it cannot run it.
std::shared_ptr<const Executable> load(Artifact artifact, const Device* device = nullptr);

struct CacheStats {
  uint64_t compiled = 0, memory_hits = 0, disk_hits = 0;
};
CacheStats cache_stats();
void clear_memory_cache();  // all caches in memory (runtime/cache/memory_cache.h)

// Host functions for custom_call, by name; bound when an artifact is loaded.
void register_custom_call(const std::string& name, void* function);
void* find_custom_call(const char* name);  // null where there is none
// Whether the C library has a function of this name, which the linker might bind in place of a program's.
bool is_c_library_name(const std::string& name);

}  // namespace tenon::runtime
