// Layers under what is around them: lanes of inputs and of weights, free batch and length, loops that carry running statistics, files, and
// saved programs that are called from C. The bits are those of the layer alone.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tenon/tests/shipped.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

struct Tagger {
  nn::Embedding tokens;
  nn::TransformerBlock block;
  nn::Conv1d conv;
  nn::BatchNorm norm;
  nn::Gru gru;
  nn::Linear head;
};
Tagger tagger() {
  const std::vector<Tensor> k = split(key(1), 5);
  Tagger t{nn::embedding(k[0], 11, 8),
           nn::transformer_block(k[1], 8, 2, {.hidden = 12, .causal = true, .rope = nn::Rope{}}),
           nn::conv1d(k[2], 8, 8, 3, {.padding = 1}),
           nn::batch_norm(8),
           nn::gru(k[3], 8, 4, {.bidirectional = true}),
           nn::linear(k[4], 8, 3)};
  t.norm.running_mean = normal(key(2), {8}), t.norm.running_var = uniform(key(3), {8}) + 0.5;
  return t;
}
Tensor scores(const Tagger& t, const Tensor& tokens) {  // [batch, length] -> [batch, length, 3]
  const Tensor x = t.block(t.tokens(tokens));
  const Tensor y = nn::relu(t.norm(t.conv(transpose(x, {0, 2, 1}))));
  return t.head(t.gru(transpose(y, {0, 2, 1})).first);
}
Tensor some_tokens(uint64_t seed, int64_t batch, int64_t length) {
  return random::randint(key(seed), {batch, length}, 0, 11);
}

TEST(LayersEverywhere, FreeBatchAndLength) {
  const Tagger t = tagger();
  const auto free = jit([&t](const Tensor& tokens) { return scores(t, tokens); },
                        {.dynamic = {{0, 0, dim("batch", 1, 64)}, {0, 1, dim("length", 1, 64)}}});
  for (const auto& [batch, length] : {std::pair{1, 1}, {3, 5}, {2, 17}}) {
    const Tensor tokens = some_tokens(4, batch, length);
    EXPECT_EQ(free(tokens).to_vector(), scores(t, tokens).to_vector()) << batch << ", " << length;
  }
}

TEST(LayersEverywhere, LanesOfInputsAndOfWeights) {
  const Tagger one = tagger();
  const Tensor tokens = some_tokens(5, 6, 4).reshape({3, 2, 4});
  const Tensor lanes = jit(vmap(scores, {.in_axes = {none, 0}}))(one, tokens);
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(lanes[i].to_vector(), scores(one, tokens[i]).to_vector()) << "lane " << i;
  const Tagger other = tree::map([](const Tensor& t) { return is_floating(t.dtype()) ? t * 0.5 : t; }, one);
  const Tagger both = tree::map([](const Tensor& a, const Tensor& b) { return stack({a, b}, 0); }, one, other);
  const Tensor of_both = jit(vmap(scores, {.in_axes = {0, none}}))(both, tokens[0]);
  EXPECT_TRUE(allclose(of_both[0], scores(one, tokens[0]), 1e-5, 1e-6).item<bool>());
  EXPECT_TRUE(allclose(of_both[1], scores(other, tokens[0]), 1e-5, 1e-6).item<bool>());
}

