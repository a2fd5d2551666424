// Loads the driver and binds its functions.
#include "tenon/runtime/cuda/driver.h"

#include "tenon/codegen/cuda/shared_library.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::runtime {

namespace {

// Functions whose meaning has changed since bear the version in their symbol.
CudaDriver load() {
  const std::string names[] = {"libcuda.so.1"};
  codegen::SharedLibrary library(names);
  CudaDriver d;
  d.path = library.path;
  library.bind(d.init, "cuInit");
  library.bind(d.version, "cuDriverGetVersion");
  library.bind(d.device_count, "cuDeviceGetCount");
  library.bind(d.device, "cuDeviceGet");
  library.bind(d.device_name, "cuDeviceGetName");
  library.bind(d.device_attribute, "cuDeviceGetAttribute");
  library.bind(d.device_memory, "cuDeviceTotalMem_v2");
  library.bind(d.error_name, "cuGetErrorName");
  d.problem = library.problem;
  return d;
}

}  // namespace

std::string CudaDriver::name_of(int result) const {
  const char* name = nullptr;
  const bool known = error_name != nullptr && error_name(result, &name) == 0 && name != nullptr;
  return (known ? std::string(name) + " (" : std::string("error (")) + std::to_string(result) + ")";
}

const CudaDriver& cuda_driver() {
  static constinit Forever<const CudaDriver> driver;
  return driver.get([] { return new CudaDriver(load()); });
}

}  // namespace tenon::runtime
