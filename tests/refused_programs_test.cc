// Programs that no compiler should take: each is refused by one sentence of Tenon's, the first error of a short output. Compiles
// them against a precompiled header, by the compiler at hand and by clang 19 where it is.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tenon/tests/compiler.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

constexpr const char* no_base = "an argument tree's aggregate has no base class";
constexpr const char* no_array = "an argument tree has no C arrays";
constexpr const char* no_reference = "an argument tree's aggregate has values for members";
constexpr const char* no_node = "an argument tree is made of tensors, numbers, strings";
constexpr const char* no_call = "a function under a transform cannot be called with these arguments";
constexpr const char* is_void = "a function under a transform returns its results";
constexpr const char* is_mutable = "a function under jit or grad must not be a mutable lambda";
constexpr const char* by_reference = "must not take tensors by non-const reference";

struct Case {
  const char *name, *sentence, *declarations, *expression;
};
const Case cases[] = {
    // ---- argument trees
    {"base", no_base, "struct B { Tensor a; }; struct P : B { Tensor b; };", "jit([](P p) { return p.b; })(P{})"},
    {"empty_base", no_base, "struct B {}; struct P : B { Tensor b; };", "jit([](P p) { return p.b; })(P{})"},
    {"base_of_leaves", no_base, "struct B { Tensor a; }; struct P : B {};", "tree::leaves(P{})"},
    {"array", no_array, "struct P { Tensor w[3]; Tensor b; };", "jit([](P p) { return p.b; })(P{})"},
    {"array_of_numbers", no_array, "struct P { Tensor b; float w[2][3]; };", "jit([](P p) { return p.b; })(P{})"},
    {"text", no_array, "struct P { char name[256]; Tensor b; };", "jit([](P p) { return p.b; })(P{})"},
    {"short_array", no_array, "struct P { Tensor b; int k[1]; };", "jit([](P p) { return p.b; })(P{})"},
    {"hidden", no_node, "class P { Tensor a; public: Tensor b; };", "jit([](P p) { return p.b; })(P{})"},
    {"pointer", no_node, "struct P { Tensor* w; };", "jit([](P p) { return *p.w; })(P{})"},
    {"reference", no_reference, "struct P { Tensor& w; }; Tensor t;", "jit([](P p) { return p.w; })(P{t})"},
    {"result", no_node, "class R { Tensor w; public: R(Tensor x) : w(x) {} };",
     "jit([](Tensor x) { return R(x); })(x)"},
    // ---- functions
    {"void_jit", is_void, "", "jit([](Tensor x) { x + 1; })(x)"},
    {"void_grad", is_void, "", "grad([](Tensor x) { tn::sum(x); })(x)"},
    {"void_jvp", is_void, "", "jvp([](Tensor x) { (void)x; }, x, x)"},
    {"mutable_jit", is_mutable, "", "jit([n = 0](Tensor x) mutable { return x + n++; })(x)"},
    {"mutable_grad", is_mutable, "", "grad([n = 0](Tensor x) mutable { return tn::sum(x + n++); })(x)"},
    {"by_reference", by_reference, "", "jit([](Tensor& x) { return x += 1; })(x)"},
    {"too_few", no_call, "", "jit([](Tensor x, Tensor y) { return x + y; })(x)"},
    {"too_few_grad", no_call, "", "grad([](Tensor x, Tensor y) { return tn::sum(x + y); })(x)"},
    {"too_few_lower", no_call, "", "jit([](Tensor x, Tensor y) { return x + y; }).lower(x)"},
    {"too_many_vjp", no_call, "", "vjp([](Tensor x) { return x; }, x, x)"},
    {"not_there", "tn::grad<...> names an argument that is not there", "",
     "grad<2>([](Tensor x) { return tn::sum(x); })(x)"},
    {"map", "tree::map's function takes a tensor of each tree and gives a tensor", "",
     "tree::map([](Tensor x, Tensor y) { return x + y; }, x)"},
    {"function", "a tn::Function gives what its signature says", "",
     "Function<std::pair<Tensor, Tensor>(Tensor)>(tn::jit([](Tensor x) { return x; }))"},
    {"element", "a tensor element is a bool, an integer, a float, a double or a std::complex of these", "",
     "ones({}).item<long double>()"},
    // ---- control flow
    {"row", no_call, "", "scan([](Tensor c, std::pair<Tensor, Tensor> r) { return std::pair(c, r); }, x, x)"},
    {"carry", "the carry that comes out of a scan has the type of the one that goes in", "",
     "scan([](Tensor c, Tensor r) { return std::pair(std::pair(c, r), r); }, x, x)"},
    {"no_pair", "scan's function gives a pair of carry and y", "",
     "scan([](Tensor c, Tensor r) { return c + r; }, x, x)"},
    {"condition", no_call, "",
     "while_loop([](std::pair<Tensor, Tensor> s) { return s.first; }, [](Tensor s) { return s; }, x)"},
    {"no_tensor", "while_loop's condition gives a bool tensor", "",
     "while_loop([](Tensor s) { return s.item() < 3; }, [](Tensor s) { return s; }, x)"},
    {"state", "while_loop's body gives the type of the state that it takes", "",
     "while_loop([](Tensor s) { return s < 3; }, [](Tensor s) { return std::pair(s, s); }, x)"},
    {"counter", no_call, "", "fori_loop(0, 3, [](Tensor s) { return s; }, x)"},
    {"loop_state", "fori_loop's body gives the type of the state that it takes", "",
     "fori_loop(0, 3, [](Tensor, Tensor s) { return std::pair(s, s); }, x)"},
    {"branches", "the branches of cond give one type", "",
     "cond(x, [](Tensor s) { return s; }, [](Tensor s) { return std::pair(s, s); }, x)"},
    {"operands", no_call, "", "cond(x, [](Tensor s) { return s; }, [](Tensor s, Tensor t) { return s + t; }, x)"},
};

