// Sorting, and elements by their rank: sort, argsort, msort, topk, kthvalue. All of them order as the row `sort` does (ir/ops.def):
// stable, NaN greater than every number. Refuses ranks of a quantile: frontend/ops/quantiles.cc.
#include <numeric>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

std::vector<Value> build_sort(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Ordered o(attrs);
  return with_axis(x[0], [&](Value t) {
    if (!o.descending)
      return ir::apply(*t.builder, ir::Op::sort, std::span(&t, 1), ir::SortAttrs{.axis = static_cast<size_t>(o.axis)});
    return std::vector<Value>{ordered(t, o.axis, true).keys};
  });
}
std::vector<Value> build_argsort(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Ordered o(attrs);
  return with_axis(x[0], [&](Value t) { return std::vector<Value>{ordered(t, o.axis, o.descending).places}; });
}

// An i64 of 32 bits that is ordered as x is: NaN above all, -0 equal to +0. For dtypes of at most 32 bits.
Value order_of(Value x) {
  if (!is_floating(x.dtype())) {
    const Value v = ir::cast(x, i64);
    return x.dtype() == u32 ? v - (int64_t{1} << 31) : v;
  }
  const Value v = ir::cast(x, f32), bits = ir::bitcast(v, i32);
  const Value turned = bit_xor(bits, bit_and(shr(bits, ir::literal(bits, 31)), ir::literal(bits, INT32_MAX)));
  const Value numbers = ir::select(ir::eq(v, ir::literal(v, 0)), ir::literal(bits, 0), turned);
  return ir::cast(ir::select(is_nan(v), ir::literal(bits, INT32_MAX), numbers), i64);
}

// Order and place in one number, of which no two in a row are equal.
constexpr int64_t most_places = UINT32_MAX;
Value joint_of(Value x, Value places, bool largest) {
  return order_of(x) * (most_places + 1) + (largest ? most_places - places : places);
}
Value place_in(Value joint, bool largest) {
  const Value low = bit_and(joint, ir::literal(joint, most_places));
  return largest ? most_places - low : low;
}
int64_t last_of_all(bool largest) { return largest ? INT64_MIN : INT64_MAX; }
ir::Op best(bool largest) { return largest ? ir::Op::reduce_max : ir::Op::reduce_min; }

// The first of each row of such numbers, one reduction for each, side by side.
Value first_of(Value joint, int64_t count, bool largest) {
  const int64_t last = joint.shape().rank() - 1;
  std::vector<Value> found = {ir::reduce_kept(best(largest), joint, {last})};
  while (static_cast<int64_t>(found.size()) < count) {
    const Value latest = ir::spread(found.back(), joint);
    const Value left = largest ? ir::lt(joint, latest) : ir::gt(joint, latest);
    found.push_back(
        ir::reduce_kept(best(largest), ir::select(left, joint, ir::literal(joint, last_of_all(largest))), {last}));
  }
  return ir::concat(found, last);
}

// The first few of a row are in the groups whose first ones come first. A group takes elements as far apart as there are groups, so
// that its first one is found beside those of others.
Value candidates_of(Value rows, Value joint, const made::TopK& k) {
  ir::GraphBuilder& b = *rows.builder;
  const Shape shape = joint.shape();
  const int64_t rank = shape.rank(), last = rank - 1;
  const auto at_last = static_cast<size_t>(last);
  const Dim length = shape[at_last];
  const Dim groups = b.symbols().quotient(b.symbols().sum(length, Dim(k.group - 1)), Dim(k.group));
  std::vector<Dim> low(shape.size(), Dim(0)), high = low;
  high[at_last] = b.symbols().difference(b.symbols().product(groups, Dim(k.group)), length);
  Shape grouped = shape, places = shape;
  grouped[at_last] = k.group;
  grouped.push_back(groups);
  places[at_last] = k.few * k.group;
  const Value nothing = ir::splat_integer(b, i64, last_of_all(k.largest), {});
  const Value whole = ir::pad(joint, nothing, low, high, std::vector<int64_t>(shape.size(), 0));
  const Value firsts = ir::reduce(best(k.largest), ir::reshape(whole, grouped), {last});
  const Value place = place_in(first_of(firsts, k.few, k.largest), k.largest);
  const Value count = ir::spread(ir::extent_value(b, groups), place), number = place - place / count * count;
  Shape each = number.shape();
  each.push_back(k.group);
  std::vector<int64_t> kept(shape.size());
  std::iota(kept.begin(), kept.end(), 0);
  const Value within =
      ir::iota(b, i64, each, rank) * ir::spread(ir::extent_value(b, groups), ir::iota(b, i64, each, rank));
  const Value at = ir::reshape(ir::broadcast(number, each, kept) + within, places);
  const Value inside = ir::lt(at, ir::spread(ir::extent_value(b, length), at));
  const Value found = joint_of(picked(rows, ir::select(inside, at, ir::literal(at, 0))), at, k.largest);
  return ir::select(inside, found, ir::literal(found, last_of_all(k.largest)));
}

// The first few of a sorted row without sorting it. The values are read at the places, so that they keep their bits and have the
// derivative.
Ordered few_of(Value x, const made::TopK& k) {
  const Value rows = ir::move_axis(x, static_cast<size_t>(k.axis), x.shape().size() - 1);
  const Value seen = ir::stop_gradient(rows);
  Value joint = joint_of(seen, ir::iota(*x.builder, i64, rows.shape(), rows.shape().rank() - 1), k.largest);
  if (k.group > 1) joint = candidates_of(seen, joint, k);
  const Value places = place_in(first_of(joint, k.few, k.largest), k.largest);
  const auto back = [&](Value v) { return ir::move_axis(v, v.shape().size() - 1, static_cast<size_t>(k.axis)); };
  return {back(picked(rows, places)), back(places)};
}

