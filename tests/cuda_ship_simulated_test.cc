// Programs saved for GPUs: somebody else's C program loads one with the driver and the small runtime alone, and gets the CPU's bits.
// What is saved needs no GPU; what cannot be loaded says why.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/tests/shipped.h"
#include "tenon/tests/simulated_gpu.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

struct Model {
  Tensor weight, bias;
};

class CudaShipSimulated : public ::testing::Test {
 protected:
  void SetUp() override {
    use_simulated_gpu();
    if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
    const Tensor table = normal(key(7), {40, 8});  // above 64 bytes: beside the code
    function_ = [table](const Model& m, const Tensor& x) {
      return softmax(matmul(matmul(x, table), m.weight) + m.bias);
    };
    folder_ = temporary_folder("cuda-ship");
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  void save(const Dim& rows) {
    const auto f = jit(function_);
    aot::save(f, {.name = "classify", .out = folder_, .target = cuda_target(90), .arguments = {"model", "x"}},
              Model{spec({8, 5}, f32), spec({5}, f32)}, spec({Extent(rows), 40}, f32));
  }
  std::string read(const char* ending) const {
    std::ostringstream text;
    text << std::ifstream(folder_ + "/classify" + ending, std::ios::binary).rdbuf();
    return text.str();
  }
  // The program of a user, whose main does `body`.
  Ran run(const std::string& body, const std::string& words = "") {
    setenv("SIMULATED_CUDA", words.c_str(), 1);
    return run_shipped(
        folder_,
        {.text = "#include <stdio.h>\n#include \"classify.h\"\n"
                 "static tenon_cuda_fault fault;\n"
                 "static int failed(int code) { printf(\"%d %s\\n\", code, fault.text); return 1; }\n"
                 "static void* put(tenon_cuda_device* d, const void* from, uint64_t bytes) {\n"
                 "  void* at = NULL;\n"
                 "  if (tenon_cuda_allocate(d, bytes, &at, &fault) != 0) return NULL;\n"
                 "  return tenon_cuda_copy_in(d, at, from, bytes, &fault) == 0 ? at : NULL;\n}\n"
                 "int main(void) {\n  (void)put;\n  tenon_cuda_device* device;\n  tenon_cuda_program* program;\n"
                 "  int code = tenon_cuda_open(0, &device, &fault);\n"
                 "  if (code != 0) return failed(code);\n"
                 "  code = classify_load(device, &program, &fault);\n"
                 "  if (code != 0) return failed(code);\n" +
                 body + "  return 0;\n}\n",
         .objects = {"classify.o"},
         .compiler = {"cc", "-std=c11", "-Wl,-rpath," TENON_BINARY_DIR "/simulated_cuda"}});
  }
  std::function<Tensor(const Model&, const Tensor&)> function_;
  std::string folder_;
};

std::string listed(const Tensor& t) {
  std::string text;
  char number[40];
  for (const float v : t.to_vector<float>()) {
    std::snprintf(number, sizeof number, "%a\n", static_cast<double>(v));
    text += number;
  }
  return text;
}

std::string array_of(const Tensor& t, const std::string& name) {
  std::string text = "  static const float " + name + "[] = {";
  char number[40];
  for (const float v : t.to_vector<float>()) {
    std::snprintf(number, sizeof number, "%af, ", static_cast<double>(v));
    text += number;
  }
  return text + "0};\n";
}

TEST_F(CudaShipSimulated, ACProgramGetsTheBitsOfTheCpu) {
  for (const bool free : {false, true}) {
    save(free ? dim("rows", 1, 100) : Dim(6));
    const Model m{normal(key(1), {8, 5}), normal(key(2), {5})};
    const Tensor x = normal(key(3), {6, 40});
    const Ran ran = run(array_of(m.weight, "weight") + array_of(m.bias, "bias") + array_of(x, "x") +
                        "  const classify_model model = {put(device, weight, 160), put(device, bias, 20)};\n"
                        "  float out[30];\n  void* result = NULL;\n"
                        "  tenon_cuda_allocate(device, sizeof out, &result, &fault);\n"
                        "  const float* images = put(device, x, 960);\n"
                        "  for (int i = 0; i < 3; ++i) {\n"
                        "    code = classify_typed(program, &model, images, result" +
                        std::string(free ? ", 6" : "") +
                        ", &fault);\n    if (code != 0) return failed(code);\n  }\n"
                        "  code = tenon_cuda_copy_out(device, out, result, sizeof out, &fault);\n"
                        "  if (code != 0) return failed(code);\n"
                        "  for (int i = 0; i < 30; ++i) printf(\"%a\\n\", out[i]);\n"
                        "  tenon_cuda_unload(program);\n");
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_EQ(ran.output, listed(function_(m, x)));
  }
}

TEST_F(CudaShipSimulated, TheFilesSayWhatTheyAre) {
  save(Dim(6));
  for (const char* ending : {".bundle", ".o", ".h", ".json"}) EXPECT_FALSE(read(ending).empty()) << ending;
  EXPECT_NE(read(".json").find("\"sm_90\""), std::string::npos) << read(".json");
  EXPECT_NE(read(".h").find("16 bytes"), std::string::npos);
  const std::string first = read(".bundle");
  save(Dim(6));
  EXPECT_EQ(read(".bundle"), first) << "the same program gives the same bytes";
}

TEST_F(CudaShipSimulated, WhatCannotRunSaysWhy) {
  save(Dim(6));
  const auto expect = [&](const std::string& words, const char* what) {
    const Ran ran = run("", words);
    EXPECT_EQ(ran.status, 1) << words << ": " << ran.output;
    EXPECT_NE(ran.output.find(what), std::string::npos) << words << ": " << ran.output;
  };
  expect("sm=80", "cuda_target(80)");
  expect("sm=100", "cuda_target(100)");
  expect("init=100", "no such device");
  expect("devices=0", "the driver shows 0");
  expect("fail=cuModuleLoadData:1:200", "damaged");
  expect("fail=cuMemAllocAsync:0:2", "out of memory");
  EXPECT_THROW(cuda_target(61), Error);
  EXPECT_THROW(cuda_target(-1), Error);
}

// Every word of a bundle set to extremes, and every length: refused or run, never a crash.
TEST_F(CudaShipSimulated, ADamagedBundleIsRefused) {
  save(dim("rows", 1, 100));
  const std::string whole = read(".bundle");
  tenon_cuda_device* device = nullptr;
  tenon_cuda_fault fault;
  ASSERT_EQ(tenon_cuda_open(0, &device, &fault), TENON_OK) << fault.text;
  const auto load = [&](const std::string& bytes) {
    tenon_cuda_program* program = nullptr;
    const int32_t code =
        tenon_cuda_load_bundle(device, "damaged", bytes.data(), bytes.size(), nullptr, nullptr, &program, &fault);
    if (code == TENON_OK) tenon_cuda_unload(program);
    return code;
  };
  EXPECT_EQ(load(whole), TENON_OK) << fault.text;
  const size_t list = 8 * 8;  // behind the head and the size of one module
  const auto signed_anew = [](std::string bytes) {
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t at = 48; at < bytes.size(); at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, std::min<size_t>(8, bytes.size() - at));
      sum = (sum ^ word) * 0x100000001b3u;
    }
    std::memcpy(bytes.data() + 40, &sum, 8);
    return bytes;
  };
  ASSERT_EQ(signed_anew(whole), whole);
  for (size_t length = 0; length < std::min<size_t>(whole.size(), 3000); length += 7)
    EXPECT_NE(load(length < 48 ? whole.substr(0, length) : signed_anew(whole.substr(0, length))), TENON_OK) << length;
  size_t refused = 0, tried = 0;
  for (size_t at = 0; at < std::min<size_t>(whole.size() - 8, list + 2600); at += 8)
    for (const int64_t value : {int64_t{-1}, int64_t{0}, INT64_MAX, INT64_MIN, int64_t{1} << 33}) {
      std::string bytes = whole;
      std::memcpy(bytes.data() + at, &value, 8);
      ++tried;
      EXPECT_EQ(load(bytes) == TENON_OK, bytes == whole) << at;
      refused += load(at < 48 ? bytes : signed_anew(bytes)) != TENON_OK;
    }
  EXPECT_GT(refused, tried / 4);
}

}  // namespace
}  // namespace tenon::testing
