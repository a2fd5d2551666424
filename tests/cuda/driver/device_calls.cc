// The driver's functions about itself, devices and contexts. What SIMULATED_CUDA does not say of a device is an H200's, roughly.
#include <algorithm>
#include <cstring>

#include "tenon/tests/cuda/driver/module.h"

using namespace simulated;

namespace {

bool there_is(int device) { return device >= 0 && device < device_count(); }

int attribute(int which, int device) {
  const int sm = word("sm", 90);
  switch (which) {
    case 1: return 1024;  // threads of a block
    case 2:
    case 3: return 1024;  // x, y
    case 4: return 64;  // z
    case 5: return 0x7fffffff;  // blocks of a grid: x
    case 6:
    case 7: return 65535;  // y, z
    case 8: return 48 << 10;  // shared memory of a block
    case 10: return 32;  // lanes of a warp
    case 12:
    case 82: return 65536;  // registers of a block, of a multiprocessor
    case 13: return 1980000;  // kHz
    case 16: return 132;  // multiprocessors
    case 31:
    case 41:
    case 95: return 1;  // concurrent kernels, unified addresses, cooperative launches
    case 33: return device + 1;  // bus
    case 36: return 3201000;  // kHz of memory
    case 37: return 6144;  // bits of its bus
    case 38: return 50 << 20;  // L2
    case 39: return 2048;  // threads of a multiprocessor
    case 40: return 3;  // copy engines
    case 75: return sm / 10;
    case 76: return sm % 10;
    case 81: return 228 << 10;  // shared memory of a multiprocessor
    case 97: return 227 << 10;  // of a block that asks for it
    case 106: return 32;  // blocks of a multiprocessor
    case 111: return 1 << 10;  // shared memory that is the system's
    case 115: return 1;  // pools
    default: return 0;
  }
}

}  // namespace

extern "C" {

int cuInit(unsigned flags) {
  return SIMULATED_CALL(nothing, {
    const int result = flags == 0 ? word("init", 0) : static_cast<int>(invalid_value);
    state().initialized |= result == 0;
    return result;
  });
}
int cuDriverGetVersion(int* version) {
  return SIMULATED_CALL(nothing, { return version ? (*version = word("version", 13000), success) : invalid_value; });
}
int cuDeviceGetCount(int* count) {
  return SIMULATED_CALL(initialized, { return count ? (*count = device_count(), success) : invalid_value; });
}
int cuDeviceGet(int* device, int ordinal) {
  return SIMULATED_CALL(initialized, {
    if (!device) return invalid_value;
    return there_is(ordinal) ? (*device = ordinal, success) : invalid_device;
  });
}
int cuDeviceGetName(char* name, int size, int device) {
  return SIMULATED_CALL(initialized, {
    if (!name || size < 1) return invalid_value;
    if (!there_is(device)) return invalid_device;
    std::strncpy(name, "Simulated", static_cast<size_t>(size));
    name[size - 1] = '\0';
    return success;
  });
}
int cuDeviceGetAttribute(int* value, int which, int device) {
  return SIMULATED_CALL(initialized, {
    if (!value) return invalid_value;
    return there_is(device) ? (*value = attribute(which, device), success) : invalid_device;
  });
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  return SIMULATED_CALL(initialized, {
    if (!bytes) return invalid_value;
    return there_is(device) ? (*bytes = memory_of(device).limit(), success) : invalid_device;
  });
}
int cuDeviceGetUuid_v2(char* sixteen, int device) {
  return SIMULATED_CALL(initialized, {
    if (!sixteen) return invalid_value;
    if (!there_is(device)) return invalid_device;
    std::memcpy(sixteen, "simulated\0\0\0\0\0\0", 16);
    sixteen[15] = static_cast<char>(device + 1);
    return success;
  });
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
  return SIMULATED_CALL(initialized, {
    if (!context) return invalid_value;
    if (!there_is(device)) return invalid_device;
    Context& c = state().contexts[device];
    ++c.retained;
    *context = &c;
    return success;
  });
}
int cuDevicePrimaryCtxRelease_v2(int device) {
  return SIMULATED_CALL(initialized, {
    if (!there_is(device)) return invalid_device;
    Context& c = state().contexts[device];
    if (c.retained == 0) return invalid_context;
    --c.retained;
    return success;
  });
}
// Ends what lives in the context, and mends it.
int cuDevicePrimaryCtxReset_v2(int device) {
  return SIMULATED_CALL(initialized, {
    if (!there_is(device)) return invalid_device;
    State& s = state();
    Context& c = s.contexts[device];
    finish_context(call, c);
    std::erase_if(s.streams, [&](const auto& one) { return one.second->context == &c; });
    std::erase_if(s.events, [&](const auto& one) { return one.second->context == &c; });
    std::erase_if(s.functions, [&](const auto& one) { return one.second->context == &c; });
    std::erase_if(s.modules, [&](const auto& one) { return one.second->context == &c; });
    c.streams.clear();
    const Touching touch;
    while (!memory_of(device).empty()) memory_of(device).end_life(memory_of(device).blocks().begin()->first);
    memory_of(device).forget_resting();
    c.broken = 0;
    return success;
  });
}
int cuDevicePrimaryCtxGetState(int device, unsigned* flags, int* active) {
  return SIMULATED_CALL(initialized, {
    if (!flags || !active) return invalid_value;
    if (!there_is(device)) return invalid_device;
    *flags = 0;
    *active = state().contexts[device].retained > 0;
    return success;
  });
}
int cuCtxSetCurrent(void* context) {
  return SIMULATED_CALL(initialized, {
    Context* c = context_of(context);
    if (context && !c) return invalid_context;
    std::vector<Context*>& stack = current_contexts();
    if (!stack.empty()) stack.pop_back();
    if (c) stack.push_back(c);
    return success;
  });
}
int cuCtxGetCurrent(void** context) {
  return SIMULATED_CALL(initialized, {
    if (!context) return invalid_value;
    *context = current_contexts().empty() ? nullptr : current_contexts().back();
    return success;
  });
}
int cuCtxPushCurrent_v2(void* context) {
  return SIMULATED_CALL(initialized, {
    Context* c = context_of(context);
    if (!c) return invalid_context;
    current_contexts().push_back(c);
    return success;
  });
}
int cuCtxPopCurrent_v2(void** context) {
  return SIMULATED_CALL(initialized, {
    if (current_contexts().empty()) return invalid_context;
    if (context) *context = current_contexts().back();
    current_contexts().pop_back();
    return success;
  });
}
int cuCtxGetDevice(int* device) {
  return SIMULATED_CALL(context, { return device ? (*device = call.context->device, success) : invalid_value; });
}
int cuCtxSynchronize(void) {
  return SIMULATED_CALL(context, { return finish_context(call, *call.context); });
}

}  // extern "C"
