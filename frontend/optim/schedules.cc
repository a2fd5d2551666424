// The formulas of the schedules, in f64, and their door. Each is one program.
#include "tenon/frontend/optim/schedules.h"

#include <numbers>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/optim/step.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::optim {
namespace {

using detail::Named, detail::Range, detail::Values;
using ir::Value;
using Scalars = std::span<const Value>;  // the step, then the options in their order
using Flags = const std::vector<int64_t>&;

Value clamped(Value t) { return min(max(t, like(t, 0)), like(t, 1)); }
// x / n, and x where n is no number to divide by
Value over(Value x, Value n) { return x / select(gt(n, like(n, 0)), n, like(n, 1)); }

// From 0 at the warm-up's end to 1.
Value course(Value step, Value steps, Value warmup) { return clamped(over(step - warmup, steps - warmup)); }
Value warmed(Value step, Value rate, Value warmup, Value then) {
  return select(lt(step, warmup), over(rate * step, warmup), then);
}
Value bend(Value from, Value to, Value t) { return to + (from - to) * ((1 + cos(t * std::numbers::pi)) * 0.5); }

Value cosine_at(Scalars x, Flags) {
  const Value rate = x[1], floor = x[4];
  return warmed(x[0], rate, x[3], bend(rate, floor, course(x[0], x[2], x[3])));
}
Value linear_at(Scalars x, Flags) {
  const Value rate = x[1], floor = x[4];
  return warmed(x[0], rate, x[3], rate + (floor - rate) * course(x[0], x[2], x[3]));
}
Value polynomial_at(Scalars x, Flags) {
  const Value rate = x[1], power = x[3], warmup = x[4], floor = x[5];
  const Value left = 1 - course(x[0], x[2], warmup);
  return warmed(x[0], rate, warmup, floor + (rate - floor) * pow(left, power));
}
Value warmup_at(Scalars x, Flags) {
  const Value rate = x[1], from = x[3];
  return from + (rate - from) * clamped(over(x[0], x[2]));
}
Value step_decay_at(Scalars x, Flags) { return x[1] * pow(x[3], floor(over(x[0], x[2]))); }
Value exponential_at(Scalars x, Flags) { return x[1] * pow(x[2], over(x[0], x[3])); }
Value piecewise_at(Scalars x, Flags) {  // n rates, n - 1 steps
  const size_t n = x.size() / 2;
  Value rate = x[n];
  for (size_t i = n - 1; i > 0; --i) rate = select(lt(x[0], x[n + i]), x[i], rate);
  return rate;
}
Value one_cycle_at(Scalars x, Flags is) {
  const Value step = x[0], rate = x[1], steps = x[2], rise = steps * x[3];
  const Value first = rate / x[4], last = first / x[5];
  const auto between = [&](Value from, Value to, Value begin, Value end) {
    const Value t = clamped(over(step - begin, end - begin));
    return is[0] ? from + (to - from) * t : bend(from, to, t);
  };
  const Value top = rise - 1, end = steps - 1, up = between(first, rate, like(step, 0), top);
  if (!is[1]) return select(le(step, top), up, between(rate, last, top, end));
  const Value back = rise * 2 - 2, down = between(rate, first, top, back);
  return select(le(step, top), up, select(le(step, back), down, between(first, last, back, end)));
}

using Formula = Value (*)(Scalars, Flags);
template <Formula f>
Values build(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  Values scalars;
  for (const Value v : x) scalars.push_back(cast(v, f64));
  return {f(scalars, made::Scheduled(attrs).flags)};
}

Tensor scheduled(const Emit& emit, const Operand& step, const std::vector<Named>& numbers,
                 std::vector<int64_t> flags = {}) {
  const Location& at = step.where();
  try {
    const FloatEnvironment standard;
    const std::string name = std::string("optim::") + emit.name;
    if (step.weak() == Operand::Weak::no &&
        (!step.tensor().defined() || step.tensor().ndim() != 0 || is_complex(step.tensor().dtype())))
      throw Error(name + ": the step is " + describe(step.tensor()) + "; it is a number, or a tensor without axes", at);
    std::vector<Tensor> inputs = {step.weak() == Operand::Weak::no ? step.tensor() : materialize(step, f64, emit.name)};
    for (const Named& n : numbers) inputs.push_back(detail::entered(name.c_str(), n, at));
    return apply_one(emit, made::ScheduledAttrs{.flags = std::move(flags)}, inputs, at);
  } catch (...) {
    leave_with_error(emit.name, at);
  }
}

void check_warmup(const char* name, const Number& warmup, const Number& steps, const Location& at) {
  if (warmup.is_tensor() || steps.is_tensor() || !(warmup.value() > steps.value()) || !(steps.value() > 0)) return;
  throw Error(std::string("optim::") + name + ": .warmup is part of .steps, and is " + shortest(warmup.value()) +
                  " of " + shortest(steps.value()),
              at);
}

}  // namespace

