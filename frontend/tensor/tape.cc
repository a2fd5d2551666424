// Recording: the grad mode, and the entries of the tape. frontend/tensor/backward.cc walks them.
#include "tenon/frontend/tensor/tape.h"

#include <algorithm>
#include <atomic>

#include "tenon/frontend/tensor/callable.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/thread_modes.h"

namespace tenon {
namespace {

uint64_t next_sequence() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

bool same_source(const TapeSource& a, const TapeSource& b) {
  return a.entry == b.entry && a.output == b.output && a.leaf == b.leaf;
}

}  // namespace

bool grad_enabled() { return thread_modes.grad; }
bool set_grad_enabled(bool on) { return std::exchange(thread_modes.grad, on); }
NoGrad::NoGrad() : before_(set_grad_enabled(false)) {}
NoGrad::~NoGrad() { set_grad_enabled(before_); }

bool records(std::span<const Tensor> inputs) {
  if (!thread_modes.grad) return false;
  for (const Tensor& t : inputs)
    if (t.defined() && t.cell()->has_history()) return true;
  return false;
}

void pass_gradients_on(std::span<const Tensor> inputs, std::span<const Tensor> results) {
  if (!thread_modes.grad) return;
  for (const Tensor& t : inputs) {
    if (!t.cell()->backward.known()) continue;
    for (const Tensor& r : results)
      if (is_continuous(r.dtype())) r.cell()->backward = t.cell()->backward;
    return;
  }
}

TapeSource source_of(const std::shared_ptr<Cell>& cell) {
  if (cell->entry) return {cell->entry, cell->output, nullptr};
  return {nullptr, 0, cell->leaf ? cell->leaf : cell};
}

std::vector<Part> parts_of(std::span<const Tensor> inputs) {
  std::vector<Part> parts;
  for (const Tensor& t : inputs) parts.push_back(part_of(*t.cell()));
  return parts;
}

std::vector<uint32_t> same_values(std::span<const Tensor> inputs) {
  std::vector<uint32_t> same;
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    same.push_back(i);
    if (!inputs[i].cell()->active()) continue;
    const TapeSource source = source_of(inputs[i].cell());
    for (uint32_t j = 0; j < i; ++j) {
      if (!inputs[j].cell()->active() || !same_source(source, source_of(inputs[j].cell()))) continue;
      same[i] = j;
      break;
    }
  }
  return same;
}

namespace {

std::shared_ptr<TapeEntry> entry_of(const Callable& c, std::span<const Tensor> inputs, const Pins& pins,
                                    std::span<const int64_t> dims, const Location& at, const Tensors& results) {
  const TapedProgram& program = *c.tape;
  auto entry = std::make_shared<TapeEntry>();
  entry->sequence = next_sequence();
  entry->name = c.name;
  entry->where = at;
  entry->program = c.tape;
  entry->dims.assign(dims.begin(), dims.end());
  using From = TapedProgram::Residual::From;
  for (const TapedProgram::Residual& r : program.residuals) {
    const auto pin = std::lower_bound(program.inputs.begin(), program.inputs.end(), r.number);
    entry->residuals.push_back(r.from == From::input ? pins.share(static_cast<size_t>(pin - program.inputs.begin()))
                                                     : results[r.number].cell()->slot->buffer());
  }
  for (uint32_t i : program.active_inputs) entry->inputs.push_back(source_of(inputs[i].cell()));
  for (uint32_t i : program.flat_inputs) entry->inputs.push_back(source_of(inputs[i].cell()));
  for (uint32_t o = 0; o < program.outputs; ++o) entry->output_types.push_back(results[o].cell()->type);
  for (uint32_t i : program.inputs)
    if (inputs[i].cell()->backward.known()) entry->used_gradient = inputs[i].cell()->backward;
  return entry;
}

}  // namespace

void put_on_tape(const Callable& c, std::span<const Tensor> inputs, const Pins& pins, std::span<const int64_t> dims,
                 const Location& at, Tensors& results) {
  const TapedProgram& program = *c.tape;
  const std::shared_ptr<TapeEntry> entry = entry_of(c, inputs, pins, dims, at, results);
  results.resize(program.outputs);
  for (uint32_t o = 0; o < program.outputs; ++o) {
    if (!program.output_has_history[o]) continue;
    Cell& cell = *results[o].cell();
    cell.requires_grad.store(is_continuous(cell.type.dtype), std::memory_order_relaxed);
    const bool active = program.output_is_active[o] || program.refused[o];
    if (active && program.same_input[o] >= 0) {  // the input itself, not a value made of it
      const std::shared_ptr<Cell>& from = inputs[program.same_input[o]].cell();
      cell.entry = from->entry;
      cell.output = from->output;
      if (!from->entry) cell.leaf = source_of(from).leaf;
    } else {
      cell.entry = entry;
      cell.output = program.same_output[o];
      cell.flat = !active;
    }
  }
}

void put_move_on_tape(const Tensor& from, Tensor& moved, const Location& at) {
  auto program = std::make_shared<TapedProgram>(nullptr);
  program->outputs = 1;
  program->output_is_active = program->output_has_history = {from.cell()->active()};
  program->same_output = {0};
  program->same_input = {-1};
  program->refused = {nullptr};
  program->inputs = {0};
  (from.cell()->active() ? program->active_inputs : program->flat_inputs) = {0};
  auto entry = std::make_shared<TapeEntry>();
  entry->sequence = next_sequence();
  entry->name = "to";
  entry->where = at;
  entry->program = std::move(program);
  entry->inputs.push_back(source_of(from.cell()));
  entry->output_types.push_back(moved.cell()->type);
  entry->came_from = from.cell()->place;
  entry->used_gradient = from.cell()->backward;
  Cell& cell = *moved.cell();
  cell.requires_grad.store(from.requires_grad(), std::memory_order_relaxed);
  cell.flat = !from.cell()->active();
  cell.entry = std::move(entry);
}

// A chain of entries is released one by one: each entry's own sources are moved to a list before they go. Those that no list has
// room for, since memory ran out, go with their entry.
TapeEntry::~TapeEntry() {
  std::vector<TapeSource> pending = std::move(inputs);
  while (!pending.empty()) {
    const std::shared_ptr<TapeEntry> entry = std::move(pending.back().entry);
    pending.pop_back();
    if (!entry || entry.use_count() != 1) continue;
    try {
      for (TapeSource& below : entry->inputs) pending.push_back(std::move(below));
    } catch (const std::bad_alloc&) {
    }
    entry->inputs.clear();
  }
}

}  // namespace tenon
