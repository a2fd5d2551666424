// Rows that go element by element: most have an operation of StableHLO or CHLO, some are what their definition says.
#include <string>

#include "tenon/frontend/stablehlo/print.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::hlo {
const char* operation_name(ir::Op op) {
  using ir::Op;
  switch (op) {
    case Op::neg: return "stablehlo.negate";
    case Op::abs: return "stablehlo.abs";
    case Op::sign: return "stablehlo.sign";
    case Op::floor: return "stablehlo.floor";
    case Op::ceil: return "stablehlo.ceil";
    case Op::round: return "stablehlo.round_nearest_even";
    case Op::sqrt: return "stablehlo.sqrt";
    case Op::bit_not: return "stablehlo.not";
    case Op::popcount: return "stablehlo.popcnt";
    case Op::add: return "stablehlo.add";
    case Op::complex: return "stablehlo.complex";
    case Op::real: return "stablehlo.real";
    case Op::imag: return "stablehlo.imag";
    case Op::sub: return "stablehlo.subtract";
    case Op::mul: return "stablehlo.multiply";
    case Op::rem: return "stablehlo.remainder";
    case Op::max: return "stablehlo.maximum";
    case Op::min: return "stablehlo.minimum";
    case Op::bit_and: return "stablehlo.and";
    case Op::bit_or: return "stablehlo.or";
    case Op::bit_xor: return "stablehlo.xor";
    case Op::shl: return "stablehlo.shift_left";
    case Op::exp: return "stablehlo.exponential";
    case Op::expm1: return "stablehlo.exponential_minus_one";
    case Op::log: return "stablehlo.log";
    case Op::log1p: return "stablehlo.log_plus_one";
    case Op::rsqrt: return "stablehlo.rsqrt";
    case Op::cbrt: return "stablehlo.cbrt";
    case Op::sin: return "stablehlo.sine";
    case Op::cos: return "stablehlo.cosine";
    case Op::tan: return "stablehlo.tan";
    case Op::asin: return "chlo.asin";
    case Op::acos: return "chlo.acos";
    case Op::atan: return "chlo.atan";
    case Op::sinh: return "chlo.sinh";
    case Op::cosh: return "chlo.cosh";
    case Op::tanh: return "stablehlo.tanh";
    case Op::asinh: return "chlo.asinh";
    case Op::acosh: return "chlo.acosh";
    case Op::atanh: return "chlo.atanh";
    case Op::erf: return "chlo.erf";
    case Op::erfc: return "chlo.erfc";
    case Op::logistic: return "stablehlo.logistic";
    case Op::lgamma: return "chlo.lgamma";
    case Op::digamma: return "chlo.digamma";
    case Op::erfinv: return "chlo.erf_inv";
    case Op::i1e: return "chlo.bessel_i1e";
    case Op::pow: return "stablehlo.power";
    case Op::atan2: return "stablehlo.atan2";
    default: return nullptr;
  }
}

