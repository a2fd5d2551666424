// Devices as a user names them. Refuses to say where a tensor's bytes lie: that is a Buffer's (runtime/buffer.h).
#pragma once

#include <cstdint>
#include <iosfwd>
#include <source_location>
#include <string>

namespace tenon {

enum class Kind : uint8_t { cpu, cuda };
struct Device {
  Kind kind = Kind::cpu;
  int index = 0;
  bool operator==(const Device&) const = default;
};
Device cpu();
Device cuda(int index = 0);  // a name, which is refused where it is used and cannot be
std::ostream& operator<<(std::ostream& out, const Device& device);

// Whether programs run on a GPU in this process; cuda_reason() says in one line why they do not, and what helps, and is empty
// where they do. The driver is loaded by asking.
bool cuda_is_available();
std::string cuda_reason();
int device_count(Kind kind);

// What programs for GPUs of one architecture are saved for, whether or not there is one: aot::save's .target. 90 is sm_90.
std::string cuda_target(int sm, const std::source_location& at = std::source_location::current());

struct DeviceInfo {
  std::string name;
  std::string architecture;  // "x86-64-v4", "sm_90"
  int units = 0;  // cores, multiprocessors
  int64_t memory_bytes = 0;  // of the device
};
// Error for a device that there is not, or that cannot be used.
DeviceInfo device_info(Device device, const std::source_location& at = std::source_location::current());

// Where new tensors lie and programs run; a CPU unless told otherwise. Error for a device that cannot be used.
void set_default_device(Device device, const std::source_location& at = std::source_location::current());
void synchronize();  // waits for all work that was started on devices

// What was found on this machine and where, what does not fit together, and the remedies: some lines of text.
std::string doctor();

}  // namespace tenon
