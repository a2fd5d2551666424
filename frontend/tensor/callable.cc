// One call of a compiled program: pointers to its inputs, memory for its results, donated memory handed over, the tape.
#include "tenon/frontend/tensor/callable.h"

#include <algorithm>
#include <functional>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/quick_call.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/ir/base/heap_bytes.h"
#include "tenon/ir/graph/bind.h"
#include "tenon/runtime/write.h"

namespace tenon {

// Most results are as large as free extents say, and what else the program makes of these it checks itself. Bounds are checked here,
// before memory is asked for.
Values values_of(const runtime::Manifest& m, std::span<const int64_t> dims) {
  size_t needed = 0;  // symbols, for the results
  for (const ir::Type& t : m.outputs)
    for (const Dim d : t.shape)
      if (d.is_symbol()) needed = std::max<size_t>(needed, d.index() + size_t{1});
  Values values;
  size_t free = 0;
  for (const Symbol& s : m.symbols) {
    if (s.kind == SymbolKind::free && dims[free] >= s.lower && dims[free] <= s.upper) {
      values.push_back(dims[free++]);
      continue;
    }
    if (s.kind != SymbolKind::free && values.size() >= needed) break;
    values.resize(0);
    for (const int64_t value : evaluate(m.symbols, {dims.begin(), dims.end()})) values.push_back(value);
    break;
  }
  return values;
}

namespace {

std::string place_of_input(const Callable& c, size_t i) {
  return i < c.inputs.size() ? c.inputs[i] : "a tensor that it captured";
}

// Whether a buffer may be there twice: sorted, since a model has hundreds of tensors.
bool any_twice(size_t inputs, const Pins& pins) {
  std::vector<const runtime::Buffer*> buffers(inputs);
  for (size_t i = 0; i < inputs; ++i) buffers[i] = pins[i];
  std::sort(buffers.begin(), buffers.end(), std::less<>());
  return std::adjacent_find(buffers.begin(), buffers.end()) != buffers.end();
}

void refuse_shared_donations(const Callable& c, size_t inputs, const Pins& pins, const Location& at) {
  if (inputs > 32 && !any_twice(inputs, pins)) return;
  for (size_t i = 0; i < c.donated.size(); ++i)
    for (size_t j = 0; c.donated[i] && j < inputs; ++j)
      if (j != i && pins[j] == pins[i])
        throw Error("'" + c.name + "': the tensor of " + place_of_input(c, i) + " is donated and also passed as " +
                        place_of_input(c, j) + "; pass a copy",
                    at);
}

using Taken = std::vector<std::pair<Slot*, BufferPtr>>;

// Makes the results that take over donated memory, or a copy of it where somebody else still holds it. What was taken over is
// gone from the tensors that gave it, and stands in `taken`, also where this throws.
void take_over(const Callable& c, std::span<const Tensor> inputs, const Pins& pins, Addresses& in,
               std::span<const int64_t> dims, Tensors& results, Taken& taken, const Location& at) {
  const runtime::Manifest& m = c.program->manifest();
  const Values values = values_of(m, dims);
  results.resize(m.outputs.size());
  taken.reserve(m.aliases.size());
  for (auto [i, o] : m.aliases) {
    const std::shared_ptr<Slot>& slot = inputs[i].cell()->slot;
    // Held by this slot alone, and the slot by no other tensor: ours to write.
    BufferPtr buffer = slot.use_count() == 1 ? pins.take(i, *slot, at) : nullptr;
    if (buffer != nullptr) {
      taken.emplace_back(slot.get(), buffer);
    } else {
      if (!c.warned_donation->exchange(true))
        runtime::warn("tenon: '" + c.name + "' (" + to_string(at) + ") copies the donated tensor of " +
                      place_of_input(c, i) + ", because somebody else still holds it");
      buffer = runtime::Buffer::allocate(pins[i]->size(), pins[i]->device());
      buffer->copy(*pins[i]);
    }
    in[i] = buffer->address();
    results[o] = make_concrete(ir::resolved(m.outputs[o], {values.data(), values.size()}), std::move(buffer), at);
  }
}

}  // namespace

uint64_t Callable::memory_bytes() const {
  uint64_t sum = sizeof(Callable) + heap_bytes(name) + heap_bytes(inputs) + heap_bytes(donated);
  if (tape)
    sum += tape->memory_bytes();  // its forward is our program
  else if (program)
    sum += program->memory_bytes();
  return sum;
}

void call(const Callable& c, std::span<const Tensor> inputs, std::span<const int64_t> dims, const Location& at,
          Tensors& results) {
  if (const auto there = inputs_on(c.program->device(), inputs, c.name.c_str(), at))
    return call(c, *there, dims, at, results);
  const size_t count = c.tape ? c.tape->inputs.size() : inputs.size();
  const auto input = [&](size_t i) -> const Tensor& { return inputs[c.tape ? c.tape->inputs[i] : i]; };
  Pins pins;
  for (size_t i = 0; i < count; ++i) {
    const Tensor& t = input(i);
    if (!t.defined() || !t.cell()->concrete()) check_readable(t, c.name.c_str(), at);
    c.tape ? pins.add_share(*t.cell()->slot) : pins.add(*t.cell()->slot);
  }
  pins.hold();
  Addresses in;
  addresses_of(in, pins, count, input, c.name.c_str(), at);
  if (c.donated.empty()) {
    run_into(results, *c.program, in.data(), dims, {c.name.c_str(), at}, nullptr);
  } else {
    refuse_shared_donations(c, count, pins, at);
    // A call that is refused leaves its donated tensors as they were.
    Taken taken;
    bool started = false;
    try {
      take_over(c, inputs, pins, in, dims, results, taken, at);
      run_into(results, *c.program, in.data(), dims, {c.name.c_str(), at}, &started);
    } catch (...) {
      for (auto& [slot, buffer] : taken)
        if (!started) slot->put_back(std::move(buffer));
      throw;
    }
  }
  if (c.tape)
    put_on_tape(c, inputs, pins, dims, at, results);
  else
    pass_gradients_on(inputs, {results.data(), results.size()});
}

void run(const runtime::Executable& program, const void* const* inputs, std::span<const int64_t> dims,
         const Location& at, Tensors& results) {
  run_into(results, program, inputs, dims, {"backward", at}, nullptr);
}

}  // namespace tenon
