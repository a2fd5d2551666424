// Convolutions with channels first, over the row `convolution`, which has them last: what goes in is turned once, and what comes out.
// A transposed convolution is one over x with holes, by the kernel turned around: the derivative of a convolution by what it reads.
#include "tenon/frontend/ops/pooling.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// [n, c, s..] -> [n, s.., c] and back.
Value channels_last(Value x) { return ir::move_axis(x, 1, x.shape().size() - 1); }
Value channels_first(Value x) { return ir::move_axis(x, x.shape().size() - 1, 1); }

// [out, in / g, k..] -> [k.., in / g, out]
Value kernel_of(Value w) {
  Axes order;
  for (int64_t i = 2; i < w.shape().rank(); ++i) order.push_back(i);
  order.push_back(1), order.push_back(0);
  return ir::transpose(w, order);
}

// [in, out / g, k..] -> [k.., in / g, out], each k turned around
Value turned_kernel(Value w, int64_t groups) {
  Symbols& s = w.builder->symbols();
  const Shape shape = w.shape();
  const int64_t spatial = shape.rank() - 2;
  Axes turned;
  for (int64_t i = 0; i < spatial; ++i) turned.push_back(2 + i);
  const Dim in = s.quotient(shape[0], groups);
  Shape apart({Dim(groups), in}), together;
  Axes order;
  for (size_t i = 1; i < shape.size(); ++i) apart.push_back(shape[i]);
  for (int64_t i = 0; i < spatial; ++i) order.push_back(3 + i), together.push_back(shape[static_cast<size_t>(2 + i)]);
  for (int64_t i : {1, 0, 2}) order.push_back(i);
  together.push_back(in), together.push_back(s.product(shape[1], groups));
  return ir::reshape(ir::transpose(ir::reshape(ir::reverse(w, turned), apart), order), together);
}

// x, weight, and a bias or none; f32 in between where halves get a bias.
std::vector<Value> build_convolution(ir::GraphBuilder& b, std::span<const Value> given, const ir::Attrs& attrs) {
  const made::Convolved c(attrs);
  const DType dtype = given.size() > 2 ? wide(c.dtype) : c.dtype;
  Value x = ir::cast(given[0], dtype);
  if (!c.batched) {
    Shape one = x.shape();
    one.insert(0, Dim(1));
    x = ir::reshape(x, one);
  }
  const Value weight = ir::cast(given[1], dtype);
  const Value operands[] = {channels_last(x), c.transposed ? turned_kernel(weight, c.groups) : kernel_of(weight)};
  const Axes ones(c.strides.size(), 1);
  Value y = channels_first(ir::apply(b, ir::Op::convolution, operands,
                                     ir::ConvolutionAttrs{.strides = c.transposed ? ones : c.strides,
                                                          .low = c.low,
                                                          .high = c.high,
                                                          .lhs_dilation = c.transposed ? c.strides : ones,
                                                          .rhs_dilation = c.dilation,
                                                          .groups = c.groups})[0]);
  if (given.size() > 2) {
    const Shape shape = y.shape();
    y = y + ir::broadcast(ir::cast(given[2], dtype), shape, {1});
  }
  if (!c.batched) {
    Shape one = y.shape();
    one.erase(0);
    y = ir::reshape(y, one);
  }
  return {ir::cast(y, c.dtype)};
}

}  // namespace
}  // namespace formula

