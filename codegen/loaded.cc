// The code generator as a plug-in, libtenon_llvm.so: looked for beside the library that this code is in, then where the loader
// looks. It stays where it is loaded. Refuses one of another build: what passes between the two are objects of C++.
//
// LLVM's statics are made while the plug-in is loaded, and a thread that ends the process meanwhile would destroy them at once. So
// the thread that loaded this library, which is mostly the one that ends the process, waits until no other thread loads, as the
// very first thing of its end; from then on it alone may load. A process that another thread ends while the first
// compilation of all begins is not helped.
#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>

#include "tenon/codegen/compiler.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

namespace {

constexpr const char* file = "libtenon_llvm.so";

constinit std::atomic<pid_t> leaving{0};  // the thread that ends, with the process or by itself

struct Leave {
  int here = 0;
  ~Leave() {
    begin_alone();
    leaving.store(gettid());
    end_alone();
  }
};
thread_local Leave leave;  // the first of this thread's: it goes last of them, and before all that the process destroys

[[gnu::constructor]] void watch_the_loading_thread() { leave.here = 1; }

bool is_gone(pid_t thread) {  // a main thread that ended by itself stays as a zombie
  char state = 'Z';
  if (FILE* const file = std::fopen(("/proc/self/task/" + std::to_string(thread) + "/stat").c_str(), "re")) {
    if (std::fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'R';
    std::fclose(file);
  }
  return state == 'Z' || state == 'X';
}

std::string folder_of(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  const std::string path = info.dli_fname;
  const size_t end = path.rfind('/');
  return end == std::string::npos ? std::string() : path.substr(0, end + 1);
}

const Compiler* load() {
  const std::string beside = folder_of(reinterpret_cast<const void*>(&find_compiler)) + file;
  void* library = dlopen(beside.c_str(), RTLD_NOW | RTLD_LOCAL);
  std::string problem = library != nullptr ? std::string() : dlerror();
  if (library == nullptr && problem.find(beside + ": cannot open shared object file") == 0)
    library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  const std::string ways =
      "; install libtenon_llvm.so beside libtenon.so, and the libLLVM that it was built with (or build Tenon with "
      "-DTENON_LLVM=static, which puts LLVM inside)";
  if (library == nullptr) throw Error("the code generator cannot be loaded: " + problem + ways);
  using Find = const Compiler* (*)(const char*);
  const auto find = reinterpret_cast<Find>(dlsym(library, "tenon_llvm"));
  const Compiler* found = find != nullptr ? find(plugin_build().c_str()) : nullptr;
  if (found == nullptr)
    throw Error("the code generator " + beside + " is of another build of Tenon than this one" + ways);
  return found;
}

}  // namespace

const Compiler& find_compiler() { return *load(); }
bool compiler_is_apart() { return true; }

bool is_too_late_to_find() {
  const pid_t thread = leaving.load();
  return thread != 0 && thread != gettid() && !is_gone(thread);
}

}  // namespace tenon::codegen
