// Control flow as ops: closed graphs become the graph attributes of cond, while_loop and scan; what several of them captured
// is passed once.
#include "tenon/frontend/transform/control.h"

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/named_axis.h"
#include "tenon/frontend/transform/closure.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/graph/loops.h"

namespace tenon::detail {

namespace {

std::vector<int64_t> integers(std::initializer_list<size_t> v) { return {v.begin(), v.end()}; }

}  // namespace

std::vector<Tensor> run_cond(const Tensor& predicate, const Program& then, const Program& otherwise,
                             const std::vector<Tensor>& operands, const Location& at) {
  if (!predicate.defined() || predicate.dtype() != boolean || predicate.ndim() != 0)
    throw Error("cond: the predicate is a bool scalar, not " + describe(predicate), at);
  std::vector<Tensor> constants, inputs{predicate};
  collect(then, constants);
  collect(otherwise, constants);
  inputs.insert(inputs.end(), operands.begin(), operands.end());
  inputs.insert(inputs.end(), constants.begin(), constants.end());
  return apply_primitive(ir::Op::cond,
                         ir::CondAttrs{.then = with_constants(then, constants, false),
                                       .otherwise = with_constants(otherwise, constants, false)},
                         inputs, at);
}

std::vector<Tensor> run_while(const Program& condition, const Program& body, const std::vector<Tensor>& init,
                              WhileOptions o, const Location& at) {
  if (o.memory < 0) throw Error("while_loop: .memory is a number of bytes, not " + std::to_string(o.memory), at);
  // Of all lanes together; and where lanes may part, each iteration selects whole buffers, which had better stay in a cache.
  constexpr int64_t most_of_lanes = int64_t{1} << 20;
  const int64_t lanes = NamedAxis::lanes_of_derivative();
  const int64_t share = std::max<int64_t>((lanes > 1 ? std::min(o.memory, most_of_lanes) : o.memory) / lanes, 1);
  const int64_t memory = share == ir::default_loop_memory ? 0 : share;
  if (condition.graph->outputs().size() != 1 ||
      !(condition.graph->type(condition.graph->outputs()[0]) == ir::Type{boolean, {}}))
    throw Error("while_loop: the condition must return a bool scalar", at);
  std::vector<Tensor> constants;
  collect(condition, constants);
  collect(body, constants);
  std::vector<Tensor> inputs = constants;
  inputs.insert(inputs.end(), init.begin(), init.end());
  return apply_primitive(ir::Op::while_loop,
                         ir::WhileLoopAttrs{.condition = with_constants(condition, constants, true),
                                            .body = with_constants(body, constants, true),
                                            .counts = integers({constants.size()}),
                                            .memory = memory},
                         inputs, at);
}

Tensor counter(Extent low, Extent high, const Location& at) {
  if (low.is_symbol() || high.is_symbol())
    return arange(Operand(0, at), Operand(max(low, high) - low, at)) + Operand(low, at);
  int64_t count = 0;  // none where high lies below low, as in C++
  if (low < high && (__builtin_sub_overflow(high.number(), low.number(), &count) || count > most_bytes / 8))
    throw Error("fori_loop: that is more than 2^59 iterations; nest two loops, or use tn::while_loop", at);
  const Tensor numbers = arange(Operand(0, at), Operand(count, at)) + Operand(low, at);
  numbers.cell()->number = true;  // they go where the state of the loop is
  return numbers;
}

Tensor loop_bound(const Operand& bound, const Location& at) {
  if (bound.weak() != Operand::Weak::no) {
    if (bound.weak() != Operand::Weak::integer) throw Error("fori_loop: a bound is an integer", at);
    const Tensor t = Tensor(arange(Operand(0, at), Operand(1, at))).reshape({}) + bound;  // i64, a free extent too
    t.cell()->number = true;
    return t;
  }
  const Tensor& t = bound.tensor();
  if (!t.defined() || t.ndim() != 0 || !is_integer(t.dtype()))
    throw Error("fori_loop: a bound is an integer scalar, not " + describe(t), at);
  return t.astype(i64);
}

Tensor below(const Tensor& i, const Tensor& end, const Location& at) { return Operand(i, at) < Operand(end, at); }
Tensor next_number(const Tensor& i, const Location& at) { return Operand(i, at) + Operand(1, at); }

std::vector<Tensor> row_specs(const std::vector<Tensor>& xs, Extent& length, const Location& at) {
  std::vector<Tensor> rows;
  for (const Tensor& t : xs) {
    if (t.ndim() == 0) throw Error("scan: xs have a leading axis to run over, not " + describe(t), at);
    const Extent n = extent_here(t.shape()[0]);
    if (!(length.is_number() && length.number() < 0) && !(n == length))
      throw Error("scan: leading extents differ: " + extent_text(length) + " and " + describe(t), at);
    length = n;
    Shape row = t.shape();
    row.erase(0);
    rows.push_back(spec(row, t.dtype()));
  }
  if (length.is_number() && length.number() < 0) throw Error("scan: without xs, give .length", at);
  return rows;
}

std::vector<Tensor> run_scan(const Program& body, const std::vector<Tensor>& init, const std::vector<Tensor>& xs,
                             const ScanOptions& o, const Location& at) {
  if (o.memory < 0) throw Error("scan: .memory is a number of bytes, not " + std::to_string(o.memory), at);
  if (o.unroll < 1) throw Error("scan: .unroll is 1 or more, not " + std::to_string(o.unroll), at);
  std::vector<Tensor> constants, inputs;
  collect(body, constants);
  inputs = constants;
  inputs.insert(inputs.end(), init.begin(), init.end());
  inputs.insert(inputs.end(), xs.begin(), xs.end());
  return apply_primitive(ir::Op::scan,
                         ir::ScanAttrs{.body = with_constants(body, constants, true),
                                       .length = extent_here(o.length),
                                       .counts = integers({constants.size(), init.size()}),
                                       .reverse = o.reverse,
                                       .memory = o.memory,
                                       .unroll = o.unroll == 1 ? 0 : o.unroll},
                         inputs, at);
}

}  // namespace tenon::detail
