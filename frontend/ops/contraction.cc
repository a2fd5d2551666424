// convolution over the row of that name: dtypes that meet, options that are filled in. Refuses channels in front: the windowed functions
// move axes.
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {
using Values = std::span<const ir::Value>;

std::vector<ir::Value> build_mixed_convolution(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const DType dtype = promote(x[0].dtype(), x[1].dtype(), "convolution", b.location());
  const ir::Value same[] = {ir::cast(x[0], dtype), ir::cast(x[1], dtype)};
  return ir::apply(b, ir::Op::convolution, same, attrs);
}
}  // namespace

Tensor convolution(Operand x, Operand kernel, Convolution c) try {
  const Location at = place_of({&x, &kernel});
  const Operand* const operands[] = {&x, &kernel};
  const DType dtype = common_dtype(operands, "convolution");
  const Tensor inputs[] = {met_in(x, dtype, "convolution"), met_in(kernel, dtype, "convolution")};
  const size_t spatial = inputs[0].ndim() >= 2 ? static_cast<size_t>(inputs[0].ndim() - 2) : 0;
  const auto filled = [&](std::vector<int64_t> v, int64_t fill, const char* what) {
    if (v.empty()) v.assign(spatial, fill);
    if (v.size() != spatial)
      throw Error(std::string("convolution: ") + what + " has one entry per spatial axis of " + describe(inputs[0]),
                  at);
    return v;
  };
  const ir::Attrs attrs = ir::ConvolutionAttrs{.strides = filled(c.strides, 1, "strides"),
                                               .low = filled(c.low, 0, "low"),
                                               .high = filled(c.high, 0, "high"),
                                               .lhs_dilation = filled(c.lhs_dilation, 1, "lhs_dilation"),
                                               .rhs_dilation = filled(c.dilation, 1, "dilation"),
                                               .groups = c.groups};
  if (inputs[0].dtype() != inputs[1].dtype())
    return apply({"convolution", build_mixed_convolution}, attrs, inputs, at)[0];
  return apply_primitive(ir::Op::convolution, attrs, inputs, at)[0];
} catch (...) {
  leave_with_error("convolution", place_of({&x, &kernel}));
}

}  // namespace tenon
