// Operations element by element: arithmetic, bits, comparisons, conversions. Where StableHLO leaves a result open (division by zero),
// it is XLA's.
#include <limits>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {
namespace {

DType unsigned_of(DType t) {
  switch (bytes(t)) {
    case 1: return u8;
    case 2: return u16;
    case 4: return u32;
    default: return u64;
  }
}
DType signed_of(DType t) {
  switch (bytes(t)) {
    case 1: return i8;
    case 2: return i16;
    case 4: return i32;
    default: return i64;
  }
}
int mantissa_bits(DType t) { return t == f64 ? 52 : t == f32 ? 23 : t == f16 ? 10 : 7; }

Value whole(Value like, uint64_t number) { return ir::literal(like, static_cast<int64_t>(number)); }
Value is_nan(Value x) { return ir::ne(x, x); }

// Signed integers that ascend as IEEE's total order of floats does.
Value total_order(Value x) {
  const Value bits = ir::bitcast(x, signed_of(x.dtype()));
  const Value negative = ir::shr(bits, whole(bits, static_cast<uint64_t>(tenon::bits(bits.dtype())) - 1));
  const Value mask = whole(bits, (uint64_t{1} << (tenon::bits(bits.dtype()) - 1)) - 1);
  return ir::bit_xor(bits, ir::bit_and(negative, mask));
}

}  // namespace

std::vector<Value> row(Call& c, ir::Op op) {
  const DType t = c.in[0].dtype();
  if (!is_complex(t) || contains(ir::def(op).dtypes, t)) return ir::apply(c.b, op, c.in);
  const formula::ComplexFormula of_parts = formula::complex_formula(op);
  c.expects(of_parts != nullptr, "it takes no complex numbers");
  for (const Value& v : c.in) c.expects(v.type() == c.in[0].type(), "its operands have one type");
  return one(of_parts(c.in));
}

std::vector<Value> import_divide(Call& c) {
  c.operands(2);
  same_shapes(c);
  const Value quotient = row(c, ir::Op::div)[0];
  if (!is_integer(quotient.dtype())) return one(quotient);
  return one(ir::select(ir::eq(c.in[1], whole(c.in[1], 0)), whole(quotient, ~uint64_t{0}), quotient));
}

// Of integers by squaring: the exponent's bits one after the other; a negative one leaves nothing of any base but 1 and -1.
std::vector<Value> import_power(Call& c) {
  c.operands(2);
  same_shapes(c);
  const Value x = c.in[0], y = c.in[1];
  if (!is_integer(x.dtype())) return row(c, ir::Op::pow);
  Value power = whole(x, 1), square = x;
  const int width = bits(x.dtype()) - (is_signed(x.dtype()) ? 1 : 0);
  for (int bit = 0; bit < width; ++bit) {
    const Value set = ir::ne(ir::bit_and(y, whole(y, uint64_t{1} << bit)), whole(y, 0));
    power = ir::select(set, power * square, power);
    if (bit + 1 < width) square = square * square;
  }
  if (!is_signed(x.dtype())) return one(power);
  const Value odd = ir::ne(ir::bit_and(y, whole(y, 1)), whole(y, 0));
  const Value of_minus_one = ir::select(odd, whole(x, ~uint64_t{0}), whole(x, 1));
  Value inverse = ir::select(ir::eq(x, whole(x, 1)), whole(x, 1), whole(x, 0));
  inverse = ir::select(ir::eq(x, whole(x, ~uint64_t{0})), of_minus_one, inverse);
  return one(ir::select(ir::lt(y, whole(y, 0)), inverse, power));
}

std::vector<Value> import_round_away(Call& c) {
  c.operands(1);
  const Value x = c.in[0], whole_part = ir::trunc(x);
  return one(ir::select(ir::ge(ir::abs(x - whole_part), ir::like(x, 0.5)), whole_part + ir::sign(x), whole_part));
}

std::vector<Value> import_shift_right(Call& c) {
  c.operands(2);
  same_shapes(c);
  const DType t = c.in[0].dtype();
  if (!is_unsigned(t)) return ir::apply(c.b, ir::Op::shr, c.in);
  return one(ir::bitcast(ir::shr(ir::bitcast(c.in[0], signed_of(t)), ir::bitcast(c.in[1], signed_of(t))), t));
}

std::vector<Value> import_shift_right_logical(Call& c) {
  c.operands(2);
  same_shapes(c);
  const DType t = c.in[0].dtype();
  if (!is_signed(t)) return ir::apply(c.b, ir::Op::shr, c.in);
  return one(ir::bitcast(ir::shr(ir::bitcast(c.in[0], unsigned_of(t)), ir::bitcast(c.in[1], unsigned_of(t))), t));
}

// The bits below the highest one are set, then counted.
std::vector<Value> import_count_leading_zeros(Call& c) {
  c.operands(1);
  c.expects(is_integer(c.in[0].dtype()), "it counts the bits of integers");
  const DType t = c.in[0].dtype();
  Value x = ir::bitcast(c.in[0], unsigned_of(t));
  for (int step = 1; step < bits(t); step *= 2) x = ir::bit_or(x, ir::shr(x, whole(x, static_cast<uint64_t>(step))));
  return one(ir::bitcast(whole(x, static_cast<uint64_t>(bits(t))) - ir::popcount(x), t));
}

