// One step of an optimizer over a whole tree as one program: what the rules of the optimizers are written with, and their door. A rule
// says what becomes of one leaf; leaves are paired by path, and integers, buffers, frozen leaves and leaves without a gradient stay.
// Internal to tn::optim. Refuses numbers out of range, complex parameters, states of another tree.
#pragma once

#include <array>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/optim/trees.h"
#include "tenon/frontend/tensor/apply.h"

namespace tenon::optim {

namespace made {
#define TENON_ATTRS TENON_ATTRS_VIEW
#define FIELD TENON_FIELD_VIEW
#include "tenon/frontend/optim/attributes.def"

#define TENON_ATTRS TENON_ATTRS_VALUES
#define FIELD TENON_FIELD_VALUES
#include "tenon/frontend/optim/attributes.def"
}  // namespace made

namespace detail {

using ir::Value;
using tenon::detail::TreeItem;
using Values = std::vector<Value>;

// ---- what a rule is written with

// The first two numbers of every rule.
enum : size_t { rate_number, decay_number, first_own_number };

// What is the same for all leaves: scalars of f64.
struct Shared {
  Values numbers;
  Value steps;  // with this one, where the rule counts them
  Values made;  // what the rule computes once
  const std::vector<int64_t>& flags;
};

// One leaf: values of its shape in the dtype that is computed in, f32 for halves.
struct Leaf {
  const Shared& shared;
  Value rate, decay;  // scalars of f64; no decay where it is 0
  Value parameter, gradient;
  Values kept;  // the state, slot by slot; the rule puts what is kept next into it

  Value over(Value scalar) const { return spread(cast(scalar, parameter.dtype()), parameter); }
  Value number(size_t n) const { return over(shared.numbers[n]); }
  Value rest(size_t n) const { return over(1 - shared.numbers[n]); }  // 1 - number
  Value made(size_t n) const { return over(shared.made[n]); }
  Value decayed(Value x) const { return decay ? x + over(decay) * parameter : x; }
  void move(Value direction) { parameter = parameter - over(rate) * direction; }
};

// A moment below the smallest normal number is taken for 0. What it could move is beyond the last place of any parameter, and where
// gradients have become 0, moments decay into the subnormal numbers, with which a processor computes many times as slowly.
Value settled(Value moment);
// keep * moment + (1 - keep) * x
Value averaged(const Leaf& leaf, size_t slot, size_t keep, Value x);

struct Rule {
  const char* name;
  const char* remedy;  // where the state is another
  std::array<const char*, 3> slots;  // what errors call them
  Values (*once)(const Shared&);  // scalars of f64, or null
  void (*leaf)(Leaf&);
  bool counts = false;  // its state holds the number of steps
};
Values write_step(const Rule& rule, std::span<const Value> inputs, const ir::Attrs& attrs);
template <const Rule& rule>
Values build_step(ir::GraphBuilder&, std::span<const Value> inputs, const ir::Attrs& attrs) {
  return write_step(rule, inputs, attrs);
}

// ---- its door

enum class Range : uint8_t { unchecked, any, positive, not_negative, below_one };  // below_one: 0 <= x < 1
struct Named {
  const char* field;
  const Number& number;
  Range range;
};
// The number as a scalar of a program, f64 for a double. Error for a number out of range and for a tensor with axes.
Tensor entered(const char* what, const Named& n, const Location& at);
void check_number(const char* what, const Named& n, const Location& at);

struct Call {
  const Rule& rule;
  Emit emit;
  std::vector<Named> numbers;  // the rate, the decay, then the rule's own
  std::vector<int64_t> flags;
  std::vector<bool> keeps;  // which slots take part
  const PathSettings& settings;
  const Location& at;
};
// Leaves of the trees become the next ones, and so does the number of steps.
void run(const Call& call, const Trees& trees, Tensor* steps);

DType computing(DType dtype);  // f64, or f32
bool is_number(const TreeItem& item);  // a tensor of reals that is no state

}  // namespace detail
}  // namespace tenon::optim
