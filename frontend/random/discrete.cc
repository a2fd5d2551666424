// Discrete distributions without a table: bernoulli, rademacher, integers between bounds, categories, samples, permutations.
// Refuses integers through floats, and remainders of bits that would prefer small numbers: such bits are drawn again.
#include "tenon/frontend/ops/selection.h"
#include "tenon/frontend/random/accepted.h"
#include "tenon/frontend/random/random.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

std::vector<Value> build_bernoulli(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  const DType computed = wide(to.dtype);
  const Shape shape(to.shape);
  return {lt(uniform(x[0], computed, shape), stretched(x[1], computed, shape))};
}

std::vector<Value> build_rademacher(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  const Value drawn = bits(x[0], draw_space, u32, Shape(to.shape)), high = shr(drawn, literal(drawn, 31));
  const Value one = cast(high, to.dtype);
  return {one + one - literal(one, 1)};
}

// low + bits mod (high - low) of 64 bits, drawn again where they lie below 2^64 mod (high - low): what is left is a multiple of it.
// Where high is not above low the draw is low.
std::vector<Value> build_randint(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  const Shape shape(to.shape);
  const Value low = stretched(x[1], x[1].dtype(), shape), high = stretched(x[2], x[2].dtype(), shape);
  const Value distance = cast(high - low, u64), empty = le(high, low);
  const Value count = select(empty, literal(distance, 1), distance);
  const Value least = rem(literal(count, 0) - count, count);
  const Value constants[] = {x[0], count, least};
  const auto round = [&shape](Values fixed, Value stream) {
    const Value drawn = bits(fixed[0], accepted_space, stream, u64, shape);
    return std::pair(ge(drawn, fixed[2]), rem(drawn, fixed[1]));
  };
  const Value offset = accepted(constants, literal(count, 0), 1000, round);
  return {cast(low + cast(offset, low.dtype()), to.dtype)};
}

// The place of the greatest of the logits after noise of Gumbel's distribution (Maddison and others, 2014).
Value noise(Value key, DType dtype, const Shape& shape) {
  return -log(-log(open_interval(bits(key, draw_space, word(dtype), shape), dtype)));
}
std::vector<Value> build_categorical(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  const Shape shape(to.shape);  // the classes last
  const Value scores = stretched(x[1], wide(to.dtype), shape) + noise(x[0], wide(to.dtype), shape);
  return ir::apply(b, ir::Op::argmax, std::span(&scores, 1), ir::ReduceAttrs{{shape.rank() - 1}});
}

// Positions along the last axis in falling order of the noisy logarithms of weights: the first are a sample without replacement.
std::vector<Value> build_ranked(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const ir::RandomBits to(attrs);
  const Shape shape(to.shape);
  const int64_t axis = shape.rank() - 1;
  const Value weights = stretched(x[1], wide(to.dtype), shape);
  const Value scores = -(log(weights) + noise(x[0], wide(to.dtype), shape));
  const Value both[] = {scores, ir::iota(b, i64, shape, axis)};
  return {ir::apply(b, ir::Op::sort, both, ir::SortAttrs{static_cast<size_t>(axis)})[1]};
}

// Places in the order of 64 random bits each.
std::vector<Value> build_permutation(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const Shape shape(ir::RandomBits(attrs).shape);
  const Value both[] = {bits(x[0], draw_space, u64, shape), ir::iota(b, i64, shape, 0)};
  return {ir::apply(b, ir::Op::sort, both, ir::SortAttrs{0})[1]};
}

}  // namespace
}  // namespace formula

