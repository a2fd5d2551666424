// Simplify's rules for contractions.
#include <algorithm>
#include <numeric>

#include "tenon/passes/simplify/rules.h"

namespace tenon::passes {

using namespace ir;

namespace {

// An operand without its contracted axes, which have extent 1, over the result's shape: batch axes, its free axes from `first` on.
Value over_result(Value x, const std::vector<int64_t>& batch, const std::vector<int64_t>& contracted, size_t first,
                  const Shape& result) {
  std::vector<int64_t> order = batch, axes(batch.size());
  std::iota(axes.begin(), axes.end(), 0);
  Shape kept;
  for (int64_t axis : batch) kept.push_back(x.shape()[axis]);
  const auto listed = [](const std::vector<int64_t>& list, int64_t axis) {
    return std::find(list.begin(), list.end(), axis) != list.end();
  };
  for (int64_t axis = 0; axis < x.shape().rank(); ++axis) {
    if (listed(batch, axis) || listed(contracted, axis)) continue;
    order.push_back(axis);
    axes.push_back(static_cast<int64_t>(first++));
    kept.push_back(x.shape()[axis]);
  }
  order.insert(order.end(), contracted.begin(), contracted.end());
  const Value moved = std::is_sorted(order.begin(), order.end()) ? x : transpose(x, std::move(order));
  return broadcast(reshape(moved, kept), result, std::move(axes));
}

std::vector<Value> dot_of_ones(const Match& m) {
  const DotGeneral d(m.attrs);
  const Value lhs = m.operands[0], rhs = m.operands[1];
  for (int64_t axis : d.lhs_contract)
    if (!(lhs.shape()[axis] == 1)) return {};
  const size_t batch = d.lhs_batch.size(), rows = lhs.shape().size() - batch - d.lhs_contract.size();
  Shape result;
  for (int64_t axis : d.lhs_batch) result.push_back(lhs.shape()[axis]);
  for (const auto& [x, b, c] :
       {std::tuple(lhs, &d.lhs_batch, &d.lhs_contract), std::tuple(rhs, &d.rhs_batch, &d.rhs_contract)})
    for (int64_t axis = 0; axis < x.shape().rank(); ++axis)
      if (std::find(b->begin(), b->end(), axis) == b->end() && std::find(c->begin(), c->end(), axis) == c->end())
        result.push_back(x.shape()[axis]);
  const DType type = lhs.dtype(), wide = is_half(type) ? DType::f32 : type;
  const Value a = cast(over_result(lhs, d.lhs_batch, d.lhs_contract, batch, result), wide);
  const Value b = cast(over_result(rhs, d.rhs_batch, d.rhs_contract, batch + rows, result), wide);
  const Value product = a * b;
  return {cast(is_floating(wide) ? product + like(product, 0) : product, type)};
}

constexpr Rule rules[] = {
    {"dot_of_ones", Op::dot_general,
     "the sum of one product is that product, rounded once, added to the +0 that a sum starts from", dot_of_ones},
};

}  // namespace

std::span<const Rule> contraction_rules() { return rules; }

}  // namespace tenon::passes
