// Resampling along the spatial axes, one after the other from the last: each element of the result is a sum of 1, 2 or 4 elements with
// weights. Where they lie is computed in f64, so that no rounding moves them; nearest counts in f32, as PyTorch does. A whole multiple
// of the extent repeats elements, and "area" is adaptive average pooling. Refuses antialiasing.
#include <bit>
#include <cmath>

#include "tenon/frontend/ops/pooling.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

enum class Kind : int64_t { nearest, nearest_exact, linear, cubic };

// How one axis of n elements becomes one of o.
struct Axis {
  Dim n, o;
  bool scaled;  // by a factor that was given, and not by n / o
  double factor;
  bool align;
};

Value number_of(ir::GraphBuilder& b, Dim extent, DType dtype, const Shape& shape) {
  if (extent.is_number()) return ir::splat_integer(b, dtype, extent.number(), shape);
  return ir::broadcast(ir::cast(ir::extent_value(b, extent), dtype), shape, {});
}

// Where element i of the result lies between those of x.
Value source(ir::GraphBuilder& b, const Axis& a) {
  const Shape shape({a.o});
  const Value i = ir::iota(b, f64, shape, 0), n = number_of(b, a.n, f64, shape), o = number_of(b, a.o, f64, shape);
  if (a.align) return i * (n - 1.0) / ir::max(o - 1.0, ir::literal(o, 1));
  const Value middle = i + 0.5;
  return (a.scaled ? middle * (1 / a.factor) : middle * n / o) - 0.5;
}

Value nearest_place(ir::GraphBuilder& b, const Axis& a, bool exact) {
  const Shape shape({a.o});
  const Value i = ir::iota(b, f32, shape, 0);
  const Value scale =
      a.scaled ? ir::splat(b, f32, 1 / a.factor, shape) : number_of(b, a.n, f32, shape) / number_of(b, a.o, f32, shape);
  return ir::cast(ir::floor((exact ? i + 0.5 : i) * scale), i64);
}

Value taken(Value x, Value places, size_t axis) { return ir::take(x, places, axis); }

// A tap of every element of the result: the elements of x at `places`, which are clamped to it, times weights.
Value weighted(Value x, Value places, Value weights, size_t axis) {
  const Value t = taken(x, ir::cast(places, i64), axis);
  const Shape shape = t.shape();
  return t * ir::broadcast(ir::cast(weights, t.dtype()), shape, {static_cast<int64_t>(axis)});
}

Value linear(Value x, const Axis& a, size_t axis) {
  const Value at = ir::max(source(*x.builder, a), ir::splat(*x.builder, f64, 0, Shape({a.o})));
  const Value last = number_of(*x.builder, a.n, f64, Shape({a.o})) - 1.0;
  const Value first = ir::min(ir::floor(at), last), right = ir::min(at - first, ir::literal(at, 1));
  return weighted(x, first, 1.0 - right, axis) + weighted(x, ir::min(first + 1.0, last), right, axis);
}

// Keys' kernel (1981) with a = -3/4, as PyTorch has it.
Value cubic(Value x, const Axis& a, size_t axis) {
  constexpr double k = -0.75;
  const Value at = source(*x.builder, a), first = ir::floor(at), t = at - first;
  const auto near = [&](Value d) { return ((k + 2) * d - (k + 3)) * d * d + 1.0; };  // d <= 1
  const auto far = [&](Value d) { return ((k * d - 5 * k) * d + 8 * k) * d - 4 * k; };  // 1 < d < 2
  const Value zero = ir::zeros_like(first), last = number_of(*x.builder, a.n, f64, Shape({a.o})) - 1.0;
  const auto place = [&](double by) { return ir::max(ir::min(first + by, last), zero); };
  const Value u = 1.0 - t;
  return weighted(x, place(-1), far(t + 1.0), axis) + weighted(x, place(0), near(t), axis) +
         weighted(x, place(1), near(u), axis) + weighted(x, place(2), far(u + 1.0), axis);
}

Value repeated_each(Value x, size_t axis, int64_t times) {
  Shape wide = x.shape(), to = x.shape();
  to[axis] = x.builder->symbols().product(to[axis], times);
  wide.insert(axis + 1, times);
  Axes axes;
  for (size_t i = 0; i < to.size(); ++i) axes.push_back(static_cast<int64_t>(i <= axis ? i : i + 1));
  return ir::reshape(ir::broadcast(x, wide, axes), to);
}

// bits: per axis a factor that was given, or 0; repeats: per axis how often elements are repeated, or 0.
Value resampled(Value x, const made::Resampled& to) {
  const auto kind = static_cast<Kind>(to.kind);
  for (size_t k = to.sizes.size(); k-- > 0;) {
    const size_t axis = x.shape().size() - to.sizes.size() + k;
    const double factor = std::bit_cast<double>(to.bits[k]);
    const Axis a{x.shape()[axis], to.sizes[k], factor != 0, factor, to.align_corners};
    if (to.repeats[k] == 1) continue;
    if (to.repeats[k] > 1)
      x = repeated_each(x, axis, to.repeats[k]);
    else if (kind == Kind::linear)
      x = linear(x, a, axis);
    else if (kind == Kind::cubic)
      x = cubic(x, a, axis);
    else
      x = taken(x, nearest_place(*x.builder, a, kind == Kind::nearest_exact), axis);
  }
  return x;
}

std::vector<Value> build_interpolate(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Resampled to(attrs);
  const auto kind = static_cast<Kind>(to.kind);
  if (kind == Kind::nearest || kind == Kind::nearest_exact) return {resampled(x[0], to)};
  return rounded(x[0], [&](Value v) { return resampled(v, to); });
}

}  // namespace
}  // namespace formula