std::vector<Value> build_topk(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::TopK k(attrs);
  return with_axis(x[0], [&](Value t) {
    if (k.few != 0) {
      const Ordered few = few_of(t, k);
      return std::vector<Value>{few.keys, few.places};
    }
    const Ordered all = ordered(t, k.axis, k.largest);
    return std::vector<Value>{part(all.keys, k.axis, 0, k.count), part(all.places, k.axis, 0, k.count)};
  });
}

std::vector<Value> build_kthvalue(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KthValue k(attrs);
  return with_axis(x[0], [&](Value t) {
    const Ordered all = ordered(t, k.axis);
    std::vector<Value> found;
    for (const Value& v : {all.keys, all.places}) {
      const Value one = part(v, k.axis, k.rank, 1);
      Shape shape = one.shape();
      if (!k.keepdims) shape.erase(static_cast<size_t>(k.axis));
      found.push_back(ir::reshape(one, shape));
    }
    return found;
  });
}

}  // namespace
}  // namespace formula

namespace {

Tensor in_order(const Emit& emit, const Operand& x, const Order& o) try {
  const Tensor t = real_tensor(x, emit.name);
  return apply_one(emit, made::OrderedAttrs{row_axis(o.axis, t, emit.name, x.where()), o.descending}, {t}, x.where());
} catch (...) {
  leave_with_error(emit.name, x.where());
}

constexpr Emit sort_emit{"sort", formula::build_sort}, argsort_emit{"argsort", formula::build_argsort};

// Elements of a group, so that looking for the first groups and then inside them takes the fewest steps; 1 where that gains little.
int64_t group_of(int64_t length, int64_t count) {
  const auto steps = [&](int64_t group) { return count * ((length + group - 1) / group + count * group); };
  int64_t group = 1;
  while (steps(2 * group) < steps(group)) group *= 2;
  return steps(group) + 5 * length < count * length ? group : 1;
}

// Error for a rank outside the axis, where its extent is a number.
void check_rank(int64_t k, int64_t lowest, const Tensor& x, int64_t axis, const char* op, const Location& at) {
  const Extent n = x.ndim() == 0 ? Extent(1) : Extent(x.shape()[static_cast<size_t>(axis)]);
  if (k < lowest || (n.is_number() && k > n.number()))
    throw Error(std::string(op) + ": k is " + std::to_string(lowest) + " to " +
                    (n.is_number() ? std::to_string(n.number()) : std::string("the axis's extent")) + ", not " +
                    std::to_string(k) + "; axis " + std::to_string(axis) + " of " + describe(x),
                at);
}

}  // namespace

Tensor sort(Operand x, int64_t axis, bool descending) {
  return in_order(sort_emit, x, {.axis = axis, .descending = descending});
}
Tensor sort(Operand x, Order o) { return in_order(sort_emit, x, o); }
Tensor sort(Operand x, int64_t axis, Order o) {
  return in_order(sort_emit, x, {.axis = axis, .descending = o.descending});
}
Tensor argsort(Operand x, int64_t axis, bool descending) {
  return in_order(argsort_emit, x, {.axis = axis, .descending = descending});
}
Tensor argsort(Operand x, Order o) { return in_order(argsort_emit, x, o); }
Tensor argsort(Operand x, int64_t axis, Order o) {
  return in_order(argsort_emit, x, {.axis = axis, .descending = o.descending});
}
Tensor msort(Operand x) { return in_order({"msort", formula::build_sort}, x, {.axis = 0}); }

TensorPair topk(Operand x, int64_t k, int64_t axis, TopK o) try {
  const Location& at = x.where();
  const Tensor t = real_tensor(x, "topk");
  const int64_t along = row_axis(axis, t, "topk", at);
  check_rank(k, t.ndim() == 0 ? 1 : 0, t, along, "topk", at);
  // Up to this many one by one is quicker than sorting the row.
  constexpr int64_t few = 16;
  const Extent n = t.ndim() == 0 ? Extent(1) : Extent(t.shape()[static_cast<size_t>(along)]);
  const bool one_by_one = k >= 1 && k <= few && bits(t.dtype()) <= 32 && n.is_number() && n.number() <= UINT32_MAX;
  const auto results = apply({"topk", formula::build_topk},
                             made::TopKAttrs{.axis = along,
                                             .count = one_by_one ? Dim(0) : Dim(k),
                                             .few = one_by_one ? k : 0,
                                             .group = one_by_one ? group_of(n.number(), k) : 1,
                                             .largest = o.largest},
                             std::span(&t, 1), at);
  return {results[0], results[1]};
} catch (...) {
  leave_with_error("topk", x.where());
}

TensorPair kthvalue(Operand x, int64_t k, int64_t axis, bool keepdims) try {
  const Location& at = x.where();
  const Tensor t = real_tensor(x, "kthvalue");
  const int64_t along = row_axis(axis, t, "kthvalue", at);
  check_rank(k, 1, t, along, "kthvalue", at);
  const auto results =
      apply({"kthvalue", formula::build_kthvalue},
            made::KthValueAttrs{.axis = along, .rank = Dim(k - 1), .keepdims = keepdims}, std::span(&t, 1), at);
  return {results[0], results[1]};
} catch (...) {
  leave_with_error("kthvalue", x.where());
}

}  // namespace tenon
