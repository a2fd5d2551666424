// Questions about everything that stands in a block, nested blocks included.
#pragma once

#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {

// Whether the test holds for any instruction of the block.
template <class Test>
bool contains(const Kernel& kernel, BlockId block, const Test& test) {
  for (uint32_t number : kernel.blocks[index(block)].instructions) {
    const Instruction& i = kernel.instructions[number];
    if (test(i)) return true;
    for (BlockId inner : i.blocks)
      if (contains(kernel, inner, test)) return true;
  }
  return false;
}

}  // namespace tenon::ir
