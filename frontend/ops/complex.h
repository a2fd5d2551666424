// Complex tensors: c64 and c128, two numbers an element, the real part first, as std::complex holds them. Arithmetic, comparison by == and
// !=, exp, log, sqrt, pow, the trigonometric and hyperbolic functions, matmul, einsum, sum, prod, mean and var take them under their own
// names; what needs an order refuses them. A gradient by z = x + iy of a real number is d/dx + i d/dy, PyTorch's convention.
#pragma once

#include "tenon/frontend/ops/ops.h"

namespace tenon {

inline bool is_complex(const Tensor& x) { return is_complex(x.dtype()); }

Tensor complex(Operand re, Operand im);  // f32 and f64 parts, which broadcast; integers and halves enter as f32
Tensor polar(Operand length, Operand angle);  // length (cos angle + i sin angle)

}  // namespace tenon
