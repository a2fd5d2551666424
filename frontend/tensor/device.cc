// What is known of devices, in a user's words. What CUDA lacks is said by the runtime, which alone knows its parts.
#include "tenon/frontend/tensor/device.h"

#include <unistd.h>

#include <ostream>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/refuse_device.h"
#include "tenon/runtime/cuda/status.h"
#include "tenon/runtime/device.h"
#include "tenon/runtime/targets.h"

namespace tenon {

Device cpu() { return {}; }
Device cuda(int index) { return {Kind::cuda, index}; }

std::ostream& operator<<(std::ostream& out, const Device& device) {
  out << (device.kind == Kind::cpu ? "cpu" : "cuda");
  if (device.kind != Kind::cpu) out << ':' << std::to_string(device.index);  // in no locale
  return out;
}

bool cuda_is_available() { return cuda_reason().empty(); }
std::string cuda_reason() { return runtime::cuda_reason(); }

int device_count(Kind kind) {
  if (kind == Kind::cpu) return 1;
  return cuda_is_available() ? static_cast<int>(runtime::cuda_status().devices.size()) : 0;
}

void refuse_device(const char* what, Device device, const Location& at) {
  const std::string name = (device.kind == Kind::cpu ? "cpu:" : "cuda:") + std::to_string(device.index);
  const auto fail = [&](const std::string& why) { throw Error(std::string(what) + ": " + why, at); };
  if (device.index < 0) fail("there is no device " + name + ": devices are numbered from 0");
  if (device.kind == Kind::cpu) {
    if (device.index > 0) fail("there is no device " + name + ": the CPU is one device, tn::cpu()");
    return;
  }
  try {
    runtime::device_of(TargetKind::cuda, device.index);
  } catch (const Error& e) {
    fail(e.message());
  }
}

DeviceInfo device_info(Device device, const std::source_location& at) {
  refuse_device("device_info", device, place(at));
  if (device.kind == Kind::cuda) {
    const runtime::CudaDevice d = runtime::cuda_status().devices.at(static_cast<size_t>(device.index));
    return {d.name, "sm_" + std::to_string(d.sm), d.multiprocessors, static_cast<int64_t>(d.memory_bytes)};
  }
  const runtime::Device& processor = runtime::device_of(TargetKind::cpu);
  const Target& host = processor.target(processor);
  const int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  return {"cpu", host.cpu().cpu, host.cores, pages > 0 && page > 0 ? pages * page : 0};
}

std::string cuda_target(int sm, const std::source_location& at) try {
  return runtime::cuda_target_name(sm);
} catch (const Error& e) {
  throw Error(e.message(), place(at));
}

void set_default_device(Device device, const std::source_location& at) {
  refuse_device("set_default_device", device, place(at));
  const TargetKind kind = device.kind == Kind::cpu ? TargetKind::cpu : TargetKind::cuda;
  runtime::set_current_device(runtime::device_of(kind, device.index));
}

void synchronize() { runtime::synchronize_all(); }

std::string doctor() {
  const runtime::CudaStatus status = runtime::cuda_status();
  const DeviceInfo host = device_info(cpu());
  const std::string reason = runtime::cuda_reason();
  return "cpu       " + host.architecture + ", " + std::to_string(host.units) + " cores, " +
         std::to_string(host.memory_bytes >> 20) + " MiB; code by " + runtime::device_of(TargetKind::cpu).compiler() +
         "\n" + runtime::cuda_report(status) +
         (reason.empty() ? "programs run on the CPU and on CUDA devices\n"
                         : "programs run on the CPU; on no CUDA device: " + reason + "\n");
}

}  // namespace tenon
