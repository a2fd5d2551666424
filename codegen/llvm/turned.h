// Squares of elements in registers.
#pragma once

#include "tenon/codegen/llvm/control.h"

namespace tenon::codegen {

// LLVM looks through all rounds of shuffles for fewer of them, in vain and for much of a kernel's compile time: not past here.
void end_round(Builder& b, llvm::MutableArrayRef<llvm::Value*> vectors);

// Rows become columns: as many vectors as each of them has lanes, a power of two.
void turn_square(Builder& b, llvm::MutableArrayRef<llvm::Value*> rows);

}  // namespace tenon::codegen
