// Randomness with a taste: extents around the widths of vectors and blocks, values that are read more than once, numbers that
// stay finite about half of the time.
#include "tenon/tests/program_draw.h"

#include <algorithm>

namespace tenon::testing {

using namespace ir;

Draw::Draw(Setting& setting) : s(setting), b("main", setting.symbols), depth(0) {}

Draw::Draw(Draw& outer, const std::vector<Type>& inputs)
    : s(outer.s), b("body", outer.s.symbols), depth(outer.depth + 1) {
  for (const Type& type : inputs) pool.push_back({&b, b.input(type)});
}

DType Draw::dtype() {
  const DType t = static_cast<DType>(below(real_dtype_count));
  return is_floating(t) || !chance(4) ? floating() : t;
}
DType Draw::floating() {
  const DType all[] = {DType::f32, DType::f32, DType::f32, DType::f32, DType::f32, DType::f64, DType::f16, DType::bf16};
  return s.doubles ? DType::f64 : all[below(std::size(all))];
}
DType Draw::numeric() {
  const DType t = dtype();
  return t == DType::boolean ? DType::i32 : t;
}

Dim Draw::extent() {
  if (!s.named.empty() && chance(2)) return s.named[below(s.named.size())];
  if (chance(3) && !pool.empty())
    if (const Value v = pool[below(pool.size())]; !v.shape().empty()) return v.shape()[below(v.shape().size())];
  if (s.large && chance(2)) return pick({200, 513, 1000, 4097, 70001});
  return chance(14) ? 0 : pick({1, 1, 2, 3, 4, 5, 6, 7, 8, 10, 16, 17, 31, 33, 64, 67, 130});
}

int64_t Draw::elements(const Shape& shape) const {
  int64_t most = 0;
  for (const std::vector<int64_t>& run : s.runs) try {
      const std::vector<int64_t> values = s.symbols->size() ? s.symbols->evaluate(run) : std::vector<int64_t>{};
      int64_t count = 1;
      bool overflow = false;
      for (Dim d : shape) overflow |= __builtin_mul_overflow(count, Symbols::value(d, values), &count);
      most = std::max(most, overflow ? INT64_MAX : count);
    } catch (const Error&) {
      return INT64_MAX;
    }
  return most;
}

int64_t Draw::least(Dim extent) const {
  int64_t least = INT64_MAX;
  for (const std::vector<int64_t>& run : s.runs)
    least =
        std::min(least, Symbols::value(extent, s.symbols->size() ? s.symbols->evaluate(run) : std::vector<int64_t>{}));
  return least;
}

bool Draw::fits_work(const Shape& results, const Shape& reduced) const {
  int64_t work;
  return fits(results) && !__builtin_mul_overflow(elements(results), elements(reduced), &work) && work <= s.most_work;
}

Shape Draw::shape(int least, int most) {
  for (int tries = 0; tries < 60; ++tries) {
    Shape result;
    int rank = static_cast<int>(pick({0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5}));
    rank = std::clamp(rank, least, most);
    for (int i = 0; i < rank; ++i) result.push_back(extent());
    if (fits(result)) return result;
  }
  return Shape(std::vector<Dim>(static_cast<size_t>(least), 2));
}

Value Draw::any() {
  if (pool.empty()) return fresh(dtype(), shape());
  return pool[chance(2) ? pool.size() - 1 - below(std::min<uint64_t>(3, pool.size())) : below(pool.size())];
}

Value Draw::any_of(DTypeSet dtypes, int least_rank) {
  std::vector<Value> fitting;
  for (Value v : pool)
    if (contains(dtypes, v.dtype()) && v.shape().rank() >= least_rank) fitting.push_back(v);
  if (!fitting.empty() && !chance(6)) return fitting[below(fitting.size())];
  for (int tries = 0; tries < 40; ++tries)
    if (const DType t = chance(2) ? floating() : dtype(); contains(dtypes, t)) return fresh(t, shape(least_rank));
  return {};
}

Value Draw::fresh(DType t, const Shape& shape) {
  const Filling choices[] = {Filling::unit, Filling::unit, Filling::any, Filling::special, Filling::few};
  return fresh(t, shape, choices[below(std::size(choices))]);
}

Value Draw::fresh(DType t, const Shape& shape, Filling filling) {
  const Shape copy = shape;  // the type it belongs to may move while ops are added
  if (depth == 0) {
    s.recipes.push_back({{t, copy}, s.random(), filling});
    const Value v{&b, b.input({t, copy})};
    if (v.shape().rank() > 0 || chance(3)) pool.push_back(v);
    return v;
  }
  if (!copy.empty() && t != DType::boolean && chance(3))
    return iota(b, t, copy, static_cast<int64_t>(below(copy.size())));
  return small_number(t, copy);
}

Value Draw::small_number(DType t, const Shape& shape) {
  if (t == DType::boolean) return splat_integer(b, t, static_cast<int64_t>(below(2)), shape);
  return is_floating(t) && chance(2) ? splat(b, t, chance(2) ? 0.5 : -1.25, shape)
                                     : splat_integer(b, t, pick({0, 1, 2, 4}), shape);
}

Value Draw::stretch(Value x, const Shape& shape) {
  const Shape from = x.shape(), to = shape;
  if (from == to) return x;
  // Axes in order: each axis of x to the next axis of the shape that has its extent, from the left or from the right.
  std::vector<int64_t> axes(from.size(), -1);
  const bool left = chance(2);
  for (int64_t i = 0, at = left ? 0 : to.rank() - 1; i < from.rank(); ++i) {
    const size_t axis = static_cast<size_t>(left ? i : from.rank() - 1 - i);
    while (at >= 0 && at < to.rank() && !(to[at] == from[axis])) at += left ? 1 : -1;
    if (at < 0 || at >= to.rank()) return {};
    axes[axis] = at;
    at += left ? 1 : -1;
  }
  return broadcast(x, to, axes);
}

Value Draw::of_type(DType t, Shape shape) {
  std::vector<Value> same, castable, smaller;
  for (Value v : pool) {
    if (v.shape() == shape) (v.dtype() == t ? same : castable).push_back(v);
    if (v.dtype() == t && v.shape().size() < shape.size()) smaller.push_back(v);
  }
  if (!same.empty() && !chance(4)) return same[chance(2) ? same.size() - 1 : below(same.size())];
  std::shuffle(smaller.begin(), smaller.end(), s.random);
  if (!chance(3))
    for (Value v : smaller)
      if (const Value wide = stretch(v, shape)) return wide;
  if (chance(6)) return small_number(t, shape);
  if (chance(8) && !shape.empty() && t != DType::boolean)
    return iota(b, t, shape, static_cast<int64_t>(below(shape.size())));
  if (!castable.empty() && !chance(3)) return cast(castable[below(castable.size())], t);
  if (shape.rank() > 0 && chance(3)) {  // over some of the axes only, then stretched
    Shape narrow;
    std::vector<int64_t> axes;
    for (size_t i = 0; i < shape.size(); ++i)
      if (chance(2)) {
        narrow.push_back(chance(4) ? Dim(1) : shape[i]);
        axes.push_back(static_cast<int64_t>(i));
      }
    return broadcast(fresh(t, narrow), shape, axes);
  }
  return fresh(t, shape);
}

Value Draw::tame(Value x, Domain domain) {
  if (!is_floating(x.dtype()) || chance(4)) return x;
  switch (domain) {
    case Domain::positive:
    case Domain::nonzero: return abs(x) + like(x, 0.25);
    case Domain::unit: return x / (abs(x) + like(x, 1));
    case Domain::probability: return abs(x) / (abs(x) + like(x, 1));
    case Domain::above_minus_one: return abs(x);
    case Domain::at_least_one: return abs(x) + like(x, 1);
    case Domain::moderate: return max(min(x, like(x, 6)), like(x, -6));
    default: return x;
  }
}

std::vector<int64_t> Draw::some_axes(const Shape& shape, uint64_t one_in) {
  std::vector<int64_t> axes;
  for (size_t i = 0; i < shape.size(); ++i)
    if (chance(one_in)) axes.push_back(static_cast<int64_t>(i));
  return axes;
}

std::vector<int64_t> Draw::other_axes(const Shape& shape, const std::vector<int64_t>& axes) {
  std::vector<int64_t> others;
  for (int64_t i = 0; i < shape.rank(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) others.push_back(i);
  return others;
}

Value Draw::along(Op reduction, Value x, const std::vector<int64_t>& axes) {
  const Shape shape = x.shape();
  return broadcast(reduce(reduction, x, axes), shape, other_axes(shape, axes));
}

void Draw::keep(Value v) {
  if (v && fits(v.shape())) pool.push_back(v);
}
void Draw::show(Value v) {
  keep(v);
  if (v && fits(v.shape()) && !chance(3)) shown.push_back(v);
}
void Draw::keep(const std::vector<Value>& values) {
  for (Value v : values) keep(v);
}

std::vector<Value> Draw::emit(Op op, std::vector<Value> operands, Attrs attrs) {
  return apply(b, op, operands, std::move(attrs));
}

}  // namespace tenon::testing