namespace {

using ir::Op;

const char* comparison(Op op) {
  switch (op) {
    case Op::eq: return "EQ";
    case Op::ne: return "NE";
    case Op::lt: return "LT";
    case Op::le: return "LE";
    case Op::gt: return "GT";
    case Op::ge: return "GE";
    default: return nullptr;
  }
}

// Functions by their definitions. Halves go through f32, as the rows do.
Shown defined(Printer& p, Op op, const Results& given) {
  Results x = given;
  const ir::Type type = x[0].type, wide{is_half(type.dtype) ? f32 : type.dtype, type.shape};
  if (is_half(type.dtype))
    for (Shown& v : x) v = p.one("stablehlo.convert", {v}, wide);
  const auto number = [&](double value) { return p.number(wide, value); };
  const auto times = [&](const Shown& a, const Shown& b) { return p.binary("stablehlo.multiply", a, b); };
  const auto normal_cdf = [&](const Shown& v) {
    return times(p.unary("chlo.erfc", times(v, number(-0.70710678118654752440))), number(0.5));
  };
  // x times a weight that vanishes where x is -inf.
  const auto weighted = [&](const Shown& weight) {
    return p.select(p.compare("EQ", weight, number(0)), number(-0.0), times(x[0], weight));
  };
  // 0 where one makes the other count for nothing; else what it is, with its sign.
  const auto nothing_or = [&](const Shown& nothing, const Shown& value) {
    return p.select(p.binary("stablehlo.and", nothing, p.compare("NE", value, value)), number(0), value);
  };
  const auto log_of_one_and = [&](const Shown& v) {  // log(1 + e^-|v|)
    return p.unary("stablehlo.log_plus_one",
                   p.unary("stablehlo.exponential", p.unary("stablehlo.negate", p.unary("stablehlo.abs", v))));
  };
  const auto infinity = [&] { return p.repeated(wide, identity_text(Op::min, wide.dtype, false)); };
  const Shown zero = number(0);
  Shown r;
  switch (op) {
    case Op::trunc:
      r = times(p.unary("stablehlo.sign", x[0]), p.unary("stablehlo.floor", p.unary("stablehlo.abs", x[0])));
      break;
    case Op::exp2: r = p.binary("stablehlo.power", number(2), x[0]); break;
    case Op::log2:
      r = p.binary("stablehlo.divide", p.unary("stablehlo.log", x[0]), number(0.69314718055994530942));
      break;
    case Op::softplus:
      r = p.binary("stablehlo.add", p.binary("stablehlo.maximum", x[0], zero), log_of_one_and(x[0]));
      break;
    case Op::silu: r = weighted(p.unary("stablehlo.logistic", x[0])); break;
    case Op::normal_cdf: r = normal_cdf(x[0]); break;
    case Op::gelu: r = weighted(normal_cdf(x[0])); break;
    case Op::gaussian: r = p.unary("stablehlo.exponential", times(times(x[0], x[0]), number(-0.5))); break;
    case Op::gap: r = p.select(p.compare("EQ", x[0], x[1]), zero, p.binary("stablehlo.subtract", x[0], x[1])); break;
    case Op::scale:
      r = nothing_or(p.binary("stablehlo.or", p.compare("EQ", x[0], zero), p.compare("EQ", x[1], zero)),
                     times(x[0], x[1]));
      break;
    case Op::unscale: {
      const Shown infinite = p.compare("EQ", p.unary("stablehlo.abs", x[1]), infinity());
      r = nothing_or(p.binary("stablehlo.or", p.compare("EQ", x[0], zero), infinite),
                     p.binary("stablehlo.divide", x[0], x[1]));
      break;
    }
    case Op::log10:
      r = p.binary("stablehlo.divide", p.unary("stablehlo.log", x[0]), number(2.30258509299404568402));
      break;
    case Op::i1:
      r = times(p.unary("chlo.bessel_i1e", x[0]), p.unary("stablehlo.exponential", p.unary("stablehlo.abs", x[0])));
      break;
    case Op::hypot: {  // by the longer side, whose square may have no place
      const Shown a = p.unary("stablehlo.abs", x[0]), b = p.unary("stablehlo.abs", x[1]);
      const Shown longer = p.binary("stablehlo.maximum", a, b);
      const Shown ratio = p.binary("stablehlo.divide", p.binary("stablehlo.minimum", a, b), longer);
      const Shown root = p.unary("stablehlo.sqrt", p.binary("stablehlo.add", times(ratio, ratio), number(1)));
      const Shown endless = infinity();
      const Shown either = p.binary("stablehlo.or", p.compare("EQ", a, endless), p.compare("EQ", b, endless));
      r = p.select(p.compare("EQ", longer, zero), zero, times(longer, root));
      r = p.select(either, endless, r);
      break;
    }
    case Op::logaddexp: {
      const Shown gap = p.select(p.compare("EQ", x[0], x[1]), zero, p.binary("stablehlo.subtract", x[0], x[1]));
      r = p.binary("stablehlo.add", p.binary("stablehlo.maximum", x[0], x[1]), log_of_one_and(gap));
      break;
    }
    case Op::fma: r = p.binary("stablehlo.add", times(x[0], x[1]), x[2]); break;
    default: return {};
  }
  return is_half(type.dtype) ? p.one("stablehlo.convert", {r}, type) : r;
}

}  // namespace

bool print_elementwise(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r) {
  if (ir::def(n.op).family != ir::Family::elementwise) return false;
  const ir::Type& type = g.type(n.first_result);
  if (is_unsigned(type.dtype) && n.op == Op::abs) {  // these are for numbers with a sign
    r = x;
  } else if (is_unsigned(type.dtype) && n.op == Op::sign) {
    r = {p.select(p.compare("NE", x[0], p.number(type, 0)), p.number(type, 1), p.number(type, 0))};
  } else if (const char* op = operation_name(n.op); op != nullptr) {
    r = {p.one(op, x, type)};
  } else if (const char* how = comparison(n.op); how != nullptr) {
    r = {p.compare(how, x[0], x[1])};
  } else if (n.op == Op::select) {
    r = {p.select(x[0], x[1], x[2])};
  } else if (n.op == Op::cast) {
    r = {p.one("stablehlo.convert", x, type)};
  } else if (n.op == Op::bitcast && (type.dtype == boolean || x[0].type.dtype == boolean)) {
    r = {type.dtype == x[0].type.dtype ? x[0] : p.one("stablehlo.convert", x, type)};
  } else if (n.op == Op::bitcast) {
    r = {p.one("stablehlo.bitcast_convert", x, type)};
  } else if (n.op == Op::is_finite) {
    r = {p.one("stablehlo.is_finite", x, type)};
  } else if (n.op == Op::stop_gradient) {
    r = x;
  } else if (n.op == Op::shr) {
    r = {
        p.one(is_unsigned(type.dtype) ? "stablehlo.shift_right_logical" : "stablehlo.shift_right_arithmetic", x, type)};
  } else if (n.op == Op::div) {
    const Shown quotient = p.one("stablehlo.divide", x, type);
    const bool whole = is_integer(type.dtype);  // a number divided by 0 is 0 here
    r = {whole ? p.select(p.compare("EQ", x[1], p.number(type, 0)), p.number(type, 0), quotient) : quotient};
  } else {
    r = {defined(p, n.op, x)};
    return !r[0].name.empty();
  }
  return true;
}

}  // namespace tenon::hlo
