// Cases for devices: what each gives as text on one device it must give on every other. Refuses to know devices.
#pragma once

#include <tenon/tenon.h>

#include <functional>
#include <string>
#include <vector>

namespace tenon::testing {

// Runs a function here and there, and compares.
using Same = std::function<void(const std::function<std::string()>&)>;

struct DeviceCase {
  const char* name;
  void (*check)(const Same& same);
};
const std::vector<DeviceCase>& device_battery();

}  // namespace tenon::testing
