// cross_entropy. Its formula is part of the contract on numbers (docs/numbers.md): changing it raises runtime::numerics_version.
// Refuses labels that are no class where their values are at hand; inside a program such a label makes the loss NaN.
#include <limits>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// The mean over rows of log(sum(exp(row - max))) - (row - max)[label]; entries off the label count as 0, whatever they are.
// Rows that carry ignore_index do not count.
Value cross_entropy(Value logits, Value labels, int64_t ignore_index) {
  const Value number = position(labels);
  const Value positive = ge(number, literal(number, 0));
  const Value ignored = eq(number, literal(number, ignore_index));
  const Value inside = bit_and(lt(number, Count(logits, {1}, i64).over(number)), positive);
  const Value hit = one_hot(labels, logits.shape(), boolean);
  const Value likelihood = log_softmax(logits, 1);
  const Value picked = reduce(ir::Op::reduce_sum, select(hit, likelihood, literal(likelihood, 0)), {1});
  const Value row = select(inside, picked, literal(picked, std::numeric_limits<double>::quiet_NaN()));
  const Value sum = reduce(ir::Op::reduce_sum, select(ignored, literal(row, 0), row), {0});
  const Value counted = reduce(ir::Op::reduce_sum, cast(bit_not(ignored), i64), {0});
  return -(sum / cast(counted, sum.dtype()));
}

std::vector<Value> build_cross_entropy(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  return rounded(x[0],
                 [&](Value logits) { return cross_entropy(logits, x[1], made::CrossEntropy(attrs).ignore_index); });
}

}  // namespace
}  // namespace formula

namespace {

void check_labels(const Tensor& labels, int64_t classes, int64_t ignore_index, const Location& at) {
  const bool is_unsigned = labels.dtype() == u64;
  const std::vector<int64_t> values = labels.to_vector<int64_t>();
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t label = values[i];
    if ((label >= 0 && label < classes) || (label == ignore_index && !(is_unsigned && label < 0))) continue;
    throw Error("cross_entropy: label " +
                    (is_unsigned ? std::to_string(static_cast<uint64_t>(label)) : std::to_string(label)) + " of row " +
                    std::to_string(i) + " is no class: they go from 0 to " + std::to_string(classes - 1) +
                    ". Rows that shall not count carry {.ignore_index}, " + std::to_string(ignore_index) + " here",
                at);
  }
}

}  // namespace

Tensor cross_entropy(Operand logits, Operand labels, CrossEntropy c) try {
  const Location& at = logits.where();
  const Tensor x = as_tensor(logits, "cross_entropy"), l = as_tensor(labels, "cross_entropy");
  if (x.ndim() != 2 || l.ndim() != 1 || !(x.shape()[0] == l.shape()[0]) || !is_integer(l.dtype()))
    throw Error("cross_entropy: logits [n, classes] and integer labels [n], not " +
                    describe(typed(x, formula::floating(x.dtype()), at)) + " and " + describe(l),
                at);
  if (!Trace::current()) check_labels(l, x.shape()[1].number(), c.ignore_index, at);
  (void)one_hot_shape(l, x.shape()[1], boolean, at);
  return apply_one({"cross_entropy", formula::build_cross_entropy}, made::CrossEntropyAttrs{c.ignore_index}, {x, l},
                   at);
} catch (...) {
  leave_with_error("cross_entropy", logits.where());
}

}  // namespace tenon
