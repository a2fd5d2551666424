// What a jitted function keeps: one entry per signature, in a cache with a bound. Internal to the frontend. Refuses to keep an
// entry that another thread made first, or one that is good for a single call.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/callable.h"
#include "tenon/frontend/tensor/key.h"
#include "tenon/frontend/tensor/named_axis.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/frontend/tensor/taped_program.h"
#include "tenon/frontend/transform/jit.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/runtime/cache/memory_cache.h"

namespace tenon::detail {

using Arguments = std::vector<std::vector<TreeItem>>;  // by path, without tensors

struct JitEntry {
  // What every call reads, together.
  bool records = false;  // calls go on the tape
  bool free = false;  // some extents are known only at the call
  bool reusable = false;  // later calls of its signature may find it
  bool fuse = true;
  bool check_nans = false;
  std::atomic<bool> ready = false;  // `plain` has its program, and changes no more
  bool plainly = false;  // then: calls record, donate and pass on nothing, and their extents are known
  std::shared_ptr<void> result;  // the result tree of the trace, to be copied and refilled
  const runtime::Device* device = nullptr;
  runtime::Caller caller;  // of `plain`, when it is ready
  Program program;
  Callable plain;  // compiled when first called, without what it passes on
  std::vector<uint32_t> passed;  // outputs that are captured tensors of integers: given on as they are; ascending
  // What first calls read.
  Mutex compiling;
  uint64_t number = 0;  // of all entries: what its taped programs are found by
  std::shared_ptr<const Arguments> arguments;
  std::vector<std::string> results;  // where each output stands in `result`, by path
  std::vector<Part> parts;  // how the inputs take part in gradients in this signature
  std::vector<std::pair<uint32_t, uint32_t>> donations;  // input and result
  Location made;
};

struct JitState {
  JitState(JitOptions options, const Location& made);
  const JitOptions options;
  const Location made;
  const std::shared_ptr<runtime::CacheBudget> budget;  // null: that of the process
  runtime::CacheOf<JitEntry> entries;
  runtime::CacheOf<const Callable> taped;  // by the entry, and which inputs are the same value
  const std::shared_ptr<std::atomic<bool>> warned_donation = std::make_shared<std::atomic<bool>>(false);

  // How often tensors of the same types were traced, until a warning.
  struct Retraced {
    size_t times = 0;
    std::shared_ptr<const Arguments> first;
    std::string signature;  // of the first
  };
  Mutex retracing;
  std::unordered_map<std::string, Retraced> retraced;
  bool warned_retraces = false;
};

// The end of every signature, behind the types of its tensors: where they lie, and the modes that programs depend on.
inline uint64_t modes_word(const runtime::Device& device) {
  return uint64_t{'|'} | uint64_t{static_cast<unsigned char>(device_tag(device))} << 8 |
         uint64_t{static_cast<unsigned char>(default_dtype_in_force.load(std::memory_order_relaxed))} << 16 |
         uint64_t{thread_modes.grad} << 24;
}
inline void write_modes(KeyBytes& key, const runtime::Device& device) {
  key.word(modes_word(device));
  NamedAxis::write_all(key);
}
inline void write_types(KeyBytes& key, std::span<Tensor* const> tensors) {
  key.pad();
  KeyWriter writer(key);
  for (const Tensor* t : tensors) writer.tensor(*t->cell(), part_of(*t->cell()));
}
void write_tensors(KeyBytes& key, std::span<Tensor* const> tensors, const Location& made);  // both

// What is compiled: its graph, with the checks of a hunt for NaNs if there is one.
std::shared_ptr<const ir::Graph> compiled_graph(const JitEntry& entry);
// Compiles it unless that is done; whether this call did it.
bool compile(JitEntry& entry);

}  // namespace tenon::detail
