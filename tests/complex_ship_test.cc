// Complex tensors beyond the process: files of two formats, and saved programs that C calls with pairs of numbers.
#include <filesystem>

#include "tenon/tests/complex_values.h"
#include "tenon/tests/shipped.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

class ComplexShipped : public ::testing::Test {
 protected:
  ComplexShipped() : folder_(temporary_folder("complex_ship")) {}
  ~ComplexShipped() override { std::filesystem::remove_all(folder_); }
  const std::string folder_;
};

struct Both {
  Tensor narrow, wide;
};

TEST_F(ComplexShipped, FilesKeepThem) {
  const Both z{drawn({3, 5}, 81, c64), drawn({4}, 82, c128)};
  const auto expect_both = [&](const Tensor& narrow, const Tensor& wide, const char* what) {
    EXPECT_EQ(narrow.dtype(), c64) << what;
    EXPECT_EQ(wide.dtype(), c128) << what;
    EXPECT_EQ(numbers(narrow), numbers(z.narrow)) << what;
    EXPECT_EQ(numbers(wide), numbers(z.wide)) << what;
  };
  const std::string tensors = folder_ + "/z.safetensors";
  for (const Tensor& t : {z.narrow, z.wide}) {
    save_npy(folder_ + "/z.npy", t);
    const Tensor back = load_npy(folder_ + "/z.npy");
    EXPECT_EQ(back.dtype(), t.dtype());
    EXPECT_EQ(numbers(back), numbers(t));
  }
  save(tensors, z);
  auto read = load_safetensors(tensors);
  expect_both(read.at("narrow"), read.at("wide"), "safetensors");
  const Both tree = load(tensors, z);
  expect_both(tree.narrow, tree.wide, "a tree");
}

// A transform with its table inside, of numbers that lie in pairs: the second of eight is 1/2, so that its spectrum, twice that, turns
// by an eighth each time.
void save_step(const std::string& folder) {
  const auto step = jit([](const Both& z) { return std::pair(fft::fft(z.narrow * 2), abs(z.wide)); });
  aot::save(step, {.name = "step", .out = folder, .arguments = {"z"}}, Both{spec({8}, c64), spec({2}, c128)});
}
constexpr const char* expected =
    "1.0000 0.0000 0.7071 -0.7071 0.0000 -1.0000 -0.7071 -0.7071 -1.0000 0.0000 -0.7071 0.7071 0.0000 1.0000 0.7071 "
    "0.7071 5.0 2.0\n";

TEST_F(ComplexShipped, CCallsThemWithPairs) {
  save_step(folder_);
  const Ran ran = run_shipped(folder_, {.text = R"(
#include <stdio.h>
#include "step.h"
int main(void) {
  static float x[16], y[16];
  static double wide[4] = {3, 4, 0, -2}, size[2];
  const void* inputs[2];
  void* outputs[2];
  x[2] = 0.5f;
  inputs[0] = x; inputs[1] = wide; outputs[0] = y; outputs[1] = size;
  if (step_run(inputs, outputs, NULL, NULL) != TENON_OK) printf("refused ");
  for (int k = 0; k < 16; k++) printf("%.4f ", (double)(y[k] + 0.0f));
  printf("%.1f %.1f\n", size[0], size[1]);
  return 0;
}
)",
                                        .objects = {"step.o"}});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.output, expected);
}

TEST_F(ComplexShipped, CppCallsThemAsItsOwn) {
  save_step(folder_);
  const Ran ran = run_shipped(folder_, {.text = R"(
#include <cstdio>
#include <vector>
#include "step.hpp"
int main() {
  std::vector<std::complex<float>> x(8), y(8);
  std::vector<std::complex<double>> wide = {{3, 4}, {0, -2}};
  std::vector<double> size(2);
  x[1] = 0.5f;
  tenon::programs::step::run({x, wide}, {y, size});
  for (auto v : y) std::printf("%.4f %.4f ", double(v.real() + 0), double(v.imag() + 0));
  std::printf("%.1f %.1f\n", size[0], size[1]);
}
)",
                                        .objects = {"step.o"},
                                        .compiler = {"c++", "-std=c++17"}});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.output, expected);
}

}  // namespace
}  // namespace tenon::testing
