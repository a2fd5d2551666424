// Environment variables come through one door, which hears nothing in a program with more rights than its user.
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/ir/base/environment.h"
#include "tenon/tenon.h"
#include "tenon/tests/source_tree.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon {
namespace {

namespace fs = std::filesystem;

bool is_library(const testing::SourceFile& file) {
  const std::string layer = file.layer();
  return layer == "ir" || layer == "passes" || layer == "codegen" || layer == "runtime" || layer == "frontend";
}

TEST(Environment, IsReadAtOneDoor) {
  for (const testing::SourceFile& file : testing::source_tree()) {
    if (!is_library(file)) continue;
    const std::string code = testing::without_comments(file.text);
    for (size_t at = code.find("getenv"); at != std::string::npos; at = code.find("getenv", at + 1)) {
      if (code.substr(at - 2, 2) == "fe") continue;  // fegetenv is another environment
      EXPECT_TRUE(file.path == "ir/base/environment.cc" || file.path == "runtime/c/pool.c" ||
                  file.path == "runtime/c/ranks_engine.c" || file.path == "runtime/mpi/mpi_world.c" ||
                  file.path == "runtime/cuda/device.c" || file.path == "runtime/cuda/nccl.c" ||
                  file.path == "runtime/cpu/generator_record.cc")
          << file.path;
      EXPECT_EQ(code.substr(at - 7, 7), "secure_") << file.path;
    }
    EXPECT_EQ(code.find("environ;"), std::string::npos) << file.path;
  }
}

TEST(Environment, EveryNameIsDocumented) {
  std::ostringstream architecture;
  architecture << std::ifstream(TENON_SOURCE_DIR "/ARCHITECTURE.md").rdbuf();
#define TENON_VARIABLE(name, text) EXPECT_NE(architecture.str().find(text), std::string::npos) << text;
  TENON_VARIABLES(TENON_VARIABLE)
#undef TENON_VARIABLE
}

TEST(Environment, GivesWhatIsSet) {
  setenv("TENON_NVRTC", "/a/b", 1);
  EXPECT_EQ(environment(Variable::nvrtc), "/a/b");
  unsetenv("TENON_NVRTC");
  EXPECT_EQ(environment(Variable::nvrtc), "");
}

// Runs in the setuid copy: compiles something, which every variable would have a say in.
TEST(Environment, DISABLED_InASetuidProgram) {
  if (getauxval(AT_SECURE) == 0) _exit(77);
  EXPECT_EQ((tensor({1.f, 2.f}) + 1).to_vector<float>(), (std::vector<float>{2, 3}));
  EXPECT_EQ(environment(Variable::dump) + environment(Variable::nvrtc) + environment(Variable::cache_dir), "");
}

TEST(Environment, IsNotHeardInASetuidProgram) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make another user's setuid program";
  const fs::path base = testing::temporary_folder("environment"), program = base / "copy", dump = base / "dump";
  const fs::path cache = base / "cache";
  for (const fs::path& folder : {dump, cache}) {
    fs::create_directory(folder);
    chmod(folder.c_str(), 0777);
  }
  chmod(base.c_str(), 0755);
  fs::copy_file("/proc/self/exe", program);
  constexpr uid_t nobody = 65534;
  ASSERT_EQ(chown(program.c_str(), nobody, nobody), 0);
  ASSERT_EQ(chmod(program.c_str(), 04755), 0);
  const pid_t child = fork();
  if (child == 0) {
    setenv("TENON_DUMP", dump.c_str(), 1);
    setenv("TENON_CACHE_DIR", "cache", 1);
    setenv("TENON_NVRTC", (base / "evil.so").c_str(), 1);
    unsetenv("TENON_VERIFY");
    if (chdir(base.c_str()) != 0) _exit(1);
    execl(program.c_str(), "copy", "--gtest_filter=*DISABLED_InASetuid*", "--gtest_also_run_disabled_tests",
          "--gtest_brief=1", nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const bool unheard = fs::is_empty(dump) && fs::is_empty(cache);
  fs::remove_all(base);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "setuid is not honoured here";
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(unheard);
}

}  // namespace
}  // namespace tenon
