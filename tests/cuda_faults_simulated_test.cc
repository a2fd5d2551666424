// What can go wrong with a GPU, one fault at a time in a process of its own: each is a tn::Error that says what helps, with the line of
// the call that failed where one did, and the CPU works on in the same process. What can be mended is mended without a word.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <thread>

#include "tenon/tests/child.h"
#include "tenon/tests/simulated_gpu.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

// Enough work for every function of the driver that running takes: copies, eager ops, a program of several kernels that becomes a
// graph and changes.
float work_on(Device device) {
  const auto step = jit([](const Tensor& a, const Tensor& b) {
    const Tensor p = softmax(matmul(a, b));
    return sum(matmul(p, b) * p);
  });
  const Tensor x = normal(key(1), {24, 24}).to(device), y = normal(key(2), {24, 24}).to(device);
  Tensor total = sum(x * y);
  for (int i = 0; i < 3; ++i) total = total + step(x + i, y);
  synchronize();
  return total.to(cpu()).item<float>();
}

// The text that a function gives in a child.
std::string in_own_process(const std::function<std::string()>& f) {
  std::string said;
  in_child(
      [&] {
        std::cerr << f() << std::flush;
        return 0;
      },
      &said);
  return said;
}

// What the work says in a child, the driver being as `words` say: its number, or the error; then whether the CPU still works.
std::string said_with(const std::string& words, const std::string& nvrtc = "") {
  return in_own_process([&] {
    use_simulated_gpu(words);
    if (!nvrtc.empty()) setenv("TENON_NVRTC", nvrtc.c_str(), 1);
    std::string text;
    try {
      text = "result " + std::to_string(work_on(cuda(0)));
    } catch (const Error& e) {
      text = std::string("Error ") + e.what();
    } catch (const std::exception& e) {
      text = std::string("another exception: ") + e.what();
    }
    const Tensor here = sum(normal(key(3), {50, 50}));
    return text + "\n" + (std::isfinite(here.item<float>()) ? "the CPU works" : "");
  });
}

struct Kind {
  const char* name;
  const char* words;
  const char* what;  // of the error
  const char* remedy;
};

const Kind kinds[] = {
    {"stub", "init=34", "stub", "LD_LIBRARY_PATH"},
    {"no device", "init=100", "no device", "nvidia-smi"},
    {"driver broken", "init=999", "does not start", "modprobe"},
    {"fabric", "init=802", "fabric", "fabricmanager"},
    {"module of the kernel", "init=803", "different versions", "restart"},
    {"compatibility package", "init=804", "compatibility", "cuda-compat"},
    {"old driver", "version=11080", "11.8", "update the driver"},
    {"driver below NVRTC", "version=12040", "CUDA 13", "580"},
    {"old device", "sm=61", "too old", "7.5"},
    {"new device", "sm=130", "not known", "newer NVRTC"},
    {"no devices", "devices=0", "no device", "nvidia-smi"},
    {"context", "fail=cuDevicePrimaryCtxRetain:0:2", "context", "drop tensors"},
    {"exclusive mode", "fail=cuDevicePrimaryCtxRetain:0:46", "not available", "exclusive"},
    {"stream", "fail=cuStreamCreate:0:999", "stream", "Xid"},
    {"pinned memory", "fail=cuMemHostAlloc:0:2", "pinned", "drop tensors"},
    {"no memory at all", "fail=cuMemAllocAsync:0:2", "out of memory", "smaller batches"},
    {"copy to the device", "fail=cuMemcpyHtoDAsync:2:999", "copied to it", "Xid"},
    {"copy to the host", "fail=cuMemcpyDtoHAsync:1:214", "ECC", "memory error"},
    {"damaged cubin", "fail=cuModuleLoadData:0:200", "damaged", "cache"},
    {"architecture", "fail=cuModuleLoadData:0:209", "another architecture", "cuda_target"},
    {"newer than the driver", "fail=cuModuleLoadData:0:222", "newer", "update the driver"},
    {"no room for code", "fail=cuModuleLoadData:0:2", "out of memory", "drop"},
    {"kernel missing", "fail=cuModuleGetFunction:0:500", "lacks a kernel", "cache"},
    {"too many resources", "fail=cuLaunchKernel:2:701", "registers or shared memory", "TENON_CUDA_BLOCKING"},
    {"launch refused", "fail=cuLaunchKernel:1:1", "invalid", "report"},
    {"address", "sticky=cuLaunchKernel:1:700", "memory that is not there", "TENON_CUDA_BLOCKING"},
    {"alignment", "sticky=cuLaunchKernel:2:716", "not aligned", "TENON_CUDA_BLOCKING"},
    {"kernel failed", "sticky=cuLaunchKernel:1:719", "failed while it ran", "the CPU does"},
    {"time", "sticky=cuLaunchKernel:1:702", "too long", "display"},
    {"instruction", "sticky=cuLaunchKernel:1:715", "instruction", "TENON_CUDA_BLOCKING"},
    {"memory cell", "sticky=cuLaunchKernel:1:214", "ECC", "nvidia-smi"},
    {"graph failed", "sticky=cuGraphLaunch:1:700", "memory that is not there", "the CPU does"},
    {"graph refused", "fail=cuGraphLaunch:1:999", "graph", "Xid"},
    {"waiting", "fail=cuStreamSynchronize:1:719", "waited for", "TENON_CUDA_BLOCKING"},
    {"end of a call", "fail=cuStreamWriteValue32:1:999", "queued", "Xid"},
};

