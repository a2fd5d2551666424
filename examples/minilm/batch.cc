// Sorting and padding.
#include "tenon/examples/minilm/batch.h"

#include <algorithm>
#include <numeric>

namespace minilm {

std::vector<Batch> batches(const std::vector<std::vector<int32_t>>& sentences, size_t size) {
  std::vector<size_t> order(sentences.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sentences[a].size() < sentences[b].size(); });
  std::vector<Batch> found;
  for (size_t at = 0; at < order.size(); at += size) {
    const std::vector<size_t> rows(order.begin() + static_cast<std::ptrdiff_t>(at),
                                   order.begin() + static_cast<std::ptrdiff_t>(std::min(at + size, order.size())));
    const size_t longest = sentences[rows.back()].size();
    std::vector<int32_t> ids(rows.size() * longest), lengths;
    for (size_t i = 0; i < rows.size(); ++i) {
      std::copy(sentences[rows[i]].begin(), sentences[rows[i]].end(),
                ids.begin() + static_cast<std::ptrdiff_t>(i * longest));
      lengths.push_back(static_cast<int32_t>(sentences[rows[i]].size()));
    }
    const auto n = static_cast<int64_t>(rows.size()), t = static_cast<int64_t>(longest);
    found.push_back({tn::copy_from(ids.data(), {n, t}, tn::i32), tn::copy_from(lengths.data(), {n}, tn::i32), rows});
  }
  return found;
}

}  // namespace minilm