void expect_refused(const std::string& compiler, const std::string& flags, int most_lines) {
  std::vector<Source> sources;
  for (const Case& c : cases)
    sources.push_back({c.name, flags,
                       std::string("#include <tenon/tenon.h>\nnamespace tn = tenon;\nusing tn::Tensor;\n") +
                           c.declarations + "\nvoid f(Tensor x) {\n  auto result = tn::" + c.expression +
                           ";\n  (void)result, (void)x;\n}\n"});
  const std::vector<Said> said = said_of(compiler, sources);
  for (size_t i = 0; i < said.size(); ++i) {
    const std::string& name = sources[i].name;
    ASSERT_FALSE(said[i].errors.empty()) << name << " compiles, or says: " << said[i].text;
    EXPECT_NE(said[i].errors[0].find(cases[i].sentence), std::string::npos) << name << ":\n" << said[i].text;
    if (name != "element") {
      EXPECT_EQ(said[i].errors.size(), 1u) << name << ":\n" << said[i].text;
    }
    EXPECT_LE(said[i].lines, most_lines) << name << ":\n" << said[i].text;
  }
}

const std::string header = TENON_BINARY_DIR "/public/tenon/tenon.h";
const std::string include = "-I" TENON_BINARY_DIR "/public ";

TEST(RefusedPrograms, OneSentence) {
  const std::string compiler = own_compiler();
  if (!runs(compiler)) GTEST_SKIP() << "there is no compiler " << compiler;
  if (!is_gcc(compiler)) GTEST_SKIP() << compiler << " is not GCC, whose output has another length";
  const std::string folder = temporary_folder("precompiled");
  std::filesystem::create_directory(folder + "/tenon");
  ASSERT_EQ(
      std::system((compiler + " -std=c++20 -x c++-header " + include + header + " -o " + folder + "/tenon/tenon.h.gch")
                      .c_str()),
      0);
  // The longest is a pointer inside a struct; most take 9 to 15 lines, 5 of which name the files on the way.
  expect_refused(compiler, "-I" + folder + " " + include, 20);
  std::filesystem::remove_all(folder);
}

TEST(RefusedPrograms, OneSentenceByClang) {
  const std::string compiler = "clang++-19";
  if (!runs(compiler)) GTEST_SKIP() << "there is no " << compiler;
  const std::string folder = temporary_folder("precompiled");
  ASSERT_EQ(std::system(
                (compiler + " -std=c++20 -x c++-header " + include + header + " -o " + folder + "/tenon.pch").c_str()),
            0);
  // Each step on the way takes three lines with clang.
  expect_refused(compiler, "-include-pch " + folder + "/tenon.pch " + include, 40);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tenon::testing
