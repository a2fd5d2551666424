// Reductions, contractions and sorting, with the regions that StableHLO wants for them. Orders of summation are the reader's.
#include <limits>

#include "tenon/frontend/stablehlo/print.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::hlo {
using ir::Op;

std::string identity_text(Op combine, DType t, bool nothing) {
  if (is_complex(t)) {
    const std::string part = identity_text(combine, part_of(t), nothing);
    return "(" + part + ", " + part + ")";
  }
  const bool floating = is_floating(t);
  const auto infinity = [&](bool negative) {
    if (t == f64) return std::string(negative ? "0xFFF0000000000000" : "0x7FF0000000000000");
    if (t == f32) return std::string(negative ? "0xFF800000" : "0x7F800000");
    if (t == f16) return std::string(negative ? "0xFC00" : "0x7C00");
    return std::string(negative ? "0xFF80" : "0x7F80");
  };
  const int64_t highest = is_unsigned(t) ? -1 : static_cast<int64_t>((uint64_t{1} << (bits(t) - 1)) - 1);
  switch (combine) {
    case Op::add: return !floating ? "0" : nothing ? "0.0" : "-0.0";
    case Op::mul: return floating ? "1.0" : "1";
    case Op::bit_and:
      return t == boolean ? "true" : is_unsigned(t) ? std::to_string(~uint64_t{0} >> (64 - bits(t))) : "-1";
    case Op::bit_or: return t == boolean ? "false" : "0";
    case Op::max: return floating ? infinity(true) : is_unsigned(t) ? "0" : std::to_string(-highest - 1);
    default: break;
  }
  if (floating) return infinity(false);
  return is_unsigned(t) ? std::to_string(~uint64_t{0} >> (64 - bits(t))) : std::to_string(highest);
}

