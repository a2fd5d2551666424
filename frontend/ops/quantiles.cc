// Elements of a row by how many lie below: median, quantile, mode. A row is all reduced axes as one, sorted once. Refuses rows without
// elements.
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// One extent as values, i64, in the shape of x.
Value extent_over(Value x, Dim n) {
  ir::GraphBuilder& b = *x.builder;
  return n.is_number() ? ir::literal(x, n.number()) : ir::spread(ir::extent_value(b, n), x);
}

// How many NaNs each row [others..., n] has: [others..., 1].
Value nans_in(Value rows) { return total(ir::cast(is_nan(rows), i64), {rows.shape().rank() - 1}); }

// The lower of the two in the middle; with `skip` of those that are numbers, else NaN where there is one, the first.
Value median_of_rows(Value rows, bool skip) {
  const int64_t last = rows.shape().rank() - 1;
  const Value sorted = ordered(rows, last).keys, nans = nans_in(rows);
  const Value n = extent_over(nans, rows.shape()[last]), numbers = n - nans;
  const Value none = ir::literal(n, 0);
  const Value place =
      skip ? max(numbers - 1, none) / 2 : ir::select(ir::gt(nans, none), min(numbers, n - 1), (n - 1) / 2);
  return without_last(picked(sorted, place));
}

// Where a median is of all elements, those that equal it share its derivative, as those of max do.
Value shared_among_equals(Value x, Value median, const Axes& axes) {
  const Value m = ir::stop_gradient(ir::spread(median, x));
  const Value equal = ir::bit_or(ir::eq(x, m), ir::bit_and(is_nan(x), is_nan(m)));
  const Value chosen = ir::select(equal, x, identity(ir::Op::max, x));
  return axes.empty() ? x : ir::reduce(ir::Op::reduce_max, chosen, axes);
}

std::vector<Value> build_median(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Median m(attrs);
  if (m.axes.empty()) return {x[0]};
  const bool truths = x[0].dtype() == boolean;
  const Value t = truths ? ir::cast(x[0], u8) : x[0];
  Value found = median_of_rows(as_rows(t, m.axes), m.skip);
  if (m.shared && is_floating(t.dtype())) found = shared_among_equals(t, found, m.axes);
  return {ir::cast(returned(found, t.shape(), m.axes, m.keepdims), x[0].dtype())};
}

// a + w (b - a) from the nearer end; between equal ends, infinite ones too, it is they.
Value between(Value a, Value b, Value w) {
  const Value distance = gap(b, a);
  return ir::select(ir::lt(w, ir::like(w, 0.5)), a + w * distance, b - distance * (1 - w));
}

// Ranks q (n - 1) of each row, and between two elements what the interpolation says. rows [others..., n], q [m]: [others..., m].
Value quantiles_of_rows(Value rows, Value q, const made::Quantile& how) {
  const int64_t last = rows.shape().rank() - 1;
  const Dim length = rows.shape()[last];
  const Value sorted = ordered(rows, last).keys, nans = nans_in(rows);
  const Value n = extent_over(nans, length);
  Shape results = rows.shape();
  results[last] = q.shape()[0];
  const Value behind = max(how.skip ? n - nans - 1 : n - 1, ir::literal(n, 0));  // the last place that counts
  const Value rank = ir::broadcast(q, results, {last}) * ir::broadcast_to(ir::cast(behind, rows.dtype()), results);
  const Value end = ir::broadcast_to(behind, results);
  // A NaN is the last of its row, and answers for all ranks.
  const Value spoilt = ir::broadcast_to(ir::gt(nans, ir::literal(nans, 0)), results);
  const auto at = [&](Value place) {
    const Value inside = min(max(ir::cast(place, i64), ir::literal(end, 0)), end);
    return picked(sorted, how.skip ? inside : ir::select(spoilt, end, inside));
  };
  Value v;
  if (how.interpolation == "lower") {
    v = at(floor(rank));
  } else if (how.interpolation == "higher") {
    v = at(ceil(rank));
  } else if (how.interpolation == "nearest") {
    v = at(ir::round(rank));
  } else {
    const Value w = how.interpolation == "midpoint" ? ir::like(rank, 0.5) : rank - floor(rank);
    v = between(at(floor(rank)), at(ceil(rank)), w);
  }
  const Value valid = ir::bit_and(ir::ge(rank, ir::like(rank, 0)), ir::le(rank, ir::cast(end, rank.dtype())));
  return ir::select(valid, v, ir::like(v, std::numeric_limits<double>::quiet_NaN()));
}

std::vector<Value> build_quantile(ir::GraphBuilder&, std::span<const Value> in, const ir::Attrs& attrs) {
  const made::Quantile how(attrs);
  const DType computed = wide(how.dtype);
  const Value x = ir::cast(in[0], computed);
  const bool one = in[1].shape().rank() == 0;
  const Value q = ir::cast(one ? ir::reshape(in[1], {Dim(1)}) : in[1], computed);
  const Value rows = as_rows(x, how.axes), found = ir::cast(quantiles_of_rows(rows, q, how), how.dtype);
  const size_t last = rows.shape().size() - 1;
  if (one) return {returned(without_last(found), x.shape(), how.axes, how.keepdims)};
  const Value in_front = ir::move_axis(found, last, 0);
  if (!how.keepdims) return {in_front};
  Shape kept = x.shape();
  for (int64_t a : how.axes) kept[static_cast<size_t>(a)] = Dim(1);
  kept.insert(0, q.shape()[0]);
  return {ir::reshape(in_front, kept)};
}