std::vector<Value> import_compare(Call& c) {
  c.operands(2);
  same_shapes(c);
  std::string_view how = c.word({"comparison_direction"}, "");
  bool total = c.word({"compare_type"}, "") == "TOTALORDER";
  for (std::string_view key : c.op.attributes.keys) {
    if (key == "TOTALORDER") total = true;
    if (key.size() == 2) how = key;
  }
  Value x = c.in[0], y = c.in[1];
  if (is_complex(x.dtype())) return row(c, how == "EQ" ? ir::Op::eq : how == "NE" ? ir::Op::ne : ir::Op::lt);
  if (total && is_floating(x.dtype()) && is_floating(y.dtype())) {
    x = total_order(x);
    y = total_order(y);
  }
  if (how == "EQ") return one(ir::eq(x, y));
  if (how == "NE") return one(ir::ne(x, y));
  if (how == "LT") return one(ir::lt(x, y));
  if (how == "LE") return one(ir::le(x, y));
  if (how == "GT") return one(ir::gt(x, y));
  if (how == "GE") return one(ir::ge(x, y));
  c.fail("'" + std::string(how) + "' is none of EQ, NE, LT, LE, GT, GE");
}

std::vector<Value> import_select(Call& c) {
  c.operands(3);
  c.in[0] = spread_scalar(c.in[0], c.in[1].shape());
  same_shapes(c);
  return ir::apply(c.b, ir::Op::select, c.in);
}

std::vector<Value> import_clamp(Call& c) {
  c.operands(3);
  same_shapes(c);
  const Value x = c.in[1];
  return one(ir::min(ir::max(spread_scalar(c.in[0], x.shape()), x), spread_scalar(c.in[2], x.shape())));
}

std::vector<Value> import_convert(Call& c) {
  c.operands(1);
  return one(ir::cast(c.in[0], c.dtype()));
}

// Wider elements are as many narrower ones along a new last axis, the lowest bits first.
std::vector<Value> import_bitcast_convert(Call& c) {
  c.operands(1);
  const Value x = c.in[0];
  const DType to = c.dtype();
  if (x.dtype() == to) return c.in;
  c.expects(!is_complex(x.dtype()) && !is_complex(to), "bits of complex numbers are those of their parts");
  c.expects(to != boolean && x.dtype() != boolean, "bits of booleans are not laid out");
  const int wide = bytes(x.dtype()), narrow = bytes(to);
  if (wide == narrow) return one(ir::bitcast(x, to));
  const auto places = [&](DType dtype, const Shape& shape, int width) {
    const auto last = static_cast<int64_t>(shape.size()) - 1;
    const Value number = ir::iota(c.b, dtype, shape, last);
    return number * whole(number, static_cast<uint64_t>(8 * width));
  };
  Shape shape = x.shape();
  if (wide > narrow) {
    shape.push_back(wide / narrow);
    Axes axes;
    for (size_t i = 0; i < x.shape().size(); ++i) axes.push_back(static_cast<int64_t>(i));
    const Value bits = ir::broadcast(ir::bitcast(x, unsigned_of(x.dtype())), shape, axes);
    const Value part = ir::shr(bits, places(bits.dtype(), shape, narrow));
    return one(ir::bitcast(ir::cast(part, unsigned_of(to)), to));
  }
  c.expects(!shape.empty() && shape[shape.size() - 1] == narrow / wide,
            "the last axis of the operand holds the parts of one element");
  const Value parts = ir::cast(ir::bitcast(x, unsigned_of(x.dtype())), unsigned_of(to));
  const Value placed = ir::shl(parts, places(parts.dtype(), shape, wide));
  const Value joined = ir::reduce(ir::Op::reduce_or, placed, {static_cast<int64_t>(shape.size()) - 1});
  return one(ir::bitcast(joined, to));
}