namespace {

Shown reduced(Printer& p, Op combine, const Shown& x, const std::vector<int64_t>& axes, const ir::Type& type) {
  const ir::Type scalar{x.type.dtype, {}};
  const Shown first = p.repeated(scalar, identity_text(combine, scalar.dtype, x.type.shape.numel() == 0));
  return p.with_regions("stablehlo.reduce", {x, first}, {type}, "dimensions = " + array_text(axes), [&] {
    p.region({scalar, scalar},
             [&](const Results& x) { return Results{p.binary(operation_name(combine), x[0], x[1])}; });
  })[0];
}

// The first extremum, NaN before all; of equals the lower index.
Shown extremum(Printer& p, bool largest, Shown x, int64_t axis, const ir::Type& type) {
  if (x.type.dtype == boolean) x = p.one("stablehlo.convert", {x}, {u8, x.type.shape});
  const ir::Type value{x.type.dtype, {}}, index{i64, {}};
  const Shown numbers =
      p.one("stablehlo.iota", {}, {i64, x.type.shape}, "iota_dimension = " + std::to_string(axis) + " : i64");
  const Shown first = p.repeated(value, identity_text(largest ? Op::max : Op::min, value.dtype, false));
  const Shown zero = p.repeated(index, "0");
  const auto region = [&](const Results& a) {
    const auto either = [&](const Shown& l, const Shown& r) { return p.binary("stablehlo.or", l, r); };
    const auto both = [&](const Shown& l, const Shown& r) { return p.binary("stablehlo.and", l, r); };
    const Shown nan = p.compare("NE", a[0], a[0]), other_nan = p.compare("NE", a[2], a[2]);
    const Shown before =
        either(p.compare(largest ? "GT" : "LT", a[0], a[2]), both(nan, p.unary("stablehlo.not", other_nan)));
    const Shown alike = either(p.compare("EQ", a[0], a[2]), both(nan, other_nan));
    const Shown wins = either(before, both(alike, p.compare("LT", a[1], a[3])));
    return Results{p.select(wins, a[0], a[2]), p.select(wins, a[1], a[3])};
  };
  return p.with_regions("stablehlo.reduce", {x, numbers, first, zero}, {{x.type.dtype, type.shape}, type},
                        "dimensions = " + array_text({axis}),
                        [&] { p.region({value, index, value, index}, region); })[1];
}

// Each element joined with the one `step` before it, step doubling (Hillis and Steele, "Data parallel algorithms", CACM 29, 1986): a window of
// the whole axis would cost the square of its length.
Shown running(Printer& p, Op combine, Shown x, size_t axis, bool reverse) {
  const size_t rank = x.type.shape.size();
  const int64_t n = x.type.shape[axis].number();
  const ir::Type given = x.type;
  if (n < 2) return x;
  if (is_half(given.dtype)) x = p.one("stablehlo.convert", {x}, {f32, given.shape});
  const ir::Type scalar{x.type.dtype, {}};
  const Shown first = p.repeated(scalar, identity_text(combine, scalar.dtype, false));
  std::vector<int64_t> low(rank, 0), high(rank, 0);
  const std::vector<int64_t> none(rank, 0);
  for (int64_t step = 1; step < n; step *= 2) {
    (reverse ? high : low)[axis] = step, (reverse ? low : high)[axis] = -step;
    const Shown before = p.one("stablehlo.pad", {x, first}, x.type, padding_text(low, high, none));
    x = p.binary(operation_name(combine), before, x);
  }
  return is_half(given.dtype) ? p.one("stablehlo.convert", {x}, given) : x;
}

std::string list_text(const std::vector<int64_t>& numbers) {
  std::string text = "[";
  for (size_t i = 0; i < numbers.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(numbers[i]);
  return text + "]";
}

std::string dot_text(const ir::DotGeneral& d) {
  return "dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = " + list_text(d.lhs_batch) +
         ", rhs_batching_dimensions = " + list_text(d.rhs_batch) +
         ", lhs_contracting_dimensions = " + list_text(d.lhs_contract) +
         ", rhs_contracting_dimensions = " + list_text(d.rhs_contract) +
         ">, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]";
}

std::string convolution_text(const ir::Convolution& c) {
  std::string spatial, pads;
  for (size_t i = 0; i < c.strides.size(); ++i) {
    spatial += std::to_string(i) + ", ";
    pads += (i == 0 ? "" : ", ") + list_text({c.low[i], c.high[i]});
  }
  std::string text = "window_strides = " + array_text(c.strides) + ", lhs_dilation = " + array_text(c.lhs_dilation) +
                     ", rhs_dilation = " + array_text(c.rhs_dilation);
  if (!pads.empty())
    text += ", padding = dense<[" + pads + "]> : tensor<" + std::to_string(c.strides.size()) + "x2xi64>";
  return text + ", dimension_numbers = #stablehlo.conv<[b, " + spatial + "f]x[" + spatial + "i, o]->[b, " + spatial +
         "f]>, feature_group_count = " + std::to_string(c.groups) +
         " : i64, batch_group_count = 1 : i64, precision_config = [#stablehlo<precision HIGHEST>, "
         "#stablehlo<precision HIGHEST>]";
}

// By the first operand: -0 as 0, every NaN as the one behind all numbers.
Results sorted(Printer& p, const Results& x, size_t axis) {
  std::vector<ir::Type> elements, types;
  for (const Shown& v : x) {
    elements.insert(elements.end(), 2, {v.type.dtype, {}});
    types.push_back(v.type);
  }
  const auto region = [&](const Results& a) {
    if (!is_floating(elements[0].dtype)) return Results{p.compare("LT", a[0], a[1])};
    const Shown zero = p.repeated(elements[0], "0.0");
    const DType t = elements[0].dtype;
    const Shown nan = p.repeated(elements[0], t == f64   ? "0x7FF8000000000000"
                                              : t == f32 ? "0x7FC00000"
                                              : t == f16 ? "0x7E00"
                                                         : "0x7FC0");
    const auto key = [&](const Shown& v) {
      return p.select(p.compare("NE", v, v), nan, p.select(p.compare("EQ", v, zero), zero, v));
    };
    return Results{p.compare("LT", key(a[0]), key(a[1]), "TOTALORDER")};
  };
  return p.with_regions("stablehlo.sort", x, types, "dimension = " + std::to_string(axis) + " : i64, is_stable = true",
                        [&] { p.region(elements, region); });
}

}  // namespace

bool print_reduction(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r) {
  if (n.result_count == 0) return false;
  const ir::Type& type = g.type(n.first_result);
  switch (n.op) {
    case Op::reduce_sum:
    case Op::reduce_prod:
    case Op::reduce_max:
    case Op::reduce_min:
    case Op::reduce_and:
    case Op::reduce_or: {
      const auto& axes = ir::Reduce(g, n).axes;
      r = axes.empty() ? x : Results{reduced(p, ir::def(n.op).combine, x[0], axes, type)};
      return true;
    }
    case Op::cumsum:
    case Op::cumprod:
    case Op::cummax:
    case Op::cummin: {
      const ir::Cumulative c(g, n);
      r = {running(p, ir::def(n.op).combine, x[0], c.axis, c.reverse)};
      return true;
    }
    case Op::argmax:
    case Op::argmin: r = {extremum(p, n.op == Op::argmax, x[0], ir::Reduce(g, n).axes[0], type)}; return true;
    case Op::dot_general: r = {p.one("stablehlo.dot_general", x, type, dot_text(ir::DotGeneral(g, n)))}; return true;
    case Op::convolution:
      r = {p.one("stablehlo.convolution", x, type, convolution_text(ir::Convolution(g, n)))};
      return true;
    case Op::sort: r = sorted(p, x, ir::Sort(g, n).axis); return true;
    default: return false;
  }
}

}  // namespace tenon::hlo