// Training as a scan over batches: weights and running statistics go round.
TEST(LayersEverywhere, TrainingInALoop) {
  using Net = nn::Sequential<nn::Linear, nn::BatchNorm, nn::Tanh, nn::Dropout, nn::Linear>;
  const Net net = nn::sequential(nn::linear(key(6), 3, 8), nn::batch_norm(8), nn::tanh(), nn::dropout(0.1),
                                 nn::linear(key(7), 8, 1));
  using Batch = std::pair<Tensor, Tensor>;
  const auto step = [](const Net& n, const Batch& batch) {
    const auto loss = [&](const Net& m) {
      auto [y, next] = m(batch.first, {.training = true, .key = batch.second});
      return std::pair(mean((y - sum(batch.first, {.axes = {1}, .keepdims = true})) *
                            (y - sum(batch.first, {.axes = {1}, .keepdims = true}))),
                       next);
    };
    const auto [value, gradient] = value_and_grad(loss)(n);
    return std::pair(optim::sgd(value.second, gradient, {.rate = 0.1}), value.first);
  };
  const Batch batches{normal(key(8), {40, 16, 3}), stack(split(key(9), 40), 0)};
  const auto [last, losses] = jit([&](const Net& n) { return scan(step, n, batches); })(net);
  EXPECT_EQ(std::get<1>(last.layers).num_batches_tracked.item<int64_t>(), 40);
  EXPECT_LT(mean(narrow(losses, 0, 30, 10)).item(), 0.5f * losses[0].item());
  // The same steps one by one.
  Net by_steps = net;
  const auto jitted = jit(step);
  for (int64_t i = 0; i < 40; ++i) by_steps = jitted(by_steps, Batch{batches.first[i], batches.second[i]}).first;
  EXPECT_EQ(std::get<1>(by_steps.layers).running_var.to_vector(), std::get<1>(last.layers).running_var.to_vector());
  EXPECT_EQ(std::get<0>(by_steps.layers).weight.to_vector(), std::get<0>(last.layers).weight.to_vector());
}

void write(const std::string& path, const Tensor& t) {
  std::ofstream out(path, std::ios::binary);
  out.write(static_cast<const char*>(t.raw()),
            static_cast<std::streamsize>(static_cast<int64_t>(t.numel()) * bytes(t.dtype())));
}

// A saved program with free batch and length, and a saved file of weights.
TEST(LayersEverywhere, FromFilesAndFromC) {
  const std::string folder = temporary_folder("layers");
  const Tagger given = tagger();
  save(folder + "/tagger.safetensors", given);
  const Tagger t =
      load(folder + "/tagger.safetensors", tree::map([](const Tensor& x) { return zeros_like(x); }, given));
  const Tensor tokens = some_tokens(10, 2, 7);
  EXPECT_EQ(scores(t, tokens).to_vector(), scores(given, tokens).to_vector());

  aot::save(jit(scores), {.name = "tagger", .out = folder, .arguments = {"model", "tokens"}}, t,
            spec({dim("batch", 1, 64), dim("length", 1, 64)}, i64));
  std::vector<Tensor> inputs = tree::leaves(t);
  inputs.push_back(tokens);
  std::string reads;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string file = folder + "/" + std::to_string(i);
    write(file, inputs[i]);
    reads += "  in[" + std::to_string(i) + "] = bytes_of(\"" + file + "\");\n";
  }
  const Ran ran = run_shipped(folder, {.text = R"(
#include <stdio.h>
#include <string.h>
#include "tagger.h"
static void* bytes_of(const char* path) {
  FILE* file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  rewind(file);
  void* bytes = tenon_alloc((uint64_t)size);
  const size_t got = fread(bytes, 1, (size_t)size, file);
  fclose(file);
  return got == (size_t)size ? bytes : NULL;
}
int main(void) {
  static const void* in[)" + std::to_string(inputs.size()) +
                                               R"(];
  static float out[2 * 7 * 3];
  void* outs[1] = {out};
  static const int64_t dims[2] = {2, 7};
)" + reads + R"(
  tenon_call call;
  memset(&call, 0, sizeof call);
  call.struct_size = sizeof call, call.inputs = in, call.outputs = outs, call.dims = dims, call.env = tenon_serial_env();
  call.arena = tenon_alloc((uint64_t)tagger_arena_bytes(dims));
  if (tagger(&call) != TENON_OK) return 1;
  for (int i = 0; i < 2 * 7 * 3; i++) printf("%a ", (double)out[i]);
  return 0;
})",
                                       .objects = {"tagger.o"}});
  EXPECT_EQ(ran.status, 0) << ran.output;
  std::string wanted;
  for (const float v : scores(t, tokens).to_vector()) {
    char text[64];
    std::snprintf(text, sizeof text, "%a ", static_cast<double>(v));
    wanted += text;
  }
  EXPECT_EQ(ran.output, wanted);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tenon::testing
