// det, slogdet, matrix_power, matrix_exp.
#include <cmath>
#include <span>

#include "tenon/frontend/linalg/formulas.h"
#include "tenon/ir/graph/loops.h"

namespace tenon::linalg {

using namespace ir::matrices;

namespace {

int64_t last_axis(Value x) { return static_cast<int64_t>(rank(x)) - 1; }

// 1, or -1 where the rows of an lu stand in an odd order.
Value sign_of_order(Value odd, DType t) {
  const Value one = ir::cast(odd, t);
  return 1 - 2 * one;
}

Value plain_det(Value a) {
  const Values factors = decomposed(ir::Op::lu, a);
  const Value diagonal = diagonal_of(factors[0]);
  return ir::reduce(ir::Op::reduce_prod, diagonal, {last_axis(diagonal)}) * sign_of_order(factors[2], a.dtype());
}

// d det = tr(adj(a) da), the adjugate being det(a) a^-1. Where pivots are zero they count as small ones: of one such pivot, as a matrix has
// whose rank is n - 1, the adjugate stays, to rounding; of more it vanishes.
Value adjugate(Value a, Value det) {
  const Values factors = decomposed(ir::Op::lu, ir::stop_gradient(a));
  const Value pivots = diagonal_of(factors[0]);
  const Value singular = eq(det, zeros_like(det));
  const double epsilon = a.dtype() == f64 ? 0x1p-52 : 0x1p-23, least = a.dtype() == f64 ? 0x1p-500 : 0x1p-60;
  const Value largest = ir::stop_gradient(formula::peak(abs(a), {last_axis(a) - 1, last_axis(a)}));
  const Value small = spread(max(largest * epsilon, ir::like(largest, least)), a);
  const Value pivot_of_row = for_rows(pivots, a),
              on_diagonal = identity(*a.builder, a.dtype(), batch_of(a), height(a), height(a));
  const Value fills = bit_and(eq(pivot_of_row, ir::like(a, 0)), ne(on_diagonal, ir::like(a, 0)));
  const Value lu = select(fills, small, factors[0]);
  const Value filled = diagonal_of(lu);
  const Value product_of_pivots =
      ir::reduce(ir::Op::reduce_prod, filled, {last_axis(filled)}) * sign_of_order(factors[2], a.dtype());
  const Value factor = select(singular, product_of_pivots, det);
  return inverse_by(a, lu, factors[1]) * for_matrices(factor, a);
}

Value det_of(Value a, int order) {
  if (order == 0) return plain_det(a);
  const auto rule = [&](const Values& in, const Values& tangents) {
    const Value x = in[0], det = det_of(x, order - 1);
    const Value terms = transposed(adjugate(x, det)) * tangents[0];
    return std::pair(det, ir::reduce(ir::Op::reduce_sum, terms, {last_axis(x) - 1, last_axis(x)}));
  };
  return with_rule({a}, [](const Values& x) { return plain_det(x[0]); }, rule);
}
constexpr int ruled_orders = 2;

Values build_det(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  return as_given({det_of(computed(x[0]), ruled_orders)}, x[0]);
}

// The derivative of lu makes of sum(log |pivots|) just tr(a^-1 da).
Values build_slogdet(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  const Value a = computed(x[0]);
  const Values factors = decomposed(ir::Op::lu, a);
  const Value pivots = diagonal_of(factors[0]);
  const Axes last = {last_axis(pivots)};
  const Value signs = ir::reduce(ir::Op::reduce_prod, ir::stop_gradient(sign(pivots)), last);
  return as_given(
      {signs * sign_of_order(factors[2], a.dtype()), ir::reduce(ir::Op::reduce_sum, log(abs(pivots)), last)}, x[0]);
}

// NaN where det is negative, -inf where it is 0.
Values build_logdet(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const Value a[] = {computed(x[0])};
  const Values r = build_slogdet(b, a, attrs);
  return as_given({select(lt(r[0], zeros_like(r[0])), ir::like(r[1], NAN), r[1])}, x[0]);
}

// By squaring.
Values build_matrix_power(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const int64_t n = made::Power(attrs).exponent;
  const bool whole = is_integer(x[0].dtype()) && n >= 0;  // multiplied as integers are
  Value square = whole ? x[0] : computed(x[0]), power;
  if (n == 0)
    return as_given({identity(*square.builder, square.dtype(), batch_of(square), height(square), width(square))}, x[0]);
  if (n < 0) square = inverse(square);
  for (uint64_t left = n < 0 ? ~static_cast<uint64_t>(n) + 1 : static_cast<uint64_t>(n);;) {
    if (left & 1) power = power ? product(power, square) : square;
    if ((left >>= 1) == 0) break;
    square = product(square, square);
  }
  return as_given({power}, x[0]);
}

struct Pade {
  double reach;  // norms up to which the approximant rounds right
  std::span<const double> numbers;
};
constexpr double degree_13[] = {64764752532480000,
                                32382376266240000,
                                7771770303897600,
                                1187353796428800,
                                129060195264000,
                                10559470521600,
                                670442572800,
                                33522128640,
                                1323241920,
                                40840800,
                                960960,
                                16380,
                                182,
                                1};
constexpr double degree_7[] = {17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1};
Pade pade(DType t) { return t == f64 ? Pade{5.371920351148152, degree_13} : Pade{3.925724783138660, degree_7}; }

// The approximant of degree 13 or 7 at a.
Value approximant(Value a) {
  const std::span<const double> c = pade(a.dtype()).numbers;
  const Value one = identity(*a.builder, a.dtype(), batch_of(a), height(a), width(a));
  const Value a2 = product(a, a), a4 = product(a2, a2), a6 = product(a4, a2);
  const auto even = [&](size_t first) {
    return a6 * c[first + 6] + a4 * c[first + 4] + a2 * c[first + 2] + one * c[first];
  };
  Value odd_part = even(1), even_part = even(0);
  if (c.size() > 8) {
    const auto high = [&](size_t first) { return product(a6, a6 * c[first + 4] + a4 * c[first + 2] + a2 * c[first]); };
    odd_part = high(9) + odd_part, even_part = high(8) + even_part;
  }
  const Value u = product(a, odd_part);
  return solved(even_part - u, even_part + u);
}

// r, squared as often as `squarings` (i64, a number for every matrix) says.
Value squared(Value r, Value squarings) {
  ir::GraphBuilder& b = *r.builder;
  std::vector<int64_t> all;
  for (int axis = 0; axis < squarings.shape().rank(); ++axis) all.push_back(axis);
  const Value most = all.empty() ? squarings : ir::reduce(ir::Op::reduce_max, squarings, all);
  const Value operands[] = {most, squarings, ir::splat_integer(b, i64, 0, {}), r};
  std::vector<ir::Type> types;
  for (const Value& v : operands) types.push_back(v.type());
  const auto condition = graph_of(b, types, [](ir::GraphBuilder&, const Values& x) { return Values{lt(x[2], x[0])}; });
  const auto body = graph_of(b, types, [](ir::GraphBuilder&, const Values& x) {
    const Value again = gt(x[1], ir::broadcast(x[2], x[1].shape(), {}));
    return Values{x[2] + 1, select(for_matrices(again, x[3]), product(x[3], x[3]), x[3])};
  });
  return ir::apply(b, ir::Op::while_loop, operands,
                   ir::WhileLoopAttrs{.condition = condition, .body = body, .counts = {2}})[1];
}

Values build_matrix_exp(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  const Value a = computed(x[0]);
  const Value sums = ir::reduce(ir::Op::reduce_sum, abs(ir::stop_gradient(a)), {last_axis(a) - 1});
  const Value norm = ir::reduce(ir::Op::reduce_max, sums, {last_axis(sums)});
  const Value ratio = norm / pade(a.dtype()).reach;
  const Value large = bit_and(gt(ratio, ir::like(ratio, 1)), is_finite(ratio));
  const Value halvings = select(large, ceil(log2(ratio)), zeros_like(ratio));
  const Value scaled = a * for_matrices(exp2(-halvings), a);
  return as_given({squared(approximant(scaled), ir::cast(halvings, i64))}, x[0]);
}

std::vector<Tensor> function(const char* name, BuildFn build, const Operand& a, const ir::Attrs& attrs = {}) try {
  const Tensor t = square_of(a, name);
  return apply({name, build}, attrs, std::span(&t, 1), a.where());
} catch (...) {
  leave_with_error(name, a.where());
}

}  // namespace

Tensor det(Operand a) { return function("det", build_det, a)[0]; }
SlogDet slogdet(Operand a) {
  const std::vector<Tensor> r = function("slogdet", build_slogdet, a);
  return {r[0], r[1]};
}
Tensor matrix_power(Operand a, int64_t n) {
  return function("matrix_power", build_matrix_power, a, made::PowerAttrs{.exponent = n})[0];
}
Tensor matrix_exp(Operand a) { return function("matrix_exp", build_matrix_exp, a)[0]; }
Tensor expm(Operand a) { return matrix_exp(std::move(a)); }

Tensor logdet(Operand a) { return function("logdet", build_logdet, a)[0]; }

}  // namespace tenon::linalg