namespace random {

Tensor bernoulli(const Tensor& key, Operand p, const Extents& shape, const At& where) try {
  const Location at = place(where);
  const DType dtype = drawn_dtype("bernoulli", {}, {&p}, at);
  return draw_with({"bernoulli", formula::build_bernoulli}, key, {&p}, dtype,
                   shape.checked("bernoulli", formula::word(dtype), at), at);
} catch (...) {
  leave_with_error("bernoulli", place(where));
}
Tensor bernoulli(const Tensor& key, Operand p, const At& at) {
  return bernoulli(key, p, shape_of("bernoulli", {&p}, place(at)), at);
}

Tensor rademacher(const Tensor& key, const Extents& shape, Integers d, const At& where) try {
  const Location at = place(where);
  if (d.dtype == boolean || is_unsigned(d.dtype)) throw Error("rademacher: a signed or floating dtype", at);
  return draw_with({"rademacher", formula::build_rademacher}, key, {}, d.dtype, shape.checked("rademacher", u32, at),
                   at);
} catch (...) {
  leave_with_error("rademacher", place(where));
}

Tensor randint(const Tensor& key, const Extents& shape, Operand low, Operand high, Integers d, const At& where) try {
  const Location at = place(where);
  if (!is_integer(d.dtype)) throw Error("randint: an integer dtype", at);
  for (const Operand* x : {&low, &high})
    if (x->weak() == Operand::Weak::floating ||
        (x->weak() == Operand::Weak::no && x->tensor().defined() && !is_integer(x->tensor().dtype())))
      throw Error("randint: bounds are integers", at);
  if (low.weak() == Operand::Weak::integer && high.weak() == Operand::Weak::integer && !low.free() && !high.free()) {
    const bool above =
        high.too_big() ? !low.too_big() || static_cast<uint64_t>(low.integer()) < static_cast<uint64_t>(high.integer())
                       : !low.too_big() && low.integer() < high.integer();
    if (!above) throw Error("randint: there is no integer from low to high - 1", at);
  }
  const DType bound = d.dtype == u64 ? u64 : i64;
  check_key(key, at);
  const Shape to = shape.checked("randint", u64, at);
  std::vector<Tensor> inputs{key};
  for (const Operand* x : {&low, &high}) {
    inputs.push_back(x->weak() == Operand::Weak::no ? cast_to(x->tensor(), bound, at)
                                                    : materialize(*x, bound, "randint"));
    (void)shape_of("randint", {x}, at);
  }
  return std::move(apply({"randint", formula::build_randint}, ir::RandomBitsAttrs{d.dtype, to.dims()}, inputs, at)[0]);
} catch (...) {
  leave_with_error("randint", place(where));
}
Tensor randint(const Tensor& key, Operand low, Operand high, const Extents& shape, Integers d, const At& at) {
  return randint(key, shape, low, high, d, at);
}

Tensor categorical(const Tensor& key, Operand logits, const Extents& shape, const At& where) try {
  const Location at = place(where);
  const Tensor x = as_tensor(logits, "categorical");
  (void)axis_of(-1, x.ndim(), "categorical", at);
  const DType dtype = formula::floating(x.dtype());
  Shape all = shape.checked("categorical", i64, at);
  all.push_back(x.shape()[x.ndim() - 1]);
  const Operand given(x, logits.where());
  return draw_with({"categorical", formula::build_categorical}, key, {&given}, dtype,
                   Extents(all).checked("categorical", formula::word(dtype), at), at);
} catch (...) {
  leave_with_error("categorical", place(where));
}
Tensor categorical(const Tensor& key, Operand logits, const At& where) try {
  const Tensor x = as_tensor(logits, "categorical");
  Shape batch = x.shape();
  (void)axis_of(-1, x.ndim(), "categorical", place(where));
  batch.erase(static_cast<size_t>(x.ndim() - 1));
  return categorical(key, Operand(x, logits.where()), batch, where);
} catch (...) {
  leave_with_error("categorical", place(where));
}

namespace {

// A sample of `count` along the last axis without replacement.
Tensor ranked(const char* name, const Tensor& key, const Tensor& weights, int64_t count, const Location& at) {
  const DType dtype = formula::floating(weights.dtype());
  const Extent n = weights.shape()[weights.ndim() - 1];
  if (count < 0 || (n.is_number() && count > n.number()))
    throw Error(std::string(name) + ": " + std::to_string(count) + " of " + describe(weights) +
                    " cannot be drawn without replacement",
                at);
  const Operand given(weights, at);
  const Tensor order = draw_with({name, formula::build_ranked}, key, {&given}, dtype, weights.shape(), at);
  std::vector<Index> first(static_cast<size_t>(weights.ndim() - 1), Index(tenon::all));
  first.push_back(slice(0, count));
  return select_at(order, first, at);
}

}  // namespace

Tensor multinomial(const Tensor& key, Operand weights, int64_t num_samples, Sampling s, const At& where) try {
  const Location at = place(where);
  const Tensor given = as_tensor(weights, "multinomial");
  (void)axis_of(-1, given.ndim(), "multinomial", at);
  if (num_samples < 1) throw Error("multinomial: the number of samples is positive", at);
  if (!s.replacement) return ranked("multinomial", key, given, num_samples, at);
  // [.., samples] of logits [.., 1, classes]
  Shape batch = given.shape();
  batch.erase(static_cast<size_t>(given.ndim() - 1));
  batch.push_back(Dim(num_samples));
  const Tensor logits = elementwise::log(Operand(given, at));
  return categorical(key, Operand(expand_dims(Operand(logits, at), -2), at), batch, where);
} catch (...) {
  leave_with_error("multinomial", place(where));
}

Tensor permutation(const Tensor& key, Extent n, const At& where) try {
  const Location at = place(where);
  return draw_with({"permutation", formula::build_permutation}, key, {}, i64,
                   Extents({n}).checked("permutation", u64, at), at);
} catch (...) {
  leave_with_error("permutation", place(where));
}
Tensor permutation(const Tensor& key, const Tensor& x, int64_t axis, const At& where) try {
  const int64_t a = axis_of(axis, x.ndim(), "permutation", place(where));
  return take(Operand(x, place(where)), Operand(permutation(key, x.shape()[a], where), place(where)), a);
} catch (...) {
  leave_with_error("permutation", place(where));
}

Tensor choice(const Tensor& key, const Tensor& x, const Extents& shape, Choice c, const At& where) try {
  const Location at = place(where);
  (void)axis_of(0, x.ndim(), "choice", at);
  const Extent n = x.shape()[0];
  const Shape to = shape.checked("choice", i64, at);
  Tensor positions;
  if (c.p.defined() && (c.p.ndim() != 1 || !(c.p.shape()[0] == Dim(n))))
    throw Error("choice: p has a weight for each row of x: x is " + describe(x) + ", p " + describe(c.p), at);
  if (c.replace) {
    positions = c.p.defined() ? categorical(key, Operand(elementwise::log(Operand(c.p, at)), at), to, where)
                              : randint(key, to, Operand(int64_t{0}, at), Operand(n, at), {}, where);
  } else {
    int64_t count = 1;
    for (int i = 0; i < to.rank(); ++i) count *= Extent(to[i]).number();
    const Tensor weights = c.p.defined() ? c.p : ones({n}, {}, where);
    positions = ranked("choice", key, weights, count, at).reshape(to);
  }
  return take(Operand(x, at), Operand(positions, at), 0);
} catch (...) {
  leave_with_error("choice", place(where));
}
Tensor choice(const Tensor& key, int64_t n, const Extents& shape, Choice c, const At& where) {
  return choice(key,
                arange(Operand(int64_t{0}, place(where)), Operand(n, place(where)), Operand(1, place(where)), where),
                shape, c, where);
}

}  // namespace random
}  // namespace tenon
