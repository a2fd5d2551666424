// Loads the driver and binds its functions.
#include "tenon/runtime/cuda/driver.h"

#include <dlfcn.h>
#include <link.h>

#include <type_traits>

#include "tenon/ir/base/undisturbed.h"

namespace tenon::runtime {

namespace {

// Functions whose meaning has changed since bear the version in their symbol.
CudaDriver load() {
  CudaDriver d;
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const said = dlerror();
    d.problem = said != nullptr ? said : "libcuda.so.1 cannot be loaded";
    return d;
  }
  d.path = "libcuda.so.1";
  link_map* map = nullptr;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map->l_name != nullptr && map->l_name[0] != '\0')
    d.path = map->l_name;
  const auto bind = [&](auto& function, const char* symbol) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, symbol));
    if (function == nullptr && d.problem.empty()) d.problem = std::string("it lacks the function ") + symbol;
  };
  bind(d.init, "cuInit");
  bind(d.version, "cuDriverGetVersion");
  bind(d.device_count, "cuDeviceGetCount");
  bind(d.device, "cuDeviceGet");
  bind(d.device_name, "cuDeviceGetName");
  bind(d.device_attribute, "cuDeviceGetAttribute");
  bind(d.device_memory, "cuDeviceTotalMem_v2");
  bind(d.error_name, "cuGetErrorName");
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
