// Loading the model, and one step of it.
#include "tenon/examples/smollm/model.h"

namespace smollm {

namespace {

// Takes a tensor out of the file's, so that no weight is held twice.
Tensor taken(tn::Gguf& file, const std::string& name, tn::DType dtype) {
  const Tensor weight = file[name];
  file.tensors.erase(name);
  return weight.astype(dtype);
}

// llama.cpp keeps matrices as [out, in].
tn::nn::Linear linear(tn::Gguf& file, const std::string& name, tn::DType dtype) {
  return {.weight = taken(file, name + ".weight", dtype).T()};
}

tn::nn::RmsNorm norm(tn::Gguf& file, const std::string& name) {
  const Tensor weight = taken(file, name + ".weight", tn::f32);
  return {weight, weight.size(0).number(), file.number("llama.attention.layer_norm_rms_epsilon")};
}

Block block(tn::Gguf& file, const std::string& name, tn::DType dtype) {
  return {.attn_norm = norm(file, name + "attn_norm"),
          .attn = {.q_proj = linear(file, name + "attn_q", dtype),
                   .k_proj = linear(file, name + "attn_k", dtype),
                   .v_proj = linear(file, name + "attn_v", dtype),
                   .out_proj = linear(file, name + "attn_output", dtype),
                   .heads = file.integer("llama.attention.head_count"),
                   .kv_heads = file.integer("llama.attention.head_count_kv"),
                   .causal = true,
                   // The rows of q and k stand in the file so that neighbours turn together.
                   .rope = tn::nn::Rope{.base = file.number("llama.rope.freq_base", 10000), .interleaved = true}},
          .ffn_norm = norm(file, name + "ffn_norm"),
          .gate = linear(file, name + "ffn_gate", dtype),
          .up = linear(file, name + "ffn_up", dtype),
          .down = linear(file, name + "ffn_down", dtype)};
}

}  // namespace

Model load(tn::Gguf& file, tn::DType dtype) {
  if (const std::string& is = file.text("general.architecture"); is != "llama")
    throw tn::Error(file.path + ": holds a model of the architecture '" + is + "', not 'llama'");
  Model model{.tokens = taken(file, "token_embd.weight", dtype).T(), .norm = norm(file, "output_norm")};
  for (int64_t i = 0; i < file.integer("llama.block_count"); ++i)
    model.blocks.push_back(block(file, "blk." + std::to_string(i) + ".", dtype));
  return model;
}

Caches caches(const Model& model, int64_t capacity) {
  Caches empty;
  for (const Block& b : model.blocks) {
    const int64_t width = b.attn.k_proj.weight.size(1).number() / b.attn.kv_heads;
    empty.push_back(tn::nn::kv_cache(1, b.attn.kv_heads, capacity, width));
  }
  return empty;
}

Step step(const Model& model, const Caches& caches, const Tensor& ids) {
  Step next;
  Tensor x = tn::take(model.tokens, ids, 1).transpose({1, 2, 0}).astype(tn::f32);  // [1, t, width]
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    const Block& b = model.blocks[i];
    const auto [attended, cache] = b.attn(b.attn_norm(x), caches[i]);
    x = x + attended;
    const Tensor h = b.ffn_norm(x);
    x = x + b.down(tn::silu(b.gate(h)) * b.up(h));
    next.caches.push_back(cache);
  }
  next.logits = tn::matmul(model.norm(x[{0, -1}]), model.tokens);
  return next;
}

Tensor choose(const Tensor& logits, const Tensor& key, const Tensor& position, const Sampling& o) {
  if (o.temperature == 0) return tn::argmax(logits).astype(tn::i32).reshape({1, 1});
  const auto [values, tokens] = tn::topk(logits, o.top_k);
  const Tensor drawn = tn::random::categorical(tn::fold_in(key, position), values / o.temperature);
  return tn::take(tokens, drawn).astype(tn::i32).reshape({1, 1});
}

}  // namespace smollm