// The longest run of equal elements in a sorted row, the first of equally long ones; its value, and where the last of it was.
std::vector<Value> build_mode(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Kept m(attrs);
  return with_axis(x[0], [&](Value t) {
    ir::GraphBuilder& b = *t.builder;
    const Value rows = as_rows(t, {m.axis});
    const int64_t last = rows.shape().rank() - 1;
    const Ordered all = ordered(rows, last);
    const Value place = ir::iota(b, i64, rows.shape(), last);
    const Value before = picked(ir::stop_gradient(all.keys), max(place - 1, ir::literal(place, 0)));
    const Value fresh = ir::bit_or(ir::eq(place, ir::literal(place, 0)), ir::ne(all.keys, before));
    const Value start = ir::select(fresh, place, ir::literal(place, 0));
    const auto begun =
        ir::apply(b, ir::Op::cummax, std::span(&start, 1), ir::CumulativeAttrs{.axis = static_cast<size_t>(last)});
    const Value end = ir::reduce(ir::Op::argmax, place - begun[0], {last});
    std::vector<Value> found;
    for (const Value& v : {all.keys, all.places})
      found.push_back(returned(picked_one(v, end), t.shape(), {m.axis}, m.keepdims));
    return found;
  });
}

}  // namespace
}  // namespace formula

namespace {

Tensor median_of(const char* name, const Operand& x, const Reduce& r, bool skip) try {
  const Location& at = x.where();
  const Tensor t = real_tensor(x, name);
  if (r.dtype || r.where)
    throw Error(
        std::string(name) +
            " takes axes and keepdims; convert the tensor first, or put NaN where the mask is false and use nanmedian",
        at);
  const std::vector<int64_t> axes = axes_of(r, t.ndim(), name, at);
  for (int64_t a : axes) check_row(t, a, name, at);
  return apply_one({name, formula::build_median},
                   made::MedianAttrs{.axes = axes, .keepdims = r.keepdims, .skip = skip, .shared = r.axes.empty()}, {t},
                   at);
} catch (...) {
  leave_with_error(name, x.where());
}

Tensor quantile_of(const char* name, const Operand& x, const Operand& q, const Quantile& o, bool skip) try {
  const Location& at = x.where();
  check_real(name, {&x, &q});
  const Tensor t = as_tensor(x, name);
  const DType dtype = formula::floating(t.dtype());
  if (q.weak() != Operand::Weak::no && !(q.floating() >= 0 && q.floating() <= 1))
    throw Error(std::string(name) + ": q is 0 to 1, not " + std::to_string(q.floating()), at);
  const Tensor ranks = entered(q, formula::wide(dtype), name);
  if (ranks.ndim() > 1) throw Error(std::string(name) + ": q is a number or a vector, not " + describe(ranks), at);
  bool known = false;
  for (const char* word : {"linear", "lower", "higher", "nearest", "midpoint"}) known |= o.interpolation == word;
  if (!known)
    throw Error(
        std::string(name) + ": interpolation is linear, lower, higher, nearest or midpoint, not " + o.interpolation,
        at);
  const std::vector<int64_t> axes = axes_of(Reduce{.axes = o.axes}, t.ndim(), name, at);
  for (int64_t a : axes) check_row(t, a, name, at);
  return apply_one(
      {name, formula::build_quantile},
      made::QuantileAttrs{
          .axes = axes, .keepdims = o.keepdims, .skip = skip, .interpolation = o.interpolation, .dtype = dtype},
      {t, ranks}, at);
} catch (...) {
  leave_with_error(name, x.where());
}

}  // namespace

Tensor median(Operand x, Reduce r) { return median_of("median", x, r, false); }
Tensor nanmedian(Operand x, Reduce r) { return median_of("nanmedian", x, r, true); }

Tensor quantile(Operand x, Operand q, Quantile o) { return quantile_of("quantile", x, q, o, false); }
Tensor quantile(Operand x, Operand q, int64_t axis, bool keepdims) {
  return quantile_of("quantile", x, q, {.axes = {axis}, .keepdims = keepdims}, false);
}
Tensor nanquantile(Operand x, Operand q, Quantile o) { return quantile_of("nanquantile", x, q, o, true); }
Tensor nanquantile(Operand x, Operand q, int64_t axis, bool keepdims) {
  return quantile_of("nanquantile", x, q, {.axes = {axis}, .keepdims = keepdims}, true);
}

TensorPair mode(Operand x, int64_t axis, bool keepdims) try {
  const Location& at = x.where();
  const Tensor t = real_tensor(x, "mode");
  const int64_t along = row_axis(axis, t, "mode", at);
  check_row(t, along, "mode", at);
  const auto results =
      apply({"mode", formula::build_mode}, made::KeptAttrs{.axis = along, .keepdims = keepdims}, std::span(&t, 1), at);
  return {results[0], results[1]};
} catch (...) {
  leave_with_error("mode", x.where());
}

}  // namespace tenon
