// The formulas. Where a formula scales to stay in range, the scale is a power of two under stop_gradient: it cancels, so derivatives of all
// orders are those of the function. Quotients are Smith's (CACM 5, 1962); square root and logarithm follow Kahan, "Branch cuts for
// complex elementary functions" (1987).
#include "tenon/frontend/ops/complex_formula.h"

#include <algorithm>
#include <limits>

#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::formula {

using ir::like;

Parts parts(Value z) {
  if (!is_complex(z.dtype())) return {z, ir::zeros_like(z)};
  return {real(z), imag(z)};
}
Value whole(const Parts& z) { return ir::complex(z.re, z.im); }
Parts times(const Parts& x, const Parts& y) { return {x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re}; }

namespace {

Value is_zero(Value x) { return eq(x, like(x, 0)); }
Value is_infinite(Value x) { return eq(abs(x), like(x, std::numeric_limits<double>::infinity())); }

// 1 with the sign of x, that of a zero too; a constant to derivatives.
Value sign_of(Value x) {
  const Value bits = bitcast(stop_gradient(x), x.dtype() == f64 ? i64 : i32);
  return select(lt(bits, ir::literal(bits, 0)), like(x, -1), like(x, 1));
}

// z as s (x + iy) where the larger of |x| and |y| lies in [1, 2), or z is 0, infinite or NaN.
struct Scaled {
  Value s, x, y;
};
Scaled scaled(const Parts& z) {
  const bool wide = z.re.dtype() == f64;
  const DType whole = wide ? i64 : i32;
  const Value most = stop_gradient(max(abs(z.re), abs(z.im))), bits = bitcast(most, whole);
  const int64_t exponent = wide ? int64_t{0x7ff} << 52 : int64_t{0xff} << 23;
  const Value power = bitcast(bit_and(bits, ir::literal(bits, exponent)), z.re.dtype());
  const Value least = like(power, wide ? 0x1p-1022 : 0x1p-126);
  const Value s = select(is_finite(power), max(power, least), like(power, 1));
  return {s, z.re / s, z.im / s};
}

Value quotient(std::span<const Value> v) {
  const auto [a, b] = parts(v[0]);
  const auto [c, d] = parts(v[1]);
  const Value steep = ge(abs(c), abs(d));
  const Value large = select(steep, c, d), small = select(steep, d, c);
  const Value ratio = select(is_zero(large), small, small / select(is_zero(large), like(large, 1), large));
  const Value denominator = large + small * ratio;
  const Value re = select(steep, a + b * ratio, a * ratio + b), im = select(steep, b - a * ratio, b * ratio - a);
  return ir::complex(re / denominator, im / denominator);
}

Value product(std::span<const Value> v) { return whole(times(parts(v[0]), parts(v[1]))); }

Value modulus(std::span<const Value> v) { return magnitude(parts(v[0])); }

// log |z| + i arg z. Near the unit circle |z|^2 - 1 is formed without the cancellation.
Value logarithm(Value z) {
  const Parts p = parts(z);
  const auto [s, x, y] = scaled(p);
  const Value a = abs(p.re), b = abs(p.im), most = stop_gradient(max(a, b)), one = like(a, 1);
  const Value near = bit_and(gt(most, like(most, 0.5)), lt(most, like(most, 2)));
  const Value large = select(ge(a, b), p.re, p.im), small = select(ge(a, b), p.im, p.re);
  const Value close = select(near, large, one), beside = select(near, small, like(small, 0));
  const Value at_unit = log1p((close - one) * (close + one) + beside * beside) * like(a, 0.5);
  const Value elsewhere = log(s) + log(select(near, one, x * x + y * y)) * like(a, 0.5);
  const Value infinite = bit_or(is_infinite(p.re), is_infinite(p.im));
  const Value size = select(near, at_unit, elsewhere);
  return ir::complex(select(infinite, like(a, std::numeric_limits<double>::infinity()), size), atan2(p.im, p.re));
}

Value root(std::span<const Value> v) {
  const Parts z = parts(v[0]);
  const Value left = lt(z.re, like(z.re, 0)), half = like(z.re, 0.5);
  const Value t = sqrt(half * select(left, -z.re, z.re) + half * magnitude(z));  // the larger part of the root
  const Value sign = sign_of(z.im), flat = is_zero(t);
  const Value other = select(bit_or(flat, is_infinite(z.im)), z.im, z.im / (select(flat, like(t, 1), t) * like(t, 2)));
  return ir::complex(select(left, sign * other, t), select(left, sign * t, other));
}

Value exponential(Value z) {
  const Parts p = parts(z);
  const Value size = exp(p.re);
  const Value real_line = bit_and(is_zero(p.im), is_infinite(size));  // infinity times sin 0
  return ir::complex(size * cos(p.im), select(real_line, p.im, size * sin(p.im)));
}

Value sine(std::span<const Value> v) {
  const auto [x, y] = parts(v[0]);
  return ir::complex(sin(x) * cosh(y), cos(x) * sinh(y));
}
Value cosine(std::span<const Value> v) {
  const auto [x, y] = parts(v[0]);
  return ir::complex(cos(x) * cosh(y), -(sin(x) * sinh(y)));
}
Value hyperbolic_sine(std::span<const Value> v) {
  const auto [x, y] = parts(v[0]);
  return ir::complex(sinh(x) * cos(y), cosh(x) * sin(y));
}
Value hyperbolic_cosine(std::span<const Value> v) {
  const auto [x, y] = parts(v[0]);
  return ir::complex(cosh(x) * cos(y), sinh(x) * sin(y));
}

// Kahan's: t = tan y, s = sinh x. Where sinh x squared is beyond what rounding sees, the limit.
Parts hyperbolic_tangent(const Parts& z) {
  const Value one = like(z.re, 1), far = gt(abs(z.re), like(z.re, z.re.dtype() == f64 ? 20 : 10));
  const Value x = select(far, like(z.re, 0), z.re);
  const Value t = tan(z.im), s = sinh(x), b = one + t * t, bottom = one + b * s * s;
  const Value decay = exp(abs(z.re) * like(z.re, -2)) * like(z.re, 4);
  return {select(far, sign_of(z.re), b * cosh(x) * s / bottom), select(far, decay * sin(z.im) * cos(z.im), t / bottom)};
}

Value tangent(std::span<const Value> v) {  // -i tanh(i z)
  const Parts z = parts(v[0]), t = hyperbolic_tangent({-z.im, z.re});
  return ir::complex(t.im, -t.re);
}

Value inverse_root(std::span<const Value> v) {
  const Value operands[] = {like(v[0], 1), root(v)};
  return quotient(operands);
}

Value scaled_by(Value z, double factor) { return by_real(z, like(real(z), factor)); }

// e^(w log z); 0^w is 0, and 0^0 is 1. In f64 also for c64: the exponential makes of an error of its operand one that much larger.
Value power(std::span<const Value> v) {
  if (v[0].dtype() == c64) {
    const Value wide[] = {cast(v[0], c128), cast(v[1], c128)};
    return cast(power(wide), c64);
  }
  const Value z = v[0], w = v[1];
  const Value at_zero = bit_not(truth(z));
  const Value base = select(at_zero, like(z, 1), z);
  const Value general = exponential(whole(times(parts(w), parts(logarithm(base)))));
  return select(at_zero, select(truth(w), like(z, 0), like(z, 1)), general);
}

constexpr double ln2 = 0.69314718055994530942, ln10 = 2.30258509299404568402;

}  // namespace

