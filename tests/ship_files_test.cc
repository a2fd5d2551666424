// What aot::save writes beside the code: headers that any compiler takes without a warning, a manifest, constants, and objects
// that link with each other.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/tests/files.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/shipped.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

class ShippedFiles : public ::testing::Test {
 protected:
  ShippedFiles() : folder_(temporary_folder("files")) {}
  ~ShippedFiles() override { std::filesystem::remove_all(folder_); }
  std::string read(const std::string& name) const { return read_file(folder_ + "/" + name); }
  void expect_prints(const ShippedSource& source, const std::string& output) {
    const Ran ran = run_shipped(folder_, source);
    EXPECT_EQ(ran.output, output);
    EXPECT_EQ(ran.status, 0);
  }
  const std::string folder_;
};

struct Layer {
  Tensor w, b;
};
struct Model {
  std::vector<Layer> layers;
  std::map<std::string, Tensor> extra;
};

TEST_F(ShippedFiles, HeadersCompileEverywhereWithoutAWarning) {
  const auto f = jit([](const Model& m, const Tensor& x, const Tensor& y) {
    Tensor h = x;
    for (const Layer& l : m.layers) h = tanh(matmul(h, l.w) + l.b);
    return Model{{{h, y}}, {{"h", h + y}, {"\xc3\xa9", y}, {"0", h}, {"", y}}};
  });
  const Dim n = dim("n", 0, 1 << 20);
  const Layer layer{spec({4, 4}, f32), spec({4}, f32)};
  aot::save(f, {.name = "model", .out = folder_, .arguments = {"params", "int_", "y"}},
            Model{{layer, layer}, {{"a.b", spec({2}, bf16)}, {"a_b", spec({2}, boolean)}, {"/*", spec({1}, i64)}}},
            spec({n, 4}, f32), spec({n, 4}, f32));
  // Used and not used, twice included, by both compilers in both languages.
  for (const bool used : {false, true}) {
    const std::string c = "#include \"model.h\"\n#include \"model.h\"\nint f(void);\nint f(void) { return " +
                          std::string(used ? "model_typed(0, 0, 0, 0, 3) + model_in_params_layers_0_w" : "0") + "; }\n";
    const std::string cpp = "#include \"model.hpp\"\n#include \"model.hpp\"\nvoid f();\nvoid f() {" +
                            std::string(used ? "tenon::programs::model::run({}, {}, {}, {}, 3);" : "") + "}\n";
    for (const char* compiler : {"gcc", "clang-19"}) {
      const std::string cxx = compiler[0] == 'g' ? "g++" : "clang++-19";
      if (run_command({compiler, "--version"}).status != 0) continue;
      for (const char* standard : {"-std=c11", "-std=gnu17"}) {
        const Ran ran =
            run_shipped(folder_, {.text = c, .objects = {}, .compiler = {compiler, standard}, .link = false});
        EXPECT_EQ(ran.status, 0) << compiler << " " << standard << "\n" << ran.output;
      }
      for (const char* standard : {"-std=c++17", "-std=c++20"}) {
        for (const std::string& text : {c, cpp}) {
          const Ran ran =
              run_shipped(folder_, {.text = text, .objects = {}, .compiler = {cxx, standard}, .link = false});
          EXPECT_EQ(ran.status, 0) << cxx << " " << standard << "\n" << ran.output;
        }
      }
    }
  }
  const std::string header = read("model.h");
  EXPECT_HAS(header, "params_extra_a_b_2: ");
  EXPECT_HAS(header, "typedef struct model_params {");
}

// Programs that take nothing, and nothing but numbers.
TEST_F(ShippedFiles, HeadersOfProgramsWithoutInputsCompile) {
  const auto f = jit([] { return tensor({1.f, 2.f}) * 3; });
  aot::save(f, {.name = "none", .out = folder_});
  expect_prints(
      {.text = "#include <stdio.h>\n#include \"none.h\"\nint main(void) { float y[2]; int32_t code = none_typed(y); "
               "printf(\"%d %g\\n\", code, y[1]); return none_run(NULL, NULL, NULL, NULL) != TENON_BAD_CALL; }\n",
       .objects = {"none.o"}},
      "0 6\n");
  expect_prints({.text = "#include <cstdio>\n#include \"none.hpp\"\nint main() { float y[2]; "
                         "tenon::programs::none::run({y, 2}); std::printf(\"%g\\n\", static_cast<double>(y[1])); }\n",
                 .objects = {"none.o"},
                 .compiler = {"c++", "-std=c++17"}},
                "6\n");
}

