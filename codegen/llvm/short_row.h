// Accesses that together are whole rows of a few elements.
#pragma once

#include <cstdint>
#include <vector>

#include "tenon/codegen/llvm/control.h"
#include "tenon/ir/kernel/kernel.h"

namespace tenon::codegen {

struct ShortRow {
  std::vector<uint32_t> key;  // the buffer, and all indices but the last
  int64_t length = 0;
  std::vector<const ir::Instruction*> accesses;
  Values values;  // of the round at hand: what was loaded, or what waits to be stored
};

}  // namespace tenon::codegen
