// The driver: memory cache, disk cache, passes, code generation, loading. The target's kind chooses the device, here alone.
#include "tenon/runtime/compile.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/base/environment.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/cache/build_identity.h"
#include "tenon/runtime/cache/disk_cache.h"
#include "tenon/runtime/cache/memory_cache.h"
#include "tenon/runtime/cuda/table.h"

namespace tenon::runtime {
namespace {

// Programs with longer text are not looked up on disk: the key would outweigh the object.
constexpr size_t longest_disk_key = 16u << 20;

// One compiled program, or the place where others wait for the thread that compiles it.
struct Slot {
  Mutex compiling;
  std::shared_ptr<const Executable> executable;
};

// Whether only the cache holds a program. Who compiles it holds its slot, so a slot that only the cache holds stays as it is.
bool unused(const std::shared_ptr<const void>& value) {
  const auto& slot = *static_cast<const Slot*>(value.get());
  return value.use_count() == 1 && (!slot.executable || slot.executable.use_count() == 1);
}

// Of the programs that nobody calls any more, the youngest stay, up to this share of the bound (1 MiB of 1 GiB): a function that
// is jitted anew in a loop compiles once.
constexpr uint64_t share_of_unused = 1024;
void drop_unused_programs(uint64_t dropped);

struct Cache {
  CacheOf<Slot> programs{CacheKind::programs};
  std::atomic<uint64_t> compiled{0}, memory_hits{0}, disk_hits{0}, dropped{0};
  Cache() { after_dropping(&drop_unused_programs); }
};
Cache& cache() {
  static constinit Forever<Cache> only;
  return only.get();
}

// Looking through all programs is worth it when as many holders have gone as a quarter of them.
void drop_unused_programs(uint64_t dropped) {
  Cache& c = cache();
  if ((c.dropped += dropped) * 4 < c.programs.untyped().use().entries) return;
  c.dropped = 0;
  c.programs.untyped().trim(memory_cache_bytes() / share_of_unused, &unused);
}

Target target_of(const CompileOptions& options) {
  if (options.target) return *options.target;
  const Device& device = options.device != nullptr ? *options.device : current_device();
  return device.target(device);
}

// The device of a kind that a program may be compiled for, whether or not one is there to run it.
const Device& compiling_device(const CompileOptions& options, const Target& target) {
  if (options.device != nullptr) return *options.device;
  return device_of(target.kind());
}

// What generates code for a kind needs no device.
struct Generator {
  std::string (*compiler)();
  std::vector<std::string> (*generate)(const ir::Program&, const Target&, const codegen::Options&);
};
Generator generator_for(const CompileOptions& options, const Target& target) {
  const Device* device = options.device != nullptr ? options.device : find_device(target.kind());
  if (device != nullptr) return {device->compiler, device->generate};
  return {&cuda_compiler, &codegen::compile_cuda_program};
}

Artifact compile_for(const ir::Graph& graph, const CompileOptions& options, const Target& target) {
  passes::Options pass_options;
  pass_options.fuse = options.fuse;
  pass_options.donations = options.donations;
  const ir::Program program = passes::build_program(graph, target, pass_options);
  codegen::Options code_options;
  code_options.entry = options.entry;
  // Compiling in several parts pays when there is enough to share out; how many depends on the program alone.
  const auto parts = static_cast<int>(std::clamp<size_t>(program.kernels.size() / 3, 1, 8));
  code_options.parts = options.parts != 0 ? options.parts : parts;
  code_options.entry_apart = options.parts == 0;
  code_options.stored = options.stored;
  Artifact artifact;
  artifact.objects = generator_for(options, target).generate(program, target, code_options);
  artifact.manifest = manifest_of(graph, program, options.entry, target);
  artifact.manifest.inputs.resize(program.inputs.size() - options.stored.size());
  if (program.is_static && target.kind() == TargetKind::cpu)
    artifact.manifest.arena_bytes = codegen::arena_bytes(program, target);
  return artifact;
}

// Near the end of the process the compiler is gone, and what runs then, such as a destructor of a static object, is not.
Artifact without_code(const ir::Graph& graph, const CompileOptions& options, const Target& target) {
  passes::Options pass_options;
  pass_options.donations = options.donations;
  Artifact artifact;
  artifact.manifest = manifest_of(graph, passes::build_program(graph, target, pass_options), options.entry, target);
  return artifact;
}

}  // namespace

// Every field of Target and of CompileOptions stands here, or changes nothing but where results are kept
// (tests/cache_key_test.cc counts them).
std::string program_key(const ir::Graph& graph, const CompileOptions& options) {
  const Target target = target_of(options);
  std::string key = "tenon program\n";
  key += "build " + build_identity() + "\ncompiler " + generator_for(options, target).compiler() + "\nnumerics " +
         std::to_string(numerics_version) + "\nwithout " + passes::left_out() + "\n";
  key += "target " + to_string(target) + "\nentry " + options.entry + " fuse " + std::to_string(options.fuse) +
         " nans " + std::to_string(options.check_nans) + " parts " + std::to_string(options.parts) + " donate";
  for (auto [i, o] : options.donations) key += " " + std::to_string(i) + ":" + std::to_string(o);
  key += " stored";
  for (int64_t offset : options.stored) key += " " + std::to_string(offset);
  return key + "\n" + graph.text();
}

bool hunts_nans() {
  static constinit Forever<const bool> answer;
  return answer.get([] {
    const std::string value = environment(Variable::check_nans);
    return new bool(!value.empty() && value != "0");
  });
}

namespace {

// The checks say where in the source they stand, so that graphs which differ in lines alone become two programs.
passes::GraphPtr with_checks(const ir::Graph& graph, CompileOptions& options) {
  options.check_nans = false;
  return passes::check_nans(graph);
}

}  // namespace

Artifact compile_artifact(const ir::Graph& graph, const CompileOptions& options) {
  const FloatEnvironment standard;
  const Undisturbed section;
  if (CompileOptions unchecked = options; options.check_nans) {
    const auto checked = with_checks(graph, unchecked);
    return compile_artifact(*checked, unchecked);
  }
  if (codegen::has_ended()) throw Error("programs cannot be compiled any more: the process is about to end");
  return compile_for(graph, options, target_of(options));
}

std::shared_ptr<const Executable> compile(const ir::Graph& graph, const CompileOptions& options) {
  const FloatEnvironment standard;
  const Undisturbed section;
  if (CompileOptions unchecked = options; options.check_nans) {
    const auto checked = with_checks(graph, unchecked);
    return compile(*checked, unchecked);
  }
  Cache& c = cache();
  const Target target = target_of(options);
  const Device& device = compiling_device(options, target);
  const std::string key = program_key(graph, options);
  // What is loaded is loaded on one device; what is stored serves all of them.
  const std::string here = device.index == 0 ? key : key + "device " + std::to_string(device.index);
  std::shared_ptr<Slot> slot = options.memory_cache ? c.programs.find(here) : nullptr;
  if (!slot) {
    slot = std::make_shared<Slot>();
    if (options.memory_cache) slot = c.programs.keep(here, slot, sizeof(Slot));
  }
  std::lock_guard compiling(slot->compiling);
  if (slot->executable) {
    ++c.memory_hits;
    return slot->executable;
  }
  const auto start = std::chrono::steady_clock::now();
  const bool disk = options.disk_cache && key.size() <= longest_disk_key;
  std::shared_ptr<Executable> executable;
  if (codegen::has_ended()) {
    executable = Executable::interpreted(graph, without_code(graph, options, target), device);
    slot->executable = executable;
    return executable;
  }
  if (disk)
    if (const auto bytes = disk_cache().load(key))
      if (auto artifact = Artifact::from_bytes(*bytes)) try {
          executable = Executable::link(std::move(*artifact), device);
          executable->from_disk_ = true;
          ++c.disk_hits;
        } catch (const Error&) {  // a driver may refuse what another took: it is compiled anew, and stored in its place
        }
  if (!executable) {
    Artifact artifact = compile_for(graph, options, target);
    if (disk) disk_cache().store(key, artifact.bytes());
    executable = Executable::link(std::move(artifact), device);
    ++c.compiled;
  }
  executable->compile_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  slot->executable = executable;
  if (options.memory_cache) c.programs.charge(here, slot.get(), executable->memory_bytes());
  return executable;
}

CacheStats cache_stats() {
  Cache& c = cache();
  return {c.compiled, c.memory_hits, c.disk_hits};
}

void clear_memory_cache() {
  clear_memory_caches();
  codegen::drop_kept_objects();
}

}  // namespace tenon::runtime
