// From the attributes of gather and scatter to where each index comes from, and between the two.
#include "tenon/ir/rules/windows.h"

#include <algorithm>

namespace tenon::ir::rules {
namespace {

using Integers = std::vector<int64_t>;

bool has(const Integers& list, size_t n) {
  return std::find(list.begin(), list.end(), static_cast<int64_t>(n)) != list.end();
}

// removed: the dimensions of x that windows do not run along; of `batching` pairs the second counts dimensions of the indices.
Windows made(size_t rank, size_t index_rank, const Integers& window_dims, const Integers& removed,
             const Integers& batching, const Integers& index_batching, const Integers& map, int64_t vector) {
  Windows w;
  w.x.resize(rank);
  size_t next = 0;
  for (size_t d = 0; d < rank; ++d)
    if (!has(removed, d) && !has(batching, d)) w.x[d].window = static_cast<int>(window_dims[next++]);
  for (size_t k = 0; k < batching.size(); ++k)
    w.x[static_cast<size_t>(batching[k])].batch = static_cast<int>(index_batching[k]);
  for (size_t k = 0; k < map.size(); ++k) w.x[static_cast<size_t>(map[k])].component = static_cast<int>(k);
  if (vector < static_cast<int64_t>(index_rank)) w.vector = static_cast<int>(vector);
  size_t to = 0;
  for (size_t d = 0; d < index_rank; ++d) {
    w.along.push_back(-1);
    if (static_cast<int>(d) == w.vector) continue;
    while (has(window_dims, to)) ++to;
    w.along.back() = static_cast<int>(to++);
  }
  return w;
}

}  // namespace

std::optional<size_t> Windows::only_axis(const Shape& shape) const {
  std::optional<size_t> found;
  for (size_t d = 0; d < x.size(); ++d) {
    if (apart(shape, d)) continue;
    if (found || x[d].component < 0 || x[d].window >= 0 || vector >= 0) return {};
    found = d;
  }
  return found;
}

Windows windows_of(const Gather& g, size_t index_rank) {
  Windows w = made(g.slice_sizes.size(), index_rank, g.offset_dims, g.collapsed_slice_dims, g.operand_batching_dims,
                   g.start_indices_batching_dims, g.start_index_map, g.index_vector_dim);
  for (size_t d = 0; d < w.x.size(); ++d) w.x[d].size = g.slice_sizes[d];
  return w;
}

Windows windows_of(const Scatter& s, size_t rank, size_t index_rank, const Shape& updates) {
  Windows w = made(rank, index_rank, s.update_window_dims, s.inserted_window_dims, s.input_batching_dims,
                   s.scatter_indices_batching_dims, s.scatter_dims_to_operand_dims, s.index_vector_dim);
  for (Windows::Dimension& d : w.x)
    if (d.window >= 0) d.size = updates[static_cast<size_t>(d.window)];
  return w;
}

Windows windows_of(const Graph& g, const Node& n) {
  const auto shape = [&](size_t k) -> const Shape& { return g.type(g.operands(n)[k]).shape; };
  if (n.op == Op::gather) return windows_of(Gather(g, n), shape(1).size());
  return windows_of(Scatter(g, n), shape(0).size(), shape(1).size(), shape(2));
}

Attrs scatter_attrs_of(const Gather& g, std::string combine) {
  return ScatterAttrs{.combine = std::move(combine),
                      .update_window_dims = g.offset_dims,
                      .inserted_window_dims = g.collapsed_slice_dims,
                      .input_batching_dims = g.operand_batching_dims,
                      .scatter_indices_batching_dims = g.start_indices_batching_dims,
                      .scatter_dims_to_operand_dims = g.start_index_map,
                      .index_vector_dim = g.index_vector_dim};
}

Attrs gather_attrs_of(const Scatter& s, const Windows& w) {
  std::vector<Dim> sizes;
  for (const Windows::Dimension& d : w.x) sizes.push_back(d.size);
  return GatherAttrs{.offset_dims = s.update_window_dims,
                     .collapsed_slice_dims = s.inserted_window_dims,
                     .operand_batching_dims = s.input_batching_dims,
                     .start_indices_batching_dims = s.scatter_indices_batching_dims,
                     .start_index_map = s.scatter_dims_to_operand_dims,
                     .index_vector_dim = s.index_vector_dim,
                     .slice_sizes = std::move(sizes)};
}

Attrs combined_by(const Scatter& s, std::string combine) {
  return ScatterAttrs{.combine = std::move(combine),
                      .update_window_dims = s.update_window_dims,
                      .inserted_window_dims = s.inserted_window_dims,
                      .input_batching_dims = s.input_batching_dims,
                      .scatter_indices_batching_dims = s.scatter_indices_batching_dims,
                      .scatter_dims_to_operand_dims = s.scatter_dims_to_operand_dims,
                      .index_vector_dim = s.index_vector_dim};
}

Attrs with_sizes(const Gather& g, std::vector<Dim> sizes) {
  return GatherAttrs{.offset_dims = g.offset_dims,
                     .collapsed_slice_dims = g.collapsed_slice_dims,
                     .operand_batching_dims = g.operand_batching_dims,
                     .start_indices_batching_dims = g.start_indices_batching_dims,
                     .start_index_map = g.start_index_map,
                     .index_vector_dim = g.index_vector_dim,
                     .slice_sizes = std::move(sizes)};
}

}  // namespace tenon::ir::rules
