// Functions being traced: the thread's stack of traces, and what each captures from outside. Internal to the frontend; what
// users see of a trace is frontend/transform/traced.h. Refuses tensors of traces that have ended.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/ir/graph/build.h"

namespace tenon {

// One function being traced to a closed graph. What it uses from outside is captured: it becomes an extra input.
class Trace {
 public:
  Trace(const char* what, const Location& where, std::shared_ptr<Symbols> symbols);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  const uint64_t number;
  const char* const what;  // "jit", "grad", "scan" ...
  const Location where;
  ir::GraphBuilder builder;
  std::vector<Tensor> captured;  // handles that share the outside cells

  Tensor input(const ir::Type& type, const std::string& note, const Location& made);
  // The value of any tensor in this trace, capturing it when it comes from outside.
  ir::Value value(const Tensor& t, const Location& at);
  static Trace* current();  // innermost of this thread, or null
  static bool active(uint64_t number);
  const Trace* outer() const { return outer_; }

 private:
  Trace* const outer_;
  std::vector<ir::ValueId> captured_values_;
};

}  // namespace tenon
