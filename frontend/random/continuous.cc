// Distributions by inversion: exponential, laplace, gumbel, truncated normal. Uniform numbers that a logarithm takes lie inside (0, 1), so
// that every draw is finite.
#include "tenon/frontend/random/draw.h"
#include "tenon/frontend/random/random.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

struct Wanted {  // of the attributes
  DType dtype, computed;
  Shape shape;
  explicit Wanted(const ir::Attrs& attrs) : Wanted(ir::RandomBits(attrs)) {}
  explicit Wanted(const ir::RandomBits& to) : dtype(to.dtype), computed(wide(to.dtype)), shape(to.shape) {}
  Value open(Value key) const { return open_interval(bits(key, draw_space, word(computed), shape), computed); }
};

std::vector<Value> build_exponential(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const Wanted to(attrs);
  return {cast(-log(to.open(x[0])), to.dtype)};
}
std::vector<Value> build_laplace(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const Wanted to(attrs);
  const Value u = to.open(x[0]), low = lt(u, like(u, 0.5));
  const Value tail = log(select(low, u, 1 - u) * 2.0);  // exact: u has one bit less than the dtype
  return {cast(select(low, tail, -tail), to.dtype)};
}
std::vector<Value> build_gumbel(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const Wanted to(attrs);
  return {cast(-log(-log(to.open(x[0]))), to.dtype)};
}

// Inverse of the distribution function between those of the bounds, on the side of 0 where these are small. Rounding may leave the
// bounds, and is brought back.
std::vector<Value> build_truncated_normal(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const Wanted to(attrs);
  const Value u = to.open(x[0]), low = stretched(x[1], to.computed, to.shape),
              high = stretched(x[2], to.computed, to.shape);
  const Value turned = gt(low, like(low, 0));
  const Value a = select(turned, -high, low), b = select(turned, -low, high);
  const Value from = normal_cdf(a), z = ndtri(from + u * (normal_cdf(b) - from));
  return {cast(max(min(select(turned, -z, z), high), low), to.dtype)};
}

}  // namespace
}  // namespace formula

namespace random {
namespace {

Tensor plain(const Emit& emit, const Tensor& key, const Extents& shape, Draw d, const At& where) try {
  const Location at = place(where);
  const DType dtype = drawn_dtype(emit.name, d.dtype, {}, at);
  return draw_with(emit, key, {}, dtype, shape.checked(emit.name, formula::word(dtype), at), at);
} catch (...) {
  leave_with_error(emit.name, place(where));
}

}  // namespace

Tensor exponential(const Tensor& key, const Extents& shape, Draw d, const At& at) {
  return plain({"exponential", formula::build_exponential}, key, shape, d, at);
}
Tensor laplace(const Tensor& key, const Extents& shape, Draw d, const At& at) {
  return plain({"laplace", formula::build_laplace}, key, shape, d, at);
}
Tensor gumbel(const Tensor& key, const Extents& shape, Draw d, const At& at) {
  return plain({"gumbel", formula::build_gumbel}, key, shape, d, at);
}

Tensor truncated_normal(const Tensor& key, Operand low, Operand high, const Extents& shape, Draw d,
                        const At& where) try {
  const Location at = place(where);
  const DType dtype = drawn_dtype("truncated_normal", d.dtype, {&low, &high}, at);
  return draw_with({"truncated_normal", formula::build_truncated_normal}, key, {&low, &high}, dtype,
                   shape.checked("truncated_normal", formula::word(dtype), at), at);
} catch (...) {
  leave_with_error("truncated_normal", place(where));
}
Tensor truncated_normal(const Tensor& key, Operand low, Operand high, Draw d, const At& at) {
  return truncated_normal(key, low, high, shape_of("truncated_normal", {&low, &high}, place(at)), d, at);
}

}  // namespace random
}  // namespace tenon
