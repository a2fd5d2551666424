// Adaptive pooling: n elements in o windows, window i from floor(i n / o) to ceil((i + 1) n / o). Where o divides n they are equal, and
// this is pooling; else each window reads as many elements as the longest has, and those behind its end do not count.
// Refuses free extents: how long windows are is part of the formula.
#include "tenon/frontend/ops/pooling.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// floor(i n / o) where i stands along an axis of a shape, and ceil((i + 1) n / o).
Value start_of(Value i, int64_t n, int64_t o) { return i * n / o; }
Value end_of(Value i, int64_t n, int64_t o) { return ((i + 1) * n + (o - 1)) / o; }

int64_t longest(int64_t n, int64_t o) {
  int64_t most = 1;
  for (int64_t i = 0; i < o; ++i) most = std::max(most, ((i + 1) * n + o - 1) / o - i * n / o);
  return most;
}

// The windows of every axis beside each other, [.., taps.., windows..], `fill` behind their ends.
struct Uneven {
  Value elements;
  Axes taps;
};

Uneven uneven_windows(Value x, const Axes& axes, const Axes& sizes, Value fill) {
  ir::GraphBuilder& b = *x.builder;
  const Shape plane = x.shape();
  const auto at = static_cast<size_t>(axes[0]), count = axes.size();
  Axes taps;
  for (size_t k = 0; k < count; ++k) {
    const Dim n = plane[static_cast<size_t>(axes[k])];
    if (n.is_symbol()) throw Error("adaptive pooling needs fixed extents; give them as numbers");
    taps.push_back(longest(n.number(), sizes[k]));
  }
  Value inside;
  std::vector<Value> insides(count);
  for (size_t k = count; k-- > 0;) {
    const int64_t n = plane[static_cast<size_t>(axes[k])].number();
    const Shape table({Dim(taps[k]), Dim(sizes[k])});
    const Value tap = along(b, table, 0), window = along(b, table, 1);
    const Value place = start_of(window, n, sizes[k]) + tap;
    insides[k] = ir::lt(place, end_of(window, n, sizes[k]));
    x = ir::take(x, place, at + k);
  }
  // [.., tap, window, tap, window] -> [.., tap, tap, window, window]
  Axes order;
  for (size_t i = 0; i < at; ++i) order.push_back(static_cast<int64_t>(i));
  for (size_t half : {0, 1})
    for (size_t k = 0; k < count; ++k) order.push_back(static_cast<int64_t>(at + 2 * k + half));
  x = ir::transpose(x, order);
  const Shape shape = x.shape();
  for (size_t k = 0; k < count; ++k) {
    const Value own =
        ir::broadcast(insides[k], shape, {static_cast<int64_t>(at + k), static_cast<int64_t>(at + count + k)});
    inside = inside ? ir::bit_and(inside, own) : own;
  }
  return {ir::select(inside, x, ir::broadcast(fill, shape, {})), taps};
}

std::vector<Value> build_adaptive_avg(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Adaptive to(attrs);
  const Shape plane = x[0].shape();
  return rounded(x[0], [&](Value v) {
    const Uneven w = uneven_windows(v, to.axes, to.sizes, ir::splat_integer(b, v.dtype(), 0, {}));
    const Value sum = ir::reduce(ir::Op::reduce_sum,
                                 merged(w.elements, static_cast<size_t>(to.axes[0]), to.axes.size()), {to.axes[0]});
    Value count;
    for (size_t k = 0; k < to.axes.size(); ++k) {
      const int64_t n = plane[static_cast<size_t>(to.axes[k])].number();
      const Value i = along(b, sum.shape(), static_cast<size_t>(to.axes[k]));
      const Value own = end_of(i, n, to.sizes[k]) - start_of(i, n, to.sizes[k]);
      count = count ? count * own : own;
    }
    return sum / ir::cast(count, sum.dtype());
  });
}