TEST_F(ShippedFiles, NamesThatAreOthersAreRefused) {
  const auto f = jit([](const Tensor& x) { return x + 1; });
  const auto save = [&](const std::string& name, std::vector<std::string> arguments = {}) {
    aot::save(f, {.name = name, .out = folder_, .arguments = std::move(arguments)}, spec({2}, f32));
  };
  for (const char* name :
       {"printf", "malloc", "read",        "index",  "y0",       "sin",           "exit",        "errno",    "assert",
        "linux",  "NULL",   "INT_MAX",     "size_t", "int32_t",  "and",           "co_await",    "requires", "override",
        "tenon",  "std",    "tenon_alloc", "_A",     "TENON_OK", "f_arena_bytes", "caf\xc3\xa9", "1st",      ""})
    EXPECT_THROW(save(name), Error) << name;
  for (const char* name : {"int", "", "a b", "1", "\xc3\xa9", "class", "NULL"})
    EXPECT_THROW(save("f", {name}), Error) << name;
  EXPECT_THROW(save("f", {"x", "y"}), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  save("f", {"f_run"});
  EXPECT_EQ(
      run_shipped(folder_, {.text = "#include \"f.h\"\nint f_use(void);\nint f_use(void) { return f_typed(0, 0); }\n",
                            .objects = {},
                            .link = false})
          .output,
      "");
}

// Inner names are each object's own.
TEST_F(ShippedFiles, ProgramsWithEachOthersInnerNamesLink) {
  const auto f = jit([](const Tensor& x) { return sum(exp(x) * 2); });
  const auto g = jit([](const Tensor& x) { return x + tensor({1.f, 2.f}); });
  aot::save(f, {.name = "f", .out = folder_, .archive = true}, spec({2}, f32));
  aot::save(g, {.name = "f_kernel_0", .out = folder_, .archive = true}, spec({2}, f32));
  aot::save(g, {.name = "f_constant_0", .out = folder_, .archive = true}, spec({2}, f32));
  const std::string source = R"(#include <stdio.h>
#include "f.h"
#include "f_kernel_0.h"
#include "f_constant_0.h"
int main(void) {
  float x[2] = {0, 0}, y[2], s;
  if (f_typed(x, &s) || f_kernel_0_typed(x, y) || f_constant_0_typed(y, x)) return 1;
  printf("%g %g %g\n", s, x[0], x[1]);
  return 0;
})";
  expect_prints({.text = source, .objects = {"f.o", "f_kernel_0.o", "f_constant_0.o"}}, "4 2 4\n");
  expect_prints({.text = source, .objects = {"f.a", "f_kernel_0.a", "f_constant_0.a"}}, "4 2 4\n");
}

// What a function captured lies beside the code, each content once, and the shipped program has the jitted one's bits.
TEST_F(ShippedFiles, LargeConstantsLieBesideTheCode) {
  const Tensor w = arange(0, 4096).reshape({64, 64}).astype(f32) / 1000, same = w + 0, tiny = tensor({1.f, 2.f});
  const Tensor odd = arange(0, 33).astype(f32);
  const auto f = jit([=](const Tensor& x) {
    const Tensor bias = sum(odd);
    const Tensor y = matmul(x, w);
    return matmul(y, same) * tiny[0] + bias;
  });
  aot::save(f, {.name = "weights", .out = folder_, .archive = true, .arguments = {"x"}}, spec({2, 64}, f32));
  const std::string object = read("weights.o"), manifest = read("weights.json");
  EXPECT_GT(object.size(), 4096u * 4);
  EXPECT_LT(object.size(), 2 * 4096u * 4 + 8192);  // once
  EXPECT_HAS(manifest, "\"offset\": 192, \"bytes\": 16384");
  EXPECT_HAS(manifest, "\"offset\": 0, \"bytes\": 132");
  const Tensor x = ones({2, 64});
  const std::vector<float> expected = f(x).to_vector<float>();
  std::string check = "static const unsigned want[128] = {";
  for (float v : expected) {
    uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    check += std::to_string(bits) + "u, ";
  }
  const std::string source = "#include <string.h>\n#include \"weights.h\"\n" + check + R"(};
int main(void) {
  float x[128], y[128];
  for (int k = 0; k < 128; k++) x[k] = 1;
  if (weights_typed(x, y) != TENON_OK) return 1;
  return memcmp(y, want, sizeof y) != 0;
})";
  for (const char* file : {"weights.o", "weights.a"}) expect_prints({.text = source, .objects = {file}}, "");
  const Ran sections = run_command({"readelf", "-SW", folder_ + "/weights.o"});
  EXPECT_HAS(sections.output, ".rodata.tenon");
}

