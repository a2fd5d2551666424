// The free functions of frontend/ops/functions.def. Refuses those whose first operand is no tensor: frontend/ops/ops.h declares them.
#pragma once

#include <span>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// ---- one function per elementwise row of the op table, under the row's name
namespace elementwise {
// Names stand in parentheses where another header may have made them macros: min and max are <windows.h>'s.
#define TENON_UNARY(name, ...) Tensor(name)(Operand x);
#define TENON_BINARY(name, ...) Tensor(name)(Operand x, Operand y);
#define TENON_TERNARY(name, ...) Tensor(name)(Operand x, Operand y, Operand z);
#define TENON_OP(name, ...)
#include "tenon/ir/ops.def"
}  // namespace elementwise

#define TENON_DEFAULT(...) = __VA_ARGS__
#define TENON_ROW(name, ...) using elementwise::name;
#define TENON_FUNCTION(result, name, arguments, ...) result(name)(Operand x __VA_OPT__(, ) __VA_ARGS__);
#include "tenon/frontend/ops/functions.def"

}  // namespace tenon
