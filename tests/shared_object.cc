// Links saved programs with the system's compiler and calls them; refuses to run anything through a shell.
#include "tenon/tests/shared_object.h"

#include <dlfcn.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tenon/runtime/tenon_runtime.h"
#include "tenon/tests/program_machine.h"
#include "tenon/tests/temporary_folder.h"

extern char** environ;

namespace tenon::testing {

using namespace ir;

namespace {

void link(const std::vector<std::string>& objects, const std::string& library) {
  // Undefined symbols that libc does not have fail here.
  std::vector<std::string> words = {"cc", "-shared", "-Wl,-z,defs", "-o", library};
  words.insert(words.end(), objects.begin(), objects.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawnp(&child, "cc", nullptr, nullptr, arguments.data(), environ) != 0)
    throw Error("the system's C compiler does not start");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw Error("the saved objects do not link");
}

}  // namespace

SharedObject::SharedObject(std::vector<std::string> object_files) : folder_(temporary_folder("saved")) {
  open(object_files);
}

SharedObject::SharedObject(std::span<const runtime::Artifact> programs) : folder_(temporary_folder("saved")) {
  std::vector<std::string> objects;
  for (const runtime::Artifact& program : programs)
    for (const std::string& object : program.objects) {
      objects.push_back(folder_ + "/" + std::to_string(objects.size()) + ".o");
      std::ofstream(objects.back(), std::ios::binary) << object;
    }
  open(objects);
}

void SharedObject::open(const std::vector<std::string>& object_files) {
  const std::string library = folder_ + "/saved.so";
  link(object_files, library);
  handle_ = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle_) throw Error(dlerror());
}

SharedObject::~SharedObject() {
  if (handle_) dlclose(handle_);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<Array> SharedObject::run(const runtime::Manifest& program, std::span<const Array> inputs,
                                     const std::vector<int64_t>& dims) const {
  const auto entry = reinterpret_cast<int32_t (*)(const tenon_call*)>(dlsym(handle_, program.entry.c_str()));
  const auto arena_bytes =
      reinterpret_cast<int64_t (*)(const int64_t*)>(dlsym(handle_, (program.entry + "_arena_bytes").c_str()));
  if (!entry || !arena_bytes) throw Error("the saved object has no entry point " + program.entry);
  const std::vector<int64_t> symbols = program.symbols.empty() ? dims : evaluate(program.symbols, dims);
  std::vector<const void*> in;
  std::vector<void*> out;
  std::vector<Array> results;
  for (const Array& array : inputs) in.push_back(array.data.data());
  for (const Type& type : program.outputs) results.emplace_back(bind(type, symbols));
  for (Array& array : results) out.push_back(array.data.data());
  const auto size = static_cast<uint64_t>(arena_bytes(dims.data()));
  tenon_error error{};
  tenon_call call{};
  call.struct_size = sizeof call;
  call.inputs = in.data();
  call.outputs = out.data();
  call.arena = size ? tenon_alloc(size) : nullptr;
  call.dims = dims.data();
  call.env = tenon_runtime_env();
  call.error = &error;
  const int32_t code = entry(&call);
  if (size) tenon_free(call.arena, size);
  if (code != TENON_OK) throw Error(program.entry + " gave " + std::to_string(code));
  return results;
}

}  // namespace tenon::testing
