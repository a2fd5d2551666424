// Small programs in the shapes that fusion, lowering and buffer planning must tell apart: stems that are stored and read
// again, narrow values stretched into wide ones, reductions of both beside each other, towers of movement, empty axes.
#include <algorithm>

#include "tenon/tests/program_draw.h"

namespace tenon::testing {

using namespace ir;

namespace {

std::vector<int64_t> reduced_axes(Draw& d, const Shape& shape) {  // one axis, some, or all
  if (d.chance(6)) return d.other_axes(shape, {});
  if (d.chance(4)) return d.some_axes(shape, 2);
  if (d.chance(3)) return {0};
  return {d.chance(2) ? shape.rank() - 1 : static_cast<int64_t>(d.below(shape.size()))};
}

Value activation(Draw& d, Value x) {
  switch (d.below(6)) {
    case 0: return max(x, zeros_like(x));
    case 1: return is_floating(x.dtype()) ? tanh(x) : neg(x);
    case 2: return is_floating(x.dtype()) ? x * logistic(x) : mul(x, x);
    case 3: return x * like(x, 2);
    case 4: return abs(x) + like(x, 1);
    default: return is_floating(x.dtype()) ? exp(d.tame(x, Domain::moderate)) : x + x;
  }
}

// A value over some axes of a shape, computed, not only stored: 2 * w as [64, 1] beside [64, 10].
Value narrow(Draw& d, DType t, const Shape& shape) {
  Shape part;
  std::vector<int64_t> axes;
  for (size_t i = 0; i < shape.size(); ++i)
    if (d.chance(2)) {
      part.push_back(d.chance(5) ? Dim(1) : shape[i]);
      axes.push_back(static_cast<int64_t>(i));
    }
  Value w = d.of_type(t, part);
  for (uint64_t n = d.below(3); n > 0; --n) w = activation(d, w);
  if (d.chance(6)) d.keep(w);
  return broadcast(w, shape, axes);
}

Op summary(Draw& d) {
  const Op all[] = {Op::reduce_sum, Op::reduce_sum, Op::reduce_sum, Op::reduce_max, Op::reduce_min};
  return all[d.below(std::size(all))];
}

void softmax(Draw& d) {
  const Value x = d.any_of(float_types, 1);
  const std::vector<int64_t> axes = reduced_axes(d, x.shape());
  const Value shifted = x - d.along(Op::reduce_max, x, axes);
  const Value e = exp(shifted), total = d.along(Op::reduce_sum, e, axes);
  if (d.chance(3)) d.keep(e);
  if (d.chance(3)) d.keep(shifted - log(total));
  d.keep(d.chance(2) ? e / total : e * (like(e, 1) / total));
}

void norm(Draw& d) {
  const Value x = d.any_of(float_types, 1);
  const std::vector<int64_t> axes = reduced_axes(d, x.shape());
  const Value centred = x - d.along(Op::reduce_sum, x, axes) * like(x, 0.125);
  const Value spread = d.along(Op::reduce_sum, centred * centred, axes) * like(x, 0.125);
  Value y = centred * rsqrt(spread + like(x, 1e-3));
  if (d.chance(2)) d.keep(centred);
  if (d.chance(2)) y = y * narrow(d, x.dtype(), x.shape());
  if (d.chance(2)) y = y + narrow(d, x.dtype(), x.shape());
  d.keep(y);
}

// A wide stem that is stored and read again; narrow values with one reader stretched into its products; reductions of those.
void stretched_products(Draw& d) {
  const Value x = d.any_of(number_types, 1);
  const Shape& shape = x.shape();
  const Value stem = d.chance(3) ? activation(d, x) : sub(x, d.of_type(x.dtype(), shape));
  const Value product = mul(stem, narrow(d, x.dtype(), shape));
  d.show(stem);
  for (uint64_t n = 1 + d.below(2); n > 0; --n) {
    const Value term = d.chance(2) ? product : mul(stem, narrow(d, x.dtype(), shape));
    d.show(reduce(summary(d), term, reduced_axes(d, shape)));
  }
  if (d.chance(4)) d.keep(product);
}

// One stem, branches that reduce it over different axes, joined again.
void branches(Draw& d) {
  const Value x = d.any_of(number_types, 1);
  const Shape& shape = x.shape();
  Value stem = x;
  for (uint64_t n = 1 + d.below(3); n > 0; --n) stem = activation(d, stem);
  if (d.chance(2)) d.show(stem);
  Value joined = stem;
  for (uint64_t n = 1 + d.below(4); n > 0; --n) {
    const std::vector<int64_t> axes = reduced_axes(d, shape);
    const Value r = reduce(summary(d), d.chance(2) ? stem : activation(d, stem), axes);
    d.chance(2) ? d.show(r) : d.keep(r);
    if (d.chance(2)) joined = joined + broadcast(d.chance(2) ? r : activation(d, r), shape, d.other_axes(shape, axes));
  }
  d.keep(joined);
}

// Reductions over axes along which nothing varies, and over axes that are empty.
void reductions_of_stretched(Draw& d) {
  const DType t = d.numeric();
  Shape wide = d.shape(1, 4);
  if (d.chance(4)) wide[d.below(wide.size())] = 0;
  const Value x = narrow(d, t, wide), y = d.of_type(t, wide);
  const Op op = d.chance(4) ? Op::reduce_prod : summary(d);
  const std::vector<int64_t> axes = reduced_axes(d, wide);
  const Value r = reduce(op, d.chance(2) ? x : add(x, y), axes);
  Shape kept = wide;  // keepdims
  for (int64_t axis : axes) kept[axis] = 1;
  const Value again = mul(reshape(r, kept), d.small_number(t, kept));
  d.keep(again);
  if (d.chance(2)) d.keep(add(broadcast(again, wide, d.other_axes(wide, {})), y));
}

// The same tensors read at other places: shifted, reversed, transposed, beside each other.
void tower(Draw& d) {
  const Value x = d.any_of(all_types, 1);
  std::vector<Value> views = {x};
  const size_t kept = d.pool.size();
  for (uint64_t n = 2 + d.below(4); n > 0; --n) {
    if (d.pool.size() > kept && d.chance(2)) std::swap(d.pool.back(), d.pool[d.below(d.pool.size())]);
    draw_movement(d);
    views.push_back(d.pool.back());
  }
  for (Value v : views)
    for (Value w : views)
      if (v.id != w.id && v.type() == w.type() && d.chance(2))
        return d.keep(v.dtype() == DType::boolean ? bit_or(v, w) : add(v, w));
}

// A stencil: neighbours by slices, in one or two axes.
void stencil(Draw& d) {
  const Value x = d.any_of(number_types, 1);
  const Shape& shape = x.shape();
  const size_t axis = d.below(shape.size());
  if (d.least(shape[axis]) < 3) return;
  const Dim inner = d.b.symbols().difference(shape[axis], 2);
  const auto shifted = [&](int64_t by) {
    std::vector<Dim> starts(shape.size(), 0), sizes = shape.dims();
    starts[axis] = by;
    sizes[axis] = inner;
    return slice(x, starts, sizes, std::vector<int64_t>(shape.size(), 1));
  };
  const Value sum = shifted(0) + shifted(2) - shifted(1) * like(shifted(1), 2);
  d.keep(sum);
  std::vector<Dim> margin(shape.size(), 0);
  margin[axis] = 1;
  d.keep(pad(sum, d.small_number(x.dtype(), {}), margin, margin, std::vector<int64_t>(shape.size(), 0)));
}

// Rows of a table by index, weighted, added back: embeddings and their gradients.
void table(Draw& d) {
  const Value x = d.any_of(number_types, 1);
  const Shape at_shape = {d.chance(5) ? d.extent() : Dim(d.pick({0, 1, 3, 17, 40}))};
  const Value at = d.depth == 0 ? d.fresh(DType::i64, at_shape, Filling::indices) : d.of_type(DType::i64, at_shape);
  Shape rows = x.shape();
  rows[0] = at_shape[0];
  if (!d.fits(rows)) return;
  const Value taken = d.emit(Op::gather, {x, at}, take_attrs(x.shape(), 1, 0)).front();
  const Value weighted = mul(taken, narrow(d, x.dtype(), rows));
  d.keep(weighted);
  const Value into = d.chance(2) ? x : zeros_like(x);
  const Value added = d.emit(Op::scatter, {into, at, weighted}, scatter_attrs("add", x.shape().size(), 1, 0)).front();
  d.keep(d.chance(2) ? added : activation(d, added));
  if (d.chance(3)) d.keep(reduce(summary(d), added * like(added, 2), reduced_axes(d, added.shape())));
}

// Extremes and where they are; ranks by sorting.
void order(Draw& d) {
  const Value x = d.any_of(number_types, 1);
  const int64_t axis = static_cast<int64_t>(d.below(x.shape().size()));
  const Attrs along = {axes_of({axis})};
  if (d.chance(2)) {
    const Value best = d.emit(d.chance(2) ? Op::argmax : Op::argmin, {x}, along)[0];
    const Value wide = broadcast(best, x.shape(), d.other_axes(x.shape(), {axis}));
    const Value hit = eq(iota(d.b, DType::i64, x.shape(), axis), wide);
    d.keep(select(hit, x, zeros_like(x)));
    return d.keep(best);
  }
  const std::vector<Value> sorted = d.emit(Op::sort, {x, iota(d.b, DType::i64, x.shape(), axis)}, along);
  if (d.chance(2)) d.keep(sorted[1]);
  d.keep(d.emit(Op::cumsum, {sorted[0]}, {axes_of({axis}), axes_of({d.chance(2)})}));
}

// A mask from comparisons, selecting between values computed anyway.
void masks(Draw& d) {
  const Value x = d.any_of(number_types, 1);
  const Shape& shape = x.shape();
  const Value bound = narrow(d, x.dtype(), shape);
  const Value mask = d.chance(2) ? lt(x, bound) : bit_and(ge(x, bound), d.of_type(DType::boolean, shape));
  const Value chosen = select(mask, activation(d, x), d.chance(2) ? bound : zeros_like(x));
  d.keep(chosen);
  if (d.chance(2)) d.keep(reduce(Op::reduce_sum, cast(mask, DType::i64), reduced_axes(d, shape)));
  if (d.chance(2)) d.keep(reduce(d.chance(2) ? Op::reduce_and : Op::reduce_or, mask, reduced_axes(d, shape)));
}

// The same formula twice, once behind a barrier: what checkpointing makes.
void recomputed(Draw& d) {
  const Value x = d.any_of(float_types, 1);
  const auto formula = [&](Value v) { return tanh(v * like(v, 0.5)) * v; };
  const Value first = formula(x);
  const std::vector<Value> behind = d.emit(Op::barrier, {x, d.any()});
  const Value again = formula(behind[0]);
  d.keep(d.chance(2) ? first : reduce(summary(d), first, reduced_axes(d, x.shape())));
  d.keep(d.chance(2) ? again : again + first);
}

}  // namespace

void draw_shape(Draw& d) {
  switch (d.below(14)) {
    case 0: return softmax(d);
    case 1: return norm(d);
    case 2:
    case 3: return stretched_products(d);
    case 4:
    case 5: return branches(d);
    case 6:
    case 7: return reductions_of_stretched(d);
    case 8: return tower(d);
    case 9: return stencil(d);
    case 10: return table(d);
    case 11: return order(d);
    case 12: return masks(d);
    default: return recomputed(d);
  }
}

}  // namespace tenon::testing
