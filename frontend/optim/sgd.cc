// The rules of sgd and lion.
#include "tenon/frontend/optim/sgd.h"

#include "tenon/frontend/optim/step.h"
#include "tenon/ir/base/door.h"

namespace tenon::optim::detail {
namespace {

namespace of_sgd {
enum : size_t { momentum = first_own_number, dampening };
enum : size_t { moves, damps, nesterov };  // flags
}  // namespace of_sgd

// A velocity of -0 has not moved yet. No step leaves one behind: what is 0 is +0 once it has settled.
Value undamped(Value velocity, Value first, Value later) {
  const Value unmoved = bit_and(eq(velocity, like(velocity, 0)), lt(1 / velocity, like(velocity, 0)));
  return select(unmoved, first, later);
}

void sgd_leaf(Leaf& leaf) {
  const std::vector<int64_t>& is = leaf.shared.flags;
  const Value step = leaf.decayed(leaf.gradient);
  if (!is[of_sgd::moves]) return leaf.move(step);
  Value& velocity = leaf.kept[0];
  const Value momentum = leaf.number(of_sgd::momentum), before = velocity;
  const Value fresh = is[of_sgd::damps] ? undamped(before, step, leaf.rest(of_sgd::dampening) * step) : step;
  velocity = settled(momentum * before + fresh);
  leaf.move(is[of_sgd::nesterov] ? step + momentum * velocity : velocity);
}

constexpr const char* same_tree = "the state has the tree and the types of the parameters";
constexpr Rule sgd_rule{
    .name = "sgd", .remedy = same_tree, .slots = {"the velocity"}, .once = nullptr, .leaf = sgd_leaf};

namespace of_lion {
enum : size_t { beta1 = first_own_number, beta2 };
}

// Both means in the form m + (1 - beta) * (g - m): what they share makes one kernel of them.
void lion_leaf(Leaf& leaf) {
  using namespace of_lion;
  const Value moment = leaf.kept[0], apart = leaf.gradient - moment;
  const Value direction = sign(moment + leaf.rest(beta1) * apart);
  leaf.kept[0] = settled(moment + leaf.rest(beta2) * apart);
  leaf.move(leaf.decayed(direction));
}

constexpr Rule lion_rule{
    .name = "lion", .remedy = same_tree, .slots = {"the moments"}, .once = nullptr, .leaf = lion_leaf};

}  // namespace

void sgd_step(const Trees& trees, const Sgd& o, const Location& at) {
  const FloatEnvironment standard;
  const bool moves = trees.size() > 2;
  if (!moves && !o.momentum.is(0))
    throw Error(
        "sgd: .momentum needs the velocity: sgd(parameters, gradients, velocity, options), which gives both back", at);
  if (o.nesterov && o.momentum.is(0)) throw Error("sgd: .nesterov needs a .momentum, which is 0", at);
  if (o.nesterov && !o.dampening.is(0)) throw Error("sgd: .nesterov takes no .dampening; leave one of them out", at);
  run({.rule = sgd_rule,
       .emit = {"sgd", build_step<sgd_rule>},
       .numbers = {{"rate", o.rate, Range::not_negative},
                   {"weight_decay", o.weight_decay, Range::not_negative},
                   {"momentum", o.momentum, Range::not_negative},
                   {"dampening", o.dampening, Range::any}},
       .flags = {moves, !o.dampening.is(0), o.nesterov},
       .keeps = moves ? std::vector<bool>{true} : std::vector<bool>{},
       .settings = o.settings,
       .at = at},
      trees, nullptr);
}

void lion_step(const Trees& trees, const Lion& o, const Location& at) {
  run({.rule = lion_rule,
       .emit = {"lion", build_step<lion_rule>},
       .numbers = {{"rate", o.rate, Range::not_negative},
                   {"weight_decay", o.weight_decay, Range::not_negative},
                   {"beta1", o.beta1, Range::below_one},
                   {"beta2", o.beta2, Range::below_one}},
       .flags = {},
       .keeps = {true},
       .settings = o.settings,
       .at = at},
      trees, nullptr);
}

}  // namespace tenon::optim::detail
