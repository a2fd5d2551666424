// Schedules: the rate at a step, as functions of the step. The step is a number or an integer tensor without axes, such as the one in an
// optimizer's state; the result is an f64 tensor without axes, which every number of an optimizer may be. So a rate that changes compiles
// nothing anew, eagerly and inside jit alike. Steps count from 0. Refuses numbers out of range; those that are tensors are not looked at.
//
// Where `warmup` is not 0, the rate rises linearly from 0 at step 0 to `rate` at step `warmup`, and what follows starts there; `steps`
// includes the warm-up. From step `steps` on the rate is `floor`.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/optim/number.h"

namespace tenon::optim {

struct Cosine {
  Number rate = 1e-3, steps = 0, warmup = 0, floor = 0;
};
struct Linear {
  Number rate = 1e-3, steps = 0, warmup = 0, floor = 0;
};
struct Polynomial {
  Number rate = 1e-3, steps = 0, power = 1, warmup = 0, floor = 0;
};
struct Warmup {
  Number rate = 1e-3, steps = 0, from = 0;
};
struct StepDecay {
  Number rate = 1e-3, every = 0, factor = 0.1;
};
struct Exponential {
  Number rate = 1e-3, factor = 0.9, every = 1;
};
struct Piecewise {
  std::vector<Number> rates = {}, steps = {};  // one rate more than steps, which ascend
};
struct OneCycle {
  Number rate = 1e-3;  // the highest
  Number steps = 0, pct_start = 0.3;
  std::string anneal_strategy = "cos";  // or "linear"
  Number div_factor = 25, final_div_factor = 1e4;
  bool three_phase = false;
};

// floor + (rate - floor) (1 + cos(pi t)) / 2, t from 0 at the warm-up's end to 1. Loshchilov and Hutter, SGDR, ICLR 2017, equation 5.
Tensor cosine(Operand step, const Cosine& o);
// rate + (floor - rate) t
Tensor linear(Operand step, const Linear& o);
// floor + (rate - floor) (1 - t)^power
Tensor polynomial(Operand step, const Polynomial& o);
// From `from` to `rate` in a straight line, and there it stays.
Tensor warmup(Operand step, const Warmup& o);
// rate factor^floor(step / every)
Tensor step_decay(Operand step, const StepDecay& o);
// rate factor^(step / every)
Tensor exponential(Operand step, const Exponential& o);
// rates[i] below steps[i], and the last rate from the last of the steps on.
Tensor piecewise(Operand step, const Piecewise& o);
// From rate / div_factor up to the rate at step pct_start * steps - 1, then down to rate / div_factor / final_div_factor at the last step;
// with three phases down to where it started in as many steps as it rose, and to the end from there. torch.optim.lr_scheduler.OneCycleLR;
// Smith and Topin, Super-Convergence, 2017.
Tensor one_cycle(Operand step, const OneCycle& o);

}  // namespace tenon::optim
