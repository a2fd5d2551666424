// Interning of sets and of their unions.
#include "tenon/passes/sparse/index_sets.h"

#include <algorithm>

#include "tenon/ir/base/error.h"

namespace tenon::passes {
namespace {

constexpr size_t most_elements = size_t{1} << 29;  // of all sets: two gigabytes

uint64_t hash_of(std::span<const uint32_t> elements) {
  uint64_t hash = elements.size();
  for (uint32_t e : elements) hash = ir::mix(hash, e);
  return hash;
}

}  // namespace

IndexSets::IndexSets(int64_t count) : begin_{0, 0} {
  if (count >= int64_t{UINT32_MAX} - 1) throw Error("a sparse derivative is by fewer than 2^32 - 2 elements");
  for (int64_t k = 0; k < count; ++k) {
    const auto number = static_cast<uint32_t>(k);
    intern(std::span(&number, 1));
  }
}

SetId IndexSets::intern(std::span<const uint32_t> sorted) {
  if (sorted.empty()) return empty;
  const uint64_t hash = hash_of(sorted);
  const auto same = [&](uint32_t set) {
    const auto known = (*this)[set];
    return std::equal(known.begin(), known.end(), sorted.begin(), sorted.end());
  };
  if (const uint32_t found = by_content_.find(hash, same); found != ir::IndexTable::none) return found;
  if (elements_.size() + sorted.size() > most_elements)
    throw Error(
        "the derivative is not sparse: what its elements depend on takes more than two gigabytes to write down; "
        "use tn::jacfwd or tn::jacrev");
  const auto set = static_cast<SetId>(begin_.size() - 1);
  elements_.insert(elements_.end(), sorted.begin(), sorted.end());
  begin_.push_back(elements_.size());
  by_content_.insert(hash, set);
  return set;
}

SetId IndexSets::united(SetId a, SetId b) {
  if (b < a) std::swap(a, b);
  const uint64_t hash = ir::mix(ir::mix(a, b), 1);
  const auto same = [&](uint32_t u) { return unions_[u][0] == a && unions_[u][1] == b; };
  if (const uint32_t found = by_pair_.find(hash, same); found != ir::IndexTable::none) return unions_[found][2];
  const auto x = (*this)[a], y = (*this)[b];
  scratch_.clear();
  std::set_union(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(scratch_));
  const SetId set = scratch_.size() == x.size() ? a : scratch_.size() == y.size() ? b : intern(scratch_);
  by_pair_.insert(hash, static_cast<uint32_t>(unions_.size()));
  unions_.push_back({a, b, set});
  return set;
}

SetId IndexSets::unite(std::vector<SetId>& sets) {
  std::sort(sets.begin(), sets.end());
  sets.erase(std::unique(sets.begin(), sets.end()), sets.end());
  if (!sets.empty() && sets.front() == empty) sets.erase(sets.begin());
  if (sets.size() <= 2) return sets.empty() ? empty : unite(sets.front(), sets.back());
  scratch_.clear();
  for (SetId set : sets) scratch_.insert(scratch_.end(), (*this)[set].begin(), (*this)[set].end());
  std::sort(scratch_.begin(), scratch_.end());
  scratch_.erase(std::unique(scratch_.begin(), scratch_.end()), scratch_.end());
  return intern(scratch_);
}

}  // namespace tenon::passes
