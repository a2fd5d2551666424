// The methods of Tensor that functions.def gives, each the free function with this tensor in front; and reductions over axes that
// stand alone. Refuses everything else: what a function does is said where it is defined.
#include "tenon/frontend/ops/ops.h"

namespace tenon {

Mask::Mask(const Tensor& mask) : cell_(mask.cell()) {}
Tensor Mask::tensor() const { return Tensor(cell_); }

#define TENON_BEHIND(...) __VA_OPT__(, ) __VA_ARGS__
#define TENON_METHOD(result, method, function, arguments, ...)                \
  result Tensor::method(__VA_ARGS__ __VA_OPT__(, ) const At& at) const {      \
    return tenon::function(Operand(*this, place(at)) TENON_BEHIND arguments); \
  }
#define TENON_FUNCTION(result, name, arguments, ...) \
  TENON_METHOD(result, name, name, arguments __VA_OPT__(, ) __VA_ARGS__)
#include "tenon/frontend/ops/functions.def"

#define TENON_FUNCTION(...)
#define TENON_REDUCTION(name)                                                       \
  Tensor(name)(Operand x, Axes axes, bool keepdims) {                               \
    return (name)(std::move(x), Reduce{.axes = axes.list(), .keepdims = keepdims}); \
  }
#include "tenon/frontend/ops/functions.def"

}  // namespace tenon
