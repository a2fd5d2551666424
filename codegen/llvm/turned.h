// Squares of elements in registers.
#pragma once

#include "tenon/codegen/llvm/control.h"

namespace tenon::codegen {

// Rows become columns: as many vectors as each of them has lanes, a power of two.
void turn_square(Builder& b, llvm::MutableArrayRef<llvm::Value*> rows);

}  // namespace tenon::codegen
