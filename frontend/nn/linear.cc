// Linear, Embedding, Dropout: checks by the layers' names, over the functions of tensors.
#include "tenon/frontend/nn/linear.h"

#include <cmath>

#include "tenon/frontend/nn/init.h"
#include "tenon/frontend/nn/refusals.h"
#include "tenon/ir/base/door.h"

namespace tenon::nn {

Tensor Linear::operator()(Operand x) const try {
  const Location& at = x.where();
  const Shape& shape = weight_of(weight, "nn::Linear", 2, at).shape();
  const Dim in = shape[0];
  const auto differ = [](Dim a, Dim b) { return a.is_number() && b.is_number() && a.number() != b.number(); };
  if (x.weak() == Operand::Weak::no && x.tensor().defined() && x.tensor().ndim() > 0) {
    const Dim given = x.tensor().shape()[x.tensor().ndim() - 1];
    if (differ(given, in) && given == shape[1])
      throw Error("nn::Linear: takes x[.., " + extent_text(in) + "], and is applied to " + describe(x.tensor()) +
                      "; make the layer for " + extent_text(given) + ", or, where the weight " + describe(weight) +
                      " is PyTorch's, [out, in], transpose it",
                  at);
  }
  if (bias.defined() && (bias.ndim() != 1 || differ(bias.shape()[0], shape[1])))
    throw Error("nn::Linear: its bias is [out], " + extent_text(shape[1]) + " numbers, and is " + describe(bias), at);
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

namespace {

// In training what `drop` makes of a key, x and p; in use x.
template <class Drop>
Tensor in_mode(const char* layer, Drop drop, const Operand& x, double p, const Mode& mode) try {
  const Location& at = x.where();
  const Tensor t = as_tensor(x, layer);
  check_probability(layer, p, at);
  if (!mode.training || p == 0) return t;
  return drop(key_of(mode.key, layer, at), Operand(t, at), Operand(p, at));
} catch (...) {
  leave_with_error(layer, x.where());
}

}  // namespace

#define TENON_DROPOUT(Name, name)                                                                                     \
  Tensor Name::operator()(Operand x, const Mode& mode) const {                                                        \
    const auto drop = [](const Tensor& k, Operand t, Operand share) { return random::name(k, std::move(t), share); }; \
    return in_mode("nn::" #Name, drop, x, p, mode);                                                                   \
  }                                                                                                                   \
  Name name(double p, const At& at) {                                                                                 \
    check_probability("nn::" #name, p, place(at));                                                                    \
    return {p};                                                                                                       \
  }
TENON_DROPOUT(Dropout, dropout)
TENON_DROPOUT(Dropout1d, dropout1d)
TENON_DROPOUT(Dropout2d, dropout2d)
TENON_DROPOUT(Dropout3d, dropout3d)
TENON_DROPOUT(AlphaDropout, alpha_dropout)
TENON_DROPOUT(FeatureAlphaDropout, feature_alpha_dropout)
#undef TENON_DROPOUT

}  // namespace tenon::nn
