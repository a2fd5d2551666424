// What is missing for CUDA, each with its remedy: on this machine as it is, and with a simulated driver in place of libcuda.so.1.
// The driver is loaded once a process, so each case is a program of its own.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <string>

#include "tenon/tests/child.h"
#include "tenon/tests/files.h"
#include "tenon/tests/temporary_folder.h"

namespace tn = tenon;

namespace {

const std::string folder = tenon::testing::temporary_folder("cuda_loading");

std::string doctor(const std::string& settings) {
  bool succeeded = false;
  const std::string said = tenon::testing::printed_by("env " + settings + " " TENON_BINARY_DIR "/doctor", succeeded);
  EXPECT_TRUE(succeeded) << settings;
  return said;
}
std::string simulated(const std::string& words, const std::string& more = "") {
  return doctor("LD_LIBRARY_PATH=" TENON_BINARY_DIR "/simulated_cuda SIMULATED_CUDA='" + words + "' " + more);
}

void expect_words(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words) EXPECT_NE(text.find(word), std::string::npos) << word << " is not in\n" << text;
}

bool nvrtc_works() { return simulated("").find("NVRTC     13") != std::string::npos; }

// A machine without a driver: an empty file in its place, wherever this runs.
TEST(CudaLoading, NoDriver) {
  tenon::testing::write_file(folder + "/libcuda.so.1", "");
  const std::string text = doctor("LD_LIBRARY_PATH=" + folder);
  expect_words(text, {"driver    no NVIDIA driver is installed: ", "libcuda.so.1", "apt install nvidia-driver",
                      "remedy", "programs run on the CPU; on no CUDA device"});
}

TEST(CudaLoading, WhatTheDriverSaysIsNamedWithARemedy) {
  const struct {
    const char *words, *said, *remedy;
  } cases[] = {
      {"init=34", "toolkit's stub", "stubs"},
      {"init=100", "sees no device", "nvidia-smi"},
      {"devices=0", "sees no device", "--gpus all"},
      {"init=802", "CUDA_ERROR_SYSTEM_NOT_READY (802)", "nvidia-fabricmanager"},
      {"init=803", "different versions", "restart"},
      {"init=804", "compatibility package", "cuda-compat"},
      {"init=999", "CUDA_ERROR_UNKNOWN (999)", "modprobe"},
      {"version=11040", "serves CUDA 11.4 at most", "525"},
  };
  for (const auto& c : cases) {
    const std::string text = simulated(c.words);
    expect_words(text, {"driver    ", c.said, c.remedy, "on no CUDA device"});
  }
  expect_words(simulated("init=100", "CUDA_VISIBLE_DEVICES=7"),
               {"CUDA_VISIBLE_DEVICES being '7'", "unset CUDA_VISIBLE_DEVICES"});
}

TEST(CudaLoading, VersionsThatDoNotFit) {
  if (!nvrtc_works()) GTEST_SKIP() << "NVRTC 13 is not installed";
  expect_words(simulated("version=12040"), {"the driver serves CUDA 12.4, and NVRTC 13", "580"});
  expect_words(simulated("sm=61"), {"(sm_61) is too old", "7.5"});
  expect_words(simulated("sm=199"), {"(sm_199) is not known to NVRTC 13", "newer NVRTC"});
  expect_words(simulated("sm=90 devices=2"), {"serves CUDA 13.0", "cuda:0    Simulated, sm_90, 132 multiprocessors",
                                              "cuda:1", "programs run on the CPU and on CUDA devices"});
}

TEST(CudaLoading, NvrtcThatIsMissingOrIsNone) {
  expect_words(simulated("", "TENON_NVRTC=/nowhere/libnvrtc.so"),
               {"NVRTC     TENON_NVRTC names '/nowhere/libnvrtc.so'", "remedy"});
  expect_words(simulated("", "TENON_NVRTC=libm.so.6"), {"is no NVRTC: it lacks nvrtc"});
}

TEST(CudaLoading, NcclIsNamedOrWhyThereIsNone) {
  const std::string ours = "TENON_NCCL=" TENON_BINARY_DIR "/simulated_cuda/nccl/libnccl.so.2";
  expect_words(simulated("", ours), {"NCCL      2.28.3, ", "libnccl.so.2"});
  expect_words(simulated("", ours + " SIMULATED_NCCL=version=21304"),
               {"is NCCL 2.13.4, and 2.14 is the oldest", "remedy"});
  expect_words(simulated("", "TENON_NCCL=0"), {"NCCL      TENON_NCCL=0 says to do without; ranks on GPUs go through"});
  expect_words(simulated("", "TENON_NCCL=/nowhere/libnccl.so"), {"NCCL      /nowhere/libnccl.so", "install NCCL 2.14"});
  expect_words(simulated("", "TENON_NCCL=libm.so.6"), {"is no NCCL of 2.14 or newer: it lacks nccl"});
}

// In this process: whatever is here, the CPU works on, and errors name place and remedy.
TEST(CudaLoading, DevicesThatCannotBeUsedAreRefusedWithPlaceAndRemedy) {
  const tn::Tensor x = tn::ones({3});
  const auto message = [](auto&& f) -> std::string {
    try {
      f();
    } catch (const tn::Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_FALSE(tn::cuda_is_available());
  EXPECT_FALSE(tn::cuda_reason().empty());
  EXPECT_EQ(tn::cuda_reason().find('\n'), std::string::npos);
  EXPECT_EQ(tn::device_count(tn::Kind::cuda), 0);
  EXPECT_EQ(tn::device_count(tn::Kind::cpu), 1);
  const std::string refused = message([&] { x.to(tn::cuda(0)); });
  expect_words(refused, {"to(): cuda:0 cannot be used: ", "cuda_loading_test.cc:", "doctor"});
  expect_words(message([&] { x.to(tn::cuda(-1)); }), {"there is no device cuda:-1", "cuda_loading_test.cc:"});
  expect_words(message([&] { x.to(tn::cuda(99)); }), {"cuda:99", "cuda_loading_test.cc:"});
  expect_words(message([&] { tn::set_default_device(tn::cuda()); }), {"set_default_device: cuda:0 cannot be used"});
  expect_words(message([&] { tn::device_info(tn::cuda(0)); }), {"device_info: cuda:0 cannot be used"});
  tn::set_default_device(tn::cpu());
  tn::synchronize();
  EXPECT_EQ(x.to(tn::cpu()).device(), tn::cpu());
  EXPECT_EQ(tn::sum(x).item<float>(), 3);
  EXPECT_GT(tn::device_info(tn::cpu()).memory_bytes, 0);
  expect_words(tn::doctor(), {"cpu ", "driver ", "NVRTC "});
}

}  // namespace
