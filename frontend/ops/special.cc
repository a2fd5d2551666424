// Special functions composed of rows of the table: entropies, log-odds, sinc, polygamma, quotients of exponentials. Their formulas are
// part of the contract on numbers (docs/numbers.md); derivatives are those of the functions, limits included.
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "tenon/frontend/ops/composed.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/rules/rules.h"

namespace tenon {
namespace formula {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

// x times a logarithm, 0 where x is 0 and the logarithm is none or infinite. Elsewhere the derivative by x = 0 is the logarithm.
Value entropy(Value x, Value y, Value logarithm, double end) {
  const Value regular = bit_and(gt(y, like(y, end)), lt(y, like(y, inf)));
  const Value nothing = bit_and(bit_and(eq(x, like(x, 0)), bit_not(regular)), eq(y, y));
  return select(nothing, like(x, 0), x * logarithm);
}
Value xlogy(Values v) { return entropy(v[0], v[1], log(v[1]), 0); }
Value xlog1py(Values v) { return entropy(v[0], v[1], log1p(v[1]), -1); }

// log(x / (1 - x)): 2 atanh(2x - 1) about 1/2, where 2x - 1 is exact.
Value logit(Values v) {
  const Value x = v[0], middle = lt(abs(x - 0.5), like(x, 0.25));
  const Value inner = select(middle, x, like(x, 0.5));
  return select(middle, atanh(inner * 2.0 - 1) * 2.0, log(x) - log1p(-x));
}
Value bounded_logit(Values v) {
  const Value x = v[0], least = v[1], most = 1 - least;
  const Value inside[] = {select(lt(x, least), least, select(gt(x, most), most, x))};
  return logit(inside);
}

// log2(2^x + 2^y)
Value logaddexp2(Values v) {
  constexpr double ln2 = std::numbers::ln2, per_ln2 = std::numbers::log2e;
  return logaddexp(v[0] * ln2, v[1] * ln2) * per_ln2;
}

// sin(pi x) / (pi x): up to 1/2 its power series, so that derivatives do not cancel; beyond, the argument less its nearest integer.
Value sinc(Values v) {
  const Value x = v[0], z = x * x;
  constexpr int terms = 12;
  Value series = like(x, 0);
  double c[terms], factor = 1;
  for (int k = 0; k < terms; ++k) {
    c[k] = factor;
    factor *= -std::numbers::pi * std::numbers::pi / ((2.0 * k + 2) * (2.0 * k + 3));
  }
  for (int k = terms; k-- > 0;) series = series * z + c[k];
  const Value n = round(x), half = n * 0.5, odd = ne(floor(half), half);
  const Value sine = sin((x - n) * std::numbers::pi), near = lt(abs(x), like(x, 0.5));
  const Value angle = select(near, like(x, 1), x) * std::numbers::pi;
  return select(near, series, select(odd, -sine, sine) / angle);
}

// -x log(x)
Value entr(Values v) {
  const Value x = v[0], zero = like(x, 0), inside = gt(x, zero);
  const Value value = -(x * log(select(inside, x, like(x, 1))));
  const Value outside = select(lt(x, zero), like(x, -inf), x);  // 0 at 0, NaN at NaN
  return select(inside, value, select(eq(x, zero), zero, outside));
}

std::vector<Value> build_mvlgamma(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const made::OfOrder to(attrs);
  const Value v = cast(x[0], wide(to.met));
  const auto p = static_cast<double>(to.order);
  Value sum = lgamma(v);
  for (int64_t i = 1; i < to.order; ++i) sum = sum + lgamma(v - 0.5 * static_cast<double>(i));
  return {cast(sum + p * (p - 1) / 4 * std::log(std::numbers::pi), to.met)};
}

std::vector<Value> build_polygamma(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const made::OfOrder to(attrs);
  return {cast(ir::rules::polygamma(to.order, cast(x[0], wide(to.met))), to.met)};
}

}  // namespace
}  // namespace formula

TENON_COMPOSED_1(entr, floats)
TENON_COMPOSED_2(xlogy, floats)
TENON_COMPOSED_2(xlog1py, floats)
TENON_COMPOSED_2(logaddexp2, floats)
TENON_COMPOSED_1(sinc, floats)
TENON_COMPOSED_1(logit, floats)
Tensor logit(Operand x, Operand eps) {
  return compose({"logit", formula::build_composed<formula::bounded_logit>}, Takes::floats, {&x, &eps});
}

Tensor polygamma(int64_t n, Operand x) try {
  if (n == 0) return renamed("polygamma", elementwise::digamma, x);
  if (n < 0 || n > 100)
    throw Error("polygamma: the order goes from 0 to 100, and " + std::to_string(n) + " is outside", x.where());
  const Operand* one = &x;
  const DType met = meeting("polygamma", Takes::floats, std::span(&one, 1), x.where());
  return apply_one({"polygamma", formula::build_polygamma}, made::OfOrderAttrs{.met = met, .order = n},
                   {entered(x, met, "polygamma")}, x.where());
} catch (...) {
  leave_with_error("polygamma", x.where());
}

Tensor ndtr(Operand x) { return renamed("ndtr", elementwise::normal_cdf, x); }
Tensor expit(Operand x) { return elementwise::logistic(x); }
Tensor arcsin(Operand x) { return elementwise::asin(x); }
Tensor arccos(Operand x) { return elementwise::acos(x); }
Tensor arctan(Operand x) { return elementwise::atan(x); }
Tensor arctan2(Operand x, Operand y) { return renamed("arctan2", elementwise::atan2, x, y); }
Tensor arcsinh(Operand x) { return elementwise::asinh(x); }
Tensor arccosh(Operand x) { return elementwise::acosh(x); }
Tensor arctanh(Operand x) { return elementwise::atanh(x); }

Tensor gammaln(Operand x) { return renamed("gammaln", elementwise::lgamma, x); }
Tensor psi(Operand x) { return renamed("psi", elementwise::digamma, x); }
Tensor mvlgamma(Operand x, int64_t p) try {
  constexpr int64_t most = 1000;
  if (p < 1 || p > most) throw Error("mvlgamma: the order is 1 to 1000, not " + std::to_string(p), x.where());
  const DType met = meeting("mvlgamma", Takes::floats, std::array<const Operand*, 1>{&x}, x.where());
  return apply_one({"mvlgamma", formula::build_mvlgamma}, made::OfOrderAttrs{.met = met, .order = p},
                   {entered(x, formula::wide(met), "mvlgamma")}, x.where());
} catch (...) {
  leave_with_error("mvlgamma", x.where());
}
Tensor multigammaln(Operand x, int64_t p) {
  check_real("multigammaln", {&x});
  return mvlgamma(std::move(x), p);
}

}  // namespace tenon
