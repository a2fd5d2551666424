// What this machine has for CUDA, and what is missing: driver, devices and NVRTC, looked for when somebody first asks, by loading
// them; nothing of CUDA is linked. Refuses to run anything on a device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/codegen/codegen.h"

namespace tenon::runtime {

struct CudaDevice {
  std::string name;
  int sm = 0;  // compute capability: 90 for 9.0
  int multiprocessors = 0;
  uint64_t memory_bytes = 0;
};

// A fault and what one does about it, one line each; both empty where nothing is wrong.
struct Fault {
  std::string what, remedy;
  explicit operator bool() const { return !what.empty(); }
};

struct CudaStatus {
  std::string driver_path;  // empty: no driver is loaded
  int driver_version = 0;  // the newest CUDA that it serves: 13000 for 13.0
  std::vector<CudaDevice> devices;  // that the driver shows, in its order
  codegen::NvrtcInfo nvrtc;
  Fault driver_fault, nvrtc_fault, fit;  // fit: parts that are there and do not go together
  std::vector<Fault> device_faults;  // one for each device
};

// Asked once a process; a forked child of a process that has used the driver is told that it cannot.
CudaStatus cuda_status();

// Why programs do not run on a GPU, as "what; remedy", one line; empty where they do. NVRTC is asked where the driver is well.
std::string cuda_reason();
// All of it as text, a line or two for each part, the remedy below what is wrong.
std::string cuda_report(const CudaStatus& status);

}  // namespace tenon::runtime
