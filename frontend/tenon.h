// Everything a user of Tenon includes.
#pragma once

#include "tenon/frontend/language.h"
#include "tenon/frontend/ops/custom.h"
#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/optim/optim.h"
#include "tenon/frontend/report/caches.h"
#include "tenon/frontend/report/inspect.h"
#include "tenon/frontend/report/print.h"
#include "tenon/frontend/tensor/literals.h"
#include "tenon/frontend/tensor/tensor.h"
#include "tenon/frontend/transform/aot.h"
#include "tenon/frontend/transform/control.h"
#include "tenon/frontend/transform/function.h"
#include "tenon/frontend/transform/gradients.h"
#include "tenon/frontend/transform/jit.h"
#include "tenon/frontend/transform/traced.h"
#include "tenon/frontend/tree/tree.h"
