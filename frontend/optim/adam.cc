// The rules of adam, adamw and lamb.
#include "tenon/frontend/optim/adam.h"

#include <cmath>

#include "tenon/frontend/optim/step.h"
#include "tenon/ir/base/door.h"

namespace tenon::optim::detail {
namespace {

// log_beta: of the betas that are numbers.
enum : size_t { beta1 = first_own_number, beta2, epsilon, log_beta1, log_beta2 };
enum : size_t { logs1, logs2, amsgrad };  // flags: whether log_beta1 and log_beta2 are given
enum : size_t { first, second, maximum };  // slots
enum : size_t { correct1, correct2 };  // what is made once

// 1 / (1 - beta^steps) for both betas. expm1 keeps what 1 - beta^steps would cancel.
Values corrections(const Shared& shared) {
  Values made;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const Value log_beta = shared.flags[logs1 + i] ? shared.numbers[log_beta1 + i] : log(shared.numbers[beta1 + i]);
    made.push_back(-1.0 / expm1(shared.steps * log_beta));
  }
  return made;
}

Value direction(Leaf& leaf, Value gradient) {
  leaf.kept[first] = averaged(leaf, first, beta1, gradient);
  leaf.kept[second] = averaged(leaf, second, beta2, gradient * gradient);
  Value square = leaf.kept[second];
  if (leaf.kept[maximum]) square = leaf.kept[maximum] = max(leaf.kept[maximum], square);
  const Value size = sqrt(square * leaf.made(correct2));
  return leaf.kept[first] * leaf.made(correct1) / (size + leaf.number(epsilon));
}

void adam_leaf(Leaf& leaf) { leaf.move(direction(leaf, leaf.decayed(leaf.gradient))); }
void adamw_leaf(Leaf& leaf) { leaf.move(leaf.decayed(direction(leaf, leaf.gradient))); }

Value norm(Value x) {
  std::vector<int64_t> axes;
  for (int axis = 0; axis < x.shape().rank(); ++axis) axes.push_back(axis);
  return sqrt(axes.empty() ? x * x : reduce(ir::Op::reduce_sum, x * x, axes));
}

void lamb_leaf(Leaf& leaf) {
  const Value d = leaf.decayed(direction(leaf, leaf.gradient));
  const Value size = norm(leaf.parameter), length = norm(d);
  const Value both = bit_and(gt(size, like(size, 0)), gt(length, like(length, 0)));
  const Value trust = select(both, size / length, like(size, 1));
  leaf.move(spread(trust, d) * d);
}

constexpr Rule adam_rule{.name = "adam",
                         .remedy = "make the state with tn::optim::adam_init, and tell it of .amsgrad",
                         .slots = {"the first moments", "the second moments", "the maxima"},
                         .once = corrections,
                         .leaf = adam_leaf,
                         .counts = true};
constexpr Rule adamw_rule{.name = "adamw",
                          .remedy = "make the state with tn::optim::adamw_init",
                          .slots = {"the first moments", "the second moments"},
                          .once = corrections,
                          .leaf = adamw_leaf,
                          .counts = true};
constexpr Rule lamb_rule{.name = "lamb",
                         .remedy = "make the state with tn::optim::lamb_init",
                         .slots = {"the first moments", "the second moments"},
                         .once = corrections,
                         .leaf = lamb_leaf,
                         .counts = true};

template <const Rule& rule, class Options>
void step_of(const Trees& trees, Tensor& steps, const Options& o, bool with_maximum, const Location& at) {
  const FloatEnvironment standard;
  const auto log_of = [](const Number& beta) { return Number(beta.is_tensor() ? 0 : std::log(beta.value())); };
  const Number log1 = log_of(o.beta1), log2 = log_of(o.beta2);
  run({.rule = rule,
       .emit = {rule.name, build_step<rule>},
       .numbers = {{"rate", o.rate, Range::not_negative},
                   {"weight_decay", o.weight_decay, Range::not_negative},
                   {"beta1", o.beta1, Range::below_one},
                   {"beta2", o.beta2, Range::below_one},
                   {"epsilon", o.epsilon, Range::not_negative},
                   {"beta1", log1, Range::unchecked},
                   {"beta2", log2, Range::unchecked}},
       .flags = {!o.beta1.is_tensor(), !o.beta2.is_tensor(), with_maximum},
       .keeps = {true, true, with_maximum},
       .settings = o.settings,
       .at = at},
      trees, &steps);
}

}  // namespace

void adam_step(const Trees& trees, Tensor& step, const Adam& o, const Location& at) {
  step_of<adam_rule>(trees, step, o, o.amsgrad, at);
}
void adamw_step(const Trees& trees, Tensor& step, const AdamW& o, const Location& at) {
  step_of<adamw_rule>(trees, step, o, false, at);
}
void lamb_step(const Trees& trees, Tensor& step, const Lamb& o, const Location& at) {
  step_of<lamb_rule>(trees, step, o, false, at);
}

}  // namespace tenon::optim::detail