std::vector<Value> build_adaptive_max(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Adaptive to(attrs);
  const Shape plane = x[0].shape();
  const auto at = static_cast<size_t>(to.axes[0]);
  const Uneven w = uneven_windows(x[0], to.axes, to.sizes, identity_of(b, ir::Op::reduce_max, x[0].dtype()));
  const Value elements = merged(w.elements, at, to.axes.size());
  std::vector<Value> results{first_extremum(ir::Op::reduce_max, elements, at)};
  if (!to.with_places) return results;
  Value tap = ir::reduce(ir::Op::argmax, elements, {to.axes[0]});
  std::vector<Value> places(to.axes.size());
  for (size_t k = to.axes.size(); k-- > 0;) {
    const auto axis = static_cast<size_t>(to.axes[k]);
    const Value own = k == 0 ? tap : ir::rem(tap, ir::literal(tap, w.taps[k]));
    places[k] = start_of(along(b, tap.shape(), axis), plane[axis].number(), to.sizes[k]) + own;
    if (k > 0) tap = tap / w.taps[k];
  }
  Value flat = places[0];
  for (size_t k = 1; k < places.size(); ++k) flat = flat * plane[static_cast<size_t>(to.axes[k])].number() + places[k];
  results.push_back(flat);
  return results;
}

}  // namespace
}  // namespace formula

namespace {

enum class Pooling { average, maximum, maximum_with_places };

std::vector<Tensor> adaptive(const char* op, const Operand& operand, size_t spatial, const PerAxis& output,
                             Pooling kind) try {
  const Location& at = operand.where();
  const Tensor x = image_of(operand, spatial, op);
  check_real(x.dtype(), op, at);
  formula::Windowing w = last_axes(x, spatial);
  std::vector<int64_t> sizes = per_axis(output, spatial, -1, "output_size", op, at);
  bool even = true;
  for (size_t k = 0; k < spatial; ++k) {
    const Dim n = x.shape()[static_cast<size_t>(w.axes[k])];
    if (n.is_symbol())
      throw Error(
          std::string(op) + ": " + describe(x) + " has a free extent; how long windows are is part of a program", at);
    if (n == 0) throw Error(std::string(op) + ": " + describe(x) + " has no elements to pool", at);
    if (sizes[k] < 0) sizes[k] = n.number();
    if (sizes[k] == 0) throw Error(std::string(op) + ": an output size is 1 or more", at);
    even = even && n.number() % sizes[k] == 0;
    w.taps[k] = w.strides[k] = std::max<int64_t>(1, n.number() / sizes[k]);
  }
  if (even && kind != Pooling::maximum_with_places) {
    const PerAxis taps(w.taps);
    const Operand same(x, at);
    if (kind == Pooling::average)
      return {spatial == 1 ? avg_pool1d(same, taps) : spatial == 2 ? avg_pool2d(same, taps) : avg_pool3d(same, taps)};
    return {spatial == 1 ? max_pool1d(same, taps) : spatial == 2 ? max_pool2d(same, taps) : max_pool3d(same, taps)};
  }
  const ir::Attrs attrs =
      made::AdaptiveAttrs{.axes = w.axes, .sizes = sizes, .with_places = kind == Pooling::maximum_with_places};
  return apply({op, kind == Pooling::average ? formula::build_adaptive_avg : formula::build_adaptive_max}, attrs,
               std::span(&x, 1), at);
} catch (...) {
  leave_with_error(op, operand.where());
}

}  // namespace

#define TENON_ADAPTIVE(n)                                                                                   \
  Tensor adaptive_avg_pool##n##d(Operand x, PerAxis output_size) {                                          \
    return adaptive("adaptive_avg_pool" #n "d", x, n, output_size, Pooling::average)[0];                    \
  }                                                                                                         \
  Tensor adaptive_max_pool##n##d(Operand x, PerAxis output_size) {                                          \
    return adaptive("adaptive_max_pool" #n "d", x, n, output_size, Pooling::maximum)[0];                    \
  }                                                                                                         \
  std::pair<Tensor, Tensor> adaptive_max_pool##n##d_with_indices(Operand x, PerAxis output_size) {          \
    const std::vector<Tensor> both =                                                                        \
        adaptive("adaptive_max_pool" #n "d_with_indices", x, n, output_size, Pooling::maximum_with_places); \
    return {both[0], both[1]};                                                                              \
  }
TENON_ADAPTIVE(1)
TENON_ADAPTIVE(2)
TENON_ADAPTIVE(3)
#undef TENON_ADAPTIVE

}  // namespace tenon
