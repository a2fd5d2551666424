// Asks driver and NVRTC what is there, and says what of it does not go together.
#include "tenon/runtime/cuda/status.h"

#include <algorithm>
#include <array>
#include <memory>

#include "tenon/ir/base/environment.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/cuda/driver.h"
#include "tenon/runtime/cuda/nccl.h"
#include "tenon/runtime/fork.h"
#include "tenon/runtime/tenon_cuda.h"

namespace tenon::runtime {

namespace {

constexpr int oldest_driver = 12000;  // CUDA 12.0: drivers from 525 on
constexpr int oldest_device = 75;  // Turing: the oldest that CUDA 13 compiles for

std::string cuda_version(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string name_of(const tenon_cuda_driver& driver, int result) {  // "CUDA_ERROR_UNKNOWN (999)"
  const char* name = nullptr;
  const bool known = driver.error_name(result, &name) == 0 && name != nullptr;
  return (known ? std::string(name) + " (" : std::string("error (")) + std::to_string(result) + ")";
}

// What cuInit says (its numbers stand in NVIDIA's description of the driver interface, "CUresult").
Fault start_fault(const tenon_cuda_driver& driver, int result) {
  const std::string visible = environment(Variable::cuda_visible_devices);
  switch (result) {
    case 0: return {};
    case 34:
      return {"the library " + std::string(driver.path) + " is the CUDA toolkit's stub of libcuda, and no driver",
              "take the toolkit's folder 'stubs' off LD_LIBRARY_PATH, and install the NVIDIA driver if there is none"};
    case 100:
      return {
          "the CUDA driver sees no device" + (visible.empty() ? "" : ", CUDA_VISIBLE_DEVICES being '" + visible + "'"),
          visible.empty() ? "see whether nvidia-smi lists one; a container must be run with its GPUs (--gpus all)"
                          : "unset CUDA_VISIBLE_DEVICES, or name a device that nvidia-smi -L lists"};
    case 802:
      return {"the CUDA driver waits for the machine's fabric: " + name_of(driver, result),
              "start the service nvidia-fabricmanager of the driver's own version"};
    case 803:
      return {"libcuda and the kernel's driver are of different versions: " + name_of(driver, result),
              "restart the machine, or load the NVIDIA kernel module anew, after the driver was updated"};
    case 804:
      return {"the libcuda at " + std::string(driver.path) +
                  " is a compatibility package that this device's driver does not take",
              "remove the package cuda-compat, or update the driver itself"};
    default:
      return {"the CUDA driver does not start: " + name_of(driver, result),
              "see whether nvidia-smi runs; load the NVIDIA kernel modules (modprobe nvidia nvidia_uvm) or restart"};
  }
}

// What the driver says, and which process asked it.
struct Asked {
  CudaStatus status;
  bool started = false;
  uint64_t generation = 0;
};

CudaDevice describe(const tenon_cuda_driver& driver, int ordinal) {
  CudaDevice d;
  std::array<char, 256> name{};
  int device = 0, major = 0, minor = 0;
  size_t bytes = 0;
  if (driver.device(&device, ordinal) != 0) return {"cuda:" + std::to_string(ordinal), 0, 0, 0};
  if (driver.device_name(name.data(), static_cast<int>(name.size()) - 1, device) == 0) d.name = name.data();
  driver.device_attribute(&d.multiprocessors, tenon_cuda_multiprocessors, device);
  driver.device_attribute(&major, tenon_cuda_capability_major, device);
  driver.device_attribute(&minor, tenon_cuda_capability_minor, device);
  d.sm = 10 * major + minor;
  if (driver.device_memory(&bytes, device) == 0) d.memory_bytes = bytes;
  return d;
}

Asked* ask_driver() {
  auto asked = std::make_unique<Asked>();
  asked->generation = fork_counts().generation;
  CudaStatus& s = asked->status;
  const tenon_cuda_driver& driver = *tenon_cuda_get_driver();
  const std::string path = driver.path, problem = driver.problem;
  if (path.empty()) {
    s.driver_fault = {"no NVIDIA driver is installed: " + problem,
                      "install the NVIDIA driver (Debian: apt install nvidia-driver); a container must be run with the "
                      "machine's GPUs (--gpus all)"};
    return asked.release();
  }
  if (!problem.empty()) {
    s.driver_fault = {"the library " + path + " is no CUDA driver: " + problem,
                      "install the NVIDIA driver, 525 or newer"};
    return asked.release();
  }
  s.driver_path = path;
  s.driver_fault = start_fault(driver, driver.init(0));
  if (s.driver_fault) return asked.release();
  asked->started = true;
  driver.version(&s.driver_version);
  if (s.driver_version < oldest_driver)
    s.driver_fault = {"the NVIDIA driver serves CUDA " + cuda_version(s.driver_version) + " at most",
                      "update the driver to 525 (CUDA 12) or newer"};
  if (!s.driver_fault && driver.lacks[0] != '\0')
    s.driver_fault = {"the driver at " + path + " has no " + driver.lacks, "update the driver to 525 or newer"};
  int count = 0;
  if (driver.device_count(&count) == 0)
    for (int ordinal = 0; ordinal < count; ++ordinal) s.devices.push_back(describe(driver, ordinal));
  if (!s.driver_fault && s.devices.empty()) s.driver_fault = start_fault(driver, 100);
  return asked.release();
}

Fault device_fault(const CudaDevice& d, const codegen::NvrtcInfo& nvrtc) {
  const std::string which = "the device " + d.name + " (sm_" + std::to_string(d.sm) + ")";
  if (d.sm < oldest_device)
    return {which + " is too old: sm_" + std::to_string(oldest_device) + " is the oldest that serves",
            "use a device of compute capability 7.5 or newer"};
  const std::vector<int>& known = nvrtc.architectures;
  if (nvrtc.works && std::find(known.begin(), known.end(), d.sm) == known.end())
    return {which + " is not known to NVRTC " + nvrtc.version(), "install a newer NVRTC, and name it by TENON_NVRTC"};
  return {};
}

// Loading libraries and starting the driver takes up to a second, once; a fork waits for it.
const Asked& driver_part() {
  static constinit Forever<const Asked> asked;
  return asked.get(ask_driver);
}

CudaStatus* ask_all() {
  auto status = std::make_unique<CudaStatus>(driver_part().status);
  CudaStatus& s = *status;
  s.nvrtc = codegen::nvrtc_info();
  if (!s.nvrtc.works)
    s.nvrtc_fault = {s.nvrtc.problem,
                     s.nvrtc.found
                         ? "install libnvrtc-builtins of the same version into the same folder"
                         : "install the CUDA toolkit's NVRTC, 13 or 12, and set TENON_NVRTC to libnvrtc.so or "
                           "CUDA_HOME to the toolkit's folder"};
  // A cubin of one major version runs on every driver of that version or a later one.
  if (s.nvrtc.works && s.driver_version >= oldest_driver && s.driver_version / 1000 < s.nvrtc.major)
    s.fit = {"the driver serves CUDA " + cuda_version(s.driver_version) + ", and NVRTC " + s.nvrtc.version() +
                 " compiles for CUDA " + std::to_string(s.nvrtc.major),
             s.nvrtc.major >= 13 ? "update the driver to 580 or newer, or set TENON_NVRTC to an NVRTC of CUDA 12"
                                 : "update the driver"};
  for (const CudaDevice& d : s.devices) s.device_faults.push_back(device_fault(d, s.nvrtc));
  return status.release();
}

Fault driver_fault() {
  const Asked& a = driver_part();
  const Undisturbed section;
  if (a.started && a.generation != fork_counts().generation)
    return {"the CUDA driver was started before this process was forked off, and serves its parent alone",
            "start a new program (exec) for work on the device, or fork before anything asks for CUDA"};
  return a.status.driver_fault;
}

std::string line_of(const Fault& f) { return f.what + "; " + f.remedy; }

}  // namespace

CudaStatus cuda_status() {
  static constinit Forever<const CudaStatus> all;
  CudaStatus status = all.get(ask_all);
  status.driver_fault = driver_fault();
  return status;
}

std::string cuda_reason() {
  if (const Fault f = driver_fault()) return line_of(f);
  const CudaStatus s = cuda_status();
  for (const Fault* f : {&s.nvrtc_fault, &s.fit})
    if (*f) return line_of(*f);
  const auto good = std::find_if(s.device_faults.begin(), s.device_faults.end(), [](const Fault& f) { return !f; });
  if (good == s.device_faults.end()) return line_of(s.device_faults.at(0));
  return {};
}

std::string cuda_report(const CudaStatus& s) {
  std::string text;
  const auto say = [&](const std::string& part, const std::string& what) { text += part + what + "\n"; };
  const auto fault = [&](const Fault& f) {
    if (f) say("          remedy: ", f.remedy);
  };
  say("driver    ",
      s.driver_fault ? s.driver_fault.what : s.driver_path + ", serves CUDA " + cuda_version(s.driver_version));
  fault(s.driver_fault);
  std::string architectures;
  for (int sm : s.nvrtc.architectures) architectures += (architectures.empty() ? " sm_" : ", sm_") + std::to_string(sm);
  say("NVRTC     ",
      s.nvrtc_fault ? s.nvrtc_fault.what : s.nvrtc.version() + ", " + s.nvrtc.path + ", compiles for" + architectures);
  fault(s.nvrtc_fault);
  const tenon_nccl& nccl = *tenon_nccl_get();
  const std::string problem = nccl.problem;
  char version[32];
  tenon_nccl_version_text(nccl.number, version, sizeof version);
  say("NCCL      ", problem.empty() ? std::string(version) + ", " + nccl.path
                                    : problem + "; ranks on GPUs go through memory of the host");
  if (!problem.empty())
    fault({problem,
           "where ranks run on several GPUs, install NCCL 2.14 or newer (Debian: libnccl2), or name it by TENON_NCCL"});
  for (size_t i = 0; i < s.devices.size(); ++i) {
    const CudaDevice& d = s.devices[i];
    const std::string text_of = d.name + ", sm_" + std::to_string(d.sm) + ", " + std::to_string(d.multiprocessors) +
                                " multiprocessors, " + std::to_string(d.memory_bytes >> 20) + " MiB";
    say("cuda:" + std::to_string(i) + "    ", s.device_faults[i] ? s.device_faults[i].what : text_of);
    fault(s.device_faults[i]);
    char way[200] = "";
    if (tenon_cuda_device* known = tenon_cuda_known(static_cast<int32_t>(i)))
      tenon_cuda_way_of_ranks(known, way, sizeof way);
    if (way[0] != '\0') say("          ", std::string("its ranks move what they have ") + way);
  }
  if (s.fit) {
    say("versions  ", s.fit.what);
    fault(s.fit);
  }
  return text;
}

}  // namespace tenon::runtime
