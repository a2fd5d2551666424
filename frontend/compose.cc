// Functions composed from primitives. Their formulas are part of the contract on numbers (docs/numbers.md): changing one
// raises runtime::numerics_version. Each takes its caller's place along, so that errors and listings name the user's line.
#include <array>
#include <limits>

#include "tenon/frontend/promote.h"
#include "tenon/frontend/trace.h"

namespace tenon {
namespace {

// A tensor on behalf of the caller.
struct From {
  const Location& at;
  Operand operator()(const Tensor& t) const { return Operand(t, at); }
  Operand number(double v) const { return Operand(v, at); }
  Operand number(int v) const { return Operand(v, at); }
  Operand number(int64_t v) const { return Operand(v, at); }
};

Tensor floating(const Operand& x, const char* op) {
  const Tensor t = as_tensor(x, op);
  return is_floating(t.dtype()) ? t : cast_to(t, f32, x.where());
}

Operand widened(const Operand& x) {
  if (x.weak() != Operand::Weak::none || !x.tensor().defined() || !is_half(x.tensor().dtype())) return x;
  return Operand(cast_to(x.tensor(), f32, x.where()), x.where());
}

void check_labels(const Tensor& labels, int64_t classes, int64_t ignore_index, const Location& at) {
  const bool is_unsigned = labels.dtype() == u64;
  const std::vector<int64_t> values = labels.to_vector<int64_t>();
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t label = values[i];
    if ((label >= 0 && label < classes) || (label == ignore_index && !(is_unsigned && label < 0))) continue;
    throw Error("cross_entropy: label " +
                    (is_unsigned ? std::to_string(static_cast<uint64_t>(label)) : std::to_string(label)) + " of row " +
                    std::to_string(i) + " is no class: they go from 0 to " + std::to_string(classes - 1) +
                    ". Rows that shall not count carry {.ignore_index}, " + std::to_string(ignore_index) + " here",
                at);
  }
}

std::vector<ir::Value> build_barrier(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs&) {
  return ir::apply(b, ir::Op::barrier, x);
}

}  // namespace

// 0 where x <= 0, else x: NaN passes, and the derivative at 0 is 0.
Tensor relu(Operand x) {
  const From in{x.where()};
  const Tensor t = as_tensor(x, "relu");
  return where(in(in(t) <= in.number(0)), in.number(0), in(t));
}
Tensor sigmoid(Operand x) { return elementwise::logistic(x); }

// exp(x - max) * (1 / sum): one division a row.
Tensor softmax(Operand x, int64_t axis) {
  const From in{x.where()};
  const Tensor given = floating(x, "softmax"), t = widened(given, in.at);
  const int64_t a = axis_of(axis, t.ndim(), "softmax", x.where());
  const Tensor most = stop_gradient(in(peak(in(t), {{a}, true})));
  const Tensor e = exp(in(in(t)-most));
  const Tensor r = in.number(1) / in(sum(in(e), {{a}, true}));
  return cast_to(in(e)*in(r), given.dtype(), in.at);
}
Tensor log_softmax(Operand x, int64_t axis) {
  const From in{x.where()};
  const Tensor given = floating(x, "log_softmax"), t = widened(given, in.at);
  const int64_t a = axis_of(axis, t.ndim(), "log_softmax", x.where());
  const Tensor shifted = in(t)-stop_gradient(in(peak(in(t), {{a}, true})));
  return cast_to(in(shifted)-log(in(sum(in(exp(in(shifted))), {{a}, true}))), given.dtype(), in.at);
}

// (x - mean) * rsqrt(var + epsilon) * scale + shift
Tensor layer_norm(Operand x, Operand scale, Operand shift, double epsilon) {
  const From in{x.where()};
  const Tensor given = floating(x, "layer_norm"), t = widened(given, in.at);
  const Operand typed = in(given);
  const DType result = common_dtype(std::array<const Operand*, 3>{&typed, &scale, &shift}, "layer_norm");
  const Tensor d = in(t)-mean(in(t), {{-1}, true});
  const Tensor v = mean(in(in(d)*d), {{-1}, true});
  const Tensor n = in(d)*rsqrt(in(in(v) + in.number(epsilon)));
  return cast_to(in(in(n)*widened(scale)) + widened(shift), result, in.at);
}
Tensor rms_norm(Operand x, Operand scale, double epsilon) {
  const From in{x.where()};
  const Tensor given = floating(x, "rms_norm"), t = widened(given, in.at);
  const Operand typed = in(given);
  const DType result = common_dtype(std::array<const Operand*, 2>{&typed, &scale}, "rms_norm");
  const Tensor m = mean(in(in(t)*t), {{-1}, true});
  return cast_to(in(in(t)*rsqrt(in(in(m) + in.number(epsilon)))) * widened(scale), result, in.at);
}

Tensor linear(Operand x, Operand weight, Operand bias) {
  const From in{x.where()};
  const DType result = common_dtype(std::array<const Operand*, 3>{&x, &weight, &bias}, "linear");
  if (!is_half(result)) return in(matmul(x, weight)) + bias;
  return cast_to(in(matmul(widened(x), widened(weight))) + widened(bias), result, in.at);
}

// mean over rows of log(sum(exp(row - max))) - (row - max)[label]; entries off the label count as 0, whatever they are.
// Rows that carry ignore_index do not count. Any other label outside is an error where labels are at hand; inside a program
// it makes the loss NaN.
Tensor cross_entropy(Operand logits, Operand labels, CrossEntropy c) {
  const From in{logits.where()};
  const Tensor given = floating(logits, "cross_entropy"), t = widened(given, in.at);
  const Tensor l = as_tensor(labels, "cross_entropy");
  if (t.ndim() != 2 || l.ndim() != 1 || !(t.shape()[0] == l.shape()[0]) || !is_integer(l.dtype()))
    throw Error(
        "cross_entropy: logits [n, classes] and integer labels [n], not " + describe(given) + " and " + describe(l),
        logits.where());
  const int64_t classes = t.shape()[1].number();
  if (!Trace::current()) check_labels(l, classes, c.ignore_index, in.at);
  const Operand number = in(as_index(l, "cross_entropy", in.at));
  const Operand positive = in(number >= in.number(0));
  const Operand ignored = in(number == in.number(c.ignore_index));
  const Operand inside = in(in(number < in.number(classes)) & positive);
  const Tensor hit = one_hot(in(l), classes, boolean);
  const Tensor picked = sum(in(where(in(hit), in(log_softmax(in(t), 1)), in.number(0))), {{1}});
  const Tensor row = where(inside, in(picked), in.number(std::numeric_limits<double>::quiet_NaN()));
  const Tensor total = sum(in(where(ignored, in.number(0), in(row))));
  const Tensor counted = sum(in(logical_not(ignored)));
  return cast_to(elementwise::neg(in(in(total) / in(cast_to(counted, t.dtype(), in.at)))), given.dtype(), in.at);
}

namespace {
// A cast to the same type that derivatives do not pass: its tangent is structurally absent.
std::vector<ir::Value> build_stop(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs&) {
  return {ir::stop_gradient(x[0])};
}
}  // namespace

Tensor stop_gradient(Operand x) {
  return apply_one({"stop_gradient", build_stop}, {}, {as_tensor(x, "stop_gradient")}, x.where());
}
Tensor barrier(Operand x) { return apply_one({"barrier", build_barrier}, {}, {as_tensor(x, "barrier")}, x.where()); }

}  // namespace tenon
