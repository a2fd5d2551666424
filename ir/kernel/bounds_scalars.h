// What a kernel's scalars are, as the bounds check sees them: forms for integers, facts for conditions. One value of each
// symbol is taken, so extents are numbers. Refuses to know loops and memory (ir/kernel/bounds.cc).
#pragma once

#include <vector>

#include "tenon/ir/kernel/bounds_prover.h"
#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {

inline bool is_index_type(DType t) { return !is_floating(t) && t != DType::boolean; }
Range limits(DType t);  // the values of an integer dtype

// What is known about a scalar: a number's form, or what a condition says when it holds and when it does not.
struct Known {
  Form form;
  Facts yes, no;
};

class BoundsScalars {
 public:
  explicit BoundsScalars(const Kernel& kernel) : kernel_(kernel) {}
  void clear();
  Known& at(ScalarId v) { return values_[index(v)]; }
  Known scalar(const Instruction& i);
  static Known truth(bool value);
  Form anything(DType t);
  Form within(Range r);
  // Variables, and the divisions made of them, of a scope that closes. A division may rest on facts of the scope.
  struct Mark {
    size_t variables, divisions;
  };
  Mark mark() const { return {prover.size(), divisions_.size()}; }
  void forget_divisions(const Mark& mark);
  void forget(const Mark& mark);

  Prover prover;
  Facts facts;  // of the loops around

 private:
  struct Division {
    Form x;
    Wide divisor;
    Form quotient, remainder;
  };
  Division divide(const Form& x, Wide divisor, DType t);
  Form fit(const Form& form, DType t);
  Form extreme(const Form& x, const Form& y, bool greater);
  Form chosen(const Known& condition, const Form& x, const Form& y);
  bool never(const Facts& facts) const;
  Form integer(const Instruction& i);
  Known condition(const Instruction& i, DType from);

  const Kernel& kernel_;
  std::vector<Known> values_;  // by scalar
  std::vector<Division> divisions_;
};

}  // namespace tenon::ir