namespace {

struct Given {
  const Operand &x, &weight;
  const Operand* bias;
  Location where() const { return place_of({&x, &weight}); }
};

// What x, weight and bias must be to each other: x has `in` channels, of which each of `groups` kernels reads its part.
void check_channels(const char* op, const Tensor& x, const Tensor& w, const Tensor* bias, size_t spatial,
                    int64_t groups, bool transposed, const Location& at) {
  if (static_cast<size_t>(w.ndim()) != spatial + 2)
    throw Error(std::string(op) + ": the weight is [" + (transposed ? "in, out / groups" : "out, in / groups") + ", " +
                    std::to_string(spatial) + " extents of the kernel], not " + describe(w),
                at);
  if (groups < 1) throw Error(std::string(op) + ": groups is 1 or more, not " + std::to_string(groups), at);
  const Dim channels = x.shape()[static_cast<size_t>(x.ndim()) - spatial - 1], first = w.shape()[0],
            second = w.shape()[1];
  const Extent in = transposed ? Extent(first) : second * groups;
  const Extent out = transposed ? second * groups : Extent(first);
  const Dim dealt = transposed ? channels : first;
  if ((in.is_number() && channels.is_number() && channels.number() != in.number()) ||
      (dealt.is_number() && dealt.number() % groups != 0))
    throw Error(std::string(op) + ": " + describe(x) + " has " + extent_text(channels) + " channels, and " +
                    describe(w) + " in " + std::to_string(groups) + " groups does not fit it",
                at);
  if (bias && (bias->ndim() != 1 ||
               (bias->shape()[0].is_number() && out.is_number() && bias->shape()[0].number() != out.number())))
    throw Error(std::string(op) + ": the bias is a number for each of " + extent_text(out) + " channels, not " +
                    describe(*bias),
                at);
}

// The kernel's extents along spatial axes, which padding goes by.
std::vector<int64_t> reach_of(const char* op, const Tensor& w, const std::vector<int64_t>& dilation,
                              const Location& at) {
  std::vector<int64_t> reach;
  for (size_t k = 0; k < dilation.size(); ++k) {
    const Dim n = w.shape()[k + 2];
    if (n.is_symbol()) throw Error(std::string(op) + ": the kernel needs fixed extents, not " + describe(w), at);
    if (n.number() == 0) throw Error(std::string(op) + ": the kernel is empty: " + describe(w), at);
    int64_t r;
    if (__builtin_mul_overflow(n.number() - 1, dilation[k], &r) || r > INT32_MAX)
      throw Error(std::string(op) + ": the kernel reaches beyond 2^31 elements", at);
    reach.push_back(r);
  }
  return reach;
}

Tensor convolved(const char* op, const Given& g, size_t spatial, made::ConvolvedAttrs attrs, const auto& widths) {
  const Location at = g.where();
  const Tensor image = image_of(g.x, spatial, op);
  const Operand* const operands[] = {&g.x, &g.weight, g.bias ? g.bias : &g.x};
  const DType dtype = formula::floating(common_dtype(operands, op));
  check_real(dtype, op, at);
  std::vector<Tensor> inputs{image, entered(g.weight, dtype, op)};
  if (g.bias) inputs.push_back(entered(*g.bias, dtype, op));
  check_channels(op, image, inputs[1], g.bias ? &inputs[2] : nullptr, spatial, attrs.groups, attrs.transposed, at);
  widths(image, inputs[1], attrs);
  attrs.dtype = dtype;
  attrs.batched = static_cast<size_t>(image.ndim()) == spatial + 2;
  return apply({op, formula::build_convolution}, std::move(attrs), inputs, at)[0];
}

Tensor convolution_of(const char* op, const Given& g, size_t spatial, const Conv& o) try {
  const Location at = g.where();
  made::ConvolvedAttrs attrs{.strides = per_axis(o.stride, spatial, 1, "stride", op, at),
                             .dilation = per_axis(o.dilation, spatial, 1, "dilation", op, at),
                             .groups = o.groups};
  return convolved(op, g, spatial, std::move(attrs), [&](const Tensor& x, const Tensor& w, made::ConvolvedAttrs& a) {
    const std::vector<int64_t> reach = reach_of(op, w, a.dilation, at);
    const std::string& name = o.padding.name();
    if (!name.empty() && name != "same" && name != "valid")
      throw Error(std::string(op) + ": padding is \"same\", \"valid\" or widths, not \"" + name + "\"", at);
    if (name == "same")
      for (size_t k = 0; k < spatial; ++k) {
        if (a.strides[k] != 1) throw Error(std::string(op) + ": \"same\" padding goes with a stride of 1", at);
        a.low.push_back(reach[k] / 2), a.high.push_back(reach[k] - reach[k] / 2);
      }
    else
      a.low = a.high = name == "valid" ? std::vector<int64_t>(spatial, 0)
                                       : per_axis(o.padding.widths(), spatial, 0, "padding", op, at);
    for (size_t k = 0; k < spatial; ++k) {
      const Dim n = x.shape()[static_cast<size_t>(x.ndim()) - spatial + k];
      if (n.is_number() && n.number() + a.low[k] + a.high[k] <= reach[k])
        throw Error(std::string(op) + ": the kernel covers " + std::to_string(reach[k] + 1) + " elements, and " +
                        describe(x) + " has " + std::to_string(n.number() + a.low[k] + a.high[k]) + " with padding",
                    at);
    }
  });
} catch (...) {
  leave_with_error(op, g.where());
}

Tensor transposed_of(const char* op, const Given& g, size_t spatial, const ConvTranspose& o) try {
  const Location at = g.where();
  made::ConvolvedAttrs attrs{.strides = per_axis(o.stride, spatial, 1, "stride", op, at),
                             .dilation = per_axis(o.dilation, spatial, 1, "dilation", op, at),
                             .groups = o.groups,
                             .transposed = true};
  return convolved(op, g, spatial, std::move(attrs), [&](const Tensor& x, const Tensor& w, made::ConvolvedAttrs& a) {
    const std::vector<int64_t> reach = reach_of(op, w, a.dilation, at);
    const std::vector<int64_t> padding = per_axis(o.padding, spatial, 0, "padding", op, at);
    const std::vector<int64_t> more = per_axis(o.output_padding, spatial, 0, "output_padding", op, at);
    for (size_t k = 0; k < spatial; ++k) {
      if (more[k] >= std::max(a.strides[k], a.dilation[k]))
        throw Error(std::string(op) + ": output_padding is smaller than stride or dilation", at);
      a.low.push_back(reach[k] - padding[k]), a.high.push_back(reach[k] - padding[k] + more[k]);
      const Dim n = x.shape()[static_cast<size_t>(x.ndim()) - spatial + k];
      if (n.is_number() && (n.number() - 1) * a.strides[k] + 1 + a.low[k] + a.high[k] <= reach[k])
        throw Error(std::string(op) + ": padding leaves nothing of what " + describe(x) + " gives", at);
    }
  });
} catch (...) {
  leave_with_error(op, g.where());
}

}  // namespace

#define TENON_CONVOLUTION(n)                                                                     \
  Tensor conv##n##d(Operand x, Operand weight, const Conv& o) {                                  \
    return convolution_of("conv" #n "d", {x, weight, nullptr}, n, o);                            \
  }                                                                                              \
  Tensor conv##n##d(Operand x, Operand weight, Operand bias, const Conv& o) {                    \
    return convolution_of("conv" #n "d", {x, weight, &bias}, n, o);                              \
  }                                                                                              \
  Tensor conv_transpose##n##d(Operand x, Operand weight, const ConvTranspose& o) {               \
    return transposed_of("conv_transpose" #n "d", {x, weight, nullptr}, n, o);                   \
  }                                                                                              \
  Tensor conv_transpose##n##d(Operand x, Operand weight, Operand bias, const ConvTranspose& o) { \
    return transposed_of("conv_transpose" #n "d", {x, weight, &bias}, n, o);                     \
  }
TENON_CONVOLUTION(1)
TENON_CONVOLUTION(2)
TENON_CONVOLUTION(3)
#undef TENON_CONVOLUTION

}  // namespace tenon
