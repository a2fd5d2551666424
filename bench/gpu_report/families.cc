// Families: maps and movement, rows and columns.
#include "tenon/bench/gpu_report/families.h"

namespace tenon::gpu_report {
namespace {

using Shapes = std::vector<std::vector<int64_t>>;

std::string named(const std::string& family, DType dtype, const std::vector<int64_t>& shape) {
  return family + ", " + name_of(dtype) + " " + shape_text(shape);
}

Tensors float_maps(const Tensors& in) {
  const Tensor &x = in[0], &y = in[1];
  return {x + y * 2,      exp(x) / (abs(y) + 1), where(x > y, x, 0.5), gelu(x) - tanh(y),       maximum(x, y),
          sqrt(abs(x)),   sin(x) * cos(y),       log(abs(x) + 0.25),   round(x * 4) + floor(y), x % (abs(y) + 1),
          x.astype(bf16), (x * 50).astype(i32)};
}
Tensors integer_maps(const Tensors& in) {
  const Tensor &x = in[0], &y = in[1];
  return {x * y + 7, x / y, x % y, (x << 3) ^ (y >> 1), minimum(x, y), popcount(x), x.astype(f32) * 0.5, x == y};
}
Tensors movement(const Tensors& in) {
  const Tensor& x = in[0];
  const int64_t axes = x.ndim();
  std::vector<int64_t> turned;
  for (int64_t a = 1; a <= axes; ++a) turned.push_back(a % axes);
  const std::vector<std::pair<Extent, Extent>> widths(static_cast<size_t>(axes), {1, 2});
  return {x.transpose() * 2, transpose(x, turned) + 1,     flip(x, {axes - 1}),
          pad(x, widths, 3), concat({x, x * 2}, axes - 1), x[{slice(0, 5)}] - 1};
}

Tensors row_formulas(const Tensors& in) {
  const Tensor &x = in[0], &scale = in[1], &shift = in[2];
  return {softmax(x),
          log_softmax(x),
          layer_norm(x, scale, shift),
          rms_norm(x, scale),
          sum(x, {.axes = {-1}}),
          max(x, {.axes = {-1}}),
          argmax(x),
          logsumexp(x, {.axes = {-1}}),
          var(x, {.axes = {-1}})};
}
Tensors column_formulas(const Tensors& in) {
  const Tensor& x = in[0];
  return {sum(x, {.axes = {0}}), max(x, {.axes = {0}}), mean(x, {.axes = {0}}), softmax(x, 0), sum(x), argmin(x, 0)};
}
Tensors loss_formulas(const Tensors& in) {
  const auto loss = [](const Tensor& x, const Tensor& labels) { return cross_entropy(x, labels); };
  const auto [value, gradient] = value_and_grad(loss)(in[0], in[1]);
  return {value, gradient};
}
Tensors norm_gradients(const Tensors& in) {
  const auto loss = [](const Tensor& x, const Tensor& scale, const Tensor& shift) {
    const Tensor y = layer_norm(x, scale, shift) + rms_norm(x, scale);
    return sum(y * y);
  };
  const auto [x, scale, shift] = grad<0, 1, 2>(loss)(in[0], in[1], in[2]);
  return {x, scale, shift};
}

}  // namespace

std::vector<Family> map_families(bool quick) {
  std::vector<Family> all;
  const Shapes shapes = quick ? Shapes{{33, 70}} : Shapes{{1}, {33, 70}, {1000, 1003}, {7, 1, 129}};
  const std::vector<DType> floats = quick ? std::vector<DType>{f32} : std::vector<DType>{f32, bf16, f16, f64};
  for (const auto& shape : shapes) {
    for (const DType t : floats) {
      if (t == f16 && shape[0] != 33) continue;
      all.push_back({named("maps", t, shape), float_maps, {some(1, shape, t), some(2, shape, t)}});
    }
    if (!quick) all.push_back({named("maps", i32, shape), integer_maps, {some(3, shape, i32), some(4, shape, i32)}});
  }
  const Shapes moved = quick ? Shapes{{9, 40}} : Shapes{{9, 40}, {1025, 770}, {30, 33, 65}};
  for (const auto& shape : moved)
    for (const DType t : quick ? std::vector<DType>{f32} : std::vector<DType>{f32, bf16, u8})
      all.push_back({named("transposes and movement", t, shape), movement, {some(5, shape, t)}});
  return all;
}

std::vector<Family> reduction_families(bool quick) {
  std::vector<Family> all;
  const Shapes shapes =
      quick ? Shapes{{5, 700}} : Shapes{{5, 700}, {1, 17}, {300, 512}, {1000, 1023}, {3, 70001}, {2, 262144}};
  for (const auto& shape : shapes) {
    const std::vector<int64_t> row = {shape[1]};
    for (const DType t : quick ? std::vector<DType>{f32} : std::vector<DType>{f32, bf16}) {
      if (t == bf16 && shape[0] > 5) continue;
      const Tensors in = {some(6, shape, t), some(7, row, t), some(8, row, t)};
      all.push_back({named("rows: softmax, norms, sums", t, shape), row_formulas, in});
      if (!quick) all.push_back({named("gradients of norms", t, shape), norm_gradients, in});
      if (!quick || t == f32) all.push_back({named("columns", t, shape), column_formulas, {in[0]}});
      all.push_back({named("cross entropy and its gradient", t, shape),
                     loss_formulas,
                     {in[0], integers(9, {shape[0]}, shape[1])}});
    }
  }
  if (!quick)
    for (const Shapes::value_type& shape : Shapes{{70001, 3}, {4099, 257}})
      all.push_back({named("columns", f32, shape), column_formulas, {some(10, shape)}});
  return all;
}

}  // namespace tenon::gpu_report
