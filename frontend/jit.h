// What a jitted function keeps: one entry per signature. Internal to the frontend.
#pragma once

#include <atomic>
#include <mutex>

#include "tenon/frontend/program.h"

namespace tenon::detail {

struct JitEntry {
  std::string key;  // the arguments' C++ types and structure, then the tensors' types and the grad mode
  size_t structure_size = 0;
  std::vector<std::vector<TreeItem>> arguments;  // by path, without tensors
  std::vector<std::string> inputs;               // for errors: argument 1, layers[2].w
  std::vector<bool> donated;                     // one per argument tensor
  Program program;
  std::shared_ptr<void> result;   // the result tree of the trace, to be copied and refilled
  std::vector<Part> parts;        // how the inputs take part in gradients in this signature
  bool taped = false;
  bool reusable = false;          // later calls of its signature may find it
  std::vector<std::pair<uint32_t, uint32_t>> donations;
  bool fuse = true;
  std::string name;
  Location made;
  std::mutex compiling;
  std::shared_ptr<const runtime::Executable> executable;
  std::map<std::vector<uint32_t>, std::shared_ptr<const TapedProgram>> tapes;  // by which inputs are the same value
};

struct JitState {
  JitOptions options;
  Location made;
  std::mutex mutex;
  std::vector<std::shared_ptr<JitEntry>> entries;
  bool warned_retraces = false;
  std::atomic<bool> warned_donation{false};
};

const runtime::Executable& compiled(JitEntry& entry);

}  // namespace tenon::detail
