// Sentences as ids, put together into batches of like lengths, so that little is padded.
#pragma once

#include <cstdint>
#include <vector>

#include "tenon/examples/minilm/encoder.h"

namespace minilm {

struct Rows {
  Batch batch;
  std::vector<size_t> of;  // which sentences these are
};

// Shorter ones first; at most `size` to a batch.
std::vector<Rows> batches(const std::vector<std::vector<int32_t>>& sentences, size_t size);

// The encoder as one compiled function for every number of sentences and every length.
inline auto compiled() {
  const tn::Dim n = tn::dim("sentences", 1, 64), t = tn::dim("length", 1, 256), k = tn::dim("tokens", 1, 64 * 256);
  return tn::jit([](const Encoder& net, const Tensor& ids, const Tensor& lengths,
                    const Tensor& tokens) { return embed(net, {ids, lengths, tokens}); },
                 {.name = "embed", .dynamic = {{1, 0, n}, {1, 1, t}, {2, 0, n}, {3, 0, k}}});
}

// The embeddings of all sentences in their order, f32[sentences, width].
template <class Embed>
Tensor embed_all(const Embed& f, const Encoder& net, const std::vector<Rows>& batches) {
  std::vector<Tensor> parts;
  std::vector<int64_t> places;
  for (const Rows& rows : batches) {
    for (const size_t row : rows.of) places.push_back(static_cast<int64_t>(row));
    parts.push_back(f(net, rows.batch.ids, rows.batch.lengths, rows.batch.tokens));
  }
  const auto count = static_cast<int64_t>(places.size());
  const Tensor all = tn::concat(parts);
  return tn::take(all, tn::argsort(tn::copy_from(places.data(), {count}, tn::i64)));
}

}  // namespace minilm