class CudaFaultsSimulated : public ::testing::Test {
 protected:
  void SetUp() override {
    use_simulated_gpu();
    // In a child, so that this process never starts the driver.
    const std::string said = said_with("");
    if (said.find("cannot be used") != std::string::npos) GTEST_SKIP() << said;
    ASSERT_NE(said.find(expected_), std::string::npos) << said;
  }
  const std::string expected_ = "result " + std::to_string(work_on(cpu()));
};

TEST_F(CudaFaultsSimulated, EveryKindIsAnErrorWithItsRemedy) {
  for (const Kind& k : kinds) {
    const std::string said = said_with(k.words);
    EXPECT_TRUE(said.starts_with("Error ")) << k.name << ": " << said;
    EXPECT_NE(said.find(k.what), std::string::npos) << k.name << ": " << said;
    EXPECT_NE(said.find(k.remedy), std::string::npos) << k.name << ": " << said;
    EXPECT_NE(said.find("the CPU works"), std::string::npos) << k.name << ": " << said;
  }
  for (const char* nvrtc : {"/no/such/libnvrtc.so", TENON_SOURCE_DIR "/README.md"}) {
    const std::string said = said_with("", nvrtc);
    EXPECT_NE(said.find("TENON_NVRTC"), std::string::npos) << said;
    EXPECT_NE(said.find("the CPU works"), std::string::npos) << said;
  }
}

TEST_F(CudaFaultsSimulated, WhatCanBeMendedIsMended) {
  for (const char* words :
       {"fail=cuMemAllocAsync:1:2", "fail=cuMemAllocAsync:4:2",  // what is kept is given up
        "fail=cuGraphInstantiateWithFlags:0:801", "fail=cuGraphAddKernelNode:2:2",  // one by one
        "fail=cuGraphExecKernelNodeSetParams:1:910",  // a new graph
        "fail=cuDeviceGetDefaultMemPool:0:801", "fail=cuMemPoolSetAttribute:0:1", "order=random seed=3", "late=0"}) {
    const std::string said = said_with(words);
    EXPECT_NE(said.find(expected_), std::string::npos) << words << ": " << said;
  }
}

TEST_F(CudaFaultsSimulated, AFailureNamesTheLineOfTheCallThatFailed) {
  const std::string said = in_own_process([]() -> std::string {
    use_simulated_gpu("sticky=cuLaunchKernel:2:700");
    const Tensor x = copy_from(std::vector<float>(8, 1.f).data(), {8}, f32).to(cuda(0));
    const Tensor a = exp(x);
    const Tensor b = sin(x);  // this one
    const int line = __LINE__ - 1;
    const Tensor c = cos(x);
    try {
      c.item<float>();
    } catch (...) {
    }
    try {
      synchronize();
      return "no error";
    } catch (const Error& e) {
      const std::string text = e.what();
      const std::string place = "cuda_faults_simulated_test.cc:" + std::to_string(line);
      return text.find(place) != std::string::npos && text.find("'sin'") != std::string::npos ? "named" : text;
    }
  });
  EXPECT_EQ(said, "named");
}

TEST_F(CudaFaultsSimulated, AForkedChildIsToldSo) {
  const std::string said = in_own_process([]() -> std::string {
    use_simulated_gpu();
    const Tensor x = normal(key(1), {4}).to(cuda(0));
    synchronize();
    return in_own_process([&] {
      std::string text = "no error";
      try {
        (x + 1).to(cpu());
      } catch (const Error& e) {
        text = e.what();
      }
      synchronize();  // waits for nothing here
      return text + (std::isfinite(sum(normal(key(1), {4})).item<float>()) ? " the CPU works" : "");
    });
  });
  EXPECT_NE(said.find("forked"), std::string::npos) << said;
  EXPECT_NE(said.find("exec"), std::string::npos) << said;
  EXPECT_NE(said.find("the CPU works"), std::string::npos) << said;
}

// Modules are compiled on threads of their own; a fork meanwhile waits for them, and they for nothing.
TEST_F(CudaFaultsSimulated, ForksWhileModulesAreCompiled) {
  const std::string said = in_own_process([]() -> std::string {
    use_simulated_gpu();
    setenv("TENON_CACHE", "0", 1);
    if (!cuda_is_available()) return "done";
    std::atomic<bool> compiled{false};
    std::thread other([&] {
      while (!compiled) {
        const pid_t child = fork();
        if (child == 0) _exit(0);
        int status = 0;
        waitpid(child, &status, 0);
      }
    });
    const auto g = jit([](const Tensor& a) {
      std::vector<Tensor> all;
      for (int i = 1; i < 7; ++i) all.push_back(matmul(a, transpose(a, {1, 0}) * i));
      return all;
    });
    g(normal(key(1), {32, 48}).to(cuda(0)));
    compiled = true;
    other.join();
    return "done";
  });
  EXPECT_EQ(said, "done");
}

TEST_F(CudaFaultsSimulated, ADamagedEntryOfTheCacheIsCompiledAnew) {
  const std::string folder = temporary_folder("cuda-cache");
  const auto run = [&](const std::string& words) {
    return in_own_process([&] {
      setenv("TENON_CACHE_DIR", folder.c_str(), 1);
      use_simulated_gpu(words);
      const std::string result = std::to_string(work_on(cuda(0)));
      return result + " " + std::to_string(simulated_count("calls.cuModuleLoadData"));
    });
  };
  const std::string first = run("");
  EXPECT_EQ(run(""), first) << "from the cache";
  // The driver refuses the first module, which comes from the cache: it is loaded once more.
  const std::string mended = run("fail=cuModuleLoadData:1:200");
  EXPECT_EQ(mended.substr(0, mended.rfind(' ')), first.substr(0, first.rfind(' ')));
  EXPECT_NE(mended, first);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tenon::testing
