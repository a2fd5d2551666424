// A linear program written out once for each seed, by what that seed leaves of it.
#pragma once

#include "tenon/passes/sparse/sparse.h"

namespace tenon::passes {

struct SeedBySeed {
  Seeded seeded;
  std::vector<std::vector<uint32_t>>
      dear;  // by seed: the contractions, loops and branches that it leaves, by their first results
  bool too_large = false;  // written out for the first seeds only, and without a graph
};
SeedBySeed seed_by_seed(const ir::Graph& graph, std::span<const ir::ValueId> results, std::span<const ir::Array> seeds,
                        std::span<const ir::Array* const> known);

}  // namespace tenon::passes
