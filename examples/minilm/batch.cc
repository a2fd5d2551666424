// Sorting and padding.
#include "tenon/examples/minilm/batch.h"

#include <algorithm>
#include <numeric>

namespace minilm {

std::vector<Rows> batches(const std::vector<std::vector<int32_t>>& sentences, size_t size) {
  std::vector<size_t> order(sentences.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sentences[a].size() < sentences[b].size(); });
  const auto tensor = [](const std::vector<int32_t>& numbers, const tn::Extents& shape) {
    return tn::copy_from(numbers.data(), shape, tn::i32);
  };
  std::vector<Rows> found;
  for (size_t at = 0; at < order.size(); at += size) {
    const size_t n = std::min(size, order.size() - at), t = sentences[order[at + n - 1]].size();
    std::vector<int32_t> ids(n * t), lengths, tokens;
    for (size_t i = 0; i < n; ++i) {
      const std::vector<int32_t>& sentence = sentences[order[at + i]];
      lengths.push_back(static_cast<int32_t>(sentence.size()));
      for (size_t p = 0; p < sentence.size(); ++p) {
        tokens.push_back(static_cast<int32_t>(i * t + p));
        ids[i * t + p] = sentence[p];
      }
    }
    const auto rows = static_cast<int64_t>(n);
    found.push_back(
        {{tensor(ids, {rows, static_cast<int64_t>(t)}), tensor(lengths, {rows}), tensor(tokens, {std::ssize(tokens)})},
         {order.begin() + static_cast<std::ptrdiff_t>(at), order.begin() + static_cast<std::ptrdiff_t>(at + n)}});
  }
  return found;
}

}  // namespace minilm
