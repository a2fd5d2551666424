// Windows combined by a function of the caller's, and the names of functions over windows in tn::nn. The functions themselves are lines
// of frontend/ops/functions/windows.def.
#pragma once

#include <type_traits>

#include "tenon/frontend/ops/ops.h"

namespace tenon {

namespace detail {
// init in the shape of one element of every window, then the elements that all windows have at one place, for each place, ascending.
std::vector<Tensor> window_elements(const Operand& x, const Operand& init, const ReduceWindow& w);
}  // namespace detail
// f(.. f(f(init, first element), second) .., last) for each window, f being any function of two tensors of one shape. Padding holds
// init, and f is called once for each element of a window.
template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Tensor&, const Tensor&>
Tensor reduce_window(Operand x, Operand init, F f, const ReduceWindow& w) {
  const std::vector<Tensor> elements = detail::window_elements(x, init, w);
  Tensor result = elements[0];
  for (size_t i = 1; i < elements.size(); ++i) result = f(std::as_const(result), elements[i]);
  return result;
}

// A mode by its name.
template <class Name>
  requires std::convertible_to<const Name&, std::string>
Tensor interpolate(Operand x, const Sizes& size, const Name& mode, bool align_corners = false) {
  return interpolate(std::move(x), Interpolate{.size = size, .mode = mode, .align_corners = align_corners});
}

namespace nn {
using tenon::adaptive_avg_pool1d, tenon::adaptive_avg_pool2d, tenon::adaptive_avg_pool3d, tenon::adaptive_max_pool1d,
    tenon::adaptive_max_pool2d, tenon::adaptive_max_pool3d, tenon::avg_pool1d, tenon::avg_pool2d, tenon::avg_pool3d,
    tenon::conv1d, tenon::conv2d, tenon::conv3d, tenon::conv_transpose1d, tenon::conv_transpose2d,
    tenon::conv_transpose3d, tenon::fold, tenon::interpolate, tenon::lp_pool1d, tenon::lp_pool2d, tenon::max_pool1d,
    tenon::max_pool2d, tenon::max_pool3d, tenon::pixel_shuffle, tenon::pixel_unshuffle, tenon::unfold;
}  // namespace nn

}  // namespace tenon
