// A plug-in: a shared library that holds a saved program and its own copy of the small runtime, opened, called from several
// threads, and closed while they live. Nothing of it runs or stays afterwards. Refuses to close it while it is being called.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <barrier>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tenon/ir/graph/graph.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/tenon_runtime.h"
#include "tenon/tests/temporary_folder.h"

extern char** environ;

namespace {

using namespace tenon;

constexpr int64_t elements = 300000;  // enough for several pieces of a parallel loop
constexpr int callers = 3;

std::string make_plugin(const std::string& folder) {
  const auto graph =
      ir::parse("graph @main(%0: f32[" + std::to_string(elements) + "]) -> (%2) {\n  %1 = sin %0 : f32[" +
                std::to_string(elements) + "]\n  %2 = add %1, %0 : f32[" + std::to_string(elements) + "]\n}\n");
  runtime::CompileOptions options;
  options.parts = 1;
  options.entry = "wave";
  std::ofstream(folder + "/wave.o", std::ios::binary) << runtime::compile_artifact(*graph, options).objects.at(0);
  const std::string library = folder + "/plugin.so", object = folder + "/wave.o";
  const char* words[] = {"cc",
                         "-shared",
                         "-Wl,-z,defs",
                         "-Wl,-Bsymbolic",
                         "-o",
                         library.c_str(),
                         object.c_str(),
                         "-Wl,--whole-archive",
                         TENON_BINARY_DIR "/libtenon_runtime.a",
                         "-Wl,--no-whole-archive",
                         "-lpthread",
                         nullptr};
  pid_t child = 0;
  int status = 1;
  if (posix_spawnp(&child, "cc", nullptr, nullptr, const_cast<char**>(words), environ) == 0) waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return library;
}

int threads_now() {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) count += !task.path().empty();
  return count;
}

// A thread that was joined may be listed a moment longer.
int threads_settled(int expected) {
  for (int i = 0; i < 2000 && threads_now() != expected; ++i) usleep(1000);
  return threads_now();
}

bool is_mapped(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(name) != std::string::npos) return true;
  return false;
}

template <class F>
F* find(void* library, const char* name) {
  auto* function = reinterpret_cast<F*>(dlsym(library, name));
  EXPECT_NE(function, nullptr) << name;
  return function;
}

void call_it(void* library) {
  const auto allocate = find<void*(uint64_t)>(library, "tenon_alloc");
  const auto release = find<void(void*, uint64_t)>(library, "tenon_free");
  const auto entry = find<int32_t(const tenon_call*)>(library, "wave");
  auto* in = static_cast<float*>(allocate(elements * 4));
  auto* out = static_cast<float*>(allocate(elements * 4));
  void* small = allocate(500);
  for (int64_t i = 0; i < elements; ++i) in[i] = 0;
  in[elements - 1] = 1;
  const void* inputs[] = {in};
  void* outputs[] = {out};
  tenon_call call{};
  call.struct_size = sizeof call;
  call.inputs = inputs;
  call.outputs = outputs;
  call.env = find<const tenon_env*()>(library, "tenon_runtime_env")();
  ASSERT_EQ(find<int64_t(const int64_t*)>(library, "wave_arena_bytes")(nullptr), 0);
  ASSERT_EQ(entry(&call), 0);
  EXPECT_EQ(out[0], 0);
  EXPECT_NEAR(out[elements - 1], 1.8414710, 1e-6);
  release(in, elements * 4);
  release(out, elements * 4);
  release(small, 500);
}

TEST(Plugin, OpenedCalledAndClosedAgainAndAgain) {
  const std::string folder = tenon::testing::temporary_folder("plugin");
  const std::string library = make_plugin(folder);
  const int threads_before = threads_now();
  size_t heap_before = 0;
  for (int round = 0; round < 50; ++round) {
    void* plugin = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(plugin, nullptr) << dlerror();
    find<int32_t(int32_t)>(plugin, "tenon_runtime_set_threads")(3);
    std::barrier called(callers + 1), closed(callers + 1);
    std::vector<std::thread> threads;
    for (int t = 0; t < callers; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 3; ++i) call_it(plugin);
        called.arrive_and_wait();
        closed.arrive_and_wait();  // the thread ends when the plug-in is gone
      });
    called.arrive_and_wait();
    call_it(plugin);
    EXPECT_GT(threads_now(), threads_before + callers) << "the pool was not used";
    ASSERT_EQ(dlclose(plugin), 0);
    EXPECT_FALSE(is_mapped("plugin.so"));
    EXPECT_EQ(threads_settled(threads_before + callers), threads_before + callers);
    closed.arrive_and_wait();
    for (std::thread& t : threads) t.join();
    if (round == 5) heap_before = mallinfo2().uordblks;
  }
  EXPECT_EQ(threads_settled(threads_before), threads_before);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(mallinfo2().uordblks, heap_before + 45 * 1000) << "something stays at each close";
#endif
  std::filesystem::remove_all(folder);
}

}  // namespace
