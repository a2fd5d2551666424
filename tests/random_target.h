// Targets that cut work otherwise than any machine's: what they say of tiles and limits may change no bit of a result.
#pragma once

#include "tenon/ir/base/target.h"
#include "tenon/tests/arrays.h"

namespace tenon::testing {

Target random_target(Random& random);

}  // namespace tenon::testing
