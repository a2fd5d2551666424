// The check of every call that is given a device.
#pragma once

#include "tenon/frontend/tensor/device.h"
#include "tenon/ir/base/error.h"

namespace tenon {

// Error, with `what` before it, for a device that there is not or that cannot be used.
void refuse_device(const char* what, Device device, const Location& at);

}  // namespace tenon
