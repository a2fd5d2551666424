// Traced functions: their text, and calls of their graphs.
#include "tenon/frontend/transform/traced.h"

#include "tenon/frontend/stablehlo/print.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/transform/dynamic.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/door.h"

namespace tenon {

std::string detail::text_of(const Program& p, bool annotated) {
  if (!p.graph) throw Error("ir(): the extents of this program come with its arguments, so it has no text before");
  return door("ir()", {}, [&] { return annotated ? p.graph->annotated_text() : p.graph->text(); });
}

std::string detail::stablehlo_text(const Program& p) {
  if (!p.graph) throw Error("stablehlo(): the extents of this program come with its arguments");
  return door("stablehlo()", {}, [&] { return hlo::module_text(*p.graph, p.captured); });
}

namespace {

// Numbers are the very extents; a symbol takes any. A free extent may be the number: then it is, from here on.
bool takes(const ir::Type& type, const Tensor& t) {
  if (!t.defined() || t.dtype() != type.dtype || t.ndim() != type.shape.rank()) return false;
  for (size_t i = 0; i < static_cast<size_t>(t.ndim()); ++i) {
    const Dim given = t.shape()[i], wanted = type.shape[i];
    if (!wanted.is_number() || given == wanted) continue;
    if (given.is_number() || !detail::tracing() || !detail::may_equal(given, wanted)) return false;
  }
  return true;
}

Tensor taken(const ir::Type& type, const Tensor& t, const Location& at) {
  Shape shape = t.shape();
  for (size_t i = 0; i < shape.size(); ++i)
    if (type.shape[i].is_number()) shape[i] = type.shape[i];
  return detail::settled(t, shape, at);
}

}  // namespace

std::vector<Tensor> Traced::operator()(const std::vector<Tensor>& inputs, const At& at) const try {
  if (program_->for_inputs) return Traced(program_->for_inputs(inputs))(inputs, at);
  if (program_->check) program_->check(inputs);
  if (inputs.size() != program_->arguments)
    throw Error("this traced function takes " + std::to_string(program_->arguments) + " tensors, not " +
                    std::to_string(inputs.size()),
                place(at));
  std::vector<Tensor> given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ir::Type& type = program_->graph->type(ir::ValueId{static_cast<uint32_t>(i)});
    if (!takes(type, inputs[i]))
      throw Error("this traced function takes " + ir::to_string(type, program_->graph->symbols.get()) + " as input " +
                      std::to_string(i) + ", not " + describe(inputs[i]),
                  place(at));
    given.push_back(taken(type, inputs[i], place(at)));
  }
  return apply_graph(*program_->graph, program_->inputs(given), place(at));
} catch (...) {
  leave_with_error("a traced function", place(at));
}

Traced parse(const std::string& text) {
  return door("parse", {}, [&] {
    auto program = std::make_shared<detail::Program>();
    program->graph = ir::parse(text);
    program->arguments = program->graph->input_count();
    return Traced(std::move(program));
  });
}

}  // namespace tenon
