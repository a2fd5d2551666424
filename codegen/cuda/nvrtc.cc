// CUDA C++ to machine code through NVRTC, which is looked for when first asked: TENON_NVRTC, the loader's own path,
// CUDA_HOME and CUDA_PATH, /usr/local/cuda*. Needs no GPU and no driver. Refuses PTX: a cubin runs, or says at load that
// it does not fit the device. Nothing else in code generation knows that NVRTC exists.
#include <dlfcn.h>

#include <algorithm>
#include <filesystem>

#include "tenon/codegen/codegen.h"
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
  bool found = false;
};

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
  Nvrtc n;
  void* library = nullptr;
  for (const std::string& path : candidates())
    if ((library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))) break;
  if (!library) return n;
  n.found = true;
  const auto bind = [&](auto& function, const char* symbol) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, symbol));
    n.found = n.found && function;
  };
  bind(n.create, "nvrtcCreateProgram");
  bind(n.compile, "nvrtcCompileProgram");
  bind(n.image_size, "nvrtcGetCUBINSize");
  bind(n.image, "nvrtcGetCUBIN");
  bind(n.log_size, "nvrtcGetProgramLogSize");
  bind(n.log, "nvrtcGetProgramLog");
  bind(n.destroy, "nvrtcDestroyProgram");
  bind(n.error_text, "nvrtcGetErrorString");
  return n;
}

}  // namespace

Cubin compile_cuda(const std::string& source, int sm) {
  static constinit Forever<const Nvrtc> nvrtc;  // stays loaded: unloading it is not safe
  const Undisturbed section;
  const Nvrtc& n = nvrtc.get([] { return new Nvrtc(load()); });
  Cubin cubin;
  cubin.found = n.found;
  if (!n.found) {
    cubin.log = "NVRTC was not found; set TENON_NVRTC to libnvrtc.so, or CUDA_HOME to where CUDA is installed";
    return cubin;
  }
  void* program = nullptr;
  int result = n.create(&program, source.c_str(), "tenon.cu", 0, nullptr, nullptr);
  if (result == 0) {
    // From 9.0 on, the architecture-specific variant is the one that has every instruction.
    const std::string architecture = "--gpu-architecture=sm_" + std::to_string(sm) + (sm >= 90 ? "a" : "");
    const char* const options[] = {architecture.c_str(), "--std=c++17", "--fmad=false", "--minimal"};
    result = n.compile(program, 4, options);
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
  if (!cubin.ok) cubin.log = std::string(n.error_text(result)) + "\n" + cubin.log, cubin.image.clear();
  return cubin;
}

}  // namespace tenon::codegen
