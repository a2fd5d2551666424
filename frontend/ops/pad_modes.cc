// Padding by what is there: mirrored without the edge, the edge repeated, or from the other side; and by a value, where negative
// widths cut. Axis after axis: what is added in front, what stays, what is added behind.
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/frontend/ops/shapes.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon {
namespace {

using ir::Value;
using Values = std::span<const Value>;

Value repeated_part(Value x, int64_t along, Dim start, Dim count) {
  Shape shape = x.shape();
  shape[static_cast<size_t>(along)] = count;
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < shape.rank(); ++i) axes.push_back(i);
  return ir::broadcast(formula::part(x, along, start, 1), shape, std::move(axes));
}

}  // namespace

Value formula::padded_axis(Value x, size_t axis, Dim low, Dim high, Pad mode) {
  Symbols& s = x.builder->symbols();
  const Dim n = x.shape()[axis];
  const auto along = static_cast<int64_t>(axis);
  std::vector<Value> parts;
  const auto add = [&](Dim width, auto make) {
    if (!(width == 0)) parts.push_back(make());
  };
  switch (mode) {
    case Pad::reflect:
      add(low, [&] { return ir::reverse(formula::part(x, along, 1, low), {along}); });
      parts.push_back(x);
      add(high,
          [&] { return ir::reverse(formula::part(x, along, s.difference(s.difference(n, 1), high), high), {along}); });
      break;
    case Pad::replicate:
      add(low, [&] { return repeated_part(x, along, 0, low); });
      parts.push_back(x);
      add(high, [&] { return repeated_part(x, along, s.difference(n, 1), high); });
      break;
    case Pad::circular:
      add(low, [&] { return formula::part(x, along, s.difference(n, low), low); });
      parts.push_back(x);
      add(high, [&] { return formula::part(x, along, 0, high); });
      break;
    case Pad::constant: parts.push_back(x); break;
  }
  return parts.size() == 1 ? parts[0] : ir::concat(parts, along);
}

namespace {

std::vector<Value> build_padded(ir::GraphBuilder& b, Values given, const ir::Attrs& attrs) {
  const made::PaddedAs p(attrs);
  const Shape shape = given[0].shape();
  std::vector<Dim> sizes;
  for (size_t i = 0; i < shape.size(); ++i)
    sizes.push_back(b.symbols().difference(b.symbols().difference(shape[i], p.cut_low[i]), p.cut_high[i]));
  Value x = ir::slice(given[0], p.cut_low, sizes, std::vector<int64_t>(shape.size(), 1));
  const auto mode = static_cast<Pad>(p.mode);
  if (mode == Pad::constant) return {ir::pad(x, given[1], p.low, p.high, std::vector<int64_t>(shape.size(), 0))};
  for (size_t i = 0; i < shape.size(); ++i) x = formula::padded_axis(x, i, p.low[i], p.high[i], mode);
  return {x};
}

// How far an axis of n elements can be widened by a mode; nothing where no number says so.
std::string refusal(Pad mode, Extent n, Extent width) {
  if (!n.is_number() || !width.is_number() || width.number() <= 0) return "";
  switch (mode) {
    case Pad::reflect:
      return width.number() < n.number() ? ""
                                         : "reflects less than the axis has, which is " + std::to_string(n.number());
    case Pad::circular:
      return width.number() <= n.number() ? ""
                                          : "goes around once at most, and the axis has " + std::to_string(n.number());
    case Pad::replicate: return n.number() > 0 ? "" : "repeats an edge, and the axis is empty";
    case Pad::constant: return "";
  }
  return "";
}

Tensor padded(const Operand& operand, const Widths& widths, PadMode mode, double value) try {
  const FloatEnvironment standard;
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "pad");
  if (!mode.known) throw Error("pad: a mode is constant, reflect, replicate (edge) or circular (wrap)", at);
  if (widths.size() != static_cast<size_t>(x.ndim()))
    throw Error("pad: one (low, high) pair per axis of " + describe(x), at);
  std::vector<Dim> low, high, cut_low, cut_high;
  for (size_t i = 0; i < widths.size(); ++i) {
    Extent left = x.shape()[i];
    const auto part = [&](const Extent& width, std::vector<Dim>& added, std::vector<Dim>& cut) {
      const bool cuts = width.is_number() && width.number() < 0;
      const Extent gone = cuts ? Extent(-std::max(width.number(), -INT64_MAX)) : Extent(0);
      if (gone.is_number() && left.is_number() && gone > left)
        throw Error("pad: axis " + std::to_string(i) + " of " + describe(x) + " has fewer elements than are cut", at);
      left = left - gone;
      added.push_back(cuts ? Dim(0) : extent_here(width)), cut.push_back(extent_here(gone));
    };
    part(widths[i].first, low, cut_low), part(widths[i].second, high, cut_high);
    for (const Extent& width : {widths[i].first, widths[i].second})
      if (const std::string why = refusal(mode.mode, left, width); !why.empty())
        throw Error("pad: " + std::to_string(width.number()) + " along axis " + std::to_string(i) + " of " +
                        describe(x) + ": this mode " + why,
                    at);
  }
  std::vector<Tensor> inputs{x};
  if (!is_continuous(x.dtype()) && !(value >= -0x1p63 && value < 0x1p63))
    throw Error("pad: the fill " + shortest(value) + " does not fit " + std::string(name(x.dtype())), at);
  if (mode.mode == Pad::constant) {
    const Operand fill = is_continuous(x.dtype()) ? Operand(value, at) : Operand(static_cast<int64_t>(value), at);
    inputs.push_back(materialize(fill, x.dtype(), "pad"));
  }
  return apply(
      {"pad", build_padded},
      made::PaddedAsAttrs{
          .low = low, .high = high, .cut_low = cut_low, .cut_high = cut_high, .mode = static_cast<int64_t>(mode.mode)},
      inputs, at)[0];
} catch (...) {
  leave_with_error("pad", operand.where());
}

}  // namespace

PadMode::PadMode(const char* name) {
  const std::string_view word = name;
  known = true;
  if (word == "reflect")
    mode = Pad::reflect;
  else if (word == "replicate" || word == "edge")
    mode = Pad::replicate;
  else if (word == "circular" || word == "wrap")
    mode = Pad::circular;
  else
    known = word == "constant";
}

Tensor pad(Operand x, const Widths& widths, double value) { return padded(x, widths, Pad::constant, value); }
Tensor pad(Operand x, const Widths& widths, Padding p) { return padded(x, widths, p.mode, p.value); }
Tensor pad(Operand x, const Widths& widths, Pad mode, double value) { return padded(x, widths, mode, value); }

}  // namespace tenon
