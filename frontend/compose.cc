// Functions composed from primitives. Their formulas are part of the contract on numbers (docs/numbers.md): changing one
// raises runtime::numerics_version. Each takes its caller's place along, so that errors and listings name the user's line.
#include "tenon/frontend/promote.h"

namespace tenon {
namespace {

// A tensor on behalf of the caller.
struct From {
  const Location& at;
  Operand operator()(const Tensor& t) const { return Operand(t, at); }
  Operand number(double v) const { return Operand(v, at); }
  Operand number(int v) const { return Operand(v, at); }
};

Tensor floating(const Operand& x, const char* op) {
  const Tensor t = as_tensor(x, op);
  return is_floating(t.dtype()) ? t : cast_to(t, f32, x.where());
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
Tensor silu(Operand x) {
  const From in{x.where()};
  const Tensor t = floating(x, "silu");
  return in(t)*elementwise::logistic(in(t));
}
Tensor gelu(Operand x) {
  const From in{x.where()};
  const Tensor t = floating(x, "gelu");
  const Tensor e = erf(in(in(t)*in.number(0.70710678118654752440)));
  return in(in(t)*in.number(0.5)) * in(in(e) + in.number(1));
}
// max(x, 0) + log1p(exp(-|x|)): no overflow on either side.
Tensor softplus(Operand x) {
  const From in{x.where()};
  const Tensor t = floating(x, "softplus");
  return in(maximum(in(t), in.number(0))) + log1p(in(exp(in(elementwise::neg(in(abs(in(t))))))));
}

// exp(x - max) * (1 / sum): one division a row.
Tensor softmax(Operand x, int64_t axis) {
  const From in{x.where()};
  const Tensor t = floating(x, "softmax");
  const int64_t a = axis_of(axis, t.ndim(), "softmax", x.where());
  const Tensor most = stop_gradient(in(peak(in(t), {{a}, true})));
  const Tensor e = exp(in(in(t)-most));
  const Tensor r = in.number(1) / in(sum(in(e), {{a}, true}));
  return in(e)*in(r);
}
Tensor log_softmax(Operand x, int64_t axis) {
  const From in{x.where()};
  const Tensor t = floating(x, "log_softmax");
  const int64_t a = axis_of(axis, t.ndim(), "log_softmax", x.where());
  const Tensor shifted = in(t)-stop_gradient(in(peak(in(t), {{a}, true})));
  return in(shifted)-log(in(sum(in(exp(in(shifted))), {{a}, true})));
}

// (x - mean) * rsqrt(var + epsilon) * scale + shift
Tensor layer_norm(Operand x, Operand scale, Operand shift, double epsilon) {
  const From in{x.where()};
  const Tensor t = floating(x, "layer_norm");
  const Tensor d = in(t)-mean(in(t), {{-1}, true});
  const Tensor v = mean(in(in(d)*d), {{-1}, true});
  const Tensor n = in(d)*rsqrt(in(in(v) + in.number(epsilon)));
  return in(in(n)*scale) + shift;
}
Tensor rms_norm(Operand x, Operand scale, double epsilon) {
  const From in{x.where()};
  const Tensor t = floating(x, "rms_norm");
  const Tensor m = mean(in(in(t)*t), {{-1}, true});
  return in(in(t)*rsqrt(in(in(m) + in.number(epsilon)))) * scale;
}

Tensor linear(Operand x, Operand weight, Operand bias) {
  const From in{x.where()};
  return in(matmul(x, weight)) + bias;
}

// mean over rows of log(sum(exp(row - max))) - (row - max)[label]; entries off the label count as 0, whatever they are.
Tensor cross_entropy(Operand logits, Operand labels) {
  const From in{logits.where()};
  const Tensor t = floating(logits, "cross_entropy");
  const Tensor l = as_tensor(labels, "cross_entropy");
  if (t.ndim() != 2 || l.ndim() != 1 || !(t.shape()[0] == l.shape()[0]) || !is_integer(l.dtype()))
    throw Error("cross_entropy: logits [n, classes] and integer labels [n], not " + describe(t) + " and " + describe(l),
                logits.where());
  const Tensor hit = one_hot(in(l), t.shape()[1].number(), boolean);
  const Tensor picked = where(in(hit), in(log_softmax(in(t), 1)), in.number(0));
  return elementwise::neg(in(mean(in(sum(in(picked), {{1}})))));
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
