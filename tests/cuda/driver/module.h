// Images of the simulated NVRTC, loaded: a shared object from memory, private to its module. Refuses images of anything else,
// and those of another architecture than the device's.
#pragma once

#include <memory>

#include "tenon/tests/cuda/driver/state.h"

namespace simulated {

struct Loaded {
  Context* context = nullptr;
  void* library = nullptr;
  const Module* module = nullptr;
  std::unordered_map<std::string, std::unique_ptr<Function>> functions;
  Loaded() = default;
  Loaded(const Loaded&) = delete;
  ~Loaded();
};

int load(Context& context, const void* image, std::shared_ptr<Loaded>& loaded);
const Kernel* kernel_named(const Loaded& loaded, const std::string& name);

// What a launch asks for, checked, with the arguments' bytes taken. The result is 0, or the error.
struct Shape {
  Index grid, block;
  unsigned shared_bytes;
};
int prepare_launch(const Function& function, const Shape& shape, void** arguments, Launch& launch);
// Keeps the module as long as the work waits.
std::function<Outcome()> launching(std::shared_ptr<Loaded> module, Launch launch);

}  // namespace simulated
