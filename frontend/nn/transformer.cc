// TransformerBlock and Mlp over the layers that they hold.
#include "tenon/frontend/nn/transformer.h"

#include "tenon/frontend/nn/refusals.h"
#include "tenon/ir/base/door.h"

namespace tenon::nn {
namespace {

constexpr const char* block = "nn::TransformerBlock";

// What a branch drops in training, from the n-th of its keys.
Tensor dropped(const Tensor& x, double p, bool training, const Tensor& key, int64_t n, const char* layer,
               const Location& at) {
  if (!training || p == 0) return x;
  const Tensor from = fold_in(key_of(key, layer, at), Operand(n, at));
  return random::dropout(from, Operand(x, at), Operand(p, at));
}

Attend for_attention(const Attend& o, const Location& at) {
  Attend to = o;
  if (o.training && o.key.defined()) to.key = fold_in(o.key, Operand(0, at));
  return to;
}

Tensor sum_of(const Tensor& x, const Tensor& y, const Location& at) { return Operand(x, at) + Operand(y, at); }

// attend(x) is attention to whatever there is to attend to.
template <class Attention>
Tensor through(const TransformerBlock& b, const Operand& given, const Attend& o, Attention attend) {
  const Location& at = given.where();
  check_probability(block, b.dropout, at);
  const Dim width = weight_of(b.linear1.weight, block, 2, at).shape()[0];
  const Tensor x = entering(given, block, 2, -1, width, "x[batch, length, " + extent_text(width) + "]");
  const auto drop = [&](const Tensor& t, int64_t n) { return dropped(t, b.dropout, o.training, o.key, n, block, at); };
  const auto feed = [&](const Tensor& t) {
    const Tensor inner = activated(b.activation, Operand(b.linear1(Operand(t, at)), at));
    return drop(b.linear2(Operand(drop(inner, 2), at)), 3);
  };
  const auto norm = [&](const LayerNorm& n, const Tensor& t) { return n(Operand(t, at)); };
  if (b.norm_first) {
    const Tensor y = sum_of(x, drop(attend(norm(b.norm1, x)), 1), at);
    return sum_of(y, feed(norm(b.norm2, y)), at);
  }
  const Tensor y = norm(b.norm1, sum_of(x, drop(attend(x), 1), at));
  return norm(b.norm2, sum_of(y, feed(y), at));
}

}  // namespace

Tensor TransformerBlock::operator()(Operand x, const Attend& o) const try {
  const Location& at = x.where();
  const Attend to = for_attention(o, at);
  return through(*this, x, o, [&](const Tensor& t) { return self_attn(Operand(t, at), to); });
} catch (...) {
  leave_with_error(block, x.where());
}

std::pair<Tensor, KvCache> TransformerBlock::operator()(Operand x, const KvCache& cache, const Attend& o) const try {
  const Location& at = x.where();
  const Attend to = for_attention(o, at);
  KvCache after = cache;
  Tensor y = through(*this, x, o, [&](const Tensor& t) {
    auto [value, next] = self_attn(Operand(t, at), cache, to);
    after = std::move(next);
    return value;
  });
  return {std::move(y), std::move(after)};
} catch (...) {
  leave_with_error(block, x.where());
}

KvCache TransformerBlock::cache(Extent batch, int64_t capacity, const At& at) const {
  return self_attn.cache(batch, capacity, at);
}

TransformerBlock transformer_block(const Tensor& key, int64_t width, int64_t heads, const TransformerBlockOptions& o,
                                   const At& from) try {
  constexpr const char* maker = "nn::transformer_block";
  const Location at = place(from);
  check_count(maker, "width", width, at);
  const int64_t hidden = o.hidden == 0 ? 4 * width : o.hidden;
  check_count(maker, ".hidden", hidden, at);
  check_activation(maker, o.activation, from);
  check_probability(maker, o.dropout, at);
  const std::vector<Tensor> keys = split(key, 3, from);
  const LinearOptions linears{.bias = o.bias, .dtype = o.dtype};
  const LayerNormOptions norms{.eps = o.eps, .bias = o.bias, .dtype = o.dtype};
  return {.self_attn = multi_head_attention(keys[0], width, heads,
                                            {.dropout = o.dropout,
                                             .bias = o.bias,
                                             .kv_heads = o.kv_heads,
                                             .causal = o.causal,
                                             .rope = o.rope,
                                             .dtype = o.dtype},
                                            from),
          .linear1 = linear(keys[1], width, hidden, linears, from),
          .linear2 = linear(keys[2], hidden, width, linears, from),
          .norm1 = layer_norm(width, norms, from),
          .norm2 = layer_norm(width, norms, from),
          .activation = o.activation,
          .norm_first = o.norm_first,
          .dropout = o.dropout};
} catch (...) {
  leave_with_error("nn::transformer_block", place(from));
}

Tensor Mlp::operator()(Operand x, const Mode& mode) const try {
  constexpr const char* name = "nn::Mlp";
  const Location& at = x.where();
  check_probability(name, dropout, at);
  Tensor y = as_tensor(x, name);
  for (size_t i = 0; i < layers.size(); ++i) {
    if (i > 0) {
      y = activated(activation, Operand(y, at));
      y = dropped(y, dropout, mode.training, mode.key, static_cast<int64_t>(i), name, at);
    }
    y = layers[i](Operand(y, at));
  }
  return y;
} catch (...) {
  leave_with_error("nn::Mlp", x.where());
}

Mlp mlp(const Tensor& key, const std::vector<int64_t>& widths, const MlpOptions& o, const At& from) try {
  if (widths.size() < 2)
    throw Error("nn::mlp: widths are that of x and those of the layers' results, {784, 128, 10}, not " +
                    std::to_string(widths.size()) + " of them",
                place(from));
  check_activation("nn::mlp", o.activation, from);
  check_probability("nn::mlp", o.dropout, place(from));
  const std::vector<Tensor> keys = split(key, static_cast<int64_t>(widths.size()) - 1, from);
  Mlp m{{}, o.activation, o.dropout};
  for (size_t i = 0; i + 1 < widths.size(); ++i)
    m.layers.push_back(linear(keys[i], widths[i], widths[i + 1], {.bias = o.bias, .dtype = o.dtype}, from));
  return m;
} catch (...) {
  leave_with_error("nn::mlp", place(from));
}

}  // namespace tenon::nn
