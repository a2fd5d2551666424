// Numbers on a scale: quantised, back, and products of them, which are exact: integers of 8 bits are multiplied as f64, whose sums of up
// to 2^37 products are whole numbers.
#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {
namespace {

// Scales or zero points beside x: one for all, or along an axis.
Tensor beside(Call& c, const Tensor& x, const Tensor& v, int64_t axis) {
  if (v.ndim() == 0 || (v.ndim() == 1 && v.shape()[0] == 1)) return v.reshape({});
  if (v.ndim() == x.ndim() && c.integer("block_size", 0) > 0) {
    const int64_t size = c.integer("block_size", 0);
    const int64_t a = c.axis(axis, x.ndim());
    return narrow(repeat_interleave(v, size, a), a, 0, x.size(a));
  }
  c.expects(v.ndim() == 1, "scales are one number, or one for each place of an axis");
  std::vector<Extent> line(static_cast<size_t>(x.ndim()), 1);
  line[static_cast<size_t>(c.axis(axis, x.ndim()))] = v.numel();
  return v.reshape(line);
}

Tensor saturated(const Tensor& x, DType to) {
  const double low = is_unsigned(to) ? 0 : -static_cast<double>(uint64_t{1} << (bits(to) - 1));
  const double high = static_cast<double>((uint64_t{1} << (is_unsigned(to) ? bits(to) : bits(to) - 1)) - 1);
  return clip(x, low, high).astype(to);
}

Tensor quantized(Call& c, const Tensor& x, const Tensor& scale, const Tensor& zero, DType to, int64_t axis) {
  const Tensor wide = is_half(x.dtype()) || !is_floating(x.dtype()) ? x.astype(f32) : x;
  const Tensor steps = round(wide / beside(c, x, scale, axis).astype(wide.dtype()));
  return saturated(zero.defined() ? steps + beside(c, x, zero, axis).astype(wide.dtype()) : steps, to);
}

Tensor minus_zero(Call& c, const Tensor& x, const Tensor& zero, int64_t axis) {
  const Tensor wide = x.astype(f64);
  return zero.defined() ? wide - beside(c, x, zero, axis).astype(f64) : wide;
}

}  // namespace

Results import_quantize(Call& c) {
  DType to = c.has(2) ? c.dtype(2) : dtype_attribute(c, "output_dtype", u8);
  c.expects(is_integer(to) && bits(to) <= 16, "it quantises to integers of 8 or 16 bits");
  return one(quantized(c, c.tensor(0), c.tensor(1), c.tensor_or(2, {}), to, c.integer("axis", 1)));
}

Results import_dequantize(Call& c) {
  const Tensor x = c.tensor(0), scale = c.tensor(1);
  const int64_t axis = c.integer("axis", 1);
  c.expects(is_integer(x.dtype()), "it makes integers to floating numbers");
  Tensor steps = x.astype(i32);
  if (c.has(2)) steps = steps - beside(c, x, c.tensor(2), axis).astype(i32);
  return one(steps.astype(f32).astype(scale.dtype()) * beside(c, x, scale, axis));
}

Results import_dynamic_quantize(Call& c) {
  const Tensor x = c.tensor(0);
  const Tensor low = minimum(min(x), 0), high = maximum(max(x), 0);
  const Tensor scale = (high - low) / 255;
  const Tensor zero = clip(round(-low / scale), 0, 255);
  return {saturated(round(x / scale) + zero, u8), scale, zero.astype(u8)};
}

Results import_mat_mul_integer(Call& c) {
  const Tensor a = c.tensor(0), b = c.tensor(1);
  return one(
      matmul(minus_zero(c, a, c.tensor_or(2, {}), a.ndim() - 2), minus_zero(c, b, c.tensor_or(3, {}), b.ndim() - 1))
          .astype(i32));
}

Results import_conv_integer(Call& c) {
  return one(convolved(c, minus_zero(c, c.tensor(0), c.tensor_or(2, {}), 1),
                       minus_zero(c, c.tensor(1), c.tensor_or(3, {}), 0), {})
                 .astype(i32));
}

// a, a's scale and zero, b, b's scale and zero, the result's scale and zero
Results import_qlinear_mat_mul(Call& c) {
  const Tensor a = c.tensor(0), b = c.tensor(3);
  const Tensor y = matmul(minus_zero(c, a, c.tensor(2), a.ndim() - 2), minus_zero(c, b, c.tensor(5), b.ndim() - 1));
  const Tensor scaled =
      y * beside(c, y, c.tensor(1), y.ndim() - 2).astype(f64) * beside(c, y, c.tensor(4), y.ndim() - 1).astype(f64);
  return one(quantized(c, scaled, c.tensor(6), c.tensor(7), c.dtype(7), y.ndim() - 1));
}

Results import_qlinear_conv(Call& c) {
  const Tensor x = c.tensor(0), w = c.tensor(3);
  const Tensor bias = c.has(8) ? c.tensor(8).astype(f64) : Tensor();
  const Tensor y = convolved(c, minus_zero(c, x, c.tensor(2), 1), minus_zero(c, w, c.tensor(5), 0), bias);
  const Tensor scaled = y * c.tensor(1).reshape({}).astype(f64) * beside(c, y, c.tensor(4), 1).astype(f64);
  return one(quantized(c, scaled, c.tensor(6), c.tensor(7), c.dtype(7), 1));
}

}  // namespace tenon::onnx
