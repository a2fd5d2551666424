// The regularised incomplete gamma function by its parameter: what draws of gamma numbers have for a derivative. Internal to formulas.
#pragma once

#include "tenon/frontend/ops/formula.h"

namespace tenon::formula {

// d log x / d a where P(a, x) stays, P being the regularised lower incomplete gamma function: -(dP / da) / (x dP / dx), at the logarithm
// of x. Both in f64, a > 0, of fixed work. Relative error below 4e-8, and below 1e-12 where it is precise, with
// twice the work. See tests/functions_draws_test.cc.
Value log_gamma_slope(Value a, Value log_x, bool precise);

}  // namespace tenon::formula
