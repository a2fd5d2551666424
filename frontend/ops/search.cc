// Places in what is sorted: searchsorted, bucketize, isin. A binary search written out, one reading a step, so that it fuses with what
// stands around it. NaN is greater than every number, as in sort. Refuses to look whether what it is given is sorted.
#include "tenon/frontend/ops/search.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {

// The least steps of which the powers of two below add up to n.
Value place_in(Value sorted, Value values, bool right, int64_t steps) {
  const Dim length = sorted.shape()[sorted.shape().rank() - 1];
  const bool shared = sorted.shape().rank() == 1;
  ir::GraphBuilder& b = *sorted.builder;
  Value place = ir::splat_integer(b, i64, 0, values.shape());
  const Value n =
      length.is_number() ? ir::literal(place, length.number()) : ir::spread(ir::extent_value(b, length), place);
  for (int64_t step = steps; step-- > 0;) {
    const Value ahead = place + (int64_t{1} << step), inside = ir::le(ahead, n);
    const Value at = min(ahead, n) - 1;
    const Value key = shared ? ir::take(sorted, at, 0) : picked(sorted, max(at, ir::literal(at, 0)));
    // Whether the value stands behind the key: where they are equal, on the right; a NaN behind every number.
    Value behind = right ? ir::ge(values, key) : ir::gt(values, key);
    if (is_floating(values.dtype())) {
      const Value last = is_nan(values);
      behind = ir::bit_or(behind, right ? last : ir::bit_and(last, ir::eq(key, key)));
    }
    place = ir::select(ir::bit_and(inside, behind), ahead, place);
  }
  return place;
}

namespace {

std::vector<Value> build_search(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Search s(attrs);
  return {place_in(ir::cast(x[0], s.dtype), ir::cast(x[1], s.dtype), s.right, s.steps)};
}

std::vector<Value> build_isin(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::IsIn s(attrs);
  const Value values = ir::cast(x[0], s.dtype), given = ir::cast(x[1], s.dtype);
  const Value flat = ir::reshape(given, {b.symbols().numel(given.shape())});
  const Value sorted = ir::apply(b, ir::Op::sort, std::span(&flat, 1), ir::SortAttrs{.axis = 0})[0];
  const Value place = place_in(sorted, values, false, s.steps);
  const Value found = ir::take(sorted, place, 0);
  const Value none = ir::splat_integer(b, boolean, 0, values.shape());
  const Value hit = s.steps == 0 ? none : ir::eq(found, values);  // behind the last it reads the last, which is less
  return {s.invert ? ir::bit_not(hit) : hit};
}

}  // namespace
}  // namespace formula

int64_t search_steps(Extent n) {
  const int64_t most = n.is_number() ? n.number() : INT64_MAX;
  int64_t steps = 0;
  while (steps < 62 && (most >> steps) != 0) ++steps;
  return steps;
}

namespace {

Tensor search(const char* name, const Operand& sorted, const Operand& values, bool right) try {
  const Location& at = values.where();
  const Operand* const both[] = {&sorted, &values};
  const DType dtype = common_dtype(both, name);
  check_real(dtype, name, at);
  const Tensor keys = entered(sorted, dtype, name), wanted = entered(values, dtype, name);
  if (keys.ndim() == 0)
    throw Error(std::string(name) + ": what is searched has an axis, and this is " + describe(keys), at);
  bool fits = keys.ndim() == 1 || keys.ndim() == wanted.ndim();
  for (int i = 0; fits && keys.ndim() > 1 && i + 1 < keys.ndim(); ++i) fits = keys.shape()[i] == wanted.shape()[i];
  if (!fits)
    throw Error(std::string(name) + ": all axes but the last are equal, or what is searched is a vector; these are " +
                    describe(keys) + " and " + describe(wanted),
                at);
  const int64_t steps = search_steps(keys.shape()[keys.ndim() - 1]);
  return apply_one({name, formula::build_search}, made::SearchAttrs{.right = right, .steps = steps, .dtype = dtype},
                   {keys, wanted}, at);
} catch (...) {
  leave_with_error(name, values.where());
}

}  // namespace

Tensor searchsorted(Operand sorted, Operand values, Search o) try {
  if (!o.side.empty() && o.side != "left" && o.side != "right")
    throw Error("searchsorted: side is left or right, not " + o.side, sorted.where());
  if (o.right && o.side == "left") throw Error("searchsorted: right is true and side is left", sorted.where());
  return search("searchsorted", sorted, values, o.right || o.side == "right");
} catch (...) {
  leave_with_error("searchsorted", sorted.where());
}

Tensor bucketize(Operand values, Operand boundaries, Bucketize o) try {
  const Tensor edges = as_tensor(boundaries, "bucketize");
  if (edges.ndim() != 1) throw Error("bucketize: boundaries are a vector, not " + describe(edges), values.where());
  return search("bucketize", boundaries, values, o.right);
} catch (...) {
  leave_with_error("bucketize", values.where());
}

Tensor isin(Operand values, Operand among, IsIn o) try {
  const Operand* const both[] = {&values, &among};
  const DType dtype = common_dtype(both, "isin");
  check_real(dtype, "isin", values.where());
  const Tensor wanted = entered(values, dtype, "isin"), given = entered(among, dtype, "isin");
  return apply_one({"isin", formula::build_isin},
                   made::IsInAttrs{.invert = o.invert, .steps = search_steps(given.numel()), .dtype = dtype},
                   {wanted, given}, values.where());
} catch (...) {
  leave_with_error("isin", values.where());
}

}  // namespace tenon
