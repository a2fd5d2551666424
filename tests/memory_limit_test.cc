// Out of memory, wherever it happens, is a tenon::Error, and the process goes on: children with limits on their address space from
// "just started" to "everything fits" do everything once, lift the limit, and then do it rightly.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tenon/tenon.h"
#include "tenon/tests/temporary_folder.h"

namespace tn = tenon;
namespace {

using tn::Tensor;

[[maybe_unused]] const int no_cache = setenv("TENON_CACHE", "0", 1);
[[maybe_unused]] const int threads = setenv("TENON_THREADS", "4", 1);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

constexpr int64_t many = 1 << 20;

Tensor curve(const Tensor& x) {
  return tn::sum(tn::exp(x * 0.5) + tn::matmul(x, tn::transpose(x, {1, 0})), {.axes = {1}});
}

// What a program does, each with what it must give. A failure is an exception.
struct Deed {
  const char* name;
  std::function<bool()> right;
};

std::vector<Deed> deeds(const std::string& file) {
  const auto x = [] { return tn::reshape(tn::arange(16.0), {4, 4}); };
  return {
      {"eager", [=] { return tn::sum(x() + 1).item() == 136; }},
      {"a large tensor", [] { return tn::ones({8 * many}).numel() == 8 * many; }},
      {"eager, in parallel", [] { return tn::sum(tn::ones({4 * many}) * 2).item() == 8 * many; }},
      {"trace", [=] { return tn::trace(curve, x()).ir().find("exp") != std::string::npos; }},
      {"jit", [=] { return tn::jit(curve)(x()).to_vector()[0] > 0; }},
      {"gradient",
       [=] {
         Tensor w = x();
         w.set_requires_grad(true);
         tn::sum(w * w).backward();
         return w.grad().to_vector()[3] == 6;
       }},
      {"parse",
       [] {
         const auto f = tn::parse("graph @main(%0: f32[2]) -> (%1) {\n  %1 = add %0, %0 : f32[2]\n}\n");
         return f({tn::tensor({1.f, 2.f})})[0].to_vector()[1] == 4;
       }},
      {"load_npy", [=] { return tn::load_npy(file).to_vector()[many - 1] == 7; }},
      {"to_vector", [=] { return tn::load_npy(file).to_vector<double>()[5] == 7; }},
      {"print", [=] { return to_string(x()).size() > 30 && to_string(tn::load_npy(file)).size() > 30; }},
      {"explain", [=] { return !tn::jit(curve).lower(x()).compile().explain().empty(); }},
  };
}

rlim_t address_space() {
  long pages = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%ld", &pages) != 1) return 0;
  std::fclose(file);
  return static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

enum : int { all_right = 0, wrong_exception = 40, wrong_afterwards = 60, wrong_result = 80 };

// In a child: its exit status tells which deed went wrong, and how. `failed` is written to the pipe.
[[noreturn]] void live(const std::string& file, rlim_t room, int report) {
  alarm(60);
  const std::vector<Deed> all = deeds(file);
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = address_space() + room;
  setrlimit(RLIMIT_AS, &limit);
  char failed = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    try {
      if (!all[i].right()) _exit(wrong_result + static_cast<int>(i));
    } catch (const tn::Error&) {
      ++failed;
    } catch (...) {
      _exit(wrong_exception + static_cast<int>(i));
    }
  }
  limit.rlim_cur = before;
  setrlimit(RLIMIT_AS, &limit);
  for (size_t i = 0; i < all.size(); ++i) {
    bool right = false;
    try {
      right = all[i].right();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
    }
    if (!right) _exit(wrong_afterwards + static_cast<int>(i));
  }
  (void)!write(report, &failed, 1);
  _exit(all_right);
}

TEST(MemoryLimit, EveryLimitGivesErrorsAndLeavesAProcessThatWorks) {
  if (sanitized) GTEST_SKIP() << "sanitizers reserve the address space";
  const std::string folder = tenon::testing::temporary_folder("memory-limit"), file = folder + "/sevens.npy";
  const std::vector<float> sevens(many, 7);
  tn::save_npy(file, tn::copy_from(sevens.data(), {many}, tn::f32));
  std::vector<rlim_t> rooms;
  for (rlim_t kib : {0, 4, 12, 36, 68, 100, 140, 200, 300, 450, 700}) rooms.push_back(kib << 10);
  for (rlim_t mib :
       {1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 44, 48, 52, 56, 60, 68, 76, 92, 120, 150, 180, 240, 400, 2000})
    rooms.push_back(mib << 20);
  std::vector<int> failures;
  for (const rlim_t room : rooms) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) live(file, room, ends[1]);
    close(ends[1]);
    char failed = 0;
    if (read(ends[0], &failed, 1) == 1) failures.push_back(failed);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_FALSE(WIFSIGNALED(status)) << "signal " << WTERMSIG(status) << " with " << (room >> 10) << " KiB";
    EXPECT_EQ(WEXITSTATUS(status), all_right) << "with " << (room >> 10) << " KiB";
  }
  ASSERT_EQ(failures.size(), rooms.size());
  EXPECT_EQ(failures.back(), 0) << "here everything fits";
  EXPECT_GT(failures.front(), 5) << "here next to nothing fits";
  std::filesystem::remove_all(folder);
}

}  // namespace
