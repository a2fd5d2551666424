// The program of a step, and what it is given. Numbers enter as f64 and are rounded once, to the dtype that a leaf computes in; a half is
// rounded once, when it is stored.
#include "tenon/frontend/optim/step.h"

#include <cmath>
#include <limits>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tree/match.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::optim {

namespace made {
#define TENON_ATTRS TENON_ATTRS_STORE
#define FIELD TENON_FIELD_STORE
#include "tenon/frontend/optim/attributes.def"
}  // namespace made

namespace detail {

using tenon::detail::Match;
using tenon::detail::match;

// ---- formulas

Value settled(Value moment) {
  const double smallest =
      moment.dtype() == f64 ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  return select(lt(abs(moment), like(moment, smallest)), literal(moment, 0), moment);
}

Value averaged(const Leaf& leaf, size_t slot, size_t keep, Value x) {
  const Value fresh = leaf.rest(keep) * x;
  return settled(leaf.number(keep) * leaf.kept[slot] + fresh);
}

// Inputs: the numbers, the steps so far where they are counted; of each leaf the parameter, the gradient, its slots. Outputs: the steps
// with this one; of each leaf the parameter and its slots.
Values write_step(const Rule& rule, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Step step(attrs);
  Shared shared{{}, {}, {}, step.flags};
  size_t next = 0;
  for (int64_t i = 0; i < step.numbers; ++i) shared.numbers.push_back(cast(x[next++], f64));
  Values out;
  if (rule.counts) {
    out.push_back(x[next++] + 1);
    shared.steps = cast(out[0], f64);
  }
  if (rule.once != nullptr) shared.made = rule.once(shared);
  const auto number = [&](int64_t n) { return n < 0 ? Value() : shared.numbers[static_cast<size_t>(n)]; };
  for (size_t i = 0; i < step.scales.size(); ++i) {
    const Value parameter = x[next++], gradient = x[next++], scale = number(step.scales[i]);
    const DType wide = computing(parameter.dtype());
    Leaf leaf{shared,
              scale ? shared.numbers[rate_number] * scale : shared.numbers[rate_number],
              number(step.decays[i]),
              cast(parameter, wide),
              cast(gradient, wide),
              {}};
    std::vector<DType> stored;
    for (const int64_t kept : step.kept) {
      leaf.kept.push_back(kept ? cast(x[next], wide) : Value());
      stored.push_back(kept ? x[next++].dtype() : wide);
    }
    rule.leaf(leaf);
    out.push_back(cast(leaf.parameter, parameter.dtype()));
    for (size_t s = 0; s < stored.size(); ++s)
      if (step.kept[s]) out.push_back(cast(leaf.kept[s], stored[s]));
  }
  return out;
}

// ---- the door

DType computing(DType dtype) { return dtype == f64 ? f64 : f32; }
bool is_number(const TreeItem& item) { return item.tag == 't' && !item.state && is_floating(item.tensor->dtype()); }

void check_number(const char* what, const Named& n, const Location& at) {
  const auto refuse = [&](const std::string& why) { throw Error(std::string(what) + ": ." + n.field + " " + why, at); };
  if (n.number.is_tensor()) {
    const Tensor& t = n.number.tensor();
    if (!t.defined()) refuse("is an undefined tensor; give it a number");
    if (t.ndim() != 0 || !(is_floating(t.dtype()) || is_integer(t.dtype())))
      refuse("is " + describe(t) + "; it takes a number, or a tensor of one number without axes");
    return;
  }
  if (n.range == Range::unchecked) return;
  const double value = n.number.value();
  const bool fits = n.range == Range::any            ? std::isfinite(value)
                    : n.range == Range::positive     ? value > 0 && std::isfinite(value)
                    : n.range == Range::not_negative ? value >= 0 && std::isfinite(value)
                                                     : value >= 0 && value < 1;
  const char* const range = n.range == Range::any            ? "is a finite number"
                            : n.range == Range::positive     ? "is above 0"
                            : n.range == Range::not_negative ? "is 0 or more"
                                                             : "lies in [0, 1)";
  if (!fits) refuse(std::string(range) + ", and is " + shortest(value));
}

Tensor entered(const char* what, const Named& n, const Location& at) {
  check_number(what, n, at);
  return n.number.is_tensor() ? n.number.tensor() : materialize(Operand(n.number.value(), at), f64, what);
}

namespace {

std::vector<const TreeItem*> tensors(const Items& items) {
  std::vector<const TreeItem*> out;
  for (const TreeItem& item : items)
    if (item.tag == 't') out.push_back(&item);
  return out;
}

bool moves(const char* what, const TreeItem& parameter, const Tensor* gradient, const Location& at) {
  if (gradient == nullptr) return false;
  if (is_complex(parameter.tensor->dtype()))
    throw Error(std::string(what) + ": a parameter is " + describe(*parameter.tensor) +
                    "; keep tn::view_as_real of it, which is real",
                at);
  return is_number(parameter);
}

void check_steps(const Call& c, const Tensor& steps) {
  if (!steps.defined() || steps.dtype() != i64 || steps.ndim() != 0)
    throw Error(
        std::string(c.rule.name) + ": at 'step', the state has " + describe(steps) + " and not i64[]; " + c.rule.remedy,
        c.at);
}

// The number of an input, given once however many leaves share it.
class Inputs {
 public:
  Inputs(const Call& c) : call_(c) {
    for (const Named& n : c.numbers) list.push_back(entered(c.rule.name, n, c.at));
  }
  int64_t of(const char* field, const Number* number, Range range) {
    for (const auto& [known, at] : known_)
      if (known == number) return at;
    list.push_back(entered(call_.rule.name, {field, *number, range}, call_.at));
    known_.emplace_back(number, static_cast<int64_t>(list.size()) - 1);
    return known_.back().second;
  }
  std::vector<Tensor> list;

