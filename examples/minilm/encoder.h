// The encoder of all-MiniLM-L6-v2 (Wang et al., "MiniLM", 2020): BERT's with six layers of width 384, read from the model's own
// safetensors file, and the mean of its last states as the embedding of a sentence. Refuses to train: weights are what the file has.
#pragma once

#include <tenon/tenon.h>

#include <string>
#include <vector>

namespace minilm {

namespace tn = tenon;
using tn::Tensor;

struct Layer {
  tn::nn::Linear qkv, out;  // queries, keys and values are one product
  tn::nn::LayerNorm norm_1;
  tn::nn::Linear up, down;
  tn::nn::LayerNorm norm_2;
};
struct Encoder {
  Tensor words, places;  // f32[words, width], f32[longest, width]
  tn::nn::LayerNorm norm;
  std::vector<Layer> layers = {};
  int64_t heads = 12;
};

// tn::Error for a file that lacks a tensor.
Encoder load(const std::string& path);

// Sentences side by side. Only `tokens` are computed with: padding takes part in nothing but attention, where it is hidden.
struct Batch {
  Tensor ids;  // i32[n, t], padded at the end
  Tensor lengths;  // i32[n], 1 to t
  Tensor tokens;  // i32[sum of the lengths]: the places of what is no padding in ids, row by row
};

// Unit vectors f32[n, width]. What stands behind a sentence's length, and beside which others it stands, changes no bit of its embedding.
Tensor embed(const Encoder& net, const Batch& batch);

}  // namespace minilm
