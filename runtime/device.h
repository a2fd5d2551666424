// Devices: memory of their own and programs that run in it, each a table of functions. Everything above reaches tensor memory
// through a Buffer and code through an Executable, and both through this table; a new device is one file with its table and
// one word in the list of runtime/device.cc. Refuses to know tensors and caches.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/target.h"
#include "tenon/ir/kernel/program.h"
#include "tenon/runtime/artifact.h"
#include "tenon/runtime/tenon_runtime.h"

namespace tenon::codegen {
struct Options;
}

namespace tenon::runtime {

// Who asks for a call, for failures that are told later: they name it.
struct Caller {
  const char* name = "a program";
  Location at;
};

// Memory functions take bytes > 0. All may be called from any thread. Work may go on when run() returns: copy_out and free
// wait for whatever was started on the memory they take.
struct Device {
  TargetKind kind;
  int index;  // among those of its kind
  const char* name;
  bool host_addressed;  // its memory is read and written in place by the host

  const Target& (*target)(const Device&);  // what programs are compiled for unless told otherwise
  std::string (*compiler)();  // name and version of what generates code: part of every key

  void* (*allocate)(const Device&, uint64_t bytes);  // aligned to 64 bytes; null when out of memory
  void (*free)(const Device&, void* memory, uint64_t bytes);
  void (*copy_in)(const Device&, void* to, const void* from, uint64_t bytes);  // host to device
  void (*copy_out)(const Device&, void* to, const void* from, uint64_t bytes);  // device to host
  void (*copy)(const Device&, void* to, const void* from, uint64_t bytes);  // inside
  // Inside, `bytes` for each row; rows of either side lie a stride apart.
  void (*copy_rows)(const Device&, void* to, uint64_t to_stride, const void* from, uint64_t from_stride, uint64_t bytes,
                    uint64_t rows);
  void (*synchronize)(const Device&);  // waits for all work

  std::vector<std::string> (*generate)(const ir::Program& program, const Target& target,
                                       const codegen::Options& options);
  void* (*load)(const Device&, const Artifact& artifact);  // Error when this machine cannot run it
  void (*unload)(void* code);
  uint64_t (*code_bytes)(const void* code);  // that what load() gave takes on the host
  // Of one call with these values of the free symbols; negative where the program refuses them. Null: the device does not say.
  int64_t (*arena_bytes)(const void* code, const int64_t* dims);
  // How calls of the program run, for explaining; null: there is nothing to say.
  std::string (*describe)(const void* code);
  // One call. Buffers are the device's; the arena is its own business, and so is an environment where call.env is null.
  // *started becomes true before anything is written. The result is an entry point's (runtime/tenon_runtime.h).
  int32_t (*run)(const Device&, const void* code, tenon_call& call, const Caller& caller, bool* started);
};

// The device that new tensors live on and that compile() compiles for unless told otherwise: a CPU, or what was set.
const Device& current_device();
void set_current_device(const Device& device);
void synchronize_all();  // waits for the work of all devices that were used
// Null where there is none. Of the kind of the current device, index -1 is that device; of another, the first.
const Device* find_device(TargetKind kind, int index = -1);
const Device& device_of(TargetKind kind, int index = -1);  // Error where there is none

// Tests put a device of their own in the list's place, and drop the programs compiled in memory; null takes it back. Gives
// what was there.
const Device* set_device_for_testing(const Device* device);

}  // namespace tenon::runtime
