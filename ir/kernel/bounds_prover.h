// Inequalities over the integers that a kernel computes: linear forms over variables, what is known about each variable, and
// a search that proves a form not negative. Sound and bounded, not complete: what it cannot prove, it calls unproven.
// Refuses to know kernels (ir/kernel/bounds.cc makes the variables).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tenon::ir {

using Wide = __int128;  // of i64 values, their products, and the infinities
inline constexpr Wide infinity = Wide{1} << 120;

// constant + the sum of factor * variable, by ascending variable.
struct Form {
  struct Term {
    uint32_t variable;
    Wide factor;
    bool operator==(const Term&) const = default;
  };
  Wide constant = 0;
  std::vector<Term> terms;
  bool operator==(const Form&) const = default;
  bool is_number() const { return terms.empty(); }
};
Form operator+(const Form& x, const Form& y);
Form operator-(const Form& x, const Form& y);
Form operator*(const Form& x, Wide factor);
inline Form number(Wide value) { return {value, {}}; }

struct Range {
  Wide low = 0, high = 0;
  bool operator==(const Range&) const = default;
};
Range join(const Range& x, const Range& y);

using Facts = std::vector<Form>;  // each is not negative

// What is known about a variable. The forms speak of earlier variables only, so eliminating the last one first ends.
struct Variable {
  struct Choice {
    Form form;
    Facts when;
  };
  Range range;
  std::vector<Form> above, below;  // it is at most, at least each of these
  std::vector<Choice> choices;  // it is one of these; the facts of the one hold
  Form numerator;  // it is numerator / divisor, rounded toward zero, where divisor is positive
  Wide divisor = 0;
};

class Prover {
 public:
  Form variable(Variable known);
  const Variable& known(uint32_t variable) const { return variables_[variable]; }
  Range range(const Form& form) const;
  // A quick look gives up early: where not knowing only costs precision.
  bool not_negative(const Form& form, const Facts& facts, bool quick = false);
  bool impossible(const Facts& facts);  // the facts contradict each other, or what is known
  // Variables of a scope are forgotten when it closes.
  size_t size() const { return variables_.size(); }
  void forget(size_t from) { variables_.resize(from); }

 private:
  struct Search {
    int depth;
    bool rounds;  // forms are divided by what their factors have in common, and quotients stand alone where that helps
    Search deeper() const { return {depth - 1, rounds}; }
  };
  bool prove(const Form& form, const Facts& facts, Search search);
  bool refute(const Facts& facts, Search search);
  Form without_facts(Form form, const Facts& facts) const;
  Facts with_numerators(Facts facts) const;
  std::vector<Variable> variables_;
  int budget_ = 0;
};

}  // namespace tenon::ir
