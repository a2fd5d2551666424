// The driver's functions about modules, kernels and launches.
#include "tenon/tests/cuda/driver/module.h"

using namespace simulated;

namespace {

Function* function_of(void* handle) {
  const auto found = state().functions.find(handle);
  return found == state().functions.end() ? nullptr : found->second;
}

}  // namespace

extern "C" {

int cuModuleLoadData(void** module, const void* image) {
  return SIMULATED_CALL(context, {
    if (!module || !image) return invalid_value;
    std::shared_ptr<Loaded> loaded;
    if (const int error = load(*call.context, image, loaded)) return error;
    *module = loaded.get();
    state().modules[loaded.get()] = loaded;
    return success;
  });
}
int cuModuleUnload(void* module) {
  return SIMULATED_CALL(context, {
    const std::shared_ptr<Loaded> loaded = look_up(state().modules, module);
    if (!loaded) return invalid_handle;
    for (const auto& [name, function] : loaded->functions) state().functions.erase(function.get());
    state().modules.erase(module);
    return success;
  });
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
  return SIMULATED_CALL(context, {
    if (!function || !name) return invalid_value;
    const std::shared_ptr<Loaded> loaded = look_up(state().modules, module);
    if (!loaded) return invalid_handle;
    std::unique_ptr<Function>& f = loaded->functions[name];
    if (!f) {
      const Kernel* kernel = kernel_named(*loaded, name);
      if (!kernel) return loaded->functions.erase(name), not_found;
      f = std::make_unique<Function>();
      f->context = loaded->context;
      f->module = loaded;
      f->kernel = kernel;
      state().functions[f.get()] = f.get();
    }
    *function = f.get();
    return success;
  });
}
int cuFuncGetAttribute(int* value, int attribute, void* function) {
  return SIMULATED_CALL(context, {
    const Function* f = function_of(function);
    if (!value) return invalid_value;
    if (!f) return invalid_handle;
    switch (attribute) {
      case 0: *value = f->kernel->most_threads ? static_cast<int>(f->kernel->most_threads) : 1024; break;
      case 4: *value = 32; break;
      case 5:
      case 6: *value = word("sm", 90); break;
      case 8: *value = f->most_shared; break;
      default: *value = 0;  // static shared memory too, which nobody here knows kernel by kernel
    }
    return success;
  });
}
int cuFuncSetAttribute(void* function, int attribute, int value) {
  return SIMULATED_CALL(context, {
    Function* f = function_of(function);
    if (!f) return invalid_handle;
    if (attribute == 9) return value >= -1 && value <= 100 ? success : invalid_value;
    if (attribute != 8 || value < 0 || value > 227 << 10) return invalid_value;
    f->most_shared = value;
    return success;
  });
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** parameters, void** extra) {
  return SIMULATED_CALL(context, {
    const Function* f = function_of(function);
    const StreamPtr s = stream_of(call, stream);
    if (!f || !s) return invalid_handle;
    if (f->context != s->context) return invalid_handle;
    if (extra) return invalid_value;
    Launch launch;
    if (const int error = prepare_launch(*f, {{gx, gy, gz}, {bx, by, bz}, shared}, parameters, launch)) return error;
    Item item;
    item.run = launching(f->module.lock(), std::move(launch));
    return queue(call, s, std::move(item));
  });
}

}  // extern "C"
