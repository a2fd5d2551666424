// Names of errors, addresses of functions, and what tests ask the simulated driver for: simulated_cuda_report, _reset, _hold and _leaks.
#include <dlfcn.h>

#include <cstring>

#include "tenon/tests/cuda/driver/module.h"

using namespace simulated;

namespace {

const struct {
  int code;
  const char *name, *text;
} errors[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {4, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {34, "CUDA_ERROR_STUB_LIBRARY", "a stub library is loaded"},
    {100, "CUDA_ERROR_NO_DEVICE", "no device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image for the device"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {401, "CUDA_ERROR_ILLEGAL_STATE", "a resource is in no valid state"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {702, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {710, "CUDA_ERROR_ASSERT", "device-side assert triggered"},
    {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {800, "CUDA_ERROR_NOT_PERMITTED", "operation not permitted"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {802, "CUDA_ERROR_SYSTEM_NOT_READY", "system not yet initialized"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "driver and module of the kernel do not match"},
    {804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", "forward compatibility is not for this device"},
    {910, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", "the graph update was not performed"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

template <class Member>
int described(int code, const char** text, Member member) {
  if (!text) return invalid_value;
  for (const auto& e : errors)
    if (e.code == code) return *text = e.*member, success;
  *text = nullptr;
  return invalid_value;
}

std::string report() {
  std::string text;
  const auto line = [&](const std::string& name, const auto& value) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>)
      text += name + "=" + std::to_string(value) + "\n";
    else
      text += name + "=" + value + "\n";
  };
  const State& s = state();
  uint64_t bytes = 0, peak = 0, blocks = 0, queued = 0;
  for (int d = 0; d < most_devices; ++d) {
    bytes += memory_of(d).used();
    peak += memory_of(d).peak();
    blocks += memory_of(d).blocks().size();
    queued += s.contexts[d].legacy->queue.size();
    for (const StreamPtr& one : s.contexts[d].streams) queued += one->queue.size();
  }
  for (const auto& [name, count] : calls()) line("calls." + name, count);
  line("kernels_run", s.kernels_run);
  line("copies_run", s.copies_run);
  line("sets_run", s.sets_run);
  line("graphs_run", s.graphs_run);
  line("live_bytes", bytes);
  line("live_blocks", blocks);
  line("peak_bytes", peak);
  line("live_modules", s.modules.size());
  line("live_streams", s.streams.size());
  line("live_events", s.events.size());
  line("live_graphs", s.graphs);
  line("live_pinned", s.pinned.size());
  line("queued", queued);
  line("last_fault", s.last_fault);
  return text;
}

}  // namespace

extern "C" {

int cuGetErrorName(int code, const char** name) {
  return described(code, name, &std::decay_t<decltype(errors[0])>::name);
}
int cuGetErrorString(int code, const char** text) {
  return described(code, text, &std::decay_t<decltype(errors[0])>::text);
}

int cuGetProcAddress_v2(const char* name, void** function, int, uint64_t, int* status) {
  return SIMULATED_CALL(nothing, {
    if (!name || !function) return invalid_value;
    *function = nullptr;
    Dl_info here;
    if (!is_missing(name) && dladdr(reinterpret_cast<void*>(&cuGetProcAddress_v2), &here)) {
      void* self = dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD);
      // As the driver does, the newest version of a name.
      for (const char* version : {"_v2", ""})
        if (self && !*function) *function = dlsym(self, (std::string(name) + version).c_str());
      if (self) dlclose(self);
    }
    if (status) *status = *function ? 0 : 1;
    return *function ? success : not_found;
  });
}

// Lines of name=value. The text lasts until this thread asks again.
const char* simulated_cuda_report(void) {
  static thread_local char* last = nullptr;
  const std::lock_guard<std::mutex> guard(state().lock);
  std::free(last);
  return last = strdup(report().c_str());
}

// What is queued on the stream from now on does not run, as behind a kernel that never ends, until it is let go.
void simulated_cuda_hold(void* stream, int hold) {
  State& s = state();
  const std::lock_guard<std::mutex> guard(s.lock);
  if (const StreamPtr one = look_up(s.streams, stream)) one->last = hold ? one->queued : ~uint64_t{0};
}

// Counts begin again, the last fault is forgotten, and the plans of fail= and sticky= begin to count.
void simulated_cuda_reset(void) {
  State& s = state();
  const std::lock_guard<std::mutex> guard(s.lock);
  forget_calls();
  s.kernels_run = s.copies_run = s.sets_run = s.graphs_run = 0;
  s.last_fault.clear();
  for (int d = 0; d < most_devices; ++d) memory_of(d).forget_peak();
}

// What lives that somebody has to end, and damage to memory, as lines; empty where all is well.
const char* simulated_cuda_leaks(void) {
  static thread_local char* last = nullptr;
  State& s = state();
  const std::lock_guard<std::mutex> guard(s.lock);
  std::string text;
  const Touching touch;
  for (int d = 0; d < most_devices; ++d) {
    for (const auto& [begin, b] : memory_of(d).blocks())
      text += "device " + std::to_string(d) + ": a block of " + std::to_string(b.bytes) + " bytes\n";
    if (const std::string wrong = memory_of(d).check(); !wrong.empty()) text += wrong + "\n";
  }
  const auto count = [&](const char* what, size_t n) {
    if (n != 0) text += std::to_string(n) + " " + what + "\n";
  };
  count("modules", s.modules.size());
  count("streams", s.streams.size());
  count("events", s.events.size());
  count("graphs", s.graphs);
  count("blocks of pinned memory", s.pinned.size());
  std::free(last);
  return last = strdup(text.c_str());
}

}  // extern "C"
