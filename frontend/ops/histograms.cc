// Counting into bins: histogram, histc, bincount. What lies outside the bins is not counted. Refuses a number of bins that depends on
// values inside a trace.
#include <cmath>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// bins + 1 numbers from low to high, each counted from the nearer end, as torch.linspace.
Value edges_between(Value low, Value high, Dim bins) {
  ir::GraphBuilder& b = *low.builder;
  const Dim count = b.symbols().sum(bins, 1);
  const Value i = ir::iota(b, low.dtype(), {count}, 0), j = ir::reverse(i, {0});
  const Value n = ir::spread(ir::cast(ir::extent_value(b, bins), low.dtype()), i);
  const Value from = ir::spread(low, i), to = ir::spread(high, i), step = (to - from) / n;
  return ir::select(ir::lt(i, j), from + step * i, to - step * j);
}

// The bin of each x: the last whose lower edge is not above it; the last bin has its upper edge too; -1 for what lies outside, NaN
// included. A first guess is off by no more than one where edges are this regular.
Value bins_of(Value x, Value edges, Dim bins) {
  ir::GraphBuilder& b = *x.builder;
  const auto edge = [&](Value at) { return ir::take(edges, at, 0); };
  const Value low = ir::spread(ir::reshape(part(edges, 0, 0, 1), {}), x);
  const Value high = ir::spread(ir::reshape(part(edges, 0, bins, 1), {}), x);
  const Value n = ir::spread(ir::extent_value(b, bins), x);
  const Value last = n - 1, zero = ir::literal(last, 0);
  const Value guess = (x - low) / (high - low) * ir::cast(n, x.dtype());
  Value place = min(max(ir::cast(guess, i64), zero), last);
  place = place - ir::cast(ir::lt(x, edge(place)), i64);
  place = place + ir::cast(ir::ge(x, edge(place + 1)), i64);
  place = min(max(place, zero), last);
  return ir::select(ir::bit_and(ir::ge(x, low), ir::le(x, high)), place, ir::literal(place, -1));
}

// Counts and edges. inputs: x, low, high. Where low and high are equal they are the least and the greatest x if `found`; if they still
// are, both move apart by `apart`.
std::vector<Value> build_histogram(ir::GraphBuilder& b, std::span<const Value> in, const ir::Attrs& attrs) {
  const made::Histogram h(attrs);
  const DType computed = wide(h.dtype);
  const Value x = flattened(ir::cast(in[0], computed));
  Value low = ir::cast(in[1], computed), high = ir::cast(in[2], computed);
  if (h.found) {
    const Value equal = ir::eq(low, high);
    const Value least = ir::reduce(ir::Op::reduce_min, x, {0}), greatest = ir::reduce(ir::Op::reduce_max, x, {0});
    low = ir::select(equal, least, low), high = ir::select(equal, greatest, high);
  }
  const Value equal = ir::eq(low, high);
  low = ir::select(equal, low - ir::like(low, h.apart), low);
  high = ir::select(equal, high + ir::like(high, h.apart), high);
  const Value edges = edges_between(low, high, h.bins), places = bins_of(x, edges, h.bins);
  const Value counts = tallied(places, ir::splat_integer(b, i64, 1, x.shape()), h.bins);
  Value result = ir::cast(counts, computed);
  if (h.density)
    result =
        result / (ir::spread(total(result, {0}), result) * (part(edges, 0, 1, h.bins) - part(edges, 0, 0, h.bins)));
  return {ir::cast(result, h.dtype), ir::cast(edges, h.dtype)};
}

// inputs: x[, weights]
std::vector<Value> build_bincount(ir::GraphBuilder& b, std::span<const Value> in, const ir::Attrs& attrs) {
  const made::Bincount c(attrs);
  const Value x = position(in[0]);
  if (in.size() == 1) return {tallied(x, ir::splat_integer(b, i64, 1, x.shape()), c.size)};
  return {ir::cast(tallied(x, ir::cast(in[1], wide(c.dtype)), c.size), c.dtype)};
}

}  // namespace
}  // namespace formula

