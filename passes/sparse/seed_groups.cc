// Seeds that leave the same dear work of a program share it: they are the lanes of one program. What leaves none is written out
// seed by seed, where more of it vanishes.
//   seeds e0 ... e25 of dot_general %1, %0   ->   dot_general %1, [e0 ... e25], once; an output is a row of it
// Where writing out would give too large a program, all seeds are lanes. Refuses what seeding refuses.
#include <algorithm>
#include <map>

#include "tenon/ir/graph/build.h"
#include "tenon/passes/sparse/seed_by_seed.h"

namespace tenon::passes {

using namespace ir;

namespace {

using Seeds = std::vector<size_t>;  // numbers of seeds

// The first group has no lanes.
std::vector<Seeds> groups_of(const SeedBySeed& apart, size_t count) {
  std::vector<Seeds> groups(1);
  if (apart.too_large) {
    groups.emplace_back();
    for (size_t k = 0; k < count; ++k) groups[1].push_back(k);
    return groups;
  }
  std::map<std::vector<uint32_t>, Seeds> by_work;
  for (size_t k = 0; k < count; ++k) by_work[apart.dear[k]].push_back(k);
  for (auto& [work, seeds] : by_work) {
    const bool lanes = !work.empty() && seeds.size() > 1;
    if (lanes)
      groups.push_back(std::move(seeds));
    else
      groups[0].insert(groups[0].end(), seeds.begin(), seeds.end());
  }
  return groups;
}

// The seeds of a group, one behind the other.
Array stacked(std::span<const Array> seeds, const Seeds& group) {
  Type type = seeds[0].type;
  type.shape.insert(0, static_cast<int64_t>(group.size()));
  Array all(type);
  size_t at = 0;
  for (size_t k : group) {
    std::copy(seeds[k].data.begin(), seeds[k].data.end(), all.data.begin() + static_cast<std::ptrdiff_t>(at));
    at += seeds[k].data.size();
  }
  return all;
}

Value row(Value lanes, size_t k) {
  Shape shape = lanes.shape();
  std::vector<Dim> starts(shape.size(), 0), sizes(shape.begin(), shape.end());
  starts[0] = static_cast<int64_t>(k), sizes[0] = 1;
  const Value one = slice(lanes, std::move(starts), std::move(sizes), std::vector<int64_t>(shape.size(), 1));
  shape.erase(0);
  return reshape(one, shape);
}

}  // namespace

Seeded seeded(const Graph& graph, std::span<const ValueId> results, std::span<const Array> seeds,
              std::span<const Array* const> known) {
  SeedBySeed apart = seed_by_seed(graph, results, seeds, known);
  const std::vector<Seeds> groups = groups_of(apart, seeds.size());
  if (groups.size() == 1) return std::move(apart.seeded);

  GraphBuilder b(graph.name, graph.symbols);
  std::vector<ValueId> inputs;
  for (uint32_t i = 0; i + 1 < graph.input_count(); ++i)
    inputs.push_back(b.input(graph.type(ValueId{i}), graph.input_note(i)));
  Seeded all;
  std::vector<ValueId> outputs(seeds.size() * results.size());
  const auto join = [&](const Seeded& part) {
    std::vector<ValueId> operands = inputs;
    for (uint32_t i = graph.input_count() - 1; i < part.graph->input_count(); ++i)
      operands.push_back(b.input(part.graph->type(ValueId{i})));
    all.data.insert(all.data.end(), part.data.begin(), part.data.end());
    return b.splice(*part.graph, operands);
  };
  if (!groups[0].empty()) {
    std::vector<Array> few;
    for (size_t k : groups[0]) few.push_back(seeds[k]);
    const std::vector<ValueId> made = join(seed_by_seed(graph, results, few, known).seeded);
    for (size_t k = 0; k < groups[0].size(); ++k)
      for (size_t r = 0; r < results.size(); ++r)
        outputs[groups[0][k] * results.size() + r] = made[k * results.size() + r];
  }
  const GraphPtr wanted = with_outputs(graph, results);
  std::vector<bool> lanes_in(graph.input_count(), false);
  lanes_in.back() = true;
  for (size_t at = 1; at < groups.size(); ++at) {
    const Batching batching{.size = static_cast<int64_t>(groups[at].size())};
    const GraphPtr lanes = batch(*wanted, batching, lanes_in, std::vector<bool>(results.size(), true)).graph;
    const Array seed = stacked(seeds, groups[at]);
    const std::vector<ValueId> made = join(seed_by_seed(*lanes, lanes->outputs(), std::span(&seed, 1), known).seeded);
    for (size_t k = 0; k < groups[at].size(); ++k)
      for (size_t r = 0; r < results.size(); ++r)
        outputs[groups[at][k] * results.size() + r] = row({&b, made[r]}, k).id;
  }
  all.graph = dce(*b.finish(outputs));
  return all;
}

}  // namespace tenon::passes
