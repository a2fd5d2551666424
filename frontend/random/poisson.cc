// Poisson numbers: below a rate of 10 by a walk along the distribution function until it passes a uniform number, from there on by
// transformed rejection (Hoermann, Insurance: Mathematics and Economics 12, 1993, algorithm PTRS). Both in f64, all elements at once.
#include "tenon/frontend/random/accepted.h"
#include "tenon/frontend/random/random.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// The first k whose distribution function exceeds u, for rates below 10.
Value walked(Value u, Value rate) {
  const Value constants[] = {u, rate}, first = exp(-rate);
  const Value carries[] = {like(u, 0), first, first};  // k, its probability, the distribution function
  const auto more = [](Values fixed, Values carried) {
    return any(bit_and(ge(fixed[0], carried[2]), lt(carried[0], like(carried[0], 200))));
  };
  const auto step = [](Values fixed, Values carried) {
    const Value ahead = bit_and(ge(fixed[0], carried[2]), lt(carried[0], like(carried[0], 200)));
    const Value k = carried[0] + 1, p = carried[1] * fixed[1] / k;
    return std::vector<Value>{select(ahead, k, carried[0]), select(ahead, p, carried[1]),
                              select(ahead, carried[2] + p, carried[2])};
  };
  return iterate(constants, carries, more, step)[0];
}

// For rates from 10 on; `skipped` elements are accepted at once.
Value rejected(Value key, Value rate, Value skipped) {
  const Value b = sqrt(rate) * 2.53 + 0.931, a = b * 0.02483 - 0.059;
  const Value constants[] = {key, rate, a, b, skipped};
  const Shape shape = rate.shape();
  const auto round = [&shape](Values fixed, Value stream) {
    Shape two = shape;
    two.insert(0, Dim(2));
    const Value drawn = bits(fixed[0], accepted_space, stream, u64, two);
    const Value lambda = fixed[1], slope = fixed[2], width = fixed[3];
    const Value u = open_interval(row(drawn, 0), f64) - 0.5, v = open_interval(row(drawn, 1), f64);
    const Value distance = 0.5 - abs(u);
    const Value k = floor((slope * 2.0 / distance + width) * u + lambda + 0.43);
    const Value inside = bit_and(ge(distance, like(u, 0.07)), le(v, 0.9277 - 3.6224 / (width - 2)));
    const Value outside = bit_or(lt(k, like(k, 0)), bit_and(lt(distance, like(u, 0.013)), gt(v, distance)));
    const Value left = log(v * (1.1239 + 1.1328 / (width - 3.4)) / (slope / (distance * distance) + width));
    const Value right = k * log(lambda) - lambda - lgamma(k + 1);
    const Value accept = bit_or(inside, bit_and(bit_not(outside), le(left, right)));
    return std::pair(bit_or(fixed[4], accept), k);
  };
  return accepted(constants, floor(rate), 1000, round);
}

std::vector<Value> build_poisson(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  const Shape shape(to.shape);
  const Value given = stop_gradient(stretched(x[1], f64, shape));
  const Value small = bit_not(ge(given, like(given, 10)));
  const Value least = max(given, like(given, 0));
  const Value low = select(bit_and(small, eq(given, given)), least, like(given, 0));
  const Value high = min(select(small, like(given, 10), given), like(given, 0x1p60));
  const Value u = unit_interval(bits(x[0], draw_space, u64, shape), f64);
  return {cast(select(small, walked(u, low), rejected(x[0], high, small)), to.dtype)};
}

}  // namespace
}  // namespace formula

namespace random {

Tensor poisson(const Tensor& key, Operand rate, const Extents& shape, Integers d, const At& where) try {
  const Location at = place(where);
  if (d.dtype == boolean) throw Error("poisson: a numeric dtype", at);
  check_key(key, at);
  const Shape to = shape.checked("poisson", u64, at);
  (void)drawn_dtype("poisson", {}, {&rate}, at);
  const Tensor r = entered(rate, f64, "poisson");
  const Operand given(r, rate.where()), drawn(stand_in({f64, to}, at), at);
  if (shape_of("poisson", {&given, &drawn}, at) != to)
    throw Error("poisson: the rate is " + describe(r) + ", which does not stretch to the draws' shape " +
                    describe(drawn.tensor()),
                at);
  return apply_one({"poisson", formula::build_poisson}, ir::RandomBitsAttrs{d.dtype, to.dims()}, {key, r}, at);
} catch (...) {
  leave_with_error("poisson", place(where));
}
Tensor poisson(const Tensor& key, Operand rate, Integers d, const At& at) {
  return poisson(key, rate, shape_of("poisson", {&rate}, place(at)), d, at);
}

}  // namespace random
}  // namespace tenon
