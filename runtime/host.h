// The machine that compile() compiles for unless told otherwise. Refuses to say how it was found out: codegen knows.
#pragma once

#include "tenon/ir/target.h"

namespace tenon::runtime {

const Target& host_target();

}  // namespace tenon::runtime