namespace {

struct Binning {
  const char* name;
  double low, high;
  bool found, density;
  double apart;
};
std::vector<Tensor> binned(const Binning& h, const Operand& x, Extent bins) {
  const Location& at = x.where();
  const Tensor t = real_tensor(x, h.name);
  if (!std::isfinite(h.low) || !std::isfinite(h.high) || h.low > h.high)
    throw Error(std::string(h.name) + ": the range goes from a number to a greater one, not from " +
                    std::to_string(h.low) + " to " + std::to_string(h.high),
                at);
  const bool none = t.numel() == Extent(0);
  const DType dtype = formula::floating(t.dtype()), bounds = formula::wide(dtype);
  return apply(
      {h.name, formula::build_histogram},
      made::HistogramAttrs{.bins = checked_size(bins, 1, h.name, "the number of bins", at),
                           .found = h.found && h.low == h.high && !none,
                           .density = h.density,
                           .apart = h.apart,
                           .dtype = dtype},
      std::vector<Tensor>{t, entered(Operand(h.low, at), bounds, h.name), entered(Operand(h.high, at), bounds, h.name)},
      at);
}

}  // namespace

TensorPair histogram(Operand x, Extent bins, Histogram o) try {
  const auto results = binned({"histogram", o.range.first, o.range.second, true, o.density, 0.5}, x, bins);
  return {results[0], results[1]};
} catch (...) {
  leave_with_error("histogram", x.where());
}
TensorPair histogram(Operand x, Extent bins, double low, double high) try {
  const auto results = binned({"histogram", low, high, false, false, 0.5}, x, bins);
  return {results[0], results[1]};
} catch (...) {
  leave_with_error("histogram", x.where());
}
Tensor histc(Operand x, Extent bins, double low, double high) try {
  return binned({"histc", low, high, true, false, 1}, x, bins)[0];
} catch (...) {
  leave_with_error("histc", x.where());
}

namespace {

// As many as minlength says, and eagerly up to the greatest value. A program's size cannot follow from values.
Extent bins_for(const Tensor& x, int64_t minlength, const Location& at) {
  if (minlength < 0) throw Error("bincount: minlength is not negative, and is " + std::to_string(minlength), at);
  if (Trace::current() != nullptr) {
    if (minlength == 0)
      throw Error("bincount: inside a trace the number of bins is not known from values; call bincount(x, length)", at);
    return minlength;
  }
  if (x.numel() == Extent(0)) return minlength;
  const int64_t greatest = max(x.astype(i64)).item<int64_t>();
  if (greatest >= INT32_MAX)
    throw Error("bincount: a value of " + std::to_string(greatest) + " asks for too many bins", at);
  return std::max(minlength, greatest + 1);
}

Tensor counted(const Tensor& x, Extent size, const Weights& weights, const Location& at) {
  check_index(x, "bincount", at);
  if (x.ndim() != 1) throw Error("bincount: x is a vector, not " + describe(x), at);
  const Dim bins = checked_size(size, 0, "bincount", "the number of bins", at);
  if (!weights) return apply_one({"bincount", formula::build_bincount}, made::BincountAttrs{bins, i64}, {x}, at);
  const Tensor w = weights.tensor();
  if (w.ndim() != 1 || !(w.shape()[0] == x.shape()[0]))
    throw Error("bincount: weights are one for each element of x; these are " + describe(w) + " for " + describe(x),
                at);
  check_real(w.dtype(), "bincount", at);
  const DType dtype = is_floating(w.dtype()) ? w.dtype() : f64;
  return apply_one({"bincount", formula::build_bincount}, made::BincountAttrs{bins, dtype}, {x, w}, at);
}

}  // namespace

Tensor bincount(Operand x, Extent length, Weights weights) try {
  return counted(as_tensor(x, "bincount"), length, weights, x.where());
} catch (...) {
  leave_with_error("bincount", x.where());
}
Tensor bincount(Operand x, Bincount o) try {
  const Tensor t = as_tensor(x, "bincount");
  check_index(t, "bincount", x.where());
  return counted(t, bins_for(t, o.minlength, x.where()), o.weights, x.where());
} catch (...) {
  leave_with_error("bincount", x.where());
}

}  // namespace tenon
