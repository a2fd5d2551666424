// Loading and applying the encoder.
#include "tenon/examples/minilm/encoder.h"

namespace minilm {

namespace {

using Weights = std::map<std::string, Tensor>;

const Tensor& at(const Weights& weights, const std::string& name) {
  const auto found = weights.find(name);
  if (found == weights.end()) throw tn::Error("the model has no tensor '" + name + "'");
  return found->second;
}

// PyTorch keeps matrices as [out, in].
Affine affine(const Weights& w, const std::string& name) {
  return {at(w, name + ".weight").T(), at(w, name + ".bias")};
}
Norm norm(const Weights& w, const std::string& name) { return {at(w, name + ".weight"), at(w, name + ".bias")}; }

Layer layer(const Weights& w, const std::string& name) {
  const std::string self = name + "attention.self.";
  const Affine q = affine(w, self + "query"), k = affine(w, self + "key"), v = affine(w, self + "value");
  return {.qkv = {tn::concat({q.weight, k.weight, v.weight}, 1), tn::concat({q.bias, k.bias, v.bias})},
          .out = affine(w, name + "attention.output.dense"),
          .norm_1 = norm(w, name + "attention.output.LayerNorm"),
          .up = affine(w, name + "intermediate.dense"),
          .down = affine(w, name + "output.dense"),
          .norm_2 = norm(w, name + "output.LayerNorm")};
}

Tensor attend(const Layer& l, const Tensor& x, int64_t heads, const Tensor& mask) {
  const tn::Extent n = x.size(0), t = x.size(1), width = x.size(2);
  const Tensor qkv = l.qkv(x).reshape({n, t, 3, heads, width / heads}).transpose({2, 0, 3, 1, 4});
  const Tensor mixed = tn::nn::attention(qkv[0], qkv[1], qkv[2], {.mask = mask});  // [n, heads, t, width / heads]
  return l.out(mixed.transpose({0, 2, 1, 3}).reshape({n, t, width}));
}

}  // namespace

Encoder load(const std::string& path) {
  const Weights w = tn::load_safetensors(path);
  // A sentence alone has segment 0 throughout, so that its row is added once and for all.
  const Tensor segment = at(w, "embeddings.token_type_embeddings.weight")[0];
  Encoder net{.words = at(w, "embeddings.word_embeddings.weight"),
              .places = at(w, "embeddings.position_embeddings.weight") + segment,
              .norm = norm(w, "embeddings.LayerNorm")};
  for (int i = 0; w.contains("encoder.layer." + std::to_string(i) + ".output.dense.weight"); ++i)
    net.layers.push_back(layer(w, "encoder.layer." + std::to_string(i) + "."));
  return net;
}

Tensor embed(const Encoder& net, const Tensor& ids, const Tensor& lengths) {
  const tn::Extent n = ids.size(0), t = ids.size(1);
  const Tensor mask = tn::arange(0, t).astype(tn::i32) < lengths.reshape({n, 1});  // [n, t]
  Tensor x = net.norm(tn::take(net.words, ids) + net.places[tn::slice(0, t)]);
  for (const Layer& l : net.layers) {
    x = l.norm_1(x + attend(l, x, net.heads, mask.reshape({n, 1, 1, t})));
    x = l.norm_2(x + l.down(tn::gelu(l.up(x))));
  }
  const Tensor sum = tn::sum(tn::where(mask.reshape({n, t, 1}), x, 0), {.axes = {1}});
  return tn::normalize(sum / lengths.reshape({n, 1}), {.axis = 1});
}

}  // namespace minilm
