// The driver's functions about memory: blocks at once and in stream order, the default pool, pinned memory, what a pointer is.
#include <cstdlib>
#include <cstring>

#include "tenon/tests/cuda/driver/state.h"

using namespace simulated;

namespace {

// Short of memory, what is queued may free some.
Block* promise(Call& call, size_t bytes) {
  Memory& memory = memory_of(call.context->device);
  if (Block* b = memory.promise(bytes)) return b;
  if (finish_context(call, *call.context) != success) return nullptr;
  return memory.promise(bytes);
}

int allocate_in_order(Call& call, Address* address, size_t bytes, void* stream) {
  const StreamPtr s = stream_of(call, stream);
  if (!address || bytes == 0) return invalid_value;
  if (!s) return invalid_handle;
  if (s->context != call.context) return invalid_value;
  Block* b = promise(call, bytes);
  if (!b) return call.context->broken ? call.context->broken : static_cast<int>(out_of_memory);
  *address = b->begin;
  Item item;
  item.run = [begin = b->begin, device = call.context->device]() -> Outcome {
    Block* promised = memory_of(device).find(begin);
    if (!promised) return {};
    const std::string wrong = memory_of(device).begin_life(*promised);
    return {wrong.empty() ? success : illegal_address, wrong};
  };
  return queue(call, s, std::move(item));
}

int pool_attribute(int device, int which, uint64_t& value) {
  Memory& m = memory_of(device);
  switch (which) {
    case 4: return value = 0, success;
    case 5:
    case 7: return value = m.used(), success;
    case 6:
    case 8: return value = m.peak(), success;
    default: return invalid_value;
  }
}
uint64_t thresholds[most_devices] = {};
Context* pool_of(void* pool) { return context_of(pool); }  // a device's pool goes by its context's handle

}  // namespace

