// The search: the last variable of a form is replaced by what bounds it, one bound after the other, until numbers decide.
#include "tenon/ir/kernel/bounds_prover.h"

#include <algorithm>

namespace tenon::ir {
namespace {

constexpr int max_depth = 16, quick_depth = 6;
constexpr int max_steps = 4000, quick_steps = 100;
constexpr Wide too_large = Wide{1} << 110;  // forms with larger numbers are given up

Wide magnitude(Wide x) { return x < 0 ? -x : x; }

Wide plus(Wide x, Wide y) {  // of saturated numbers: no overflow
  return std::clamp(x + y, -infinity, infinity);
}

Wide times(Wide x, Wide y) {
  Wide r;
  if (!__builtin_mul_overflow(x, y, &r)) return std::clamp(r, -infinity, infinity);
  return (x < 0) == (y < 0) ? infinity : -infinity;
}

bool is_too_large(const Form& f) {
  if (magnitude(f.constant) > too_large) return true;
  return std::any_of(f.terms.begin(), f.terms.end(),
                     [](const Form::Term& t) { return magnitude(t.factor) > too_large; });
}

Wide gcd(Wide x, Wide y) {
  while (y != 0) std::swap(x %= y, y);
  return x;
}

// Over the integers 2x + 2y <= 9 is x + y <= 4: factors without their common divisor, what it leaves of the constant rounded down.
Form tightened(const Form& f) {
  Wide common = 0;
  for (const Form::Term& t : f.terms) common = gcd(common, magnitude(t.factor));
  if (common <= 1) return f;
  Form r{f.constant / common - (f.constant % common < 0), f.terms};
  for (Form::Term& t : r.terms) t.factor /= common;
  return r;
}

}  // namespace

Form operator*(const Form& x, Wide factor) {
  Form r{times(x.constant, factor), {}};
  if (factor != 0)
    for (const Form::Term& t : x.terms) r.terms.push_back({t.variable, times(t.factor, factor)});
  return r;
}

Form operator+(const Form& x, const Form& y) {
  Form r{plus(x.constant, y.constant), {}};
  size_t i = 0, j = 0;
  while (i < x.terms.size() || j < y.terms.size()) {
    if (j == y.terms.size() || (i < x.terms.size() && x.terms[i].variable < y.terms[j].variable)) {
      r.terms.push_back(x.terms[i++]);
    } else if (i == x.terms.size() || y.terms[j].variable < x.terms[i].variable) {
      r.terms.push_back(y.terms[j++]);
    } else {
      if (const Wide f = plus(x.terms[i].factor, y.terms[j].factor); f != 0)
        r.terms.push_back({x.terms[i].variable, f});
      ++i, ++j;
    }
  }
  return r;
}

Form operator-(const Form& x, const Form& y) { return x + y * -1; }

Range join(const Range& x, const Range& y) { return {std::min(x.low, y.low), std::max(x.high, y.high)}; }

Form Prover::variable(Variable known) {
  if (known.range.low == known.range.high) return number(known.range.low);
  variables_.push_back(std::move(known));
  return {0, {{static_cast<uint32_t>(variables_.size() - 1), 1}}};
}

Range Prover::range(const Form& form) const {
  Range r{form.constant, form.constant};
  for (const Form::Term& t : form.terms) {
    const Range& v = variables_[t.variable].range;
    const Wide low = times(t.factor, t.factor > 0 ? v.low : v.high);
    const Wide high = times(t.factor, t.factor > 0 ? v.high : v.low);
    r.low = r.low == -infinity || low == -infinity ? -infinity : plus(r.low, low);  // nothing makes up for an infinity
    r.high = r.high == infinity || high == infinity ? infinity : plus(r.high, high);
  }
  return r;
}

// A form that is not greater: less facts about the same variables, where that leaves a better bound, or no worse one of fewer. Of
// 9z - 2x - 2y with x + y <= 4 it is 9z - 8. Quotients that stood beside others may stand alone then.
Form Prover::without_facts(Form form, const Facts& facts) const {
  for (const Form& fact : facts) {
    if (fact.terms.empty()) continue;
    const Form::Term last = fact.terms.back();
    const auto at = std::find_if(form.terms.begin(), form.terms.end(),
                                 [&](const Form::Term& t) { return t.variable == last.variable; });
    if (at == form.terms.end() || (at->factor > 0) != (last.factor > 0) || at->factor % last.factor != 0) continue;
    Form less = form - fact * (at->factor / last.factor);
    const Wide before = range(form).low, after = range(less).low;
    const bool better = after > before || (after == before && less.terms.size() < form.terms.size());
    if (better && !is_too_large(less)) form = std::move(less);
  }
  return form;
}

// Cheap ways first: the search is cut off by its budget, and most of what holds, holds by the ranges of the variables.
bool Prover::prove(const Form& given, const Facts& facts, Search search) {
  const Form g = search.rounds ? tightened(given) : given;
  if (range(g).low >= 0) return true;
  if (g.terms.empty() || search.depth == 0 || --budget_ < 0 || is_too_large(g)) return false;
  const Form::Term last = g.terms.back();
  const Variable& v = variables_[last.variable];
  Form rest = g;
  rest.terms.pop_back();
  const auto with = [&](const Form& f) { return prove(rest + f * last.factor, facts, search.deeper()); };
  const Wide bound = last.factor > 0 ? v.range.low : v.range.high;
  if (magnitude(bound) < too_large && with(number(bound))) return true;
  for (const Form& f : last.factor > 0 ? v.below : v.above)
    if (with(f)) return true;
  for (size_t i = 0; i < facts.size(); ++i) {  // a sum of facts that cancels the variable
    const auto at = std::find_if(facts[i].terms.begin(), facts[i].terms.end(),
                                 [&](const Form::Term& t) { return t.variable == last.variable; });
    if (at == facts[i].terms.end() || (at->factor > 0) != (last.factor > 0)) continue;
    const Wide common = gcd(magnitude(at->factor), magnitude(last.factor));
    Facts others = facts;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    if (prove(g * (magnitude(at->factor) / common) - facts[i] * (magnitude(last.factor) / common), others,
              search.deeper()))
      return true;
  }
  if (search.rounds && v.divisor > 0 && magnitude(last.factor) > 1 && !rest.is_number()) {
    // The rounding of a quotient is lost where others stand beside it: with those at their worst it may stand alone.
    const Wide worst = range(rest).low;
    if (worst > -infinity && prove(Form{worst, {last}}, facts, search.deeper())) return true;
  }
  if (v.divisor > 0 && prove(v.numerator, facts, search.deeper())) {
    // q >= k just if numerator >= k * divisor; q <= k just if numerator <= k * divisor + divisor - 1. A factor other than 1
    // loses what the rounding gives.
    Form edge = v.numerator * last.factor + rest * v.divisor;
    if (last.factor > 1) edge.constant -= (v.divisor - 1) * last.factor;
    if (last.factor == -1) edge.constant += v.divisor - 1;
    if (prove(edge, facts, search.deeper()) || (last.factor > 0 && prove(rest, facts, search.deeper()))) return true;
  }
  const auto proved_for = [&](const Variable::Choice& c) {
    Facts known = facts;
    known.insert(known.end(), c.when.begin(), c.when.end());
    return prove(rest + c.form * last.factor, known, search.deeper()) || refute(c.when, {1, search.rounds}) ||
           refute(known, search.deeper());
  };
  return !v.choices.empty() && std::all_of(v.choices.begin(), v.choices.end(), proved_for);
}

bool Prover::refute(const Facts& facts, Search search) {
  return std::any_of(facts.begin(), facts.end(), [&](const Form& f) { return prove(number(-1) - f, facts, search); });
}

// With what facts about quotients say of their numerators: x / 3 <= 1 is x <= 5.
Facts Prover::with_numerators(Facts facts) const {
  constexpr size_t most = 16;
  for (size_t i = 0; i < facts.size() && facts.size() < most; ++i) {
    if (facts[i].terms.empty()) continue;
    const Form::Term last = facts[i].terms.back();
    const Variable& v = variables_[last.variable];
    if (v.divisor <= 0 || magnitude(last.factor) != 1) continue;
    Form rest = facts[i];
    rest.terms.pop_back();
    if (last.factor < 0 && range(rest).low >= 0)
      facts.push_back(rest * v.divisor + number(v.divisor - 1) - v.numerator);
    else if (last.factor > 0 && range(rest).high < 0)
      facts.push_back(v.numerator + rest * v.divisor);
  }
  return facts;
}

bool Prover::not_negative(const Form& form, const Facts& facts, bool quick) {
  // Deeper only where a shallow search fails: most proofs are short, and a deep one may spend its steps far from a short one.
  const auto proved = [&](const Form& aim, const Facts& known, bool rounds) {
    for (const int depth : {quick_depth / 2, quick_depth, (quick_depth + max_depth) / 2, max_depth}) {
      if (quick && depth > quick_depth) break;
      budget_ = quick ? quick_steps : max_steps;
      if (prove(aim, known, {depth, rounds})) return true;
    }
    return false;
  };
  if (proved(form, facts, false)) return true;
  if (quick) return false;
  // A search that rounds takes other ways, and not always better ones.
  const Facts known = with_numerators(facts);
  const Form less = without_facts(form, known);
  return (!(less == form) && proved(less, known, true)) || proved(form, known, true) || impossible(facts);
}

// Facts that contradict each other do so soon; most do not, and are looked at whenever a loop is entered.
bool Prover::impossible(const Facts& facts) {
  budget_ = quick_steps;
  return refute(facts, {quick_depth, false});
}

}  // namespace tenon::ir
