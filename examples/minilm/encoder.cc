// Loading and applying the encoder.
#include "tenon/examples/minilm/encoder.h"

#include <cmath>

namespace minilm {

namespace {

using Weights = std::map<std::string, Tensor>;

const Tensor& at(const Weights& weights, const std::string& name) {
  const auto found = weights.find(name);
  if (found == weights.end()) throw tn::Error("the model has no tensor '" + name + "'");
  return found->second;
}

// PyTorch keeps matrices as [out, in].
tn::nn::Linear linear(const Weights& w, const std::string& name) {
  return {at(w, name + ".weight").T(), at(w, name + ".bias")};
}
tn::nn::LayerNorm norm(const Weights& w, const std::string& name) {
  const Tensor weight = at(w, name + ".weight");
  return {weight, at(w, name + ".bias"), weight.size(0).number(), 1e-12};
}

Layer layer(const Weights& w, const std::string& name) {
  const std::string self = name + "attention.self.";
  const tn::nn::Linear q = linear(w, self + "query"), k = linear(w, self + "key"), v = linear(w, self + "value");
  return {.qkv = {tn::concat({q.weight, k.weight, v.weight}, 1), tn::concat({q.bias, k.bias, v.bias})},
          .out = linear(w, name + "attention.output.dense"),
          .norm_1 = norm(w, name + "attention.output.LayerNorm"),
          .up = linear(w, name + "intermediate.dense"),
          .down = linear(w, name + "output.dense"),
          .norm_2 = norm(w, name + "output.LayerNorm")};
}

// Where the tokens of a batch lie: `rows` leads from padded places to them, `places` back.
struct Layout {
  Tensor mask, rows, places;  // bool[n, t], i32[n, t], i32[tokens]
};

Layout layout_of(const Batch& b) {
  const tn::Extent n = b.ids.size(0), t = b.ids.size(1);
  const Tensor places = tn::arange(0, t).astype(tn::i32), ends = tn::cumsum(b.lengths, 0).astype(tn::i32);
  const Tensor starts = ends - b.lengths;
  return {places < b.lengths.reshape({n, 1}), starts.reshape({n, 1}) + places,
          b.tokens};  // a row behind the last is the last one
}

// x [tokens, width]. Heads attend over padded rows, [n, heads, t, width / heads].
Tensor attend(const Layer& l, const Tensor& x, int64_t heads, const Layout& to) {
  const tn::Extent n = to.rows.size(0), t = to.rows.size(1), width = x.size(1);
  const Tensor qkv = l.qkv(x).reshape({-1, 3, heads, width / heads});
  const auto part = [&](int64_t i) { return tn::take(qkv[{tn::all, i}], to.rows).transpose({0, 2, 1, 3}); };
  const Tensor mixed = tn::nn::attention(part(0), part(1), part(2), {.mask = to.mask.reshape({n, 1, 1, t})});
  // The barrier: heads are brought together before rows are taken, so that rows are taken whole.
  const Tensor together = tn::barrier(mixed.transpose({0, 2, 1, 3}).reshape({n * t, width}));
  return l.out(tn::take(together, to.places));
}

// By PyTorch's formula, which takes half the time of tn::gelu: that one is exact to a unit for x far below 0 as well.
Tensor gelu(const Tensor& x) { return x * (0.5 + 0.5 * tn::erf(x * std::sqrt(0.5))); }

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

Tensor embed(const Encoder& net, const Batch& batch) {
  const tn::Extent n = batch.ids.size(0), t = batch.ids.size(1);
  const Layout to = layout_of(batch);
  const Tensor ids = tn::take(batch.ids.reshape({n * t}), to.places);
  Tensor x = net.norm(tn::take(net.words, ids) + tn::take(net.places, to.places % t));
  for (const Layer& l : net.layers) {
    x = l.norm_1(x + attend(l, x, net.heads, to));
    x = l.norm_2(x + l.down(gelu(l.up(x))));
  }
  const Tensor sum = tn::sum(tn::where(to.mask.reshape({n, t, 1}), tn::take(x, to.rows), 0), {.axes = {1}});
  return tn::normalize(sum / batch.lengths.reshape({n, 1}), {.axis = 1});
}

}  // namespace minilm
