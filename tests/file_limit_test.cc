// A limit on the size of files (ulimit -f), and a pipe that nobody reads: jitted functions run, the kernel cache is skipped and
// says so once, saving is an Error. Each case is a child of its own, which a signal would kill.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "tenon/runtime/cache/disk_cache.h"
#include "tenon/runtime/cpu/code_memory.h"
#include "tenon/tests/child.h"
#include "tenon/tests/temporary_folder.h"

namespace tn = tenon;
using tenon::testing::in_child;
using tn::Tensor;

namespace {

void limit_files(rlim_t bytes) {
  const rlimit limit{bytes, bytes};
  setrlimit(RLIMIT_FSIZE, &limit);
}

int count(const std::string& text, const std::string& word) {
  int n = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++n;
  return n;
}

bool none_pending() {
  sigset_t pending, blocked;
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  return !sigismember(&pending, SIGXFSZ) && !sigismember(&blocked, SIGXFSZ) && !sigismember(&blocked, SIGPIPE);
}

// The child forks before anything was compiled, so that its code memory is its own.
TEST(FileLimit, JittedFunctionsRun) {
  for (const rlim_t limit : {0, 1, 512, 4096, 1 << 20, (4 << 20) - 1, 4 << 20})
    EXPECT_EQ(in_child([&] {
                limit_files(limit);
                const auto f = tn::jit([](const Tensor& v) { return tn::tanh(v) + 2; });
                if (f(tn::zeros({5})).to_vector<float>()[4] != 2) return 1;
                if (tn::sum(tn::ones({3, 3})).item<float>() != 9) return 2;
                if (in_child([&] { return f(tn::ones({6})).to_vector<float>()[5] > 2 ? 0 : 1; }) != 0) return 4;
                return none_pending() ? 0 : 3;
              }),
              0)
        << limit;
}

TEST(FileLimit, MemoryForCodeIsNeverWritableAndExecutable) {
  EXPECT_EQ(in_child([&] {
              limit_files(1000);
              const auto span = tn::runtime::allocate_code(100, 64);
              std::ifstream maps("/proc/self/maps");
              const std::string text{std::istreambuf_iterator<char>(maps), {}};
              static_cast<char*>(span.writable)[0] = 17;
              if (static_cast<const char*>(span.executable)[0] != 17) return 1;
              return text.find(" rwx") == std::string::npos ? 0 : 2;
            }),
            0);
}

TEST(FileLimit, TheKernelCacheIsSkippedAndSaysSoOnce) {
  const std::string folder = tn::testing::temporary_folder("limit");
  std::string said;
  EXPECT_EQ(in_child(
                [&] {
                  limit_files(600);
                  const tn::runtime::DiskCache cache(folder + "/cache");
                  for (const char* key : {"a", "b", "c"})
                    if (cache.store(key, std::string(5000, 'x')) || cache.load(key)) return 1;
                  return none_pending() ? 0 : 2;
                },
                &said),
            0);
  EXPECT_EQ(count(said, "the kernel cache is off"), 1) << said;
  for (const auto& file : std::filesystem::directory_iterator(folder + "/cache"))
    if (file.path().filename() != "total")  // the count of what is there
      ADD_FAILURE() << file.path() << " was left behind";
  std::filesystem::remove_all(folder);
}

TEST(FileLimit, SavingIsAnError) {
  const std::string folder = tn::testing::temporary_folder("limit");
  const std::string path = folder + "/x.npy";
  std::string said;
  EXPECT_EQ(in_child(
                [&] {
                  limit_files(1000);
                  const auto lowered =
                      tn::jit([](const Tensor& v) { return tn::tanh(v) * 3; }).lower(tn::spec({9}, tn::f32));
                  int errors = 0;
                  for (const auto& save :
                       {std::function<void()>([&] { tn::save_npy(path, tn::ones({1000})); }),
                        std::function<void()>([&] { tn::save(path, tn::ones({1000})); }),
                        std::function<void()>([&] { tn::aot::save(lowered, {.name = "wave", .out = folder}); })}) {
                    try {
                      save();
                    } catch (const tn::Error& e) {
                      fprintf(stderr, "%s\n", e.what());
                      ++errors;
                    }
                  }
                  tn::save_npy(path, tn::ones({5}));  // fits
                  if (tn::load_npy(path).numel() != 5) return 1;
                  return errors != 3 ? 2 : none_pending() ? 0 : 3;
                },
                &said),
            0);
  EXPECT_EQ(count(said, "File too large"), 3) << said;
  std::filesystem::remove_all(folder);
}

// The program's own wish to be killed by the signal stays.
TEST(FileLimit, TheProgramsOwnSignalsStay) {
  EXPECT_EQ(in_child([&] {
              limit_files(0);
              tn::sum(tn::ones({3, 3})).item<float>();
              std::FILE* file = std::tmpfile();
              if (file == nullptr) return 1;
              static_cast<void>(!write(fileno(file), "x", 1));
              return 2;
            }),
            1000 + SIGXFSZ);
}

TEST(FileLimit, AWarningToAPipeThatNobodyReads) {
  EXPECT_EQ(in_child([&] {
              int ends[2];
              if (pipe(ends) != 0) return 1;
              close(ends[0]);
              dup2(ends[1], STDERR_FILENO);
              const auto f = tn::jit([](const Tensor& v) { return v + 1; }, {.donate = {0}});
              const Tensor x = tn::ones({3}), held = x.detach();
              return f(x).to_vector<float>()[0] == 2 && none_pending() ? 0 : 2;
            }),
            0);
}

}  // namespace
