// Checks every include edge of the tree against the layers of ARCHITECTURE.md, and that LLVM and CUDA stay
// where they are. Each rule is first shown to refuse an edge that breaks it, so that a rule cannot fall
// silent.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tenon/tests/source_tree.h"

namespace tenon::testing {
namespace {

bool starts_with(const std::string& text, const std::string& prefix) { return text.rfind(prefix, 0) == 0; }

const std::map<std::string, std::set<std::string>> visible = {
    {"ir", {"ir"}},
    {"passes", {"passes", "ir"}},
    {"codegen", {"codegen", "ir"}},
    {"runtime", {"runtime", "passes", "codegen", "ir"}},
    {"frontend", {"frontend", "runtime", "passes", "ir"}},
};

// Headers of the operating system that the layers above ir may use in their sources.
const std::set<std::string> system_headers = {
    "cerrno",      "dlfcn.h",       "errno.h",     "fcntl.h",       "pthread.h",     "sched.h",      "unistd.h",
    "dirent.h",    "cpuid.h",       "sys/auxv.h",  "sys/file.h",    "sys/mman.h",    "sys/random.h", "sys/resource.h",
    "sys/stat.h",  "sys/syscall.h", "sys/types.h", "linux/futex.h", "linux/memfd.h", "malloc.h",     "xmmintrin.h",
    "immintrin.h", "time.h",        "signal.h",    "elf.h",         "link.h"};

// The C headers that the C interface stands on.
const std::set<std::string> c_headers = {"stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h",
                                         "stdlib.h",    "string.h",  "fenv.h",   "math.h",   "limits.h"};

bool is_standard(const std::string& header) {  // <vector>, <cstdint>: letters, digits, underscores
  return std::all_of(header.begin(), header.end(),
                     [](unsigned char c) { return std::islower(c) || std::isdigit(c) || c == '_'; });
}

bool is_llvm_file(const std::string& path) { return starts_with(path, "codegen/llvm/"); }
bool is_mpi_file(const std::string& path) { return starts_with(path, "runtime/mpi/"); }
bool is_cuda_file(const std::string& path) {
  return path == "codegen/cuda/nvrtc.cc" || starts_with(path, "runtime/cuda");
}

// What is wrong with `file` including `target`; empty when nothing is.
std::string violation(const std::string& file, const std::string& target, bool angled) {
  const std::string layer = file.substr(0, file.find('/'));
  const auto allowed = visible.find(layer);
  if (allowed == visible.end()) return "";  // tests, bench, examples see everything
  if (!angled) {
    if (!starts_with(target, "tenon/")) return "own headers are spelled \"tenon/LAYER/FILE\"";
    const std::string other = target.substr(6, target.find('/', 6) - 6);
    if (!allowed->second.count(other)) return layer + " must not see " + other;
    if (starts_with(target, "tenon/codegen/llvm/") && !is_llvm_file(file)) return "a header private to codegen/llvm/";
    return "";
  }
  if (starts_with(target, "llvm/") || starts_with(target, "llvm-c/")) {
    return is_llvm_file(file) ? "" : "only codegen/llvm/ includes LLVM";
  }
  if (target == "zlib.h") return file == "runtime/deflate.cc" ? "" : "only runtime/deflate.cc includes zlib";
  if (target.ends_with("Eigen/Core"))
    return file == "frontend/io/eigen.h" ? "" : "only frontend/io/eigen.h includes Eigen";
  if (target == "mpi.h") return is_mpi_file(file) ? "" : "only runtime/mpi/ includes MPI";
  if (is_standard(target)) return "";
  const bool header = file.size() > 2 && file.compare(file.size() - 2, 2, ".h") == 0;
  // One file of ir is in C, for saved programs take it along.
  const bool in_c = layer == "runtime" || starts_with(file, "ir/base/tensor_text.");
  if (in_c && c_headers.count(target)) return "";
  if (starts_with(file, "runtime/c/") && target == "pthread.h") return "";  // its headers are its own
  if (layer == "ir") return "ir knows the standard library only";
  if (!header && system_headers.count(target)) return "";
  return header ? "a header includes the standard library and Tenon only"
                : "not the standard library, nor a known system header";
}

// A name of the CUDA driver's, NVRTC's or a CUDA library's interface in `code`; empty when there is none.
std::string cuda_name(const std::string& code) {
  static const std::vector<std::string> prefixes = {
      "cuInit",       "cuDevice",     "cuCtx",       "cuModule",  "cuLaunch",     "cuMem",       "cuStream",
      "cuGraph",      "cuEvent",      "cuFunc",      "cuLibrary", "cuLink",       "cuKernel",    "cuGetProc",
      "cuOccupancy",  "cublas",       "cudnn",       "nccl",      "nvrtcCompile", "nvrtcCreate", "nvrtcGet",
      "nvrtcDestroy", "nvrtcProgram", "nvrtcResult", "libcuda",   "libnvrtc"};
  for (const auto& prefix : prefixes) {
    for (size_t at = code.find(prefix); at != std::string::npos; at = code.find(prefix, at + 1)) {
      const bool inside = at > 0 && (std::isalnum(static_cast<unsigned char>(code[at - 1])) || code[at - 1] == '_');
      if (!inside) return prefix;
    }
  }
  return "";
}

TEST(Layering, RulesRefuseWhatTheyShould) {
  const struct {
    const char* file;
    const char* target;
    bool angled;
    bool wrong;
  } cases[] = {
      {"ir/graph/graph.cc", "tenon/ir/graph/graph.h", false, false},
      {"ir/graph/graph.cc", "vector", true, false},
      {"ir/graph/graph.cc", "unistd.h", true, true},
      {"ir/graph/graph.cc", "tenon/passes/fuse.h", false, true},
      {"ir/rules/math.cc", "tenon/codegen/codegen.h", false, true},
      {"passes/fuse/fuse.cc", "tenon/ir/graph/graph.h", false, false},
      {"passes/fuse/fuse.cc", "tenon/codegen/codegen.h", false, true},
      {"codegen/cuda.cc", "tenon/passes/fuse.h", false, true},
      {"codegen/llvm/emit.cc", "llvm/IR/Module.h", true, false},
      {"codegen/cuda.cc", "llvm/IR/Module.h", true, true},
      {"runtime/jit.cc", "tenon/codegen/llvm/types.h", false, true},
      {"runtime/jit.cc", "tenon/codegen/codegen.h", false, false},
      {"runtime/jit.cc", "tenon/frontend/tensor/tensor.h", false, true},
      {"runtime/jit.cc", "sys/mman.h", true, false},
      {"runtime/mpi/mpi_world.h", "mpi.h", true, false},
      {"runtime/c/ranks_engine.c", "mpi.h", true, true},
      {"runtime/pool.h", "pthread.h", true, true},
      {"runtime/tenon_runtime.h", "stdint.h", true, false},
      {"frontend/transform/jit.cc", "tenon/codegen/codegen.h", false, true},
      {"frontend/transform/jit.cc", "tenon/passes/jvp.h", false, false},
      {"frontend/io/io.cc", "zlib.h", true, true},
      {"runtime/deflate.cc", "zlib.h", true, false},
      {"runtime/deflate.h", "zlib.h", true, true},
      {"frontend/io/eigen.h", "Eigen/Core", true, false},
      {"frontend/io/dlpack.h", "Eigen/Core", true, true},
      {"frontend/io/io.cc", "io.h", false, true},
      {"tests/any_test.cc", "tenon/codegen/codegen.h", false, false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(!violation(c.file, c.target, c.angled).empty(), c.wrong) << c.file << " includes " << c.target;
  }
  EXPECT_EQ(cuda_name("auto f = load(\"cuInit\");"), "cuInit");
  EXPECT_EQ(cuda_name("Kind::cuda, accuInit, cuda(0)"), "");
  EXPECT_EQ(without_comments("a /* cuInit */ b // c\n\"//d\""), "a              b     \n\"//d\"");
}

TEST(Layering, IncludeEdges) {
  int edges = 0;
  for (const auto& file : source_tree()) {
    for (const auto& include : includes_of(file)) {
      edges += visible.count(file.layer());
      const std::string wrong = violation(file.path, include.target, include.angled);
      EXPECT_TRUE(wrong.empty()) << file.path << ":" << include.line << ": " << include.target << ": " << wrong;
    }
  }
  EXPECT_GT(edges, 0) << "no include was found in the layers: the scan is broken";
}

TEST(Layering, CudaIsNamedInItsOwnFilesOnly) {
  for (const auto& file : source_tree()) {
    if (!visible.count(file.layer()) || is_cuda_file(file.path)) continue;
    const std::string name = cuda_name(without_comments(file.text));
    EXPECT_TRUE(name.empty()) << file.path << " names " << name;
  }
}

// What a user's compiler reads for <tenon/tenon.h>: Tenon's own headers, the standard library, and nothing
// else.
TEST(Layering, PublicHeadersStandOnTheStandardLibrary) {
  std::map<std::string, SourceFile> files;
  for (auto& file : source_tree()) files[file.path] = file;
  if (!files.count("frontend/tenon.h")) GTEST_SKIP() << "frontend/tenon.h is not in this checkout";

  std::vector<std::string> work = {"frontend/tenon.h"};
  std::set<std::string> seen(work.begin(), work.end());
  while (!work.empty()) {
    const SourceFile file = files[work.back()];
    work.pop_back();
    for (const auto& include : includes_of(file)) {
      const std::string where = file.path + ":" + std::to_string(include.line) + ": " + include.target;
      if (include.angled) {
        EXPECT_TRUE(is_standard(include.target) || c_headers.count(include.target)) << where;
        continue;
      }
      ASSERT_TRUE(starts_with(include.target, "tenon/")) << where;
      const std::string path = include.target.substr(6);
      EXPECT_TRUE(files.count(path)) << where << " does not exist";
      EXPECT_FALSE(starts_with(path, "codegen/")) << where << ": users do not see codegen";
      if (seen.insert(path).second) work.push_back(path);
    }
  }
  EXPECT_GT(seen.size(), 1u);
}

}  // namespace
}  // namespace tenon::testing
