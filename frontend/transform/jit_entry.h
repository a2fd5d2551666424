// What a jitted function keeps: one entry per signature. Internal to the frontend.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/callable.h"
#include "tenon/frontend/tensor/taped_program.h"
#include "tenon/frontend/transform/jit.h"
#include "tenon/frontend/transform/program.h"

namespace tenon::detail {

struct JitEntry {
  std::string key;  // the arguments' C++ types and structure, then the tensors' types and the grad mode
  size_t structure_size = 0;
  std::vector<std::vector<TreeItem>> arguments;  // by path, without tensors
  Program program;
  std::shared_ptr<void> result;  // the result tree of the trace, to be copied and refilled
  std::vector<Part> parts;  // how the inputs take part in gradients in this signature
  bool records = false;  // calls go on the tape
  bool reusable = false;  // later calls of its signature may find it
  std::vector<std::pair<uint32_t, uint32_t>> donations;  // input and result
  bool fuse = true;
  Location made;
  Mutex compiling;
  Callable plain;  // compiled when first called
  std::atomic<bool> ready = false;  // plain is compiled
  std::map<std::vector<uint32_t>, Callable> taped;  // by which inputs are the same value
};

struct JitState {
  JitOptions options;
  Location made;
  BriefMutex<LockFamily::signatures> mutex;
  std::vector<std::shared_ptr<JitEntry>> entries;
  bool warned_retraces = false;
  const std::shared_ptr<std::atomic<bool>> warned_donation = std::make_shared<std::atomic<bool>>(false);
};

const Callable& compiled(JitEntry& entry);

}  // namespace tenon::detail
