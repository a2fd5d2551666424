// Text is input like any other. Every number of every op case's text (attributes, extents, bounds of symbols) set to extreme
// values: it is refused with tenon::Error, or it parses to a graph that verifies; if what it asks for is small, it runs, by
// the interpreter and compiled, to the same bits. By default a sample; TENON_TEXT_ALL=1 takes all of it.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <set>

#include "tenon/ir/graph/text.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/hostile_text.h"
#include "tenon/tests/op_cases.h"

namespace tenon::testing {
namespace {

using namespace ir;

runtime::CompileOptions uncached() {
  runtime::CompileOptions options;
  options.disk_cache = options.memory_cache = false;
  return options;
}

bool all() { return std::getenv("TENON_TEXT_ALL") != nullptr; }

// What everything downstream counts on, in arithmetic that cannot wrap: extents are not negative, a tensor takes at most 2^62
// bytes (an extent of 0 counts as 1), a constant has its bytes.
bool sizes_hold(const Graph& g) {
  __extension__ typedef __int128 Wide;
  const auto size = [&](ValueId v) {
    Wide n = bytes(g.type(v).dtype);
    for (Dim d : g.type(v).shape) {
      if (d.is_number() && d.number() < 0) return Wide{-1};
      if (d.is_number() && n <= (Wide{1} << 62)) n *= std::max<int64_t>(1, d.number());
    }
    return n;
  };
  for (uint32_t v = 0; v < g.value_count(); ++v)
    if (const Wide n = size(ValueId{v}); n < 0 || n > (Wide{1} << 62)) return false;
  for (const Node& n : g.nodes()) {
    for (const Attr& a : g.attrs(n))
      if (n.op == Op::constant && a.kind == AttrKind::literal && g.type(g.result(n)).shape.numel() != 0 &&
          Wide(a.text.size()) != size(g.result(n)))
        return false;
      else if (a.graph && !sizes_hold(*a.graph))
        return false;
  }
  return true;
}

// Whether running it takes little: extents of values and attributes, sub-graphs included. Symbols count as what an input of
// theirs would have here.
constexpr int64_t small_extent = 9;
bool is_small(const Graph& g) {
  const auto small_shape = [&](const std::vector<Dim>& dims) {
    int64_t n = 1;
    for (Dim d : dims) {
      const int64_t extent = d.is_number() ? d.number() : small_extent;
      if (extent > 100'000) return false;
      n *= std::max<int64_t>(extent, 1);
      if (n > 100'000) return false;
    }
    return true;
  };
  for (uint32_t v = 0; v < g.value_count(); ++v)
    if (!small_shape(g.type(ValueId{v}).shape.dims())) return false;
  for (const Node& n : g.nodes()) {
    if (n.op == Op::while_loop || n.op == Op::custom_call)
      return false;  // as long as its numbers say; not ours to call
    for (const Attr& a : g.attrs(n)) {
      if (!small_shape(a.dims)) return false;
      if (a.graph && !is_small(*a.graph)) return false;
    }
  }
  return true;
}

std::optional<std::vector<Array>> inputs_of(const Graph& g, Random& random) {
  std::vector<int64_t> free;
  for (uint32_t s : g.symbols->free_symbols()) {
    const Symbol& symbol = (*g.symbols)[s];
    free.push_back(std::clamp<int64_t>(small_extent, symbol.lower, symbol.upper));
    if (free.back() > 64) return std::nullopt;
  }
  const std::vector<int64_t> values = g.symbols->evaluate(free);
  std::vector<Array> inputs;
  for (uint32_t i = 0; i < g.input_count(); ++i) {
    Type type = g.type(ValueId{i});
    for (size_t d = 0; d < type.shape.size(); ++d) type.shape[d] = Symbols::value(type.shape[d], values);
    inputs.push_back(random_array(type, random, Domain::moderate));
  }
  return inputs;
}

struct Tally {
  int texts = 0, parsed = 0, ran = 0, compiled = 0, failures = 0;
};

void try_text(const std::string& text, const std::string& what, bool compile, Tally& tally) {
  const auto start = std::chrono::steady_clock::now();
  const auto fail = [&](const std::string& why) {
    if (++tally.failures <= 10) ADD_FAILURE() << what << ": " << why << "\n" << text.substr(0, 3000);
  };
  ++tally.texts;
  const char* stage = "parse";
  try {
    const auto g = parse(text);
    ++tally.parsed;
    stage = "verify";
    const auto problems = verify(*g);
    if (!problems.empty()) fail("it parses and does not verify");
    if (!sizes_hold(*g)) fail("it parses with a size that overflows");
    stage = "print";
    if (parse(g->text())->text() != g->text()) fail("it does not print what it parses");
    if (!is_small(*g)) return;
    stage = "interpret";
    Random random(7);
    const auto inputs = inputs_of(*g, random);
    if (!inputs) return;
    const std::vector<Array> expected = interpret(*g, *inputs);
    ++tally.ran;
    if (compile) {
      stage = "compile";
      const auto program = runtime::compile(*g, uncached());
      stage = "run";
      const std::vector<Array> actual = program->run(*inputs);
      ++tally.compiled;
      for (size_t i = 0; i < expected.size(); ++i)
        if (const auto wrong = difference(expected[i], actual[i], NaNs::one_value)) fail("output differs: " + *wrong);
    }
  } catch (const Error&) {
  } catch (const std::exception& e) {
    fail(std::string(stage) + ": " + e.what());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (took.count() > 10) fail("it takes " + std::to_string(took.count()) + " s");  // far below, on an idle machine
}

class HostileText : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    getrlimit(RLIMIT_AS, &before_);
    rlimit limit = before_;
    limit.rlim_cur = rlim_t{6} << 30;
    setrlimit(RLIMIT_AS, &limit);
    limited_ = true;
#endif
  }
  void TearDown() override {
    if (limited_) setrlimit(RLIMIT_AS, &before_);
  }
  rlimit before_{};
  bool limited_ = false;
};

TEST_P(HostileText, ExtremeNumbersAreErrorsOrRun) {
  const OpDef& row = def(static_cast<Op>(GetParam()));
  std::vector<DType> dtypes;
  for (int t = 0; t < dtype_count; ++t)
    if (contains(row.dtypes, static_cast<DType>(t))) dtypes.push_back(static_cast<DType>(t));
  if (!all()) dtypes = {dtypes.back()};
  // Elementwise rows have no numbers of their own but the extents.
  const size_t cases_each = row.family == Family::elementwise ? 1 : all() ? 1000 : 6, longest = all() ? 20'000 : 4'000;
  const size_t each = row.family == Family::elementwise ? 3 : 15;
  const int one_in = row.family == Family::elementwise ? 30 : 13;
  Tally tally;
  std::set<std::string> seen;
  for (DType t : dtypes) {
    size_t taken = 0;
    const std::vector<Case> cases = op_cases(row.op, t);
    const size_t stride = std::max<size_t>(1, cases.size() / cases_each);
    for (size_t c = 0; c < cases.size() && taken < cases_each; c += stride) {
      const std::string text = cases[c].graph->text();
      if (text.size() > longest || !seen.insert(text).second) continue;
      ++taken;
      const std::vector<Place> places = numbers(text);
      const size_t step = all() ? 1 : std::max<size_t>(1, places.size() / each);
      for (size_t p = 0; p < places.size(); p += step)
        for (const std::string number = text.substr(places[p].at, places[p].size);
             const std::string& value : extremes(number))
          for (bool everywhere : {false, true}) {  // this number, or all of its value: an extent, wherever it stands
            std::string changed = text;
            for (size_t q = places.size(); q-- > 0;)
              if (q == p || (everywhere && text.substr(places[q].at, places[q].size) == number))
                changed.replace(places[q].at, places[q].size, value);
            const bool compile = tally.texts % one_in == 0;
            try_text(repaired(changed),
                     std::string(row.name) + ", number " + std::to_string(p) + " = " + value +
                         (everywhere ? " everywhere" : ""),
                     compile, tally);
          }
    }
  }
  std::printf("%s: %d texts, %d parse, %d run, %d compiled\n", row.name, tally.texts, tally.parsed, tally.ran,
              tally.compiled);
  EXPECT_EQ(tally.failures, 0);
}

INSTANTIATE_TEST_SUITE_P(Table, HostileText, ::testing::Range(0, op_count),
                         [](const ::testing::TestParamInfo<int>& row) {
                           return std::string(name(static_cast<Op>(row.param)));
                         });

// ---- cases that the table does not make

TEST(HostileTexts, AreErrors) {
  const std::string head = "graph @main(%0: f32[3], %1: f32[]) -> (%2) {\n  ";
  for (const char* line : {
           "%2 = constant {dtype = f32, shape = [4611686018427387906], value = [1, 2]} : f32[4611686018427387906]",
           "%2 = pad %0, %1 {low = [4611686018427387904], high = [0], interior = [0]} : f32[4611686018427387907]",
           "%2 = pad %0, %1 {low = [0], high = [0], interior = [9223372036854775807]} : f32[1]",
           "%2 = cumsum %0 {axis = [-1], reverse = [0]} : f32[3]",
           "%2 = cumsum %0 {axis = [1], reverse = [0]} : f32[3]",
           "%2 = cumsum %0 {axis = [0], reverse = [2]} : f32[3]",
           "%2 = cumsum %0 {axis = [], reverse = [0]} : f32[3]",
           "%2 = cumsum %0 {axis = [0, 0], reverse = [0]} : f32[3]",
           "%2 = broadcast %1 {shape = [4294967296, 4294967296], axes = []} : f32[4294967296, 4294967296]",
           "%2 = broadcast %1 {shape = [0, 4611686018427387904], axes = []} : f32[0, 4611686018427387904]",
           "%2 = custom_call %0 {name = \"\", version = [1], types = \"f32[]\", effect = [0]} : f32[]",
           "%2 = custom_call %0 {name = \"f\", version = [1], types = \"f32[9223372036854775807]\", effect = [0]} : "
           "f32[9223372036854775807]",
       })
    EXPECT_NE(refusal(head + line + "\n}\n"), "") << line;
  for (const char* symbol :
       {"n in [-1, 4]", "n in [4, 3]", "n in [0, -1]", "n in [9223372036854775808, inf]", "max in [0, 4]"})
    EXPECT_NE(refusal(std::string("symbol ") + symbol + "\ngraph @main() -> () {\n}\n"), "") << symbol;
}

TEST(HostileTexts, ChecksAndPrintsThatDoNotFitAreErrors) {
  const auto refused = [](const std::string& line) {
    return refusal("graph @main(%0: f32[3], %1: bool[3], %2: bool[]) -> (%0) {\n  " + line + "\n}\n");
  };
  EXPECT_EQ(refused("print %1, %0 {format = \"{{{}}}\", lanes = [1], masked = [1]}"), "");
  EXPECT_EQ(refused("check %1, %1 {message = \"\", place = \"no place\", masked = [1]}"), "");
  for (const char* line : {
           "print %1, %0 {format = \"\", lanes = [1], masked = [1]}",
           "print %1, %0 {format = \"{}{}\", lanes = [1], masked = [1]}",
           "print %1, %0 {format = \"{}{\", lanes = [1], masked = [1]}",
           "print %1, %0 {format = \"}{}\", lanes = [1], masked = [1]}",
           "print %2, %0 {format = \"{}\", lanes = [1], masked = [1]}",
           "print %0 {format = \"\", lanes = [1], masked = [1]}",
           "print {format = \"\", lanes = [0], masked = [1]}",
           "print {format = \"\", lanes = [1], masked = [0]}",
           "print %0 {format = \"{}\", lanes = [2], masked = [0]}",
           "print %0 {format = \"{}\", lanes = [-1], masked = [0]}",
           "print %0 {format = \"{}\", lanes = [9223372036854775807], masked = [0]}",
           "check %0 {message = \"\", place = \"\", masked = [0]}",
           "check %1 {message = \"\", place = \"\", masked = [1]}",
           "check %2, %1 {message = \"\", place = \"\", masked = [1]}",
           "check {message = \"\", place = \"\", masked = [0]}",
       })
    EXPECT_NE(refused(line), "") << line;
}

// Names that a linker or LLVM would take for something else.
TEST(HostileTexts, CustomCallsHaveNamesOfTheirOwn) {
  for (const char* name : {"memcpy", "memset", "malloc", "system", "llvm.trap", "llvm.memcpy.p0.p0.i64", "tenon_main",
                           "tenon_main_arena_bytes", "tenon_main_kernel_0", "tenon_alloc", "__stack_chk_fail", "main",
                           "a b", "1f", "f\\x00g", "cos", "nobody_registered_this"}) {
    const std::string text = std::string("graph @main(%0: f32[3]) -> (%1) {\n  %1 = custom_call %0 {name = \"") + name +
                             "\", version = [1], types = \"f32[3]\", effect = [0]} : f32[3]\n}\n";
    try {
      const auto program = runtime::compile(*parse(text), uncached());
      ADD_FAILURE() << name << " is linked";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("custom_call"), std::string::npos) << name << ": " << e.what();
    } catch (const std::exception& e) {
      ADD_FAILURE() << name << ": " << e.what();
    }
  }
}

// A few lines that would print as terabytes, or nest without end.
TEST(HostileTexts, DefinitionsOfExtentsStayShort) {
  std::string text = "symbol n in [0, inf]\ngraph @main(%0: f32[n]) -> () {\n";
  for (int i = 0; i < 60; ++i) {
    text += "  %" + std::to_string(i + 1) + " = concat %" + std::to_string(i) + ", %" + std::to_string(i) +
            " {axis = [0]} : f32[1]\n";
  }
  const std::string error = refusal(repaired(text + "}\n"));
  EXPECT_NE(error.find("too long"), std::string::npos) << error.substr(0, 1000);
  EXPECT_LT(error.size(), 100'000u);
  std::string deep = "n";
  for (int i = 0; i < 100'000; ++i) deep = "(" + deep;
  EXPECT_NE(refusal("symbol n in [0, inf]\ngraph @main(%0: f32[" + deep + "]) -> () {\n}\n"), "");
  std::string wide = "n";
  for (int i = 0; i < 2'000; ++i) wide += ", 1";
  EXPECT_NE(refusal("symbol n in [0, inf]\ngraph @main(%0: f32[" + wide + "]) -> () {\n}\n"), "");
}

// The most axes, none of which joins another, in every loop nest.
TEST(HostileTexts, SixtyFourAxesRun) {
  std::string symbols, type, reversed, order;
  for (int i = 0; i < 64; ++i) {
    const std::string s = "n" + std::to_string(i), r = std::to_string(63 - i), comma = i ? ", " : "";
    symbols += "symbol " + s + " in [0, 8]\n";
    type += comma + s;
    reversed += comma + "n" + r;
    order += comma + r;
  }
  const std::string text = symbols + "graph @main(%0: f32[" + type +
                           "]) -> (%2) {\n  %1 = transpose %0 {permutation = [" + order + "]} : f32[" + reversed +
                           "]\n  %2 = reduce_sum %1 {axes = [3, 9]} : f32[";
  Tally tally;
  try_text(repaired(text + "]\n}\n"), "64 axes", false, tally);
  EXPECT_EQ(tally.parsed, 1);
  EXPECT_EQ(tally.failures, 0);
  const auto g = parse(repaired(text + "]\n}\n"));
  const Array ones(Type{DType::f32, Shape(std::vector<Dim>(64, Dim(1)))});
  EXPECT_EQ(runtime::compile(*g, uncached())->run(std::span(&ones, 1))[0].numel(), 1);
}

// Extents that a program takes only at run time.
TEST(HostileTexts, ExtentsThatDoNotFitAreErrorsAtRunTime) {
  struct Line {
    const char* text;
    int64_t n;
    bool fits;
  };
  const std::string head = "symbol n in [0, inf]\ngraph @main(%0: f32[n], %1: f32[]) -> (%2) {\n  ";
  for (const Line& line : {
           Line{"%2 = slice %0 {starts = [2], sizes = [3], strides = [1]} : f32[3]", 5, true},
           Line{"%2 = slice %0 {starts = [2], sizes = [3], strides = [1]} : f32[3]", 4, false},
           Line{"%2 = slice %0 {starts = [0], sizes = [3], strides = [2]} : f32[3]", 5, true},
           Line{"%2 = slice %0 {starts = [0], sizes = [3], strides = [2]} : f32[3]", 4, false},
           Line{"%2 = slice %0 {starts = [1], sizes = [(n - 1)], strides = [1]} : f32[(n - 1)]", 1, true},
           Line{"%2 = slice %0 {starts = [1], sizes = [(n - 1)], strides = [1]} : f32[(n - 1)]", 0, false},
           Line{"%2 = broadcast %1 {shape = [((n * n) * (n * n))], axes = []} : f32[((n * n) * (n * n))]", 65536,
                false},
           Line{"%2 = broadcast %1 {shape = [((n * n) * n)], axes = []} : f32[((n * n) * n)]", 9, true},
       }) {
    SCOPED_TRACE(line.text);
    const auto g = parse(head + line.text + "\n}\n");
    const std::vector<Array> inputs = {Array(Type{DType::f32, {line.n}}), Array(Type{DType::f32, {}})};
    const auto program = runtime::compile(*g, uncached());
    // By the interpreter, by the executable, and by the entry alone, as a saved object is called.
    const auto works = [](auto f) {
      try {
        f();
        return true;
      } catch (const Error&) {
        return false;
      }
    };
    EXPECT_EQ(works([&] { interpret(*g, inputs); }), line.fits);
    EXPECT_EQ(works([&] { program->run(inputs); }), line.fits);
    if (line.fits) continue;
    float memory[64] = {};
    const void* in[] = {memory, memory};
    void* out[] = {memory};
    EXPECT_FALSE(works([&] { program->run(in, out, &line.n); }));
  }
}

}  // namespace
}  // namespace tenon::testing
