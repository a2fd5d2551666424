// Norms, clipping, averages and accumulation over trees: their formulas, and what they are given.
#include "tenon/frontend/optim/gradients.h"

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/optim/step.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tree/match.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::optim::detail {
namespace {

using tenon::detail::Match;
using tenon::detail::match;
using Inputs = std::span<const Value>;

std::vector<Tensor*> numbers_in(const Items& tree) {
  std::vector<Tensor*> out;
  for (const TreeItem& item : tree)
    if (is_number(item)) out.push_back(item.tensor);
  return out;
}
std::vector<Tensor> values_of(const std::vector<Tensor*>& leaves) {
  std::vector<Tensor> out;
  for (const Tensor* t : leaves) out.push_back(*t);
  return out;
}

Value wide(Value x) { return cast(x, computing(x.dtype())); }
Value over(Value scalar, Value x) { return spread(cast(scalar, x.dtype()), x); }

// Of leaves of which there is one at least: squares summed leaf by leaf, then in the order of leaves.
Value norm(Inputs leaves) {
  DType dtype = f32;
  for (const Value v : leaves)
    if (v.dtype() == f64) dtype = f64;
  Value total;
  for (const Value v : leaves) {
    const Value x = wide(v);
    std::vector<int64_t> axes;
    for (int axis = 0; axis < x.shape().rank(); ++axis) axes.push_back(axis);
    const Value sum = cast(axes.empty() ? x * x : reduce(ir::Op::reduce_sum, x * x, axes), dtype);
    total = total ? total + sum : sum;
  }
  return sqrt(total);
}

Values build_norm(ir::GraphBuilder&, Inputs x, const ir::Attrs&) { return {norm(x)}; }

// Inputs: n, the leaves. Outputs: the norm, the leaves. A norm that is NaN is not at most n.
Values build_clip_norm(ir::GraphBuilder&, Inputs x, const ir::Attrs& attrs) {
  const Value size = norm(x.subspan(1)), n = cast(x[0], size.dtype());
  const bool torch = made::Leaves(attrs).flags[0] != 0;
  const Value quotient = n / (torch ? size + 1e-6 : size);
  const Value one = like(size, 1);
  const Value factor = torch ? select(gt(quotient, one), one, quotient) : select(le(size, n), one, quotient);
  Values out = {size};
  for (const Value v : x.subspan(1)) out.push_back(cast(wide(v) * over(factor, wide(v)), v.dtype()));
  return out;
}

// Inputs: the upper bound, the lower one if the flag says so, the leaves.
Values build_clip_values(ir::GraphBuilder&, Inputs x, const ir::Attrs& attrs) {
  const bool both = made::Leaves(attrs).flags[0] != 0;
  const Value high = cast(x[0], f64), low = both ? cast(x[1], f64) : -high;
  Values out;
  for (const Value v : x.subspan(both ? 2 : 1)) {
    const Value t = wide(v);
    out.push_back(cast(min(max(t, over(low, t)), over(high, t)), v.dtype()));
  }
  return out;
}

// Inputs: decay, then pairs of old and next.
Values build_average(ir::GraphBuilder&, Inputs x, const ir::Attrs&) {
  const Value keep = cast(x[0], f64), rest = 1 - keep;
  Values out;
  for (size_t i = 1; i < x.size(); i += 2) {
    const Value old = wide(x[i]), next = cast(x[i + 1], old.dtype());
    out.push_back(cast(over(keep, old) * old + over(rest, next) * next, x[i].dtype()));
  }
  return out;
}

// Inputs: every, the count, then pairs of sum and gradient. Outputs: ready, the count, then pairs of sum and mean.
Values build_accumulate(ir::GraphBuilder&, Inputs x, const ir::Attrs&) {
  const Value count = x[1] + 1, number = cast(count, f64);
  const Value ready = ge(number, cast(x[0], f64));
  Values out = {ready, select(ready, literal(count, 0), count)};
  for (size_t i = 2; i < x.size(); i += 2) {
    const Value sum = x[i] + cast(x[i + 1], x[i].dtype());
    out.push_back(select(spread(ready, sum), like(sum, 0), sum));
    out.push_back(cast(sum / over(number, sum), x[i + 1].dtype()));
  }
  return out;
}

}  // namespace

Tensor norm_of(const Items& tree, const Location& at) {
  const FloatEnvironment standard;
  const std::vector<Tensor> leaves = values_of(numbers_in(tree));
  if (leaves.empty()) return zeros({}, {.dtype = f32});
  return apply_one({"global_norm", build_norm}, made::LeavesAttrs{}, leaves, at);
}

Tensor clip_norm(const Items& tree, const Number& most, Norm how, const Location& at) {
  const FloatEnvironment standard;
  const char* const what = how == Norm::torch ? "clip_grad_norm" : "clip_by_norm";
  const std::vector<Tensor*> leaves = numbers_in(tree);
  std::vector<Tensor> inputs = {entered(what, {"n", most, Range::not_negative}, at)};
  if (leaves.empty()) return zeros({}, {.dtype = f32});
  for (const Tensor* t : leaves) inputs.push_back(*t);
  std::vector<Tensor> results =
      apply({what, build_clip_norm}, made::LeavesAttrs{.flags = {how == Norm::torch}}, inputs, at);
  for (size_t i = 0; i < leaves.size(); ++i) *leaves[i] = std::move(results[i + 1]);
  return std::move(results[0]);
}

void clip_values(const Items& tree, const Number* low, const Number& high, const Location& at) {
  const FloatEnvironment standard;
  std::vector<Tensor> inputs = {
      entered("clip_by_value", {low ? "high" : "n", high, low ? Range::any : Range::not_negative}, at)};
  if (low != nullptr) inputs.push_back(entered("clip_by_value", {"low", *low, Range::any}, at));
  if (low != nullptr && !low->is_tensor() && !high.is_tensor() && low->value() > high.value())
    throw Error("clip_by_value: the lower bound is above the upper one", at);
  const std::vector<Tensor*> leaves = numbers_in(tree);
  if (leaves.empty()) return;
  for (const Tensor* t : leaves) inputs.push_back(*t);
  std::vector<Tensor> results =
      apply({"clip_by_value", build_clip_values}, made::LeavesAttrs{.flags = {low != nullptr}}, inputs, at);
  for (size_t i = 0; i < leaves.size(); ++i) *leaves[i] = std::move(results[i]);
}

void average(const Items& next, const Items& old, const Number& decay, const Location& at) {
  const FloatEnvironment standard;
  if (!decay.is_tensor() && !(decay.value() >= 0 && decay.value() <= 1))
    throw Error("ema: .decay lies in [0, 1], and is " + shortest(decay.value()), at);
  std::vector<Tensor> inputs = {entered("ema", {"decay", decay, Range::any}, at)};
  const std::vector<Tensor*> before =
      match({"ema", "the new tree has", "the old one", "an average has the tree and the types of what it is of"}, next,
            old, Match::moment, at);
  std::vector<Tensor*> leaves;
  size_t n = 0;
  for (const TreeItem& item : next) {
    if (item.tag != 't') continue;
    const Tensor* const kept = before[n++];
    if (!is_number(item) || kept == nullptr) continue;
    inputs.push_back(*kept), inputs.push_back(*item.tensor);
    leaves.push_back(item.tensor);
  }
  if (leaves.empty()) return;
  std::vector<Tensor> results = apply({"ema", build_average}, made::LeavesAttrs{}, inputs, at);
  for (size_t i = 0; i < leaves.size(); ++i) *leaves[i] = std::move(results[i]);
}

Tensor accumulate_into(const Items& sum, const Items& gradients, Tensor& count, const Number& every,
                       const Location& at) {
  const FloatEnvironment standard;
  if (!count.defined() || count.dtype() != i64 || count.ndim() != 0)
    throw Error("accumulate: at 'count', the state has " + describe(count) +
                    " and not i64[]; make the state with tn::optim::accumulate_init",
                at);
  std::vector<Tensor> inputs = {entered("accumulate", {"every", every, Range::positive}, at), count};
  const std::vector<Tensor*> fresh =
      match({"accumulate", "the sums have", "the gradients", "make the state with tn::optim::accumulate_init"}, sum,
            gradients, Match::addend, at);
  std::vector<std::pair<Tensor*, Tensor*>> leaves;
  size_t n = 0;
  for (const TreeItem& item : sum) {
    if (item.tag != 't') continue;
    Tensor* const gradient = fresh[n++];
    if (gradient == nullptr) continue;
    inputs.push_back(*item.tensor), inputs.push_back(*gradient);
    leaves.emplace_back(item.tensor, gradient);
  }
  std::vector<Tensor> results = apply({"accumulate", build_accumulate}, made::LeavesAttrs{}, inputs, at);
  count = std::move(results[1]);
  for (size_t i = 0; i < leaves.size(); ++i)
    *leaves[i].first = std::move(results[2 * i + 2]), *leaves[i].second = std::move(results[2 * i + 3]);
  return std::move(results[0]);
}

}  // namespace tenon::optim::detail