int32_t fails(const void* const*, void* const*) { return 17; }
int32_t throws(const void* const* inputs, void* const*) {
  if (*static_cast<const float*>(inputs[0]) > 0) throw std::runtime_error("no such solution");
  return 0;
}
constexpr int line_of_custom = __LINE__ + 3;
Tensor solved(const char* name, const Tensor& x) {
  const Tensor like = spec({2}, f32);
  return custom_call({.name = name}, std::span(&x, 1), std::span(&like, 1))[0];
}

TEST_F(ShippedFiles, ACustomCallThatFailsSaysItsName) {
  register_custom_call("ship_test_fails", fails);
  register_custom_call("ship_test_throws", throws);
  const auto f = jit([](const Tensor& x) {
    const Tensor y = solved("ship_test_throws", x);
    return solved("ship_test_fails", y * 2);
  });
  EXPECT_HAS(message_of([&] { f(tensor({-1.f, 0.f})); }), "custom call 'ship_test_fails' failed with code 17");
  EXPECT_HAS(message_of([&] { f(tensor({1.f, 0.f})); }), "custom call 'ship_test_throws' threw: no such solution");
  EXPECT_HAS(message_of([&] { solved("ship_test_throws", ones({2})); }), "threw: no such solution");
  // In a loop's body, after a branch: the number is still the call's own.
  const auto loop = jit([](const Tensor& x) {
    return scan([](const Tensor& c,
                   const Tensor& row) { return std::make_pair(c + solved("ship_test_fails", row), row); },
                x[0], x)
        .first;
  });
  EXPECT_HAS(message_of([&] { loop(ones({3, 2})); }), "custom call 'ship_test_fails' failed with code 17");

  aot::save(f, {.name = "calls", .out = folder_, .arguments = {"x"}}, spec({2}, f32));
  EXPECT_HAS(read("calls.json"), "\"custom_calls\": [\"ship_test_throws\", \"ship_test_fails\"]");
  const std::string functions = R"(
extern "C" int32_t ship_test_fails(const void* const*, void* const*);
extern "C" int32_t ship_test_throws(const void* const*, void* const*);
int32_t ship_test_fails(const void* const*, void* const*) { return 17; }
int32_t ship_test_throws(const void* const* in, void* const*) {
  if (*static_cast<const float*>(in[0]) > 0) throw std::runtime_error("thrown");
  return 0;
}
)";
  expect_prints({.text = "#include <cstdio>\n#include <vector>\n#include \"calls.hpp\"\n" + functions + R"(
int main() {
  std::vector<float> x = {-1, 0}, y(2);
  try { tenon::programs::calls::run(x, y); } catch (const tenon::program::Error& e) { std::printf("%d %s\n", e.code(), e.what()); }
  x[0] = 1;
  try { tenon::programs::calls::run(x, y); } catch (const std::runtime_error& e) { std::printf("%s\n", e.what()); }
  y.resize(3);
  try { tenon::programs::calls::run(x, y); } catch (const tenon::program::Error& e) { std::printf("%d %s\n", e.code(), e.what()); }
  const void* in[1] = {x.data()}; void* out[1] = {y.data()};
  x[0] = -1;
  tenon_error error = {};
  tenon_call call = {};
  call.struct_size = sizeof call; call.inputs = in; call.outputs = out; call.env = tenon_serial_env(); call.error = &error;
  std::vector<char> arena(static_cast<std::size_t>(calls_arena_bytes(nullptr)) + 64);
  call.arena = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(arena.data()) + 63) / 64 * 64);
  const int code = calls(&call);
  std::printf("%d %lld\n", code, static_cast<long long>(error.values[0]));
})",
                 .objects = {"calls.o"},
                 .compiler = {"c++", "-std=c++17", "-Wno-missing-field-initializers"}},
                "2 calls: the custom call 'ship_test_fails' (ship_files_test.cc:" + std::to_string(line_of_custom) +
                    ") failed\nthrown\n-1 calls: out has 8 bytes, not 12\n2 17\n");
}

