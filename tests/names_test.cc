// Names that users choose and other programs read: of dimensions, saved programs and host functions. A hostile one is refused
// with tenon::Error, or written so that what reads it still does.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/tenon.h"

namespace tn = tenon;
extern char** environ;

namespace {

using tn::Tensor;

const char* const hostile[] = {"",   " ",  "1",   "a b",  "a-b", "a\nb", "a]",
                               "%0", "@a", "max", "\xe9", "a;",  "*/",   "n\x01"};

// Whether the C or C++ compiler takes it.
bool compiles(const std::string& source, const char* compiler) {
  std::vector<std::string> words = {compiler, "-fsyntax-only", "-Wall", "-Werror", "-I" TENON_BINARY_DIR "/include",
                                    source};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawnp(&child, compiler, nullptr, nullptr, arguments.data(), environ) != 0) return false;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(Names, OfDimensions) {
  for (const char* name : hostile) EXPECT_THROW(tn::dim(name), tn::Error) << name;
  const tn::Dim n = tn::dim("names_n", 2, 9);
  EXPECT_TRUE(n == tn::dim("names_n", 2, 9));
  EXPECT_THROW(tn::dim("names_n", 2, 8), tn::Error);
  EXPECT_THROW(tn::dim("names_m", 3, 2), tn::Error);
  EXPECT_THROW(tn::dim("names_m", -1, 2), tn::Error);
  EXPECT_THROW(tn::dim("names_m", INT64_MIN, INT64_MAX), tn::Error);
  // Words of the text form are names like others.
  for (const char* name : {"inf", "nan", "graph", "symbol", "f32", "true", "in"}) {
    const auto traced = tn::trace([](const Tensor& x) { return x + 1; }, tn::spec({tn::dim(name), 3}, tn::f32));
    EXPECT_EQ(tn::parse(traced.ir()).ir(), traced.ir()) << name;
  }
}

TEST(Names, OfSavedPrograms) {
  const auto folder = std::filesystem::temp_directory_path() / ("tenon_names_test_" + std::to_string(getpid()));
  const auto f = tn::jit([](const Tensor& x) { return x + 1; });
  const auto save = [&](const std::string& name) {
    tn::aot::save(f, {.name = name, .out = folder.string()}, tn::spec({2}, tn::f32));
  };
  for (const char* name : hostile)
    if (std::string(name) != "max") {
      EXPECT_THROW(save(name), tn::Error) << name;
    }
  for (const char* name : {"int", "class", "main", "return", "__a", "tenon_main", "../a", "a/b"})
    EXPECT_THROW(save(name), tn::Error) << name;
  EXPECT_THROW(save(std::string(5000, 'a')), tn::Error);
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_THROW(tn::aot::save(f, {.name = "fine", .out = "/proc/no/such/place"}, tn::spec({2}, tn::f32)), tn::Error);
}

// Parameters of the header are called as the dimensions; some names are taken there.
TEST(Names, OfDimensionsInHeaders) {
  const auto folder = std::filesystem::temp_directory_path() / ("tenon_names_header_" + std::to_string(getpid()));
  const auto f = tn::jit([](const Tensor& x) { return x + 1; });
  std::vector<std::string> names = {"n",      "int",  "double",   "class",       "template",   "inputs",   "outputs",
                                    "dims",   "in0",  "out0",     "env",         "call",       "int64_t",  "NULL_",
                                    "size_t", "line", "line_run", "static_cast", "tenon_call", "TENON_OK", "main",
                                    "arena",  "code", "__x",      "_Bool"};
  for (const std::string& name : names) {
    std::filesystem::create_directories(folder);
    tn::aot::save(f, {.name = "line", .out = folder.string()}, tn::spec({tn::dim(name, 1, 64)}, tn::f32));
    for (const char* extension : {"c", "cc"}) {
      const std::string source = (folder / (std::string("use.") + extension)).string();
      std::ofstream(source) << "#include \"line.h\"\nint use(void) { return (int)line_arena_bytes(0); }\n";
      EXPECT_TRUE(compiles(source, extension[1] == 'c' ? "c++" : "cc")) << name << "." << extension;
    }
  }
  std::filesystem::remove_all(folder);
}

TEST(Names, OfHostFunctions) {
  const Tensor x = tn::ones({3});
  for (const char* name : hostile) {
    if (std::string(name) == "max") continue;  // a C identifier, which nobody registered
    EXPECT_THROW(tn::custom_call({.name = name}, std::span(&x, 1), std::span(&x, 1)), tn::Error) << name;
  }
  for (const char* name : {"memcpy", "memset", "exit", "system", "tenon_alloc", "tenon_main", "__cxa_throw", "main",
                           "sin", "names_nobody"})
    EXPECT_THROW(tn::custom_call({.name = name}, std::span(&x, 1), std::span(&x, 1)), tn::Error) << name;
  const tn::CustomFunction nothing = [](const void* const*, void* const*) -> int32_t { return 0; };
  for (const char* name : {"memcpy", "exit", "tenon_alloc", "main", "sin", "no name", ""})
    EXPECT_THROW(tn::register_custom_call(name, nothing), tn::Error) << name;
  EXPECT_THROW(tn::register_custom_call("names_without_a_function", nullptr), tn::Error);
}

}  // namespace
