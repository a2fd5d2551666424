// What is asked of numbers, and what is done to their parts: isnan and its kind, signs, neighbours. Integers are finite and no NaN.
// The sign of a NaN counts as positive everywhere: which one arithmetic gives differs between machines.
#include <limits>

#include "tenon/frontend/ops/composed.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

Value always(Value x, bool truth) { return ir::splat_integer(*x.builder, boolean, truth, x.shape()); }

// Of a complex number by its parts: any that is NaN or infinite, all that are finite.
template <class F>
Value of_parts(Value x, F asked, Value (*join)(Value, Value)) {
  return is_complex(x.dtype()) ? join(asked(ir::real(x)), asked(ir::imag(x))) : asked(x);
}

Value is_nan(Value x) { return is_floating(x.dtype()) ? ne(x, x) : always(x, false); }
Value is_infinite(Value x) { return is_floating(x.dtype()) ? eq(abs(x), like(x, inf)) : always(x, false); }
Value isnan(Values x) { return of_parts(x[0], is_nan, ir::bit_or); }
Value isinf(Values x) { return of_parts(x[0], is_infinite, ir::bit_or); }
Value isposinf(Values x) { return is_floating(x[0].dtype()) ? eq(x[0], like(x[0], inf)) : always(x[0], false); }
Value isneginf(Values x) { return is_floating(x[0].dtype()) ? eq(x[0], like(x[0], -inf)) : always(x[0], false); }
Value finite(Value x) { return is_floating(x.dtype()) ? is_finite(x) : always(x, true); }
Value isfinite(Values x) { return of_parts(x[0], finite, ir::bit_and); }

// The bits of a float as an integer.
Value pattern(Value x) { return bitcast(x, bytes(x.dtype()) == 2 ? i16 : bytes(x.dtype()) == 4 ? i32 : i64); }

Value signbit(Values x) {
  if (x[0].dtype() == boolean) return always(x[0], false);
  if (!is_floating(x[0].dtype())) return lt(x[0], literal(x[0], 0));
  const Value bits = pattern(x[0]);
  return bit_and(lt(bits, literal(bits, 0)), eq(x[0], x[0]));
}

// One step in the integers that order the bits of floats of one sign.
Value nextafter(Values v) {
  const Value x = v[0], y = v[1], bits = pattern(x), zero = literal(x, 0.0);
  const Value away = eq(gt(y, x), gt(x, zero));
  const Value step = bitcast(bits + select(away, literal(bits, 1), literal(bits, -1)), x.dtype());
  const Value least = bitcast(literal(bits, 1), x.dtype());
  const Value from_zero = select(gt(y, x), least, -least);
  const Value unequal = select(eq(x, zero), from_zero, step);
  const Value number = select(eq(x, y), y, unequal);
  return select(eq(x, x), select(eq(y, y), number, y), x);
}

Value logical_xor(Values x) { return bit_xor(x[0], x[1]); }

// A NaN loses against a number; the first operand has the derivative where they are equal.
Value fmax(Values v) { return select(bit_or(ge(v[0], v[1]), ne(v[1], v[1])), v[0], v[1]); }
Value fmin(Values v) { return select(bit_or(le(v[0], v[1]), ne(v[1], v[1])), v[0], v[1]); }

// 0 below 0, 1 above, the second operand at 0; 0 at NaN.
Value heaviside(Values v) {
  const Value zero = literal(v[0], 0), one = literal(v[0], 1);
  return select(eq(v[0], zero), v[1], select(gt(v[0], zero), one, zero));
}

Value nan_to_num(Values v) {
  const Value x = v[0];
  if (!is_floating(x.dtype())) return x;
  const Value high = select(eq(x, like(x, inf)), v[2], x), finite = select(eq(x, like(x, -inf)), v[3], high);
  return select(ne(x, x), v[1], finite);
}

std::vector<Value> build_logical_xor(ir::GraphBuilder&, Values x, const ir::Attrs&) {
  const std::vector<Value> both = together({truth(x[0]), truth(x[1])}, boolean);
  return {logical_xor(both)};
}

}  // namespace
}  // namespace formula

namespace {
// The largest finite number of x's dtype.
double greatest_of(const Operand& x) {
  if (x.weak() != Operand::Weak::no || !x.tensor().defined()) return std::numeric_limits<float>::max();
  switch (x.tensor().dtype()) {
    case f16: return 65504;
    case bf16: return 0x1.fep127;
    case f64: return std::numeric_limits<double>::max();
    default: return std::numeric_limits<float>::max();
  }
}
}  // namespace

#define TENON_PREDICATE(name, takes) \
  Tensor name(Operand x) { return compose({#name, formula::build_exact<formula::name>}, Takes::takes, {&x}); }
TENON_PREDICATE(isnan, everything)
TENON_PREDICATE(isinf, everything)
TENON_PREDICATE(isposinf, anything)
TENON_PREDICATE(isneginf, anything)
TENON_PREDICATE(isfinite, everything)
TENON_PREDICATE(signbit, anything)

Tensor nextafter(Operand x, Operand y) {
  return compose({"nextafter", formula::build_exact<formula::nextafter>}, Takes::floats, {&x, &y});
}
Tensor fmax(Operand x, Operand y) {
  return compose({"fmax", formula::build_exact<formula::fmax>}, Takes::anything, {&x, &y});
}
Tensor fmin(Operand x, Operand y) {
  return compose({"fmin", formula::build_exact<formula::fmin>}, Takes::anything, {&x, &y});
}
Tensor heaviside(Operand x, Operand values) {
  return compose({"heaviside", formula::build_exact<formula::heaviside>}, Takes::numbers, {&x, &values});
}
Tensor logical_xor(Operand x, Operand y) try {
  const Tensor left = as_tensor(x, "logical_xor"), right = as_tensor(y, "logical_xor");
  (void)check_broadcast("logical_xor", std::vector{typed(left, boolean, x.where()), typed(right, boolean, y.where())},
                        x.where());
  return apply_one({"logical_xor", formula::build_logical_xor}, {}, {left, right}, x.where());
} catch (...) {
  leave_with_error("logical_xor", x.where());
}

Tensor nan_to_num(Operand x, Operand nan, Operand posinf, Operand neginf) try {
  const Operand* one = &x;
  const DType dtype = meeting("nan_to_num", Takes::anything, std::span(&one, 1), x.where());
  if (!is_floating(dtype)) return as_tensor(x, "nan_to_num");
  return compose({"nan_to_num", formula::build_composed<formula::nan_to_num>}, Takes::anything,
                 {&x, &nan, &posinf, &neginf});
} catch (...) {
  leave_with_error("nan_to_num", x.where());
}
Tensor nan_to_num(Operand x, Operand nan, Operand posinf) {
  return nan_to_num(x, nan, posinf, Operand(-greatest_of(x), x.where()));
}
Tensor nan_to_num(Operand x, Operand nan) { return nan_to_num(x, nan, Operand(greatest_of(x), x.where())); }
Tensor nan_to_num(Operand x) { return nan_to_num(x, Operand(0.0, x.where())); }

}  // namespace tenon
