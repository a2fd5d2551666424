// The distinct elements of a tensor: unique, unique_counts, unique_inverse. A program's size is bounded beforehand: of more distinct
// elements than fit the least are given, and places that are left over are filled. Refuses a size from values inside a trace.
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// values, counts, inverse. In a sorted row the first of each run of equal elements is fresh; how many are fresh up to an element says
// which value it is.
std::vector<Value> build_unique(ir::GraphBuilder& b, std::span<const Value> in, const ir::Attrs& attrs) {
  const made::Unique u(attrs);
  const Value x = flattened(in[0]), fill = ir::cast(in[1], x.dtype());
  const Ordered all = ordered(x, 0);
  const Value place = ir::iota(b, i64, x.shape(), 0), zero = ir::literal(place, 0);
  const Value before = ir::take(all.keys, max(place - 1, zero), 0);
  const Value fresh = ir::bit_or(ir::eq(place, zero), ir::ne(all.keys, before)), one = ir::cast(fresh, i64);
  const Value number = ir::apply(b, ir::Op::cumsum, std::span(&one, 1), ir::CumulativeAttrs{.axis = 0})[0] - 1;
  const Value first = tallied(ir::select(fresh, number, ir::literal(number, -1)), place, u.size);
  const Value found = ir::take(all.keys, first, 0);
  const Value distinct = ir::reduce(ir::Op::reduce_sum, one, {0}), index = ir::iota(b, i64, {u.size}, 0);
  const Value present = ir::lt(index, ir::spread(distinct, index));
  // Without a fill, what is left over is the least element.
  const Value rest = u.filled ? fill : ir::reshape(part(all.keys, 0, 0, 1), {});
  return {ir::select(present, found, ir::spread(rest, found)),
          tallied(number, ir::splat_integer(b, i64, 1, x.shape()), u.size),
          ir::reshape(tallied(all.places, number, x.shape()[0]), in[0].shape()), distinct};
}

}  // namespace
}  // namespace formula

namespace {

struct Distinct {
  Tensor values, counts, inverse;
};
Distinct distinct(const char* name, const Operand& x, std::optional<Extent> size, std::optional<double> fill) try {
  const Location& at = x.where();
  const Tensor t = real_tensor(x, name);
  const bool none = t.numel() == Extent(0);
  if (!size && Trace::current() != nullptr)
    throw Error(
        std::string(name) + ": inside a trace the number of distinct elements is not known; call " + name + "(x, size)",
        at);
  const Dim most = checked_size(size.value_or(t.numel()), 0, name, "the size", at);
  const auto results = apply({name, formula::build_unique}, made::UniqueAttrs{.size = most, .filled = fill || none},
                             std::vector<Tensor>{t, entered(Operand(fill.value_or(0), at), f64, name)}, at);
  if (size) return {results[0], results[1], results[2]};
  const int64_t found = results[3].item<int64_t>();
  const Index first = slice(0, found);
  return {results[0][first], results[1][first], results[2]};
} catch (...) {
  leave_with_error(name, x.where());
}

}  // namespace

Tensor unique(Operand x) { return distinct("unique", x, {}, {}).values; }
Tensor unique(Operand x, Extent size) { return distinct("unique", x, size, {}).values; }
Tensor unique(Operand x, Unique o) {
  return distinct("unique", x, o.size < 0 ? std::optional<Extent>() : Extent(o.size), o.fill).values;
}
TensorPair unique_counts(Operand x) {
  Distinct d = distinct("unique_counts", x, {}, {});
  return {d.values, d.counts};
}
TensorPair unique_counts(Operand x, Extent size) {
  Distinct d = distinct("unique_counts", x, size, {});
  return {d.values, d.counts};
}
TensorPair unique_inverse(Operand x) {
  Distinct d = distinct("unique_inverse", x, {}, {});
  return {d.values, d.inverse};
}
TensorPair unique_inverse(Operand x, Extent size) {
  Distinct d = distinct("unique_inverse", x, size, {});
  return {d.values, d.inverse};
}

}  // namespace tenon
