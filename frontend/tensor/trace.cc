// Traces: the thread's stack of functions being traced, and capture of what they use from outside.
#include "tenon/frontend/tensor/trace.h"

#include <atomic>
#include <string_view>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/thread_modes.h"

namespace tenon {
namespace {

uint64_t next_number() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace

Trace::Trace(const char* what, const Location& where, std::shared_ptr<Symbols> symbols)
    : number(next_number()), what(what), where(where), builder("main", std::move(symbols)), outer_(thread_modes.trace) {
  // What the program computes twice stays two values until it is compiled, so that transforms see the program's own order
  // of sums and give the bits of the eager tape.
  builder.merging = false;
  thread_modes.trace = this;
}

Trace::~Trace() {
  // Traces nest, so this one is the innermost; an exception unwinds them in order.
  thread_modes.trace = outer_;
}

Trace* Trace::current() { return thread_modes.trace; }

bool Trace::active(uint64_t number) {
  for (const Trace* t = thread_modes.trace; t != nullptr; t = t->outer_)
    if (t->number == number) return true;
  return false;
}

Tensor Trace::input(const ir::Type& type, const std::string& note, const Location& made) {
  return make_traced(type, number, builder.input(type, note), made);
}

ir::Value Trace::value(const Tensor& t, const Location& at) {
  if (!t.defined()) throw Error("an undefined tensor was used as an operand; give it a value first", at);
  const Cell& cell = *t.cell();
  if (cell.trace == number) return {&builder, cell.value};
  if (cell.traced() && !active(cell.trace))
    throw Error(
        "leaked tensor: " + describe(t) +
            " belongs to a trace that has ended. Return it from the traced function instead of storing it outside",
        at);
  if (cell.is_spec)
    throw Error("a tn::spec has no value; it may only stand in the arguments of lower() or aot::save", at);
  if (cell.requires_grad && std::string_view(what) == "jit")
    throw Error("a jitted function captured " + describe(t) +
                    ", which requires grad; pass it as an argument so that the gradient can flow, or use detach()",
                at);
  for (size_t i = 0; i < captured.size(); ++i) {
    const Cell& other = *captured[i].cell();
    if (&other == &cell || (cell.concrete() && other.slot == cell.slot)) return {&builder, captured_values_[i]};
  }
  const ir::ValueId id = builder.input(cell.type, "captured");
  captured.push_back(t);
  captured_values_.push_back(id);
  return {&builder, id};
}

}  // namespace tenon
