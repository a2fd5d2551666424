// The rules of rmsprop, adagrad and adadelta.
#include "tenon/frontend/optim/adaptive.h"

#include "tenon/frontend/optim/step.h"

namespace tenon::optim::detail {
namespace {

namespace of_rmsprop {
enum : size_t { momentum = first_own_number, alpha, epsilon };
enum : size_t { square, velocity, mean };  // slots
}  // namespace of_rmsprop

void rmsprop_leaf(Leaf& leaf) {
  using namespace of_rmsprop;
  const Value gradient = leaf.decayed(leaf.gradient);
  Value spreads = leaf.kept[square] = averaged(leaf, square, alpha, gradient * gradient);
  if (leaf.kept[mean]) {
    const Value m = leaf.kept[mean] = averaged(leaf, mean, alpha, gradient);
    const Value variance = spreads - m * m;  // not below 0 but for rounding
    spreads = select(lt(variance, like(variance, 0)), like(variance, 0), variance);
  }
  const Value direction = gradient / (sqrt(spreads) + leaf.number(epsilon));
  if (!leaf.kept[velocity]) return leaf.move(direction);
  leaf.kept[velocity] = settled(leaf.number(momentum) * leaf.kept[velocity] + direction);
  leaf.move(leaf.kept[velocity]);
}
constexpr Rule rmsprop_rule{.name = "rmsprop",
                            .remedy = "make the state with tn::optim::rmsprop_init, and tell it of .centered",
                            .slots = {"the mean squares", "the velocity", "the means"},
                            .once = nullptr,
                            .leaf = rmsprop_leaf};

namespace of_adagrad {
enum : size_t { rate_decay = first_own_number, epsilon };
}
// What divides the rate.
Values slowed(const Shared& shared) { return {1 + (shared.steps - 1) * shared.numbers[of_adagrad::rate_decay]}; }
void adagrad_leaf(Leaf& leaf) {
  const Value gradient = leaf.decayed(leaf.gradient);
  const Value sum = leaf.kept[0] = settled(leaf.kept[0] + gradient * gradient);
  leaf.rate = leaf.rate / leaf.shared.made[0];
  leaf.move(gradient / (sqrt(sum) + leaf.number(of_adagrad::epsilon)));
}
constexpr Rule adagrad_rule{.name = "adagrad",
                            .remedy = "make the state with tn::optim::adagrad_init",
                            .slots = {"the sums of squares"},
                            .once = slowed,
                            .leaf = adagrad_leaf,
                            .counts = true};

namespace of_adadelta {
enum : size_t { rho = first_own_number, epsilon };
enum : size_t { square, change };  // slots
}  // namespace of_adadelta

void adadelta_leaf(Leaf& leaf) {
  using namespace of_adadelta;
  const Value gradient = leaf.decayed(leaf.gradient), small = leaf.number(epsilon);
  leaf.kept[square] = averaged(leaf, square, rho, gradient * gradient);
  const Value direction = sqrt(leaf.kept[change] + small) / sqrt(leaf.kept[square] + small) * gradient;
  leaf.kept[change] = averaged(leaf, change, rho, direction * direction);
  leaf.move(direction);
}
constexpr Rule adadelta_rule{.name = "adadelta",
                             .remedy = "make the state with tn::optim::adadelta_init",
                             .slots = {"the mean squares", "the changes"},
                             .once = nullptr,
                             .leaf = adadelta_leaf};

}  // namespace

void rmsprop_step(const Trees& trees, const RmsProp& o, const Location& at) {
  run({.rule = rmsprop_rule,
       .emit = {"rmsprop", build_step<rmsprop_rule>},
       .numbers = {{"rate", o.rate, Range::not_negative},
                   {"weight_decay", o.weight_decay, Range::not_negative},
                   {"momentum", o.momentum, Range::not_negative},
                   {"alpha", o.alpha, Range::below_one},
                   {"epsilon", o.epsilon, Range::not_negative}},
       .flags = {},
       .keeps = {true, !o.momentum.is(0), o.centered},
       .settings = o.settings,
       .at = at},
      trees, nullptr);
}

void adagrad_step(const Trees& trees, Tensor& step, const Adagrad& o, const Location& at) {
  run({.rule = adagrad_rule,
       .emit = {"adagrad", build_step<adagrad_rule>},
       .numbers = {{"rate", o.rate, Range::not_negative},
                   {"weight_decay", o.weight_decay, Range::not_negative},
                   {"rate_decay", o.rate_decay, Range::not_negative},
                   {"epsilon", o.epsilon, Range::not_negative}},
       .flags = {},
       .keeps = {true},
       .settings = o.settings,
       .at = at},
      trees, &step);
}

void adadelta_step(const Trees& trees, const Adadelta& o, const Location& at) {
  run({.rule = adadelta_rule,
       .emit = {"adadelta", build_step<adadelta_rule>},
       .numbers = {{"rate", o.rate, Range::not_negative},
                   {"weight_decay", o.weight_decay, Range::not_negative},
                   {"rho", o.rho, Range::below_one},
                   {"epsilon", o.epsilon, Range::not_negative}},
       .flags = {},
       .keeps = {true, true},
       .settings = o.settings,
       .at = at},
      trees, nullptr);
}

}  // namespace tenon::optim::detail
