// Elements repeated and turned: tile, repeat_interleave, roll, flips, rot90. Refuses repeat counts that tensors hold: the length of a
// result is part of its type.
#include <algorithm>
#include <numeric>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/shapes.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

ir::Value as_one_row(ir::Value x) {
  const Shape shape = x.shape();
  return ir::reshape(x, Shape({x.builder->symbols().numel(shape)}));
}

// x [.., n, ..] as [.., count, n, ..], or behind with the elements `together`, then each pair as one axis.
std::vector<ir::Value> build_repeat(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const made::Repeated r(attrs);
  const ir::Value whole = r.flat ? as_one_row(x[0]) : x[0];
  const Shape from = whole.shape();
  const size_t rank = r.counts.size(), more = rank - from.size();
  Shape wide, to;
  std::vector<int64_t> axes;
  for (size_t i = 0; i < rank; ++i) {
    const Dim n = i < more ? Dim(1) : from[i - more];
    wide.push_back(r.together ? n : r.counts[i]);
    wide.push_back(r.together ? r.counts[i] : n);
    if (i >= more) axes.push_back(static_cast<int64_t>(2 * i + (r.together ? 0 : 1)));
    to.push_back(b.symbols().product(r.counts[i], n));
  }
  return {ir::reshape(ir::broadcast(whole, wide, axes), to)};
}

// Along each axis what lies behind the cut comes first.
std::vector<ir::Value> build_roll(ir::GraphBuilder& b, Values given, const ir::Attrs& attrs) {
  const made::Rolled r(attrs);
  const Shape whole = given[0].shape();
  ir::Value x = r.flat ? as_one_row(given[0]) : given[0];
  for (size_t k = 0; k < r.axes.size(); ++k) {
    const auto axis = static_cast<size_t>(r.axes[k]);
    const Shape shape = x.shape();
    const auto part = [&](Dim start, Dim size) {
      std::vector<Dim> starts(shape.size(), 0), sizes = shape.dims();
      starts[axis] = start, sizes[axis] = size;
      return ir::slice(x, std::move(starts), std::move(sizes), std::vector<int64_t>(shape.size(), 1));
    };
    const Dim cut = r.cuts[k];
    const ir::Value both[] = {part(cut, b.symbols().difference(shape[axis], cut)), part(0, cut)};
    x = ir::concat(both, r.axes[k]);
  }
  return {ir::reshape(x, whole)};
}

std::vector<ir::Value> build_rot90(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const made::Turned t(attrs);
  const auto turned = [&](ir::Value v) { return ir::reverse(v, t.reversed); };
  const ir::Value y = t.first ? turned(x[0]) : x[0];
  const ir::Value z = t.order.empty() ? y : ir::transpose(y, t.order);
  return {t.first ? z : turned(z)};
}

Tensor tiled(const char* op, const Operand& operand, const Extents& counts, bool fewer) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, op);
  const Shape by = counts.checked(op, boolean, at);
  if (!fewer && by.rank() < x.ndim())
    throw Error(std::string(op) + ": " + std::to_string(by.rank()) + " counts for the axes of " + describe(x) +
                    "; one for each, and for every new axis in front",
                at);
  std::vector<Dim> all(by.begin(), by.end());
  while (static_cast<int>(all.size()) < x.ndim()) all.insert(all.begin(), Dim(1));
  return apply_one({op, build_repeat}, made::RepeatedAttrs{.counts = std::move(all), .together = false, .flat = false},
                   {x}, at);
} catch (...) {
  leave_with_error(op, operand.where());
}

// Where an axis of n elements is cut so that it rolls by `shift`.
Extent cut_of(Extent n, int64_t shift) {
  if (n.is_number()) {
    if (n.number() == 0) return 0;
    const int64_t ahead = ((shift % n.number()) + n.number()) % n.number();
    return ahead == 0 ? 0 : n.number() - ahead;
  }
  if (shift <= 0) return Extent(shift == INT64_MIN ? INT64_MAX : -shift) % n;
  return (n - Extent(shift) % n) % n;
}

// As one row where `flat` is set, which is axis 0 of it.
Tensor rolled(const Tensor& x, bool flat, const std::vector<int64_t>& shifts, const std::vector<int64_t>& axes,
              const Location& at) {
  std::vector<Dim> cuts;
  std::vector<int64_t> along;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = flat ? 0 : axis_of(axes[i], x.ndim(), "roll", at);
    const Extent cut = cut_of(flat ? x.numel() : Extent(x.shape()[static_cast<size_t>(axis)]), shifts[i]);
    if (cut.is_number() && cut.number() == 0) continue;
    along.push_back(axis), cuts.push_back(extent_here(cut));
  }
  if (along.empty()) return x;
  return apply_one({"roll", build_roll},
                   made::RolledAttrs{.cuts = std::move(cuts), .axes = std::move(along), .flat = flat}, {x}, at);
}

