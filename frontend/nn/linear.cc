// Linear, Embedding, Dropout: checks by the layers' names, over the functions of tensors.
#include "tenon/frontend/nn/linear.h"

#include <cmath>

#include "tenon/frontend/nn/init.h"
#include "tenon/frontend/nn/refusals.h"
#include "tenon/ir/base/door.h"

namespace tenon::nn {

Tensor Linear::operator()(Operand x) const try {
  const Location& at = x.where();
  const Dim in = weight_of(weight, "nn::Linear", 2, at).shape()[0];
  const Tensor t = entering(x, "nn::Linear", 1, -1, in, "x[.., " + extent_text(in) + "]");
  return bias.defined() ? tenon::linear(Operand(t, at), Operand(weight, at), Operand(bias, at))
                        : matmul(Operand(t, at), Operand(weight, at));
} catch (...) {
  leave_with_error("nn::Linear", x.where());
}

Linear linear(const Tensor& key, int64_t in, int64_t out, const LinearOptions& o, const At& from) try {
  const Location at = place(from);
  check_count("nn::linear", "in", in, at);
  check_count("nn::linear", "out", out, at);
  check_floating("nn::linear", o.dtype, at);
  const auto [first, second] = split(key, from);
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  const init::Uniform within{.low = -bound, .high = bound, .dtype = o.dtype};
  return {init::uniform(first, {in, out}, within, from),
          o.bias ? init::uniform(second, {out}, within, from) : Tensor()};
} catch (...) {
  leave_with_error("nn::linear", place(from));
}

Tensor Embedding::operator()(Operand indices) const try {
  const Location& at = indices.where();
  const Tensor i = as_tensor(indices, "nn::Embedding");
  if (!is_integer(i.dtype()))
    throw Error("nn::Embedding: takes integers, which number rows of " +
                    describe(weight_of(weight, "nn::Embedding", 2, at)) + ", and is applied to " + describe(i) +
                    "; cast it with astype(tn::i64)",
                at);
  const Operand rows(weight_of(weight, "nn::Embedding", 2, at), at);
  return padding_idx ? tenon::embedding(Operand(i, at), rows, *padding_idx) : tenon::embedding(Operand(i, at), rows);
} catch (...) {
  leave_with_error("nn::Embedding", indices.where());
}

Embedding embedding(const Tensor& key, int64_t n, int64_t width, const EmbeddingOptions& o, const At& from) try {
  const Location at = place(from);
  check_count("nn::embedding", "n", n, at);
  check_count("nn::embedding", "width", width, at);
  Embedding layer{init::normal(key, {n, width}, {.dtype = o.dtype}, from), o.padding_idx};
  if (!o.padding_idx) return layer;
  const int64_t row = *o.padding_idx < 0 ? *o.padding_idx + n : *o.padding_idx;
  if (row < 0 || row >= n)
    throw Error(
        "nn::embedding: .padding_idx " + std::to_string(*o.padding_idx) + " is none of " + std::to_string(n) + " rows",
        at);
  layer.weight[row] = 0;
  return layer;
} catch (...) {
  leave_with_error("nn::embedding", place(from));
}

Tensor Dropout::operator()(Operand x, const Mode& mode) const try {
  const Tensor t = as_tensor(x, "nn::Dropout");
  check_probability("nn::Dropout", p, x.where());
  if (!mode.training || p == 0) return t;
  return random::dropout(key_of(mode.key, "nn::Dropout", x.where()), Operand(t, x.where()), Operand(p, x.where()));
} catch (...) {
  leave_with_error("nn::Dropout", x.where());
}

Dropout dropout(double p, const At& at) {
  check_probability("nn::dropout", p, place(at));
  return {p};
}

}  // namespace tenon::nn
