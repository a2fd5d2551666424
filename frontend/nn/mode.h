// How a layer runs: in use, or in training, where dropout draws and running statistics move.
#pragma once

#include "tenon/frontend/ops/ops.h"

namespace tenon::nn {

struct Mode {
  bool training = false;
  Tensor key = {};  // u32[2], what dropout draws from; asked for where something is dropped
};

}  // namespace tenon::nn