Tensor flipped(const char* op, const Operand& operand, int64_t axis, int least) try {
  const Tensor x = as_tensor(operand, op);
  if (x.ndim() < least)
    throw Error(std::string(op) + ": " + describe(x) + " has fewer than " + std::to_string(least) + " axes",
                operand.where());
  return flip(Operand(x, operand.where()), {axis});
} catch (...) {
  leave_with_error(op, operand.where());
}

}  // namespace

Tensor tile(Operand x, const Extents& counts) { return tiled("tile", x, counts, true); }
Tensor repeat(Operand x, const Extents& counts) { return tiled("repeat", x, counts, false); }

Tensor repeat_interleave(Operand operand, Extent count, std::optional<int64_t> axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "repeat_interleave");
  const auto a = axis ? static_cast<size_t>(axis_of(*axis, x.ndim(), "repeat_interleave", at)) : 0;
  if (count.is_number() && count.number() < 0) throw Error("repeat_interleave: the count is 0 or more", at);
  std::vector<Dim> counts(axis ? static_cast<size_t>(x.ndim()) : 1, 1);
  counts[a] = extent_here(count);
  return apply_one({"repeat_interleave", build_repeat},
                   made::RepeatedAttrs{.counts = std::move(counts), .together = true, .flat = !axis}, {x}, at);
} catch (...) {
  leave_with_error("repeat_interleave", operand.where());
}

Tensor repeat_interleave(Operand operand, const std::vector<int64_t>& counts, std::optional<int64_t> axis) try {
  const Location& at = operand.where();
  const Tensor given = as_tensor(operand, "repeat_interleave");
  const Tensor x = axis ? given : flatten(Operand(given, at));
  const int64_t a = axis_of(axis.value_or(0), x.ndim(), "repeat_interleave", at);
  const Dim n = x.shape()[static_cast<size_t>(a)];
  if (!(n == static_cast<int64_t>(counts.size())))
    throw Error("repeat_interleave: " + std::to_string(counts.size()) + " counts for axis " + std::to_string(a) +
                    " of " + describe(x) + "; one for each element",
                at);
  std::vector<int64_t> chosen;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] < 0) throw Error("repeat_interleave: counts are 0 or more", at);
    check_size(Shape({Dim(static_cast<int64_t>(chosen.size())), Dim(1)}), 8);
    chosen.insert(chosen.end(), static_cast<size_t>(counts[i]), static_cast<int64_t>(i));
  }
  const Tensor indices = copy_from(chosen.data(), Shape({Dim(static_cast<int64_t>(chosen.size()))}), i64);
  return take(Operand(x, at), Operand(indices, at), a);
} catch (...) {
  leave_with_error("repeat_interleave", operand.where());
}

Tensor roll(Operand operand, int64_t shift, std::optional<int64_t> axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "roll");
  return rolled(x, !axis, {shift}, {axis.value_or(0)}, at);
} catch (...) {
  leave_with_error("roll", operand.where());
}

Tensor roll(Operand operand, const std::vector<int64_t>& shifts, const std::vector<int64_t>& axes) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "roll");
  if (shifts.size() != axes.size())
    throw Error("roll: " + std::to_string(shifts.size()) + " shifts for " + std::to_string(axes.size()) + " axes", at);
  return rolled(x, false, shifts, axes, at);
} catch (...) {
  leave_with_error("roll", operand.where());
}

Tensor fliplr(Operand x) { return flipped("fliplr", x, 1, 2); }
Tensor flipud(Operand x) { return flipped("flipud", x, 0, 1); }

Tensor rot90(Operand operand, int64_t k, const std::vector<int64_t>& axes) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "rot90");
  if (axes.size() != 2) throw Error("rot90: it turns a plane, which two axes span", at);
  const int64_t a = axis_of(axes[0], x.ndim(), "rot90", at), b = axis_of(axes[1], x.ndim(), "rot90", at);
  if (a == b) throw Error("rot90: the two axes are one", at);
  const int64_t quarter = ((k % 4) + 4) % 4;
  if (quarter == 0) return x;
  std::vector<int64_t> order;
  for (int64_t i = 0; i < x.ndim() && quarter != 2; ++i) order.push_back(i == a ? b : i == b ? a : i);
  std::vector<int64_t> reversed{b};
  if (quarter == 2) reversed.push_back(a);
  return apply_one({"rot90", build_rot90},
                   made::TurnedAttrs{.order = order, .reversed = reversed, .first = quarter == 1}, {x}, at);
} catch (...) {
  leave_with_error("rot90", operand.where());
}

}  // namespace tenon
