// Norms over axes and batches, and dropout. Halves are computed in f32 where ONNX says so (stash_type).
#include "tenon/frontend/onnx/families.h"
#include "tenon/frontend/random/random.h"

namespace tenon::onnx {
namespace {

Axes axes_from(const Tensor& x, int64_t from) {
  Axes axes;
  for (int64_t i = from; i < x.ndim(); ++i) axes.push_back(i);
  return axes;
}

// A number for each channel, beside [n, channels, ...].
Tensor by_channel(const Tensor& x, const Tensor& v) {
  std::vector<Extent> shape(static_cast<size_t>(x.ndim()), 1);
  if (x.ndim() > 1) shape[1] = v.numel();
  return v.reshape(shape);
}

Tensor wide(const Tensor& x) { return is_half(x.dtype()) ? x.astype(f32) : x; }

struct Moments {
  Tensor mean, centred, inverse;  // the inverse of the deviation
};
Moments moments(const Tensor& x, const Axes& axes, double epsilon) {
  const Tensor m = mean(x, {.axes = axes, .keepdims = true}), centred = x - m;
  return {m, centred, rsqrt(mean(centred * centred, {.axes = axes, .keepdims = true}) + epsilon)};
}

}  // namespace

// Inference by the running statistics; in training mode those of the batch, and the running ones moved toward them.
Results import_batch_norm(Call& c) {
  const Tensor x = c.tensor(0), scale = c.tensor(1), bias = c.tensor(2), running_mean = c.tensor(3),
               running_var = c.tensor(4);
  const double epsilon = c.number("epsilon", 1e-5f), momentum = c.number("momentum", 0.9f);
  const bool training =
      c.opset >= 14 ? c.integer("training_mode", 0) != 0 : c.opset < 7 && c.integer("is_test", 0) == 0 && c.wants(1);
  c.expects(c.opset >= 9 || c.integer("spatial", 1) != 0, "statistics of each place by itself are not known");
  if (!training) {
    const Tensor factor = scale / sqrt(running_var + epsilon);
    return one(((x - by_channel(x, running_mean)) * by_channel(x, factor) + by_channel(x, bias)).astype(x.dtype()));
  }
  c.expects(c.opset >= 14, "training is known from opset 14 on");
  Axes axes = {0};
  for (int64_t i : axes_from(x, 2)) axes.push_back(i);
  const Tensor m = mean(wide(x), {.axes = axes}), v = var(wide(x), {.axes = axes});
  const Tensor y =
      (x - by_channel(x, m)) / sqrt(by_channel(x, v) + epsilon) * by_channel(x, scale) + by_channel(x, bias);
  const auto moved = [&](const Tensor& before, const Tensor& now) {
    return (before * momentum + now * (1 - momentum)).astype(before.dtype());
  };
  return {y.astype(x.dtype()), moved(running_mean, m), moved(running_var, v)};
}

Results import_layer_norm(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t axis = c.axis(c.integer("axis", -1), x.ndim());
  const Moments m = moments(wide(x), axes_from(x, axis), c.number("epsilon", 1e-5f));
  Tensor y = (m.centred * m.inverse).astype(x.dtype()) * c.tensor(1);
  if (c.has(2)) y = y + c.tensor(2);
  return {y, m.mean, m.inverse};
}

Results import_rms_norm(Call& c) {
  const Tensor x = c.tensor(0), w = wide(x);
  const int64_t axis = c.axis(c.integer("axis", -1), x.ndim());
  const Tensor inverse =
      rsqrt(mean(w * w, {.axes = axes_from(x, axis), .keepdims = true}) + c.number("epsilon", 1e-5f));
  return one((w * inverse).astype(x.dtype()) * c.tensor(1));
}

Results import_instance_norm(Call& c) {
  const Tensor x = c.tensor(0);
  const Moments m = moments(wide(x), axes_from(x, 2), c.number("epsilon", 1e-5f));
  return one((m.centred * m.inverse * by_channel(x, c.tensor(1)) + by_channel(x, c.tensor(2))).astype(x.dtype()));
}

// Scale and bias are those of groups up to opset 20, of channels since.
Results import_group_norm(Call& c) {
  const Tensor x = c.tensor(0), scale = c.tensor(1), bias = c.tensor(2);
  const int64_t groups = c.required("num_groups");
  c.expects(x.ndim() >= 2 && groups >= 1, "its input is [n, channels, ...] in groups");
  std::vector<Extent> shape = {x.shape()[0], groups, x.shape()[1] / groups};
  for (size_t i = 2; i < x.shape().size(); ++i) shape.push_back(x.shape()[i]);
  const Tensor grouped = wide(x).reshape(shape);
  const Moments m = moments(grouped, axes_from(grouped, 2), c.number("epsilon", 1e-5f));
  const Tensor y = m.centred * m.inverse;
  if (c.opset < 21) return one((y * by_channel(y, scale) + by_channel(y, bias)).reshape(x.shape()).astype(x.dtype()));
  return one((y.reshape(x.shape()) * by_channel(x, scale) + by_channel(x, bias)).astype(x.dtype()));
}

Results import_lp_norm(Call& c) {
  const Tensor x = c.tensor(0);
  const Axes axes = {c.axis(c.integer("axis", -1), x.ndim())};
  const int64_t p = c.integer("p", 2);
  c.expects(p == 1 || p == 2, "its p is 1 or 2");
  const Tensor size =
      p == 1 ? sum(abs(x), {.axes = axes, .keepdims = true}) : sqrt(sum(x * x, {.axes = axes, .keepdims = true}));
  return one(where(size == 0, zeros_like(x), x / size));
}

Results import_mean_variance_norm(Call& c) {
  const Tensor x = c.tensor(0);
  const Axes axes = c.axes(c.integers("axes", {0, 2, 3}), x.ndim());
  const Tensor centred = x - mean(x, {.axes = axes, .keepdims = true});
  return one(centred / (sqrt(mean(centred * centred, {.axes = axes, .keepdims = true})) + 1e-9));
}

// x over a power of the sum of squares of neighbouring channels.
Results import_lrn(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t size = c.required("size");
  c.expects(x.ndim() >= 2 && size >= 1 && size <= INT32_MAX, "its size is 1 or more");
  Axes window(static_cast<size_t>(x.ndim()), 1);
  std::vector<std::pair<int64_t, int64_t>> widths(static_cast<size_t>(x.ndim()), {0, 0});
  window[1] = size;
  widths[1] = {(size - 1) / 2, size / 2};
  const Axes ones(static_cast<size_t>(x.ndim()), 1);
  const Tensor squares =
      reduce_window(x * x, ReduceWindow{.window = window, .strides = ones, .padding = widths, .combine = "sum"});
  return one(x / pow(squares * (c.number("alpha", 1e-4f) / static_cast<double>(size)) + c.number("bias", 1),
                     c.number("beta", 0.75)));
}

// Training from opset 12 on, where an operand says so; the key is the seed.
Results import_dropout(Call& c) {
  const Tensor x = c.tensor(0);
  bool training = false;
  if (c.opset >= 12 && c.has(2)) {
    c.expects(c.dtype(2) == boolean, "its training mode is a bool");
    training = c.numbers(2).at(0) != 0;
  }
  const double p = c.opset < 12 ? c.number("ratio", 0.5) : training && c.has(1) ? c.numbers(1).at(0) : 0.5;
  if (!training || p == 0) return {x, c.opset < 10 ? ones_like(x) : full(x.shape(), true)};
  const Tensor kept = random::bernoulli(key(static_cast<uint64_t>(c.integer("seed", 0))), 1 - p, x.shape()) != 0;
  return {where(kept, x * (1 / (1 - p)), zeros_like(x)), kept};
}

}  // namespace tenon::onnx
