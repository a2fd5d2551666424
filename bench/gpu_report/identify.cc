// What this report is about: device, driver, compiler, clocks, and whether somebody else is at work there. Changes no setting.
#include "tenon/bench/gpu_report/measure.h"
#include "tenon/runtime/cuda/driver.h"
#include "tenon/runtime/cuda/status.h"

namespace tenon::gpu_report {
namespace {

int attribute(int number) {
  const tenon_cuda_driver* driver = tenon_cuda_get_driver();
  int device = 0, value = 0;
  return driver->device(&device, 0) == 0 && driver->device_attribute(&value, number, device) == 0 ? value : 0;
}

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

}  // namespace

void identify(Recorder& recorder) {
  const auto words = [&](const char* name, const std::function<std::string()>& f, bool shown = true) {
    recorder.row(name, [&] {
      Row r;
      r.words = f();
      r.shown = shown && !r.words.empty();
      return r;
    });
  };
  const runtime::CudaStatus status = runtime::cuda_status();
  // Before this process has work there; its own context may be listed by the time of later sections.
  words("other processes", [] {
    std::string text = printed_by({"nvidia-smi", "--query-compute-apps=pid,name", "--format=csv,noheader"}, 10).text;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.empty() ? "" : "the device is shared, figures are disturbed: " + text;
  });
  words("device", [] {
    const DeviceInfo d = device_info(cuda(0));
    return d.name + ", " + d.architecture + ", " + std::to_string(d.units) + " multiprocessors, " +
           std::to_string(d.memory_bytes >> 20) + " MiB, L2 " + std::to_string(cache_bytes() >> 20) + " MiB";
  });
  words("driver", [&] { return "serves CUDA " + version(status.driver_version); });
  words("NVRTC", [&] { return status.nvrtc.version(); });
  words("clocks", [] {  // as the driver states the highest; in kHz
    constexpr int clock_rate = 13, memory_clock_rate = 36;  // CU_DEVICE_ATTRIBUTE_...
    std::string text;
    if (const int rate = attribute(clock_rate)) text += "at most " + std::to_string(rate / 1000) + " MHz";
    if (const int rate = attribute(memory_clock_rate)) text += ", memory " + std::to_string(rate / 1000) + " MHz";
    return text;
  });
  words("nvidia-smi before", [] { return clocks(); });  // driver, sm, memory, highest sm, power, temperature
  words("doctor", [] { return doctor(); }, false);
}

}  // namespace tenon::gpu_report