Tensor cosine(Operand step, const Cosine& o) {
  check_warmup("cosine", o.warmup, o.steps, step.where());
  return scheduled({"cosine", build<cosine_at>}, step,
                   {{"rate", o.rate, Range::any},
                    {"steps", o.steps, Range::positive},
                    {"warmup", o.warmup, Range::not_negative},
                    {"floor", o.floor, Range::any}});
}
Tensor linear(Operand step, const Linear& o) {
  check_warmup("linear", o.warmup, o.steps, step.where());
  return scheduled({"linear", build<linear_at>}, step,
                   {{"rate", o.rate, Range::any},
                    {"steps", o.steps, Range::positive},
                    {"warmup", o.warmup, Range::not_negative},
                    {"floor", o.floor, Range::any}});
}
Tensor polynomial(Operand step, const Polynomial& o) {
  check_warmup("polynomial", o.warmup, o.steps, step.where());
  return scheduled({"polynomial", build<polynomial_at>}, step,
                   {{"rate", o.rate, Range::any},
                    {"steps", o.steps, Range::positive},
                    {"power", o.power, Range::not_negative},
                    {"warmup", o.warmup, Range::not_negative},
                    {"floor", o.floor, Range::any}});
}
Tensor warmup(Operand step, const Warmup& o) {
  return scheduled({"warmup", build<warmup_at>}, step,
                   {{"rate", o.rate, Range::any}, {"steps", o.steps, Range::positive}, {"from", o.from, Range::any}});
}
Tensor step_decay(Operand step, const StepDecay& o) {
  return scheduled(
      {"step_decay", build<step_decay_at>}, step,
      {{"rate", o.rate, Range::any}, {"every", o.every, Range::positive}, {"factor", o.factor, Range::not_negative}});
}
Tensor exponential(Operand step, const Exponential& o) {
  return scheduled(
      {"exponential", build<exponential_at>}, step,
      {{"rate", o.rate, Range::any}, {"factor", o.factor, Range::not_negative}, {"every", o.every, Range::positive}});
}

Tensor piecewise(Operand step, const Piecewise& o) {
  const FloatEnvironment standard;
  if (o.rates.size() != o.steps.size() + 1)
    throw Error("optim::piecewise: .rates has " + std::to_string(o.rates.size()) + " entries and .steps " +
                    std::to_string(o.steps.size()) + "; give one rate more, which holds from the last of the steps on",
                step.where());
  std::vector<Named> numbers;
  for (const Number& rate : o.rates) numbers.push_back({"rates", rate, Range::any});
  for (size_t i = 0; i < o.steps.size(); ++i) {
    const Number& here = o.steps[i];
    if (i > 0 && !here.is_tensor() && !o.steps[i - 1].is_tensor() && !(o.steps[i - 1].value() < here.value()))
      throw Error("optim::piecewise: .steps ascend; entry " + std::to_string(i) + " does not", step.where());
    numbers.push_back({"steps", here, Range::any});
  }
  return scheduled({"piecewise", build<piecewise_at>}, step, numbers);
}

Tensor one_cycle(Operand step, const OneCycle& o) {
  if (o.anneal_strategy != "cos" && o.anneal_strategy != "linear")
    throw Error("optim::one_cycle: .anneal_strategy is \"cos\" or \"linear\", and is \"" + o.anneal_strategy + '"',
                step.where());
  return scheduled({"one_cycle", build<one_cycle_at>}, step,
                   {{"rate", o.rate, Range::any},
                    {"steps", o.steps, Range::positive},
                    {"pct_start", o.pct_start, Range::below_one},
                    {"div_factor", o.div_factor, Range::positive},
                    {"final_div_factor", o.final_div_factor, Range::positive}},
                   {o.anneal_strategy == "linear", o.three_phase});
}

}  // namespace tenon::optim
