// Sentences as ids, put together into batches of like lengths, so that little is padded.
#pragma once

#include <cstdint>
#include <vector>

#include "tenon/examples/minilm/encoder.h"

namespace minilm {

struct Batch {
  Tensor ids, lengths;  // i32[n, t], i32[n]
  std::vector<size_t> rows;  // which sentences these are
};

// Shorter ones first; at most `size` to a batch.
std::vector<Batch> batches(const std::vector<std::vector<int32_t>>& sentences, size_t size);

// The encoder as one compiled function for every number of sentences and every length.
inline auto compiled() {
  const tn::Dim n = tn::dim("sentences", 1, 64), t = tn::dim("length", 1, 256);
  return tn::jit(embed, {.name = "embed", .dynamic = {{1, 0, n}, {2, 0, n}, {1, 1, t}}});
}

// The embeddings of all sentences in their order, f32[sentences, width].
template <class Embed>
Tensor embed_all(const Embed& f, const Encoder& net, const std::vector<Batch>& batches) {
  std::vector<Tensor> parts;
  std::vector<int64_t> places;
  for (const Batch& b : batches) {
    for (const size_t row : b.rows) places.push_back(static_cast<int64_t>(row));
    parts.push_back(f(net, b.ids, b.lengths));
  }
  const auto count = static_cast<int64_t>(places.size());
  const Tensor all = tn::concat(parts);
  return tn::take(all, tn::argsort(tn::copy_from(places.data(), {count}, tn::i64)));
}

}  // namespace minilm
