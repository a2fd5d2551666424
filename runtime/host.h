// The machine that compile() compiles for unless told otherwise. Refuses to say how it was found out: the device knows.
#pragma once

#include "tenon/runtime/device.h"

namespace tenon::runtime {

inline const Target& host_target() { return current_device().target(); }

}  // namespace tenon::runtime