 private:
  const Call& call_;
  std::vector<std::pair<const Number*, int64_t>> known_;
};

}  // namespace

void run(const Call& c, const Trees& trees, Tensor* steps) {
  const FloatEnvironment standard;
  const char* const what = c.rule.name;
  Inputs inputs(c);
  if (c.rule.counts) check_steps(c, *steps);
  const Items& parameters = trees[0];
  const std::vector<const TreeItem*> p = tensors(parameters);
  const std::vector<Tensor*> g =
      match({what, "the parameters have", "the gradients",
             "gradients have the tree and the types of the parameters, and may lack tensors"},
            parameters, trees[1], Match::gradient, c.at);
  std::vector<std::vector<Tensor*>> kept(c.keeps.size());
  for (size_t s = 0; s < kept.size(); ++s)
    if (c.keeps[s])
      kept[s] = match({what, "the parameters have", c.rule.slots[s], c.rule.remedy}, parameters, trees[2 + s],
                      Match::moment, c.at);
  const std::vector<LeafSetting> settings = settings_of(what, parameters, c.settings, c.at);

  made::StepAttrs attrs{.flags = c.flags};
  for (const bool keeps : c.keeps) attrs.kept.push_back(keeps);
  const int64_t decays = c.numbers[decay_number].number.is(0) ? -1 : int64_t{decay_number};
  std::vector<size_t> moving;
  for (size_t i = 0; i < p.size(); ++i) {
    const LeafSetting& of = settings[i];
    if (of.frozen || !moves(what, *p[i], g[i], c.at)) continue;
    moving.push_back(i);
    attrs.scales.push_back(of.rate_scale ? inputs.of("settings[..].rate_scale", of.rate_scale, Range::not_negative)
                                         : -1);
    attrs.decays.push_back(!of.weight_decay ? decays
                           : of.weight_decay->is(0)
                               ? -1
                               : inputs.of("settings[..].weight_decay", of.weight_decay, Range::not_negative));
  }
  attrs.numbers = static_cast<int64_t>(inputs.list.size());
  if (c.rule.counts) inputs.list.push_back(*steps);
  for (const size_t i : moving) {
    inputs.list.push_back(*p[i]->tensor), inputs.list.push_back(*g[i]);
    for (size_t s = 0; s < kept.size(); ++s)
      if (c.keeps[s]) inputs.list.push_back(*kept[s][i]);
  }
  if (moving.empty() && !c.rule.counts) return;
  std::vector<Tensor> results = apply(c.emit, std::move(attrs), inputs.list, c.at);
  size_t next = 0;
  if (c.rule.counts) *steps = std::move(results[next++]);
  for (const size_t i : moving) {
    *p[i]->tensor = std::move(results[next++]);
    for (size_t s = 0; s < kept.size(); ++s)
      if (c.keeps[s]) *kept[s][i] = std::move(results[next++]);
  }
}

// ---- states

void make_moments(const Items& parameters, double first) {
  for (const TreeItem& item : parameters) {
    if (item.tag != 't') continue;
    Tensor& t = *item.tensor;
    t = is_number(item) ? beside(full(t.shape(), first, {.dtype = computing(t.dtype())}), t, {}) : Tensor();
  }
}

void make_none(const Items& parameters) {
  for (const TreeItem& item : parameters)
    if (item.tag == 't') *item.tensor = Tensor();
}

Tensor first_step(const Items& parameters) {
  const Tensor step = zeros({}, {.dtype = i64});
  for (const TreeItem& item : parameters)
    if (item.tag == 't') return beside(step, *item.tensor, {});
  return step;
}

}  // namespace detail
}  // namespace tenon::optim
