// CUDA C++ to machine code through NVRTC, which is looked for when first asked: TENON_NVRTC, the loader's own path,
// CUDA_HOME and CUDA_PATH, /usr/local/cuda*. Needs no GPU and no driver. Refuses PTX: a cubin runs, or says at load that
// it does not fit the device. Nothing else in code generation knows that NVRTC exists.
#include <algorithm>
#include <filesystem>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/cuda/cubin.h"
#include "tenon/codegen/cuda/shared_library.h"
#include "tenon/ir/base/environment.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {
namespace {

// NVRTC's C interface, as far as it is used. Its handles are pointers and its results an int, 0 being success.
struct Nvrtc {
  int (*create)(void** program, const char* source, const char* name, int, const char* const*, const char* const*);
  int (*compile)(void* program, int count, const char* const* options);
  int (*image_size)(void* program, size_t* bytes);
  int (*image)(void* program, char* bytes);
  int (*log_size)(void* program, size_t* bytes);
  int (*log)(void* program, char* text);
  int (*destroy)(void** program);
  const char* (*error_text)(int result);
  int (*version)(int* major, int* minor);
  int (*architecture_count)(int* count);
  int (*architectures)(int* each);
  bool found = false;
  int major = 0, minor = 0;
  std::string path, problem;
};

constexpr int compilation_failed = 6;  // of its results, the one that the text is to blame for

std::vector<std::string> candidates() {
  const std::string named = environment(Variable::nvrtc);
  if (!named.empty()) return {named};  // a choice is not second-guessed
  const std::vector<std::string> names = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
  std::vector<std::string> list = names, roots;
  for (const Variable variable : {Variable::cuda_home, Variable::cuda_path})
    if (const std::string root = environment(variable); !root.empty()) roots.push_back(root);
  std::vector<std::string> installed;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/local", ignored))
    if (entry.path().filename().string().starts_with("cuda")) installed.push_back(entry.path().string());
  std::sort(installed.rbegin(), installed.rend());  // the newest version first
  roots.insert(roots.end(), installed.begin(), installed.end());
  for (const std::string& root : roots)
    for (const char* folder : {"/lib64/", "/lib/", "/targets/x86_64-linux/lib/"})
      for (const std::string& name : names) list.push_back(root + folder + name);
  return list;
}

Nvrtc load() {
  Nvrtc n{};
  SharedLibrary library(candidates());
  n.path = library.path;
  if (library.handle == nullptr) {
    const std::string named = environment(Variable::nvrtc);
    n.problem = named.empty() ? "NVRTC was not found"
                              : "TENON_NVRTC names '" + named + "', which cannot be loaded: " + library.problem;
    return n;
  }
  library.bind(n.create, "nvrtcCreateProgram");
  library.bind(n.compile, "nvrtcCompileProgram");
  library.bind(n.image_size, "nvrtcGetCUBINSize");
  library.bind(n.image, "nvrtcGetCUBIN");
  library.bind(n.log_size, "nvrtcGetProgramLogSize");
  library.bind(n.log, "nvrtcGetProgramLog");
  library.bind(n.destroy, "nvrtcDestroyProgram");
  library.bind(n.error_text, "nvrtcGetErrorString");
  library.bind(n.version, "nvrtcVersion");
  library.bind(n.architecture_count, "nvrtcGetNumSupportedArchs");
  library.bind(n.architectures, "nvrtcGetSupportedArchs");
  n.found = library.problem.empty();
  if (n.found)
    n.version(&n.major, &n.minor);
  else
    n.problem = "the library " + n.path + " is no NVRTC: " + library.problem;
  return n;
}

const Nvrtc& nvrtc() {
  static constinit Forever<const Nvrtc> loaded;  // stays loaded: unloading it is not safe
  return loaded.get([] { return new Nvrtc(load()); });
}

}  // namespace

NvrtcInfo nvrtc_info() {
  const Undisturbed section;
  const Nvrtc& n = nvrtc();
  NvrtcInfo info;
  info.found = n.found;
  info.path = n.path;
  info.problem = n.problem;
  if (!n.found) return info;
  info.major = n.major;
  info.minor = n.minor;
  int count = 0;
  if (n.architecture_count(&count) == 0 && count > 0) {
    info.architectures.resize(static_cast<size_t>(count));
    if (n.architectures(info.architectures.data()) != 0) info.architectures.clear();
  }
  // A first kernel asks for the library of builtins, which lies beside.
  const Cubin probe = compile_cuda("extern \"C\" __global__ void probe(float* x) { x[threadIdx.x] += 1; }",
                                   info.architectures.empty() ? 80 : info.architectures.back());
  info.works = probe.ok;
  if (!probe.ok) {
    const std::string first = probe.log.substr(0, probe.log.find('\n', probe.log.find('\n') + 1));
    info.problem = "NVRTC " + info.version() + " at " + info.path + " compiles nothing: " + first;
    std::replace(info.problem.begin(), info.problem.end(), '\n', ' ');
  }
  return info;
}

std::string cuda_compiler_version() {
  const Undisturbed section;
  const Nvrtc& n = nvrtc();
  return n.found ? "nvrtc " + std::to_string(n.major) + "." + std::to_string(n.minor) : "nvrtc none";
}

const void* cuda_compiler_address() {
  const Undisturbed section;
  return reinterpret_cast<const void*>(nvrtc().compile);
}

Cubin compile_cuda(const std::string& source, int sm) {
  const Undisturbed section;
  const Nvrtc& n = nvrtc();
  Cubin cubin;
  cubin.found = n.found;
  if (!n.found) {
    cubin.log = n.problem +
                "; install the CUDA toolkit's NVRTC, 13 or 12, and set TENON_NVRTC to libnvrtc.so or CUDA_HOME to the "
                "toolkit's "
                "folder";
    return cubin;
  }
  void* program = nullptr;
  int result = n.create(&program, source.c_str(), "tenon.cu", 0, nullptr, nullptr);
  if (result == 0) {
    // From 9.0 on, the architecture-specific variant is the one that has every instruction.
    const std::string architecture = "--gpu-architecture=sm_" + std::to_string(sm) + (sm >= 90 ? "a" : "");
    // From 12.9 on NVRTC asks the driver for a cache of its own, which may be of other versions than what we keep.
    // What ptxas says of registers and spills stands in the log (codegen/cuda/cubin.h). No -lineinfo: it keeps the whole PTX in the
    // image, which several times outgrows the code.
    const char* const options[] = {architecture.c_str(), "--std=c++17",        "--fmad=false",
                                   "--minimal",          "--ptxas-options=-v", "--no-cache"};
    result = n.compile(program, 10 * n.major + n.minor >= 129 ? 6 : 5, options);
    size_t bytes = 0;
    if (n.log_size(program, &bytes) == 0 && bytes > 1) {
      cubin.log.resize(bytes);
      n.log(program, cubin.log.data());
      cubin.log.resize(bytes - 1);  // ends with a NUL
    }
    if (result == 0) result = n.image_size(program, &bytes);
    if (result == 0) {
      cubin.image.resize(bytes);
      result = n.image(program, cubin.image.data());
    }
    n.destroy(&program);
  }
  cubin.ok = result == 0;
  cubin.refused = result != 0 && result != compilation_failed;
  if (cubin.ok) cubin.kernels = read_ptxas_log(cubin.log);
  if (!cubin.ok) cubin.log = std::string(n.error_text(result)) + "\n" + cubin.log, cubin.image.clear();
  return cubin;
}

}  // namespace tenon::codegen
