// Closing a traced function: its arguments become inputs, what it captures follows them.
#include "tenon/frontend/transform/program.h"

#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/frontend/transform/record.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/runtime/named_extents.h"

namespace tenon::detail {
namespace {

std::shared_ptr<Symbols> enclosing_symbols() {
  Trace* outer = Trace::current();
  return outer ? outer->builder.graph().symbols : nullptr;
}

// Named extents are numbered in one table for the process; a program has a table of its own, in order of appearance.
ir::Type in_table(const ir::Type& type, Symbols& symbols) {
  if (type.shape.is_static()) return type;
  ir::Type out{type.dtype, {}};
  for (Dim d : type.shape) out.shape.push_back(runtime::named_in(symbols, d));
  return out;
}

}  // namespace

std::shared_ptr<Program> close(const char* what, const std::vector<Tensor>& inputs, Body body, void* context,
                               const Location& at) {
  auto program = std::make_shared<Program>();
  Trace trace(what, at, enclosing_symbols());
  std::vector<Tensor> arguments, outputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Cell& cell = *inputs[i].cell();
    const ir::Type type = cell.is_spec ? in_table(cell.type, trace.builder.symbols()) : cell.type;
    arguments.push_back(trace.input(type, std::to_string(i), cell.made));
  }
  try {
    body(context, arguments, outputs);  // the caller's code, in the caller's floating-point state
  } catch (const Error& e) {  // arithmetic on extents knows no place: that of the transform is better than none
    if (e.where().known() || !at.known()) throw;
    throw Error(std::string("while '") + what + "' traces: " + e.message(), at);
  }
  const FloatEnvironment standard;
  std::vector<ir::ValueId> results;
  for (const Tensor& t : outputs) results.push_back(trace.value(t, t.defined() ? t.cell()->made : at).id);
  program->arguments = static_cast<uint32_t>(inputs.size());
  program->captured = trace.captured;
  program->graph = trace.builder.finish(results);
  return program;
}

bool may_equal(Dim a, Dim b) {
  if (a.is_number() && b.is_number()) return a == b;
  return !Trace::current()->builder.symbols().differ(extent_here(a), extent_here(b));
}

// A difference that comes out negative is an error of the call, so two of them are an equation.
Tensor settled(const Tensor& x, const Shape& shape, const Location& at) {
  if (x.shape() == shape) return x;
  Symbols& symbols = Trace::current()->builder.symbols();
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim before = extent_here(x.shape()[i]), after = extent_here(shape[i]);
    if (before == after) continue;
    symbols.difference(before, after);
    symbols.difference(after, before);
  }
  return apply_primitive(ir::Op::reshape, ir::ReshapeAttrs{shape.dims()}, std::span(&x, 1), at)[0];
}

}  // namespace tenon::detail
