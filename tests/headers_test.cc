// The public headers as users' compilers meet them: each alone and without a warning, behind headers that have claimed names as
// macros, and under settings that cannot work, which one #error refuses. Programs that are wrong stand in
// refused_programs_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/tests/compiler.h"

namespace tenon::testing {
namespace {

namespace fs = std::filesystem;

const std::string include = "-I" TENON_BINARY_DIR "/public ";
const std::string warnings = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror ";

#if __has_include(<Eigen/Core>) || __has_include(<eigen3/Eigen/Core>)
constexpr bool has_eigen = true;
#else
constexpr bool has_eigen = false;
#endif

std::vector<std::string> public_headers() {
  std::vector<std::string> headers;
  const fs::path root = TENON_BINARY_DIR "/public";
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.path().extension() == ".h" && (has_eigen || entry.path().filename() != "eigen.h"))
      headers.push_back(fs::relative(entry.path(), root).string());
  std::sort(headers.begin(), headers.end());
  return headers;
}

std::string file_name(std::string header) {
  std::replace(header.begin(), header.end(), '/', '_');
  return header;
}

class Headers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!runs(own_compiler())) GTEST_SKIP() << "there is no compiler " << own_compiler();
  }
};

TEST_F(Headers, EachCompilesAloneWithoutAWarning) {
  std::vector<Source> sources;
  for (const std::string& header : public_headers())
    sources.push_back({file_name(header), include + warnings, "#include <" + header + ">\n"});
  ASSERT_GT(sources.size(), 15u);
  const std::vector<Said> said = said_of(own_compiler(), sources);
  for (size_t i = 0; i < said.size(); ++i) EXPECT_TRUE(said[i].compiled) << sources[i].text << said[i].text;
}

TEST_F(Headers, TemplatesCompileWithoutAWarning) {
  std::ifstream file(TENON_SOURCE_DIR "/tests/headers/every_template.cc");
  std::ostringstream text;
  text << file.rdbuf();
  const std::vector<Said> said = said_of(own_compiler(), {{"warned", include + warnings, text.str()},
                                                          {"without_rtti", include + "-fno-rtti", text.str()}});
  EXPECT_TRUE(said[0].compiled) << said[0].text;
  EXPECT_TRUE(said[1].compiled) << said[1].text;
}

TEST_F(Headers, StandBehindMacros) {
  const std::string windows =
      "#define min(a, b) (((a) < (b)) ? (a) : (b))\n#define max(a, b) (((a) > (b)) ? (a) : (b))\n"
      "#define near\n#define far\n#define small char\n#define interface struct\n#define CONST const\n"
      "#define OPTIONAL\n#define IN\n#define OUT\n#define ERROR 0\n";
  const std::string use = "#include <tenon/tenon.h>\nint main() { return tenon::ones({2}).ndim(); }\n";
  const std::vector<Said> said = said_of(
      own_compiler(),
      {{"complex", include + "-std=gnu++20", "#include <complex.h>\n#ifndef I\n#error I is no macro\n#endif\n" + use},
       {"windows", include, windows + use},
       {"posix", include,
        "#include <math.h>\n#include <sys/sysmacros.h>\n#include <sys/param.h>\n#include <termios.h>\n"
        "#include <signal.h>\n#include <assert.h>\n" +
            use}});
  for (const Said& one : said) EXPECT_TRUE(one.compiled) << one.text;
}

TEST_F(Headers, RefuseSettingsThatCannotWork) {
  const std::string program =
      "#include <tenon/tenon.h>\n#include <iostream>\nnamespace tn = tenon;\nint main() {\n"
      "  auto f = tn::jit([](const tn::Tensor& x) { return tn::sum(x * x); });\n"
      "  std::cout << f(tn::ones({2})) << \"\\n\";\n}\n";
  const struct {
    const char *name, *flags, *reason;
  } cases[] = {
      {"older", "-std=c++17", "Tenon needs C++20: compile with -std=c++20"},
      {"no_exceptions", "-fno-exceptions", "compile without -fno-exceptions"},
      {"old_strings", "-D_GLIBCXX_USE_CXX11_ABI=0", "std::string would differ from the one inside libtenon"},
      {"debug", "-D_GLIBCXX_DEBUG", "_GLIBCXX_DEBUG changes the containers"},
      {"assertions", "-D_GLIBCXX_ASSERTIONS", ""},
      {"newer", "-std=c++23", ""},
  };
  std::vector<Source> sources;
  for (const auto& c : cases) sources.push_back({c.name, include + c.flags, program});
  const std::vector<Said> said = said_of(own_compiler(), sources);
  for (size_t i = 0; i < said.size(); ++i) {
    if (!*cases[i].reason) {
      EXPECT_TRUE(said[i].compiled) << cases[i].name << "\n" << said[i].text;
      continue;
    }
    ASSERT_FALSE(said[i].compiled) << cases[i].name;
    ASSERT_FALSE(said[i].errors.empty()) << said[i].text;
    EXPECT_NE(said[i].errors[0].find("#error"), std::string::npos) << said[i].text;
    EXPECT_NE(said[i].errors[0].find(cases[i].reason), std::string::npos) << said[i].text;
    EXPECT_LE(said[i].errors.size(), 2u) << said[i].text;  // the #error, and the file at which the compiler stops
    EXPECT_LE(said[i].lines, 15) << said[i].text;
  }
}

}  // namespace
}  // namespace tenon::testing