Value product_of(Value x, Value y) { return is_complex(x.dtype()) ? whole(times(parts(x), parts(y))) : x * y; }
Value quotient_of(Value x, Value y) {
  const Value both[] = {x, y};
  return is_complex(x.dtype()) ? quotient(both) : x / y;
}

Value by_real(Value x, Value n) { return is_complex(x.dtype()) ? ir::complex(real(x) * n, imag(x) * n) : x * n; }
Value over_real(Value x, Value n) { return is_complex(x.dtype()) ? ir::complex(real(x) / n, imag(x) / n) : x / n; }

Value magnitude(const Parts& z) {
  const auto [s, x, y] = scaled(z);
  const Value infinite = bit_or(is_infinite(z.re), is_infinite(z.im));
  return select(infinite, like(s, std::numeric_limits<double>::infinity()), s * sqrt(x * x + y * y));
}

namespace {

using List = std::span<const Value>;
struct Entry {
  ir::Op op;
  ComplexFormula formula;
};
constexpr Entry formulas[] = {
    {ir::Op::mul, product},
    {ir::Op::div, quotient},
    {ir::Op::abs, modulus},
    {ir::Op::sqrt, root},
    {ir::Op::pow, power},
    {ir::Op::exp, [](List v) { return exponential(v[0]); }},
    {ir::Op::exp2, [](List v) { return exponential(scaled_by(v[0], ln2)); }},
    {ir::Op::log, [](List v) { return logarithm(v[0]); }},
    {ir::Op::log2, [](List v) { return scaled_by(logarithm(v[0]), 1 / ln2); }},
    {ir::Op::rsqrt, inverse_root},
    {ir::Op::sin, sine},
    {ir::Op::cos, cosine},
    {ir::Op::tan, tangent},
    {ir::Op::sinh, hyperbolic_sine},
    {ir::Op::cosh, hyperbolic_cosine},
    {ir::Op::tanh, [](List v) { return whole(hyperbolic_tangent(parts(v[0]))); }},
    {ir::Op::asin, complex_asin},
    {ir::Op::acos, complex_acos},
    {ir::Op::atan, complex_atan},
    {ir::Op::asinh, complex_asinh},
    {ir::Op::acosh, complex_acosh},
    {ir::Op::atanh, complex_atanh},
    {ir::Op::expm1, complex_expm1},
    {ir::Op::log1p, complex_log1p},
    {ir::Op::log10, [](List v) { return scaled_by(logarithm(v[0]), 1 / ln10); }},
    {ir::Op::logistic, complex_logistic},
    {ir::Op::sign, complex_sign},
    {ir::Op::eq, [](List v) { return bit_and(eq(real(v[0]), real(v[1])), eq(imag(v[0]), imag(v[1]))); }},
    {ir::Op::ne, [](List v) { return bit_or(ne(real(v[0]), real(v[1])), ne(imag(v[0]), imag(v[1]))); }},
    {ir::Op::is_finite, [](List v) { return bit_and(is_finite(real(v[0])), is_finite(imag(v[0]))); }},
};
constexpr ir::Op orders[] = {ir::Op::lt, ir::Op::le, ir::Op::gt, ir::Op::ge, ir::Op::max, ir::Op::min};

}  // namespace

