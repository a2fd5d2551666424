// One call of a compiled program: pointers to its inputs, memory for its results, donated memory handed over, the tape.
#include "tenon/frontend/tensor/callable.h"

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/ir/base/heap_bytes.h"
#include "tenon/ir/graph/bind.h"
#include "tenon/runtime/write.h"

namespace tenon {
namespace {

// Pointers for one call, on the stack while they are few: a small call is mostly what surrounds its kernel.
template <class P>
class Pointers {
 public:
  explicit Pointers(size_t n) {
    if (n > few) many_.resize(n), all_ = many_.data();
  }
  Pointers(const Pointers&) = delete;
  Pointers& operator=(const Pointers&) = delete;
  P& operator[](size_t i) { return all_[i]; }
  P* data() { return all_; }

 private:
  static constexpr size_t few = 16;
  P few_[few];
  std::vector<P> many_;
  P* all_ = few_;
};

// The values of a program's symbols, in place while they are few.
using Values = Few<int64_t, 8>;
Values values_of(const runtime::Manifest& m, const std::vector<int64_t>& dims) {
  Values values;
  size_t free = 0;
  for (const Symbol& s : m.symbols) {
    if (s.kind == SymbolKind::free && dims[free] >= s.lower && dims[free] <= s.upper) {
      values.push_back(dims[free++]);
      continue;
    }
    values.resize(0);
    for (const int64_t value : evaluate(m.symbols, dims)) values.push_back(value);
    break;
  }
  return values;
}

// Results that are there already have taken a donated input's memory; the others get memory of their own.
void run_into(Tensors& results, const runtime::Executable& program, const void* const* in,
              const std::vector<int64_t>& dims, const runtime::Caller& caller, bool* started) {
  const runtime::Manifest& m = program.manifest();
  const Values values = values_of(m, dims);
  results.resize(m.outputs.size());
  Pointers<void*> out(m.outputs.size());
  for (size_t o = 0; o < m.outputs.size(); ++o) {
    Tensor& result = results[o];
    if (result.defined())
      out[o] = result.cell()->slot->buffer()->address();
    else
      result = make_result(m.outputs[o], {values.data(), values.size()}, program.device(), caller.at, out[o]);
  }
  program.run(in, out.data(), dims.data(), nullptr, started, caller);
}

std::string place_of_input(const Callable& c, size_t i) {
  return i < c.inputs.size() ? c.inputs[i] : "a tensor that it captured";
}

void refuse_shared_donations(const Callable& c, size_t inputs, const Pins& pins, const Location& at) {
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
void take_over(const Callable& c, std::span<const Tensor> inputs, const Pins& pins, Pointers<const void*>& in,
               const std::vector<int64_t>& dims, Tensors& results, Taken& taken, const Location& at) {
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

namespace {

// input(i): a tensor that the caller holds; what is there is pinned and run.
template <class Input>
void call_pinned(const Callable& c, size_t count, Input input, const std::vector<int64_t>& dims, const Location& at,
                 Tensors& results) {
  Pins pins;
  for (size_t i = 0; i < count; ++i) {
    const Tensor& t = input(i);
    if (!t.defined() || !t.cell()->concrete()) check_readable(t, c.name.c_str(), at);
    pins.add(*t.cell()->slot);
  }
  pins.hold();
  Pointers<const void*> in(count);
  for (size_t i = 0; i < count; ++i) {
    if (pins[i] == nullptr) check_readable(input(i), c.name.c_str(), at);
    in[i] = pins[i]->address();
  }
  run_into(results, *c.program, in.data(), dims, {c.name.c_str(), at}, nullptr);
}

}  // namespace

bool call_plainly(const Callable& c, std::span<Tensor* const> given, std::span<const Tensor> captured,
                  const std::vector<int64_t>& dims, const Location& at, Tensors& results) {
  const size_t count = given.size() + captured.size();
  const auto input = [&](size_t i) -> const Tensor& {
    return i < given.size() ? *given[i] : captured[i - given.size()];
  };
  const runtime::Device& device = c.program->device();
  const Tensor* after_backward = nullptr;
  for (size_t i = 0; i < count; ++i) {
    const Tensor& t = input(i);
    if (!t.defined()) continue;
    if (t.cell()->place != nullptr && t.cell()->place != &device) return false;
    if (t.cell()->backward.known() && after_backward == nullptr) after_backward = &t;
  }
  call_pinned(c, count, input, dims, at, results);
  if (after_backward != nullptr) pass_gradients_on({after_backward, 1}, {results.data(), results.size()});
  return true;
}

void call(const Callable& c, std::span<const Tensor> inputs, const std::vector<int64_t>& dims, const Location& at,
          Tensors& results) {
  if (const auto there = inputs_on(c.program->device(), inputs, c.name.c_str(), at))
    return call(c, *there, dims, at, results);
  if (!c.tape && c.donated.empty()) {
    call_pinned(c, inputs.size(), [&](size_t i) -> const Tensor& { return inputs[i]; }, dims, at, results);
    return pass_gradients_on(inputs, {results.data(), results.size()});
  }
  const size_t count = c.tape ? c.tape->inputs.size() : inputs.size();
  const auto input = [&](size_t i) -> const Tensor& { return inputs[c.tape ? c.tape->inputs[i] : i]; };
  Pins pins;
  for (size_t i = 0; i < count; ++i) {
    const Tensor& t = input(i);
    if (!t.defined() || !t.cell()->concrete()) check_readable(t, c.name.c_str(), at);
    c.tape ? pins.add_share(*t.cell()->slot) : pins.add(*t.cell()->slot);
  }
  pins.hold();
  Pointers<const void*> in(count);
  for (size_t i = 0; i < count; ++i) {
    if (pins[i] == nullptr) check_readable(input(i), c.name.c_str(), at);
    in[i] = pins[i]->address();
  }
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

void run(const runtime::Executable& program, const void* const* inputs, const std::vector<int64_t>& dims,
         const Location& at, Tensors& results) {
  run_into(results, program, inputs, dims, {"backward", at}, nullptr);
}

}  // namespace tenon
