// A language model of Llama's architecture (Touvron et al., "Llama 2", 2023, section 2.2): attention with grouped heads and rotated
// positions, and gated linear maps, each behind an RMS norm and beside a shortcut. Read from a GGUF file with its own numbers.
// Refuses other architectures, and to train.
#pragma once

#include <tenon/tenon.h>

#include <string>
#include <vector>

namespace smollm {

namespace tn = tenon;
using tn::Tensor;

struct Block {
  tn::nn::RmsNorm attn_norm;
  tn::nn::MultiHeadAttention attn;
  tn::nn::RmsNorm ffn_norm;
  tn::nn::Linear gate, up, down;
};
struct Model {
  Tensor
      tokens;  // f32[width, tokens]: columns go in, and by its products with all of them a state chooses the next token
  std::vector<Block> blocks = {};
  tn::nn::RmsNorm norm;
};
using Caches = std::vector<tn::nn::KvCache>;  // of every block

// Weights are kept in `dtype`, and computed with in f32. tn::Error, with the name, for what the file lacks.
Model load(tn::Gguf& file, tn::DType dtype = tn::f32);
// Room for so many tokens of one text.
Caches caches(const Model& model, int64_t capacity);

// The next tokens of a text, i32[1, t], behind those that the caches hold  ->  logits of what follows, f32[tokens], and the caches with them.
struct Step {
  Tensor logits;
  Caches caches;
};
Step step(const Model& model, const Caches& caches, const Tensor& ids);

// How a token is chosen: the likeliest, or drawn from those `top_k` by softmax(logits / temperature).
struct Sampling {
  double temperature = 0;  // 0: the likeliest
  int64_t top_k = 40;
};
// i32[1, 1]; `key` u32[2] and `position` i64[] are what a draw depends on.
Tensor choose(const Tensor& logits, const Tensor& key, const Tensor& position, const Sampling& o);

}  // namespace smollm