// Bits of the mantissa are rounded to nearest, ties to even; what the exponent cannot hold becomes an infinity or a zero.
std::vector<Value> import_reduce_precision(Call& c) {
  c.operands(1);
  const Value x = c.in[0];
  c.expects(is_floating(x.dtype()), "it takes floating numbers");
  int exponent = 0, mantissa = 0;
  if (const std::string_view format = c.word({"format"}, ""); !format.empty()) {  // e8m23
    const size_t m = format.find('m');
    for (char d : format.substr(1, m == std::string_view::npos ? m : m - 1))
      exponent = (exponent * 10 + (d - '0')) % 100;
    for (char d : m == std::string_view::npos ? "" : format.substr(m + 1)) mantissa = (mantissa * 10 + (d - '0')) % 100;
  } else {
    exponent = static_cast<int>(c.integer({"exponent_bits"}) % 100);
    mantissa = static_cast<int>(c.integer({"mantissa_bits"}) % 100);
  }
  c.expects(exponent >= 1 && mantissa >= 0, "it names at least one bit of exponent");
  const int width = bits(x.dtype()), own_mantissa = mantissa_bits(x.dtype()), own_exponent = width - 1 - own_mantissa;
  const Value given = ir::bitcast(x, unsigned_of(x.dtype()));
  Value v = given;
  if (mantissa < own_mantissa) {
    const int dropped = own_mantissa - mantissa;
    const Value last = ir::bit_and(ir::shr(v, whole(v, static_cast<uint64_t>(dropped))), whole(v, 1));
    v = v + (last + whole(v, (uint64_t{1} << (dropped - 1)) - 1));
    v = ir::bit_and(v, whole(v, ~((uint64_t{1} << dropped) - 1)));
  }
  if (exponent < own_exponent) {
    const uint64_t bias = (uint64_t{1} << (own_exponent - 1)) - 1, reduced = (uint64_t{1} << (exponent - 1)) - 1;
    const uint64_t infinity = ((uint64_t{1} << own_exponent) - 1) << own_mantissa;
    const Value sign = ir::bit_and(v, whole(v, uint64_t{1} << (width - 1)));
    const Value power = ir::bit_and(v, whole(v, infinity));
    const Value over = ir::gt(power, whole(v, (bias + reduced) << own_mantissa));
    const Value under = ir::le(power, whole(v, (bias - reduced) << own_mantissa));
    v = ir::select(over, ir::bit_or(sign, whole(v, infinity)), ir::select(under, sign, v));
  }
  return one(ir::select(is_nan(x), x, ir::bitcast(v, x.dtype())));
}

// The region of one element on whole tensors.
std::vector<Value> import_map(Call& c) {
  c.regions(1);
  return c.scope.importer.inlined(c.scope, c.op.regions[0], c.in, true);
}

std::vector<Value> import_same(Call& c) { return c.in; }

// As CHLO defines them, so that results are those of the programs' makers: e^(x + log 1/2) does not overflow before they do. Halves
// compute in f32, where the rows are as good.
std::vector<Value> import_cosh(Call& c) {
  c.operands(1);
  const Value x = c.in[0];
  if (is_half(x.dtype()) || is_complex(x.dtype())) return row(c, ir::Op::cosh);
  const Value half = ir::log(ir::like(x, 0.5));
  return one(ir::exp(x + half) + ir::exp(half - x));
}

std::vector<Value> import_sinh(Call& c) {
  c.operands(1);
  const Value x = c.in[0];
  if (is_half(x.dtype()) || is_complex(x.dtype())) return row(c, ir::Op::sinh);
  const Value half = ir::log(ir::like(x, 0.5)), grown = ir::expm1(x);
  const Value small = ir::like(x, 0.5) * (grown + grown / (grown + ir::like(x, 1)));
  const Value large = ir::exp(x + half) - ir::exp(half - x);
  return one(ir::select(ir::lt(ir::abs(x), ir::like(x, 1)), small, large));
}

std::vector<Value> import_square(Call& c) {
  c.operands(1);
  c.in.push_back(c.in[0]);
  return row(c, ir::Op::mul);
}

std::vector<Value> import_is_infinite(Call& c) {
  c.operands(1);
  const Value x = c.in[0], infinity = ir::like(x, std::numeric_limits<double>::infinity());
  if (c.op.name == "chlo.is_pos_inf") return one(ir::eq(x, infinity));
  if (c.op.name == "chlo.is_neg_inf") return one(ir::eq(x, -infinity));
  return one(ir::eq(ir::abs(x), infinity));
}

// One step of the bits away from zero or towards it; from zero to the least number of the other's sign.
std::vector<Value> import_next_after(Call& c) {
  c.operands(2);
  same_shapes(c);
  const Value x = c.in[0], y = c.in[1], bits = ir::bitcast(x, signed_of(x.dtype()));
  const Value away = ir::eq(ir::gt(x, ir::like(x, 0)), ir::gt(y, x));
  const Value stepped = ir::select(away, bits + whole(bits, 1), bits - whole(bits, 1));
  const Value sign =
      ir::bit_and(ir::bitcast(y, bits.dtype()), whole(bits, uint64_t{1} << (tenon::bits(x.dtype()) - 1)));
  const Value from_zero = ir::bit_or(sign, whole(bits, 1));
  const Value moved = ir::bitcast(ir::select(ir::eq(x, ir::like(x, 0)), from_zero, stepped), x.dtype());
  const Value next = ir::select(ir::eq(x, y), y, moved);
  return one(ir::select(is_nan(x), x, ir::select(is_nan(y), y, next)));
}

// ---- complex numbers and their parts

std::vector<Value> import_real(Call& c) {
  c.operands(1);
  return one(formula::parts(c.in[0]).re);
}

std::vector<Value> import_imag(Call& c) {
  c.operands(1);
  return one(formula::parts(c.in[0]).im);
}

std::vector<Value> import_complex(Call& c) {
  c.operands(2);
  same_shapes(c);
  return ir::apply(c.b, ir::Op::complex, c.in);
}

}  // namespace tenon::hlo