// Kernels of loops' bodies name the lines of the bodies.
TEST_F(ShippedFiles, BodiesOfLoopsHaveLines) {
  int scan_line = 0, while_line = 0, cond_line = 0;
  const auto f = jit([&](const Tensor& x) {
    const auto step = [&](const Tensor& c, const Tensor& row) {
      scan_line = __LINE__ + 1;
      const Tensor next = c * 0.5f + exp(row);
      return std::make_pair(next, row);
    };
    const auto grow = [&](const Tensor& v) {
      while_line = __LINE__ + 1;
      return v * v + 1;
    };
    const auto turn = [&](const Tensor& v) {
      cond_line = __LINE__ + 1;
      return sin(v);
    };
    const Tensor last = scan(step, x[0], x).first;
    const Tensor grown = while_loop([](const Tensor& v) { return sum(v) < 100; }, grow, last);
    return cond(sum(grown) > 3, turn, [](const Tensor& v) { return v; }, grown);
  });
  const Compiled compiled = f.lower(spec({5, 40}, f32)).compile();
  aot::save(f, {.name = "loops", .out = folder_}, spec({5, 40}, f32));
  const std::string explained = compiled.explain(), manifest = read("loops.json");
  for (const int line : {scan_line, while_line, cond_line}) {
    const std::string place = "ship_files_test.cc:" + std::to_string(line);
    EXPECT_HAS(explained, place);
    EXPECT_HAS(manifest, place);
  }
}

TEST_F(ShippedFiles, TheManifestIsJson) {
  const Dim n = dim("rows", 1, 512);
  const auto f = jit([](const Model& m, const Tensor& x) { return m.extra.begin()->second * sum(x) + m.layers[0].b; });
  aot::save(f, {.name = "told", .out = folder_, .arguments = {"params", "x"}},
            Model{{{spec({3}, f32), spec({3}, f32)}}, {{"q\"\\\n\xff\xc3\xa9", spec({3}, f32)}}}, spec({n, 2}, f16));
  const std::string text = read("told.json");
  for (const char* part :
       {"\"program\": \"told\"", "\"numerics\": ", "\"name\": \"x86-64-v3\"", "\"needs\": \"TENON_CPU_X86_64_V3\"",
        "{\"path\": \"params.layers[0].w\", \"name\": \"params_layers_0_w\", \"dtype\": \"f32\", \"shape\": [3]}",
        "\"dtype\": \"f16\", \"shape\": [\"rows\", 2]",
        "{\"name\": \"rows\", \"parameter\": \"rows\", \"lower\": 1, \"upper\": 512}", "\"arena_bytes\": null",
        "ship_files_test.cc:"})
    EXPECT_HAS(text, part);
  const Ran ran =
      run_command({"python3", "-c",
                   "import json,sys; m = json.load(open(sys.argv[1], encoding='utf-8')); "
                   "print(sorted(m), m['inputs'][2]['path'] == 'params.extra[\"q\"\\\\\\n\\ufffd\\u00e9\"]')",
                   folder_ + "/told.json"});
  if (ran.status != 0) return;  // no Python here
  EXPECT_EQ(ran.output,
            "['arena_bytes', 'checks', 'constants', 'custom_calls', 'extents', 'format', 'inputs', 'kernels', "
            "'not_fused', 'numerics', 'outputs', 'program', 'shared', 'target'] True\n");
}

}  // namespace
}  // namespace tenon::testing
