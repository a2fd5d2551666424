// Tangents of scatter by combiner, as PyTorch has them for scatter_reduce: extremes share evenly among the elements that equal them, and a
// product is differentiated element by element, zeros being no special case. Halves compute in f32 and round once.
#include "tenon/ir/rules/derivative_scatter.h"

namespace tenon::ir::rules {
namespace {

// Operand and updates of one scatter, with tangents that may be absent, in the dtype that is computed in.
struct Combined {
  const Updates& u;
  Value x, v, tx, tv;
};

// Added or set: linear.
Value moved_jvp(const Combined& c, const std::string& combine) {
  if (combine == "add" && !c.tv) return c.tx;
  return c.u.scattered(or_zeros(c.tx, c.x), or_zeros(c.tv, c.v), combine.c_str());
}

// A NaN is the extreme.
Value extremum_jvp(const Combined& c, Value result) {
  const Value there = c.u.read(result);
  const Value by_x = bit_or(eq(c.x, result), ne(c.x, c.x));
  const Value by_v = bit_and(c.u.inside(), bit_or(eq(c.v, there), ne(c.v, c.v)));
  const auto chosen = [](Value which, Value t) { return select(which, t, zeros_like(t)); };
  const Value count = c.u.scattered(chosen(by_x, like(c.x, 1)), chosen(by_v, like(c.v, 1)), "add");
  const Value sum = c.u.scattered(chosen(by_x, or_zeros(c.tx, c.x)), chosen(by_v, or_zeros(c.tv, c.v)), "add");
  return unscale(sum, count);
}

// At one place let p be the product of the factors that are not zero, n the number of those that are, z their sum: 0, with the
// derivative of each. The product of the others is then p / f for a factor f where n = 0, z p / f where n = 1; for a zero it is p where n = 1,
// (z - f) p where n = 2; 0 elsewhere. Right to second order, also at zeros.
struct Factors {
  Value p, n, z;
  Value others(Value f) const {
    const Value zero = like(f, 0), one = like(f, 1), is_zero = eq(f, zero);
    const auto count = [&](double k) { return eq(n, like(n, k)); };
    const Value without = p / select(is_zero, one, f);
    const Value of_zero = select(count(1), p, select(count(2), scale(z - f, p), zero));
    return select(is_zero, of_zero, select(count(0), without, select(count(1), scale(z, without), zero)));
  }
};
Value product_jvp(const Combined& c) {
  const auto split = [&](Value f, bool zeros, Value otherwise) {
    const Value is_zero = eq(f, like(f, 0));
    return zeros ? select(is_zero, otherwise, zeros_like(f)) : select(is_zero, otherwise, f);
  };
  const Factors at_x{c.u.scattered(split(c.x, false, like(c.x, 1)), split(c.v, false, like(c.v, 1)), "mul"),
                     c.u.scattered(split(c.x, true, like(c.x, 1)), split(c.v, true, like(c.v, 1)), "add"),
                     c.u.scattered(split(c.x, true, c.x), split(c.v, true, c.v), "add")};
  const Value tx = c.tx ? scale(c.tx, at_x.others(c.x)) : zeros_like(c.x);
  if (!c.tv) return tx;
  const Factors at_v{c.u.read(at_x.p), c.u.read(at_x.n), c.u.read(at_x.z)};
  return c.u.scattered(tx, scale(c.tv, at_v.others(c.v)), "add");
}

}  // namespace

std::vector<Value> scatter_jvp(const JvpArgs& args) {
  const std::string& combine = Scatter(args.attrs).combine;
  const Value x = args.primals[0], v = args.primals[2];
  const Updates u(args.attrs, x.shape(), args.primals[1], v.shape());
  if (combine == "add" || combine == "set") return {moved_jvp({u, x, v, args.tangents[0], args.tangents[2]}, combine)};
  const DType narrow = x.dtype();
  const auto wide = [&](Value y) { return y && is_half(narrow) ? cast(y, f32) : y; };
  const Combined c{u, wide(x), wide(v), wide(args.tangents[0]), wide(args.tangents[2])};
  const Value tangent = combine == "mul" ? product_jvp(c) : extremum_jvp(c, wide(args.results[0]));
  return {is_half(narrow) ? cast(tangent, narrow) : tangent};
}

}  // namespace tenon::ir::rules
