// The tape: what recorded calls leave behind for a backward, and the grad mode. An entry holds what was recorded (buffers, and
// entries or leaves as they were), never the cells of results. Internal to the frontend. Refuses a backward inside a trace.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/few.h"
#include "tenon/frontend/tensor/taped_program.h"
#include "tenon/frontend/tensor/tensor.h"
#include "tenon/ir/op.h"
#include "tenon/runtime/buffer.h"

namespace tenon {

struct Callable;  // frontend/tensor/callable.h
class Pins;  // frontend/tensor/slot.h
struct TapeEntry;

// Where a cotangent goes, as it was when recorded: an output of an entry, or a leaf.
struct TapeSource {
  std::shared_ptr<TapeEntry> entry;
  uint32_t output = 0;
  std::shared_ptr<Cell> leaf;
};

struct TapeEntry {
  uint64_t sequence = 0;  // program order
  std::string name;  // for grad_fn()
  Location where;
  std::shared_ptr<const TapedProgram> program;
  std::vector<int64_t> dims;
  std::vector<std::shared_ptr<runtime::Buffer>> residuals;  // under the lock, as is what is said of the backward
  std::vector<TapeSource> inputs;  // one per active input, then one per flat input
  std::vector<ir::Type> output_types;  // concrete
  const runtime::Device* came_from = nullptr;  // of a move to another device
  Location used_gradient;  // the backward whose result it used as a constant
  BriefMutex<LockFamily::tensors> lock;
  bool freed = false;
  Location freed_at;  // the backward that used it up
  ~TapeEntry();  // releases a long chain by a loop
};

TapeSource source_of(const std::shared_ptr<Cell>& cell);

inline Part part_of(const Cell& cell) {
  return !cell.has_history() ? Part::none : cell.active() ? Part::active : Part::flat;
}
std::vector<Part> parts_of(std::span<const Tensor> inputs);
// same[i]: the first input that is the same value as input i.
std::vector<uint32_t> same_values(std::span<const Tensor> inputs);

bool records(std::span<const Tensor> inputs);  // grad mode is on and an input has a history
// Records a call of a taped callable. `results` are all that its program gave; the function's own outputs stay, with a history.
// `pins` are the buffers that the program read.
void put_on_tape(const Callable& callable, std::span<const Tensor> inputs, const Pins& pins,
                 std::span<const int64_t> dims, const Location& at, Few<Tensor, 4>& results);
// Records that `moved` holds what `from` holds, on another device.
void put_move_on_tape(const Tensor& from, Tensor& moved, const Location& at);
// Marks results of ops that are not recorded and use what a backward computed, so that a backward through them is refused.
void pass_gradients_on(std::span<const Tensor> inputs, std::span<const Tensor> results);
bool set_grad_enabled(bool on);  // returns what it was

void backward_from(const Tensor& root, const Tensor* cotangent, bool retain_graph, const Location& at);

}  // namespace tenon