extern "C" {

int cuMemAlloc_v2(Address* address, size_t bytes) {
  return SIMULATED_CALL(context, {
    if (!address || bytes == 0) return invalid_value;
    Block* b = promise(call, bytes);
    if (!b) return call.context->broken ? call.context->broken : static_cast<int>(out_of_memory);
    const Touching touch;
    if (const std::string wrong = memory_of(call.context->device).begin_life(*b); !wrong.empty()) {
      break_context(*call.context, illegal_address, wrong);
      return illegal_address;
    }
    *address = b->begin;
    return success;
  });
}
int cuMemFree_v2(Address address) {
  return SIMULATED_CALL(context, {
    if (address == 0) return success;
    const int device = device_of(address);
    if (device < 0) return invalid_value;
    Context& owner = state().contexts[device];
    if (const int error = finish_context(call, owner)) return error;
    const Block* b = memory_of(device).find(address);
    if (!b || b->begin != address || b->state != Block::live) return invalid_value;
    const Touching touch;
    if (const std::string wrong = memory_of(device).end_life(address); !wrong.empty()) {
      break_context(owner, illegal_address, wrong);
      return illegal_address;
    }
    return success;
  });
}
int cuMemAllocAsync(Address* address, size_t bytes, void* stream) {
  return SIMULATED_CALL(context, { return allocate_in_order(call, address, bytes, stream); });
}
int cuMemAllocFromPoolAsync(Address* address, size_t bytes, void* pool, void* stream) {
  return SIMULATED_CALL(context, {
    if (pool_of(pool) != call.context) return invalid_value;
    return allocate_in_order(call, address, bytes, stream);
  });
}
int cuMemFreeAsync(Address address, void* stream) {
  return SIMULATED_CALL(context, {
    const StreamPtr s = stream_of(call, stream);
    if (!s) return invalid_handle;
    if (address == 0) return success;
    const int device = device_of(address);
    if (device != s->context->device) return invalid_value;
    Block* b = memory_of(device).find(address);
    if (!b || b->begin != address || b->state == Block::leaving) return invalid_value;
    b->state = Block::leaving;
    Item item;
    item.run = [address, device]() -> Outcome {
      const std::string wrong = memory_of(device).end_life(address);
      return {wrong.empty() ? success : illegal_address, wrong};
    };
    return queue(call, s, std::move(item));
  });
}
int cuMemGetInfo_v2(size_t* free, size_t* total) {
  return SIMULATED_CALL(context, {
    if (!free || !total) return invalid_value;
    const Memory& m = memory_of(call.context->device);
    *total = m.limit();
    *free = *total > m.used() ? *total - m.used() : 0;
    return success;
  });
}

int cuDeviceGetDefaultMemPool(void** pool, int device) {
  return SIMULATED_CALL(initialized, {
    if (!pool) return invalid_value;
    if (device < 0 || device >= device_count()) return invalid_device;
    *pool = &state().contexts[device];
    return success;
  });
}
int cuDeviceGetMemPool(void** pool, int device) {
  return SIMULATED_CALL(initialized, {
    if (!pool) return invalid_value;
    if (device < 0 || device >= device_count()) return invalid_device;
    *pool = &state().contexts[device];
    return success;
  });
}
int cuMemPoolSetAttribute(void* pool, int attribute, void* value) {
  return SIMULATED_CALL(initialized, {
    const Context* c = pool_of(pool);
    if (!c || !value || attribute < 1 || attribute > 8 || attribute == 5 || attribute == 7) return invalid_value;
    if (attribute == 4) std::memcpy(&thresholds[c->device], value, sizeof(uint64_t));
    if (attribute == 6 || attribute == 8) memory_of(c->device).forget_peak();
    return success;
  });
}
int cuMemPoolGetAttribute(void* pool, int attribute, void* value) {
  return SIMULATED_CALL(initialized, {
    const Context* c = pool_of(pool);
    if (!c || !value) return invalid_value;
    if (attribute >= 1 && attribute <= 3) {
      const int yes = 1;
      std::memcpy(value, &yes, sizeof yes);
      return success;
    }
    uint64_t number = 0;
    if (const int error = pool_attribute(c->device, attribute, number)) return error;
    if (attribute == 4) number = thresholds[c->device];
    std::memcpy(value, &number, sizeof number);
    return success;
  });
}
int cuMemPoolSetAccess(void* pool, const int* access, size_t count) {  // kind, device, rights
  return SIMULATED_CALL(initialized, {
    if (!pool_of(pool) || !access || count != 1 || access[0] != 1 || access[2] != 3) return invalid_value;
    return access[1] >= 0 && access[1] < device_count() ? success : invalid_device;
  });
}
int cuMemPoolTrimTo(void* pool, size_t) {
  return SIMULATED_CALL(initialized, { return pool_of(pool) ? success : invalid_value; });
}

int cuMemHostAlloc(void** memory, size_t bytes, unsigned flags) {
  return SIMULATED_CALL(context, {
    if (!memory || bytes == 0 || flags > 7) return invalid_value;
    *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!*memory) return out_of_memory;
    fill(*memory, bytes, nan_word);
    state().pinned[reinterpret_cast<uintptr_t>(*memory)] = bytes;
    return success;
  });
}
int cuMemFreeHost(void* memory) {
  return SIMULATED_CALL(context, {
    if (state().pinned.erase(reinterpret_cast<uintptr_t>(memory)) == 0) return invalid_value;
    const int error = finish_context(call, *call.context);
    std::free(memory);
    return error;
  });
}

int cuPointerGetAttribute(void* data, int attribute, Address address) {
  return SIMULATED_CALL(context, {
    if (!data) return invalid_value;
    const int device = device_of(address);
    const Block* b = device >= 0 ? memory_of(device).find(address) : nullptr;
    const bool pinned = is_pinned(reinterpret_cast<const void*>(address), 1);
    if (!b && !pinned) return invalid_value;
    const auto give = [&](auto value) { return std::memcpy(data, &value, sizeof value), success; };
    switch (attribute) {
      case 1: return b ? give(static_cast<void*>(&state().contexts[device])) : give(static_cast<void*>(call.context));
      case 2: return give(b ? 2u : 1u);
      case 3: return give(address);
      case 4: return pinned ? give(address) : static_cast<int>(invalid_value);
      case 8: return give(0u);
      case 9: return give(b ? device : call.context->device);
      case 11: return b ? give(b->begin) : static_cast<int>(invalid_value);
      case 12: return b ? give(b->bytes) : static_cast<int>(invalid_value);
      default: return invalid_value;
    }
  });
}

}  // extern "C"
