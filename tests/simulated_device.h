// A second device for tests: memory that the host cannot touch, programs that a processor runs through a view of its own. It
// stands in for the kind cuda, so tiles and target are those of a GPU, the code generator is the CPU's.
#pragma once

#include <cstdint>

#include "tenon/runtime/device.h"

namespace tenon::testing {

// Its addresses lie in pages without any access: following one in the host ends the process. A pointer that is none of its
// own, in a copy or a call, is an InternalError. Memory is filled with rubbish before it is handed out and after it comes back.
const runtime::Device& simulated_device();

struct DeviceCounts {
  uint64_t copies_in = 0, copies_out = 0, copies_inside = 0, runs = 0;
  uint64_t bytes_live = 0;
};
DeviceCounts device_counts();
void reset_device_counts();  // but for bytes_live

// The process's device while this lives.
class OnSimulatedDevice {
 public:
  OnSimulatedDevice() : before_(runtime::set_device_for_testing(&simulated_device())) {}
  ~OnSimulatedDevice() { runtime::set_device_for_testing(before_); }
  OnSimulatedDevice(const OnSimulatedDevice&) = delete;
  OnSimulatedDevice& operator=(const OnSimulatedDevice&) = delete;

 private:
  const runtime::Device* before_;
};

}  // namespace tenon::testing
