// Integer arithmetic on forms: exact where it is linear, a variable with a range and relations where it is not.
#include "tenon/ir/kernel/bounds_scalars.h"

#include <algorithm>

namespace tenon::ir {
namespace {

Range meet(const Range& x, const Range& y) { return {std::max(x.low, y.low), std::min(x.high, y.high)}; }

Wide all_ones(Wide least) {  // the smallest 2^k - 1 that is not less
  Wide ones = 0;
  while (ones < least && ones < infinity) ones = ones * 2 + 1;
  return ones;
}

Facts both(Facts x, const Facts& y) {
  x.insert(x.end(), y.begin(), y.end());
  return x;
}

}  // namespace

Range limits(DType t) {
  if (t == DType::boolean) return {0, 1};
  const int n = bits(t);
  return is_unsigned(t) ? Range{0, (Wide{1} << n) - 1} : Range{-(Wide{1} << (n - 1)), (Wide{1} << (n - 1)) - 1};
}

void BoundsScalars::clear() {
  prover.forget(0);
  divisions_.clear();
  facts.clear();
  values_.assign(kernel_.scalars.size(), {});
}

void BoundsScalars::forget_divisions(const Mark& mark) {
  divisions_.resize(std::min(mark.divisions, divisions_.size()));
}

void BoundsScalars::forget(const Mark& mark) {
  forget_divisions(mark);
  prover.forget(mark.variables);
}

Known BoundsScalars::truth(bool value) {
  const Facts always, never{number(-1)};
  return {{}, value ? always : never, value ? never : always};
}

Form BoundsScalars::within(Range r) {
  Variable v;
  v.range = r;
  return prover.variable(std::move(v));
}
Form BoundsScalars::anything(DType t) { return within(limits(t)); }

// A result of arithmetic in t: the form, unless it may wrap.
Form BoundsScalars::fit(const Form& form, DType t) {
  const Range r = prover.range(form), l = limits(t);
  const bool below = r.low < l.low && r.low > -infinity, beyond = r.high > l.high && r.high < infinity;
  return below || beyond ? anything(t) : form;
}

bool BoundsScalars::never(const Facts& facts) const {
  return std::any_of(facts.begin(), facts.end(), [&](const Form& f) { return prover.range(f).high < 0; });
}

BoundsScalars::Division BoundsScalars::divide(const Form& x, Wide c, DType t) {
  if (c == 0) return {x, c, number(0), x};  // as in all routes
  for (const Division& d : divisions_)
    if (d.x == x && d.divisor == c) return d;
  const Range r = prover.range(x);
  if (c < 0 || r.low == -infinity) return {x, c, anything(t), anything(t)};
  Division d{x, c, {}, {}};
  // x as c * whole + part: where part lies in [0, c), these are the results.
  Form whole, part;
  for (const Form::Term& term : x.terms) {
    if (term.factor % c == 0)
      whole.terms.push_back({term.variable, term.factor / c});
    else
      part.terms.push_back(term);
  }
  whole.constant = x.constant / c;
  part.constant = x.constant % c;
  if (part.constant < 0) part.constant += c, whole.constant -= 1;
  const Range p = prover.range(part);
  const bool positive = r.low >= 0 || prover.not_negative(x, facts, true);
  if (p.low >= 0 && p.high < c && (positive || p.high == 0)) {
    d.quotient = whole;
    d.remainder = part;
  } else {
    Variable q;
    q.range = {positive ? std::max<Wide>(r.low / c, 0) : r.low / c, r.high == infinity ? infinity : r.high / c};
    q.numerator = x;
    q.divisor = c;
    d.quotient = prover.variable(std::move(q));
    const auto rest = [&](Range range, bool below_x) {
      Variable v;
      v.range = range;
      if (below_x) v.above.push_back(x);
      v.choices.push_back({x - d.quotient * c, {}});
      return prover.variable(std::move(v));
    };
    if (positive) {
      d.remainder = rest({0, c - 1}, true);
    } else {  // it has the sign of x, which a mask may know where this stands before it
      Variable v;
      v.range = {1 - c, c - 1};
      v.choices = {{rest({0, c - 1}, true), {x}}, {rest({1 - c, 0}, false), {number(-1) - x}}};
      d.remainder = prover.variable(std::move(v));
    }
  }
  divisions_.push_back(d);
  return d;
}

Form BoundsScalars::extreme(const Form& x, const Form& y, bool greater) {
  const Range a = prover.range(x), b = prover.range(y);
  if (greater ? a.low >= b.high : a.high <= b.low) return x;
  if (greater ? b.low >= a.high : b.high <= a.low) return y;
  Variable v;
  v.range = greater ? Range{std::max(a.low, b.low), std::max(a.high, b.high)}
                    : Range{std::min(a.low, b.low), std::min(a.high, b.high)};
  (greater ? v.below : v.above) = {x, y};
  v.choices = {{x, {greater ? x - y : y - x}}, {y, {greater ? y - x : x - y}}};
  return prover.variable(std::move(v));
}

Form BoundsScalars::chosen(const Known& condition, const Form& x, const Form& y) {
  if (x == y || never(condition.no)) return x;
  if (never(condition.yes)) return y;
  Variable v;
  v.range = join(prover.range(x), prover.range(y));
  v.choices = {{x, condition.yes}, {y, condition.no}};
  return prover.variable(std::move(v));
}

Known BoundsScalars::scalar(const Instruction& i) {
  const DType from = kernel_.dtype(i.operands[i.op == Op::select ? 1 : 0]);
  if (i.dtype == DType::boolean) return condition(i, from);
  if (!is_index_type(i.dtype)) return {};
  if (i.op == Op::cast && from == DType::boolean) return {chosen(at(i.operands[0]), number(1), number(0)), {}, {}};
  return {is_index_type(from) ? integer(i) : anything(i.dtype), {}, {}};
}

Form BoundsScalars::integer(const Instruction& i) {
  if (i.op == Op::select) return chosen(at(i.operands[0]), at(i.operands[1]).form, at(i.operands[2]).form);
  const Form x = at(i.operands.front()).form, y = at(i.operands.back()).form;
  const Range a = prover.range(x), b = prover.range(y);
  const bool small = y.is_number() && y.constant >= 0 && y.constant < 62;  // a shift that loses nothing below
  switch (i.op) {
    case Op::add: return fit(x + y, i.dtype);
    case Op::sub: return fit(x - y, i.dtype);
    case Op::neg: return fit(x * -1, i.dtype);
    case Op::min:
    case Op::max: return extreme(x, y, i.op == Op::max);
    case Op::popcount: return within({0, bits(i.dtype)});
    case Op::mul:
      if (x.is_number()) return fit(y * x.constant, i.dtype);
      if (y.is_number()) return fit(x * y.constant, i.dtype);
      if (a.low >= 0 && b.low >= 0 && a.high < infinity && b.high < infinity &&
          a.high <= limits(i.dtype).high / std::max<Wide>(b.high, 1))
        return within({a.low * b.low, a.high * b.high});
      return anything(i.dtype);
    case Op::div:
      if (y.is_number()) return divide(x, y.constant, i.dtype).quotient;
      return a.low >= 0 && b.low >= 0 ? within({0, a.high}) : anything(i.dtype);
    case Op::rem:
      if (y.is_number()) return divide(x, y.constant, i.dtype).remainder;
      return a.low >= 0 && b.low >= 0 ? within({0, a.high}) : anything(i.dtype);
    case Op::shl: return small ? fit(x * (Wide{1} << y.constant), i.dtype) : anything(i.dtype);
    case Op::shr: return small && a.low >= 0 ? divide(x, Wide{1} << y.constant, i.dtype).quotient : anything(i.dtype);
    case Op::cast: {
      const Range l = limits(i.dtype);
      const bool fits = (a.low >= l.low || a.low == -infinity) && (a.high <= l.high || a.high == infinity);
      return fits ? x : anything(i.dtype);
    }
    case Op::bit_and: {
      Variable v;
      v.range = limits(i.dtype);
      for (const Form& f : {x, y})
        if (const Range r = prover.range(f); r.low >= 0) v.range = meet(v.range, {0, r.high}), v.above.push_back(f);
      return prover.variable(std::move(v));
    }
    case Op::bit_or:
    case Op::bit_xor:
      if (a.low < 0 || b.low < 0) return anything(i.dtype);
      return within({i.op == Op::bit_or ? std::max(a.low, b.low) : 0, all_ones(std::max(a.high, b.high))});
    default: return anything(i.dtype);
  }
}

// A condition on numbers, or made of conditions. What is not understood says nothing either way.
Known BoundsScalars::condition(const Instruction& i, DType from) {
  const Known &p = at(i.operands.front()), &q = at(i.operands.back());
  if (from == DType::boolean) {
    switch (i.op) {
      case Op::bit_not: return {{}, p.no, p.yes};
      case Op::bit_and: return {{}, both(p.yes, q.yes), never(p.no) ? q.no : never(q.no) ? p.no : Facts{}};
      case Op::bit_or: return {{}, never(p.yes) ? q.yes : never(q.yes) ? p.yes : Facts{}, both(p.no, q.no)};
      default: return {};
    }
  }
  if (!is_index_type(from)) return {};
  const Form less = q.form - p.form, more = p.form - q.form;
  switch (i.op) {
    case Op::lt: return {{}, {less - number(1)}, {more}};
    case Op::le: return {{}, {less}, {more - number(1)}};
    case Op::gt: return {{}, {more - number(1)}, {less}};
    case Op::ge: return {{}, {more}, {less - number(1)}};
    case Op::eq: return {{}, {less, more}, {}};
    case Op::ne: return {{}, {}, {less, more}};
    default: return {};
  }
}

}  // namespace tenon::ir
