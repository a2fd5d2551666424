// The devices of this build, and the one in force.
#include "tenon/runtime/device.h"

#include <atomic>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/cuda/table.h"

namespace tenon::runtime {

#define TENON_DEVICES(device) device(cpu_device)  // the first is the default

#define TENON_DEVICE(table) extern const Device table;
TENON_DEVICES(TENON_DEVICE)
#undef TENON_DEVICE

namespace {

#define TENON_DEVICE(table) &table,
const Device* const devices[] = {TENON_DEVICES(TENON_DEVICE)};
#undef TENON_DEVICE

std::atomic<const Device*> testing{nullptr}, chosen{nullptr};

}  // namespace

const Device& current_device() {
  for (const std::atomic<const Device*>* place : {&testing, &chosen})
    if (const Device* device = place->load(std::memory_order_acquire)) return *device;
  return *devices[0];
}

void set_current_device(const Device& device) { chosen.store(&device, std::memory_order_release); }

void synchronize_all() {
  const Device& device = current_device();
  device.synchronize(device);
  synchronize_cuda();
}

const Device* find_device(TargetKind kind, int index) {
  if (const Device& device = current_device(); device.kind == kind && (index < 0 || device.index == index))
    return &device;
  if (kind == TargetKind::cuda) return cuda_device(index < 0 ? 0 : index);
  for (const Device* device : devices)
    if (device->kind == kind && index <= 0) return device;
  return nullptr;
}

const Device& device_of(TargetKind kind, int index) {
  if (const Device* device = find_device(kind, index)) return *device;
  if (kind == TargetKind::cuda) refuse_cuda_device(index < 0 ? 0 : index);
  std::string known;
  for (const Device* device : devices) known += std::string(known.empty() ? "" : ", ") + device->name;
  throw Error(std::string("programs cannot be compiled for or run on a target of kind '") + name(kind) +
              "': this build of Tenon has devices of kind " + known + "; compile for one of these");
}

const Device* set_device_for_testing(const Device* device) {
  const Device* before = testing.exchange(device);
  clear_memory_cache();
  return before;
}

}  // namespace tenon::runtime
