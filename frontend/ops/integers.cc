// Functions of integers: powers, greatest common divisors, bits. Everything wraps, as the operators do. Refuses floats, and negative
// exponents that are numbers; those of a tensor give what rounding 1 / x^n toward zero gives: 0, or 1 and -1 to powers.
#include "tenon/frontend/ops/composed.h"
#include "tenon/frontend/ops/loop_formula.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// By squaring, bit by bit of the exponent.
Value power_of_bits(Values v) {
  const Value x = v[0], n = v[1], one = literal(x, 1), zero = literal(x, 0);
  const int digits = bits(x.dtype()) - (is_signed(x.dtype()) ? 1 : 0);
  Value product = one, square = x;
  for (int k = 0; k < digits; ++k) {
    const Value bit = bit_and(shr(n, literal(n, k)), one);
    product = select(eq(bit, one), product * square, product);
    if (k + 1 < digits) square = square * square;
  }
  if (!is_signed(x.dtype())) return product;
  const Value odd = eq(bit_and(n, one), one), minus = literal(x, -1);
  const Value of_minus_one = select(odd, minus, one);
  const Value inverse = select(eq(x, one), one, select(eq(x, minus), of_minus_one, zero));
  return select(lt(n, zero), inverse, product);
}

std::vector<Value> build_power(ir::GraphBuilder&, Values v, const ir::Attrs& attrs) {
  const made::OfOrder to(attrs);
  const Value x = cast(v[0], to.met);
  Value product = literal(x, 1), square = x;
  for (uint64_t n = static_cast<uint64_t>(to.order); n != 0; n >>= 1) {
    if (n & 1) product = product * square;
    if (n > 1) square = square * square;
  }
  return {product};
}

// Euclid's algorithm on all elements at once, until every remainder is 0.
Value gcd(Values v) {
  const auto more = [](Values, Values carries) { return any(ne(carries[1], literal(carries[1], 0))); };
  const auto step = [](Values, Values carries) {
    const Value x = carries[0], y = carries[1], done = eq(y, literal(y, 0));
    return std::vector<Value>{select(done, x, y), select(done, y, rem(x, y))};
  };
  const Value divisor = iterate({}, v, more, step)[0];
  return is_signed(divisor.dtype()) ? abs(divisor) : divisor;
}
Value lcm(Values v) {
  const Value divisor = gcd(v), zero = literal(divisor, 0);
  const Value product = v[0] / divisor * v[1];
  return select(eq(divisor, zero), zero, is_signed(v[0].dtype()) ? abs(product) : product);
}

}  // namespace
}  // namespace formula

TENON_COMPOSED_2(gcd, integers)
TENON_COMPOSED_2(lcm, integers)

Tensor integer_power(const Operand& x, const Operand& y) {
  const Operand* both[] = {&x, &y};
  const Location at = place_of({&x, &y});
  const DType met = meeting("pow", Takes::integers, both, at);
  if (y.weak() != Operand::Weak::integer || y.free())
    return compose({"pow", formula::build_exact<formula::power_of_bits>}, Takes::integers, {&x, &y});
  if (!y.too_big() && y.integer() < 0)
    throw Error("pow: an integer to the power " + std::to_string(y.integer()) +
                    " is none; convert it with astype(tn::f32), or write a floating exponent",
                at);
  return apply_one({"pow", formula::build_power}, made::OfOrderAttrs{.met = met, .order = y.integer()},
                   {entered(x, met, "pow")}, at);
}

Tensor bitwise_and(Operand x, Operand y) { return elementwise::bit_and(x, y); }
Tensor bitwise_or(Operand x, Operand y) { return elementwise::bit_or(x, y); }
Tensor bitwise_xor(Operand x, Operand y) { return elementwise::bit_xor(x, y); }
Tensor bitwise_not(Operand x) { return elementwise::bit_not(x); }
Tensor bitwise_left_shift(Operand x, Operand count) { return elementwise::shl(x, count); }
Tensor bitwise_right_shift(Operand x, Operand count) { return elementwise::shr(x, count); }

}  // namespace tenon