namespace {

struct Mode {
  const char* name;
  formula::Kind kind;
  int spatial;  // 0: any
};
constexpr Mode modes[] = {{"nearest", formula::Kind::nearest, 0},  {"nearest-exact", formula::Kind::nearest_exact, 0},
                          {"linear", formula::Kind::linear, 1},    {"bilinear", formula::Kind::linear, 2},
                          {"trilinear", formula::Kind::linear, 3}, {"bicubic", formula::Kind::cubic, 2}};

// The extents of the result: as given, or as factors make them.
std::vector<Extent> sizes_of(const Tensor& x, size_t spatial, const Interpolate& o, const Location& at) {
  if (o.size.values.empty() == o.scale_factor.values.empty())
    throw Error("interpolate: give a size or a scale_factor", at);
  std::vector<Extent> sizes = o.size.values;
  std::vector<double> factors = o.scale_factor.values;
  if (sizes.size() == 1) sizes.assign(spatial, Extent(sizes[0]));
  if (factors.size() == 1) factors.assign(spatial, double(factors[0]));
  if ((sizes.empty() ? factors.size() : sizes.size()) != spatial)
    throw Error("interpolate: one entry for each spatial axis of " + describe(x) + ", or one for all", at);
  for (size_t k = 0; k < factors.size(); ++k) {
    const Dim n = x.shape()[static_cast<size_t>(x.ndim()) - spatial + k];
    const double f = factors[k], whole = std::floor(f);
    if (!(f > 0) || !(f < 0x1p31)) throw Error("interpolate: a scale_factor is a positive number", at);
    if (n.is_symbol() && f != whole)
      throw Error("interpolate: a free extent is scaled by whole numbers; " + describe(x) + " is not", at);
    sizes.push_back(n.is_symbol() ? Extent(n) * static_cast<int64_t>(whole)
                                  : Extent(static_cast<int64_t>(std::floor(static_cast<double>(n.number()) * f))));
  }
  for (size_t k = 0; k < spatial; ++k)
    if ((sizes[k].is_number() && sizes[k].number() < 1) || x.shape()[static_cast<size_t>(x.ndim()) - spatial + k] == 0)
      throw Error("interpolate: " + describe(x) + " and the result have an element along each spatial axis at least",
                  at);
  return sizes;
}

// How often each element stands in the result, where that is a whole number; else 0.
int64_t repeats_of(const Mode& mode, Dim n, const Extent& size, double factor, bool align) {
  if (n.is_number() && size.is_number() && n.number() == size.number() && (factor == 0 || factor == 1)) return 1;
  const bool nearest = mode.kind == formula::Kind::nearest || mode.kind == formula::Kind::nearest_exact;
  if (!nearest || align) return 0;
  if (factor != 0) return factor == std::floor(factor) ? static_cast<int64_t>(factor) : 0;
  if (n.is_symbol() || size.is_symbol() || size.number() % n.number() != 0) return 0;
  return size.number() / n.number();
}

}  // namespace

Tensor interpolate(Operand operand, const Interpolate& o) try {
  const Location& at = operand.where();
  const Tensor x = real_tensor(operand, "interpolate");
  if (x.ndim() < 3 || x.ndim() > 5)
    throw Error("interpolate takes [n, channels, 1 to 3 spatial axes], not " + describe(x), at);
  const auto spatial = static_cast<size_t>(x.ndim() - 2);
  const std::vector<Extent> sizes = sizes_of(x, spatial, o, at);
  if (o.mode == "area") {
    std::vector<int64_t> numbers(sizes.begin(), sizes.end());
    return spatial == 1   ? adaptive_avg_pool1d(Operand(x, at), numbers)
           : spatial == 2 ? adaptive_avg_pool2d(Operand(x, at), numbers)
                          : adaptive_avg_pool3d(Operand(x, at), numbers);
  }
  const Mode* mode = std::find_if(std::begin(modes), std::end(modes), [&](const Mode& m) { return o.mode == m.name; });
  if (mode == std::end(modes) || (mode->spatial != 0 && mode->spatial != static_cast<int>(spatial)))
    throw Error(
        "interpolate: \"" + o.mode + "\" is no mode for " + describe(x) +
            "; linear takes 1 spatial axis, bilinear and bicubic 2, trilinear 3, nearest, nearest-exact and area any",
        at);
  const bool nearest = mode->spatial == 0;
  if (nearest && o.align_corners) throw Error("interpolate: align_corners has no meaning for \"" + o.mode + "\"", at);
  made::ResampledAttrs attrs{.kind = static_cast<int64_t>(mode->kind), .align_corners = o.align_corners};
  for (size_t k = 0; k < spatial; ++k) {
    const Dim n = x.shape()[static_cast<size_t>(x.ndim()) - spatial + k];
    const std::vector<double>& given = o.scale_factor.values;
    const double factor = given.empty() ? 0 : given[given.size() == 1 ? 0 : k];
    attrs.sizes.push_back(extent_here(sizes[k]));
    attrs.bits.push_back(std::bit_cast<int64_t>(factor));
    attrs.repeats.push_back(repeats_of(*mode, n, sizes[k], factor, o.align_corners));
  }
  return apply_one({"interpolate", formula::build_interpolate}, std::move(attrs), {x}, at);
} catch (...) {
  leave_with_error("interpolate", operand.where());
}

Tensor interpolate(Operand x, const Sizes& size, Interpolate o) {
  o.size = size;
  return interpolate(std::move(x), o);
}

}  // namespace tenon