ComplexFormula complex_formula(ir::Op op) {
  const auto found = std::ranges::find(formulas, op, &Entry::op);
  return found == std::end(formulas) ? nullptr : found->formula;
}

const char* complex_remedy(ir::Op op) {
  return std::ranges::count(orders, op) != 0 ? "; they have no order: compare tn::real(z), tn::imag(z) or tn::abs(z)"
                                             : "; apply it to tn::real(z) and tn::imag(z)";
}

// Halves are multiplied until one element is left.
Value complex_product(Value x, const Axes& axes, bool keepdims) {
  for (size_t k = axes.size(); k-- > 0;) {
    const auto axis = static_cast<size_t>(axes[k]);
    if (!x.shape()[axis].is_number())
      throw Error("prod of complex numbers needs a number as extent of axis " + std::to_string(axis));
    if (x.shape()[axis] == 0) {
      Shape one = x.shape();
      one[axis] = Dim(1);
      x = ir::splat(*x.builder, x.dtype(), 1, one);
    }
    for (int64_t n = x.shape()[axis].number(); n > 1; n = x.shape()[axis].number()) {
      const Value both[] = {part(x, axes[k], 0, n / 2), part(x, axes[k], n / 2, n / 2)};
      Value joined = product(both);
      if (n % 2 != 0) {
        const Value more[] = {joined, part(x, axes[k], n - 1, 1)};
        joined = ir::concat(more, static_cast<int64_t>(axis));
      }
      x = joined;
    }
    if (keepdims) continue;
    Shape rest = x.shape();
    rest.erase(axis);
    x = reshape(x, rest);
  }
  return x;
}

}  // namespace tenon::formula
