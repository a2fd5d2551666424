// Everything a user of Tenon includes.
#pragma once

#include "tenon/frontend/aot.h"
#include "tenon/frontend/control.h"
#include "tenon/frontend/custom.h"
#include "tenon/frontend/function.h"
#include "tenon/frontend/gradients.h"
#include "tenon/frontend/inspect.h"
#include "tenon/frontend/jit.h"
#include "tenon/frontend/ops.h"
#include "tenon/frontend/optim.h"
#include "tenon/frontend/tensor.h"
#include "tenon/frontend/traced.h"
#include "tenon/frontend/tree.h"
