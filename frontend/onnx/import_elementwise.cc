// Element by element: arithmetic, comparisons, logic, casts.
#include "tenon/frontend/onnx/families.h"
#include "tenon/frontend/onnx/tensors.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::onnx {

std::pair<Tensor, Tensor> operands(Call& c) {
  Tensor x = c.tensor(0), y = c.tensor(1);
  if (c.opset < 7 && c.integer("broadcast", 0) != 0 && y.ndim() > 0 && c.find("axis") != nullptr) {
    const int64_t axis = c.axis(c.required("axis"), x.ndim());
    std::vector<Extent> shape(y.shape().begin(), y.shape().end());
    while (axis + static_cast<int64_t>(shape.size()) < x.ndim()) shape.push_back(1);
    y = y.reshape(shape);
  }
  return {x, y};
}

DType dtype_attribute(Call& c, std::string_view name, DType otherwise) {
  const Attribute* a = c.find(name);
  return a == nullptr ? otherwise : dtype_of(c.file(), c.integer(name, 0));
}

Results import_mean(Call& c) {
  const Tensor sum = folded<operator+ >(c).at(0).tensor;
  return one(sum / static_cast<double>(c.in.size()));
}

// The base decides of what dtype the power is.
Results import_pow(Call& c) {
  const auto [x, y] = operands(c);
  if (x.dtype() == y.dtype() && is_floating(x.dtype())) return one(pow(x, y));
  if (is_integer(x.dtype()) && is_integer(y.dtype())) return one(pow(x.astype(i64), y.astype(i64)).astype(x.dtype()));
  if (is_floating(x.dtype()) && is_integer(y.dtype())) return one(pow(x, y.astype(x.dtype())));
  return one(pow(x.astype(f64), y.astype(f64)).astype(x.dtype()));
}

Results import_mod(Call& c) {
  const auto [x, y] = operands(c);
  const bool truncated = c.integer("fmod", 0) != 0;
  c.expects(truncated || is_integer(x.dtype()) || c.opset >= 28, "of floating numbers fmod is 1");
  return one(truncated ? fmod(x, y) : remainder(x, y));
}

// Bounds were attributes up to opset 10.
Results import_clip(Call& c) {
  Tensor x = c.tensor(0);
  const auto bound = [&](std::string_view attribute, size_t operand) -> Tensor {
    if (c.opset >= 11) return c.has(operand) ? c.tensor(operand) : Tensor();
    return c.find(attribute) == nullptr ? Tensor() : full({}, c.number(attribute, 0), {.dtype = x.dtype()});
  };
  const Tensor low = bound("min", 1), high = bound("max", 2);
  for (const Tensor& t : {low, high}) c.expects(!t.defined() || t.ndim() == 0, "bounds are scalars");
  if (low.defined()) x = maximum(x, low);
  return one(high.defined() ? minimum(x, high) : x);
}

Results import_cast(Call& c) {
  const DType to = dtype_of(c.file(), c.required("to"));
  const Tensor x = c.tensor(0);
  return one(to == boolean && x.dtype() != boolean ? x != 0 : x.astype(to));
}

Results import_cast_like(Call& c) {
  const DType to = c.dtype(1);
  const Tensor x = c.tensor(0);
  return one(to == boolean && x.dtype() != boolean ? x != 0 : x.astype(to));
}

Results import_bit_cast(Call& c) {
  const DType to = dtype_of(c.file(), c.required("to"));
  const Tensor x = c.tensor(0);
  c.expects(bits(to) == bits(x.dtype()) && !is_complex(to) && !is_complex(x.dtype()),
            "its dtypes have equally many bits");
  return one(
      apply_primitive(ir::Op::bitcast, ir::ConvertAttrs{.dtype = to}, std::span(&x, 1), c.scope.importer.at).at(0));
}

Results import_where(Call& c) { return one(where(c.tensor(0), c.tensor(1), c.tensor(2))); }

Results import_bit_shift(Call& c) {
  const std::string direction = c.word("direction", "");
  c.expects(direction == "LEFT" || direction == "RIGHT", "its direction is LEFT or RIGHT");
  const Tensor x = c.tensor(0), count = c.tensor(1);
  return one(direction == "LEFT" ? bitwise_left_shift(x, count) : bitwise_right_shift(x, count));
}

Results import_is_inf(Call& c) {
  const bool low = c.integer("detect_negative", 1) != 0, high = c.integer("detect_positive", 1) != 0;
  const Tensor x = c.tensor(0);
  if (low && high) return one(isinf(x));
  if (!low && !high) return one(logical_and(isinf(x), isnan(x)));
  return one(low ? isneginf(x) : isposinf(x));
}

Results import_identity(Call& c) {
  c.expects(c.has(0), "it lacks input 0");
  return one(c.in[0]);
}

}  // namespace tenon::onnx
