// Functions of complex numbers as formulas of their parts. Branch cuts and signed zeros are those of C99, Annex G; derivatives are those of
// the functions, in the convention that C is R x R (ir/ops.def). Refuses halves: there are no complex ones.
#pragma once

#include "tenon/frontend/ops/formula.h"

namespace tenon::formula {

struct Parts {
  Value re, im;
};
Parts parts(Value z);  // of a real value too, with the imaginary part 0
Value whole(const Parts& z);
Parts times(const Parts& x, const Parts& y);
// Of real numbers or of complex ones, both of one dtype.
Value product_of(Value x, Value y);
Value quotient_of(Value x, Value y);
Value over_real(Value x, Value n);  // n real
Value by_real(Value x, Value n);

// The formula of an elementwise row for complex operands of one dtype and shape; null where there is none.
using ComplexFormula = Value (*)(std::span<const Value>);
ComplexFormula complex_formula(ir::Op op);
const char* complex_remedy(ir::Op op);  // what to write instead, for errors

// Formulas of a file of their own (frontend/ops/complex_inverse.cc).
Value complex_asin(std::span<const Value> v);
Value complex_acos(std::span<const Value> v);
Value complex_atan(std::span<const Value> v);
Value complex_asinh(std::span<const Value> v);
Value complex_acosh(std::span<const Value> v);
Value complex_atanh(std::span<const Value> v);
Value complex_expm1(std::span<const Value> v);
Value complex_log1p(std::span<const Value> v);
Value complex_logistic(std::span<const Value> v);
Value complex_sign(std::span<const Value> v);

Value magnitude(const Parts& z);  // |z|: 0 at 0 with derivative 0, neither overflow nor underflow on the way
Value complex_product(Value x, const Axes& axes, bool keepdims);  // over extents that are numbers

// A function that is linear in either operand, of complex ones by one that takes real ones. Real operands stay real.
template <class F>
Value bilinear(Value x, Value y, DType dtype, F f) {
  const DType part = part_of(dtype);
  if (!is_complex(dtype)) return f(cast(x, dtype), cast(y, dtype));
  const auto as_part = [&](Value v) { return cast(v, part); };
  if (!is_complex(x.dtype())) return ir::complex(f(as_part(x), as_part(real(y))), f(as_part(x), as_part(imag(y))));
  if (!is_complex(y.dtype())) return ir::complex(f(as_part(real(x)), as_part(y)), f(as_part(imag(x)), as_part(y)));
  const Value a = as_part(real(x)), b = as_part(imag(x)), c = as_part(real(y)), d = as_part(imag(y));
  return ir::complex(f(a, c) - f(b, d), f(a, d) + f(b, c));
}

}  // namespace tenon::formula
