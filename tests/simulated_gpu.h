// Tenon's own road to a GPU, driven on the simulated one: the driver that the build's rpath finds, the NVRTC and the NCCL that are named here.
// Tests whose names end in _simulated_test are linked so. Refuses to stand in for a GPU that is there: who has one runs the
// report.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <tenon/runtime/tenon_cuda.h>
#include <tenon/tenon.h>

#include <cstdlib>
#include <string>

namespace tenon::testing {

// Before anything asks for CUDA. What the simulated driver does is said by words (tests/cuda/driver/words.h).
inline void use_simulated_gpu(const std::string& words = "") {
  setenv("TENON_NVRTC", TENON_BINARY_DIR "/simulated_cuda/nvrtc/libnvrtc.so.13", 1);
  setenv("TENON_NCCL", TENON_BINARY_DIR "/simulated_cuda/nccl/libnccl.so.2", 1);
  setenv("SIMULATED_CUDA", words.c_str(), 1);
}

// Why nothing runs on it; empty where programs do.
inline std::string no_simulated_gpu() { return cuda_reason(); }

// cuda:0 is the default device while this lives.
class OnGpu {
 public:
  OnGpu() { set_default_device(cuda(0)); }
  ~OnGpu() { set_default_device(cpu()); }
  OnGpu(const OnGpu&) = delete;
  OnGpu& operator=(const OnGpu&) = delete;
};

// What the simulated driver counts and says, as lines name=value.
inline std::string simulated_report() {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  auto* report = driver ? reinterpret_cast<const char* (*)()>(dlsym(driver, "simulated_cuda_report")) : nullptr;
  return report ? report() : "";
}
inline long simulated_count(const std::string& name) {
  const std::string text = "\n" + simulated_report();
  const size_t at = text.find("\n" + name + "=");
  return at == std::string::npos ? -1 : std::atol(text.c_str() + at + name.size() + 2);
}

}  // namespace tenon::testing
