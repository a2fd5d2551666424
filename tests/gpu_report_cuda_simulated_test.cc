// ./dev gpu-report on the simulated GPU, in its quick form: every section measures and nothing is wrong; what was measured is not
// measured again; a device that fails costs rows and no more; without a driver it says why. Figures mean nothing here.
#include <filesystem>

#include "tenon/tests/child.h"
#include "tenon/tests/files.h"
#include "tenon/tests/simulated_gpu.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

constexpr const char* section_names[] = {"identify", "ceilings", "correctness", "elementwise", "rows",
                                         "products", "models",   "latency",     "peers"};

class GpuReportCudaSimulated : public ::testing::Test {
 protected:
  void SetUp() override { folder_ = temporary_folder("gpu-report"); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The report is a program of its own, which this test's path to the driver does not reach.
  int run(const std::string& arguments, const std::string& words = "") {
    const std::string simulated = "LD_LIBRARY_PATH=" TENON_BINARY_DIR "/simulated_cuda SIMULATED_CUDA='" + words +
                                  "' TENON_NVRTC=" TENON_BINARY_DIR "/simulated_cuda/nvrtc/libnvrtc.so.13";
    return ended("env " + simulated + " " TENON_BINARY_DIR "/gpu_report --quick --commit test " + arguments);
  }
  // The exit code; said_ is what was printed.
  int ended(const std::string& command) {
    bool succeeded = false;
    said_ = printed_by(command + " 2>&1; echo \"exit code $?\"", succeeded);
    const size_t at = said_.rfind("exit code ");
    return at == std::string::npos ? -1 : std::atoi(said_.c_str() + at + 10);
  }
  bool says(const std::string& words) const { return said_.find(words) != std::string::npos; }
  std::string out() const { return "--out " + folder_ + "/report"; }
  std::string file(const std::string& name) const { return folder_ + "/report/" + name; }

  std::string folder_, said_;
};

TEST_F(GpuReportCudaSimulated, EverySectionIsThereAndNothingIsWrong) {
  use_simulated_gpu();
  if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  ASSERT_EQ(run(out()), 0) << said_;
  for (const std::string name : section_names) EXPECT_TRUE(std::filesystem::exists(file(name + ".json"))) << name;
  for (const char* word : {"WRONG", "FAILED", "MISSING"}) EXPECT_FALSE(says(word)) << said_;
  const std::string report = read_file(file("report.md"));
  for (const char* words : {"Simulated, sm_90", "Tenon test on", "checks give the CPU's bits"})
    EXPECT_NE(report.find(words), std::string::npos) << report;
  const size_t table = said_.find("Tenon test on");
  ASSERT_NE(table, std::string::npos);
  EXPECT_LE(std::count(said_.begin() + static_cast<std::ptrdiff_t>(table), said_.end(), '\n'), 61) << said_;

  ASSERT_EQ(run(out()), 0) << said_;  // again: all is there
  for (const std::string name : section_names) EXPECT_TRUE(says(name + ": is there, skipped")) << said_;

  // A wrong result stands first, and in the exit code; another commit's figures are nobody's.
  std::string kept = read_file(file("correctness.json"));
  const size_t row = kept.find("{\"name\"");
  ASSERT_NE(row, std::string::npos) << kept;
  write_file(file("correctness.json"), kept.insert(row + 1, "\"failed\": \"planted\", \"wrong\": true, "));
  EXPECT_EQ(run(out()), 3) << said_;
  EXPECT_TRUE(says("\nWRONG: 1 results")) << said_;
  EXPECT_TRUE(says("WRONG: planted")) << said_;
  EXPECT_EQ(run(out() + " --commit other --budget 0.5"), 0) << said_;
  EXPECT_TRUE(says("MISSING")) << said_;
  EXPECT_FALSE(says("skipped")) << said_;
}

TEST_F(GpuReportCudaSimulated, ALostDeviceCostsItsRow) {
  use_simulated_gpu();
  if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  // In each process the 12th launch breaks the device: what runs before and after it is measured all the same.
  EXPECT_EQ(run(out() + " --budget 200", "sticky=cuLaunchKernel:12:700"), 3) << said_;
  EXPECT_TRUE(says("WRONG")) << said_;
  EXPECT_TRUE(says("failed: ")) << said_;
  EXPECT_TRUE(std::filesystem::exists(file("identify.json")));
  EXPECT_TRUE(std::filesystem::exists(file("ceilings.json"))) << said_;
}

TEST_F(GpuReportCudaSimulated, WithoutADriverItSaysWhy) {
  // An empty file stands in the driver's place, wherever this runs.
  write_file(folder_ + "/libcuda.so.1", "");
  EXPECT_EQ(ended("env LD_LIBRARY_PATH=" + folder_ + " " TENON_BINARY_DIR "/gpu_report --quick " + out()), 1) << said_;
  EXPECT_TRUE(says("there is no GPU to report on: no NVIDIA driver is installed")) << said_;
  EXPECT_TRUE(says("remedy: ")) << said_;
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/report"));
  EXPECT_EQ(ended(TENON_BINARY_DIR "/gpu_report --quack"), 2) << said_;
  EXPECT_TRUE(says("usage: ")) << said_;
}

}  // namespace
}  // namespace tenon::testing
