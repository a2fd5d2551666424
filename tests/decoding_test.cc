// Attention that decodes: a sequence token by token, or in parts, through a cache of keys and values gives the bits of the whole sequence at
// once, with shared heads, rotated positions and masks; jitted with the position as a tensor, one program serves every token. And rope
// itself, against a plain loop.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

template <class Layer>
Tensor in_parts(const Layer& layer, const Tensor& x, const std::vector<int64_t>& parts, int64_t capacity) {
  nn::KvCache cache = layer.cache(x.shape()[0], capacity);
  std::vector<Tensor> ys;
  int64_t at = 0;
  for (int64_t n : parts) {
    auto [y, next] = layer(narrow(x, 1, at, n), cache);
    ys.push_back(y), cache = next, at += n;
  }
  EXPECT_EQ(cache.position.item<int64_t>(), at);
  return concat(ys, 1);
}

TEST(Decoding, TokenByTokenIsTheWholeSequence) {
  const Tensor x = normal(key(1), {2, 9, 24});
  for (const int64_t kv_heads : {6, 3, 1})
    for (const bool turned : {false, true})
      for (const bool interleaved : {false, true}) {
        if (interleaved && !turned) continue;
        const std::optional<nn::Rope> rope =
            turned ? std::optional(nn::Rope{.interleaved = interleaved}) : std::nullopt;
        const auto layer =
            nn::multi_head_attention(key(2), 24, 6, {.kv_heads = kv_heads, .causal = true, .rope = rope});
        const std::vector<float> whole = layer(x).to_vector();
        EXPECT_EQ(in_parts(layer, x, {1, 1, 1, 1, 1, 1, 1, 1, 1}, 9).to_vector(), whole);
        EXPECT_EQ(in_parts(layer, x, {4, 1, 3, 1}, 12).to_vector(), whole);
      }
}

TEST(Decoding, BlocksDoSoToo) {
  const Tensor x = normal(key(3), {2, 6, 16});
  const auto block = nn::transformer_block(key(4), 16, 4, {.kv_heads = 2, .causal = true, .rope = nn::Rope{}});
  EXPECT_EQ(in_parts(block, x, {2, 1, 1, 1, 1}, 8).to_vector(), block(x).to_vector());
  // One program for all tokens, the state going round.
  const auto step = jit([&](const nn::TransformerBlock& b, const Tensor& t, const nn::KvCache& c) { return b(t, c); });
  nn::KvCache cache = block.cache(2, 8);
  std::vector<Tensor> ys;
  for (int64_t i = 0; i < 6; ++i) {
    auto [y, next] = step(block, narrow(x, 1, i, 1), cache);
    ys.push_back(y), cache = next;
  }
  EXPECT_EQ(concat(ys, 1).to_vector(), block(x).to_vector());
  // Beyond its capacity it refuses, jitted as eagerly, and works again.
  for (int i = 0; i < 2; ++i) cache = step(block, narrow(x, 1, 0, 1), cache).second;
  EXPECT_HAS(message_of([&] { (void)step(block, narrow(x, 1, 0, 1), cache); }),
             "no room for 1 more positions in a capacity of 8");
  EXPECT_NO_THROW((void)step(block, narrow(x, 1, 0, 1), block.cache(2, 8)));
}

TEST(Decoding, MasksCountInTheCache) {
  const Tensor x = normal(key(5), {1, 4, 8});
  const auto layer = nn::multi_head_attention(key(6), 8, 2);
  const Tensor mask = tensor({true, false, true, true});  // the second key takes no part
  nn::KvCache cache = layer.cache(1, 4);
  const auto [y, next] = layer(x, cache, {.mask = mask});
  EXPECT_EQ(y.to_vector(), layer(x, {.mask = mask}).to_vector());
  EXPECT_NE(y.to_vector(), layer(x).to_vector());
  EXPECT_NE(layer(x, {.causal = true}).to_vector(), layer(x).to_vector());
}

// Pairs by a plain loop: what nn::rope says that it does.
TEST(Decoding, RopeTurnsPairs) {
  const int64_t n = 2, heads = 3, length = 5, width = 10, turning = 6;
  const Tensor x = normal(key(7), {n, heads, length, width}, {f64});
  const std::vector<double> given = x.to_vector<double>();
  const int64_t offsets[] = {3, 11};
  for (const bool interleaved : {false, true})
    for (const int kind : {0, 1, 2}) {
      const nn::Rope o{.base = 500, .interleaved = interleaved, .width = turning, .scale = 0.5};
      const Tensor y = kind == 0   ? nn::rope(x, 3, o)
                       : kind == 1 ? nn::rope(x, tensor(int64_t{3}), o)
                                   : nn::rope(x, tensor({int64_t{3}, int64_t{11}}), o);
      std::vector<double> wanted = given;
      for (int64_t row = 0; row < n * heads * length; ++row)
        for (int64_t i = 0; i < turning / 2; ++i) {
          const int64_t offset = kind == 2 ? offsets[row / (heads * length)] : 3;
          const double angle = static_cast<double>(row % length + offset) * 0.5 *
                               std::pow(500, -2 * static_cast<double>(i) / static_cast<double>(turning));
          const size_t u = static_cast<size_t>(row * width + (interleaved ? 2 * i : i));
          const size_t v = static_cast<size_t>(row * width + (interleaved ? 2 * i + 1 : i + turning / 2));
          wanted[u] = given[u] * std::cos(angle) - given[v] * std::sin(angle);
          wanted[v] = given[v] * std::cos(angle) + given[u] * std::sin(angle);
        }
      const std::vector<double> got = y.to_vector<double>();
      for (size_t i = 0; i < wanted.size(); ++i)
        ASSERT_NEAR(got[i], wanted[i], 1e-13) << interleaved << kind << " at " << i;
    }
}

TEST(Decoding, CrossAttentionTakesOtherWidthsAndLengths) {
  const auto layer = nn::multi_head_attention(key(8), 8, 2, {.key_width = 5, .value_width = 3});
  const Tensor q = normal(key(9), {2, 4, 8}), k = normal(key(10), {2, 7, 5}), v = normal(key(11), {2, 7, 3});
  EXPECT_EQ(layer(q, k, v).shape(), q.shape());
  const Tensor mask = ones({7}) > 0;
  EXPECT_EQ(layer(q, k, v, {.mask = mask}).to_vector(), layer(q, k, v).to_vector());
}

}  // namespace
}  // namespace tenon::testing
