// Activations, and softmax with its kin: up to opset 12 over all axes from one on, since then along one.
#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {

Results import_leaky_relu(Call& c) {
  const Tensor x = c.tensor(0);
  return one(leaky_relu(x, Operand(c.number("alpha", 0.01f))));
}

Results import_prelu(Call& c) {
  const Tensor x = c.tensor(0);
  Tensor slope = c.tensor(1);
  if (c.opset < 7 && slope.ndim() == 1 && x.ndim() > 2) {  // one for each channel
    std::vector<Extent> shape(slope.shape().begin(), slope.shape().end());
    while (static_cast<int>(shape.size()) < x.ndim() - 1) shape.push_back(1);
    slope = slope.reshape(shape);
  }
  return one(where(x < 0, x * slope, x));
}

Results import_elu(Call& c) { return one(elu(c.tensor(0), Operand(c.number("alpha", 1)))); }
Results import_celu(Call& c) { return one(celu(c.tensor(0), Operand(c.number("alpha", 1)))); }

Results import_selu(Call& c) {
  const Tensor x = c.tensor(0);
  const double alpha = c.number("alpha", 1.67326319217681884765625),
               gamma = c.number("gamma", 1.05070102214813232421875);
  return one(where(x > 0, x, expm1(x) * alpha) * gamma);
}

Results import_gelu(Call& c) {
  const std::string how = c.word("approximate", "none");
  c.expects(how == "none" || how == "tanh", "it is approximated by none or tanh");
  return one(gelu(c.tensor(0), how.c_str()));
}

Results import_hard_sigmoid(Call& c) {
  const Tensor x = c.tensor(0);
  return one(clip(x * c.number("alpha", 0.2f) + c.number("beta", 0.5), 0, 1));
}

Results import_shrink(Call& c) {
  const Tensor x = c.tensor(0);
  const double bias = c.number("bias", 0), lambda = c.number("lambd", 0.5);
  return one(where(x < -lambda, x + bias, where(x > lambda, x - bias, zeros_like(x))));
}

Results import_thresholded_relu(Call& c) {
  const Tensor x = c.tensor(0);
  return one(where(x > c.number("alpha", 1), x, zeros_like(x)));
}

Results import_swish(Call& c) {
  const Tensor x = c.tensor(0);
  return one(x * sigmoid(x * c.number("alpha", 1)));
}

namespace {

template <class F>
Results along(Call& c, F f) {
  const Tensor x = c.tensor(0);
  if (c.opset >= 13) return one(f(x, c.axis(c.integer("axis", -1), x.ndim())));
  return one(f(flattened(c, x), 1).reshape(x.shape()));
}

}  // namespace

Results import_softmax(Call& c) {
  return along(c, [](const Tensor& x, int64_t axis) { return softmax(x, axis); });
}
Results import_log_softmax(Call& c) {
  return along(c, [](const Tensor& x, int64_t axis) { return log_softmax(x, axis); });
}
Results import_hardmax(Call& c) {
  return along(c, [](const Tensor& x, int64_t axis) {
    const Tensor first = argmax(x, axis, true);
    std::vector<Extent> line(static_cast<size_t>(x.ndim()), 1);
    line[static_cast<size_t>(axis)] = x.size(axis);
    const Tensor place = arange(0, x.size(axis)).reshape(line);
    return (first == place).astype(x.dtype());
  });
}

}  // namespace tenon::onnx
