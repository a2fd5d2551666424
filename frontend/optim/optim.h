// Optimizers as plain functions over parameter trees: they trace, fuse and ship like any other code. A step over a whole tree is one
// program. Gradients and state are paired with the parameters by path; integer and bool leaves, nn::Buffers, and leaves without a gradient
// stay as they are. Every number is a double or a tensor (frontend/optim/number.h), and may differ by path (frontend/optim/settings.h).
// Moments and velocities below the smallest normal number become 0.
#pragma once

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/optim/adam.h"
#include "tenon/frontend/optim/adaptive.h"
#include "tenon/frontend/optim/gradients.h"
#include "tenon/frontend/optim/lbfgs.h"
#include "tenon/frontend/optim/schedules.h"
#include "tenon/frontend/optim/sgd.h"
