// Gather and scatter over lanes: lanes are a dimension that windows have whole, where all lanes have the same indices; else one of the
// indices, with which those of x go along.
#include "tenon/ir/rules/batch.h"
#include "tenon/ir/rules/windows.h"

namespace tenon::ir::rules {
namespace {

std::vector<int64_t> moved(const std::vector<int64_t>& dims, bool lanes) { return lanes ? behind_lanes(dims) : dims; }
std::vector<int64_t> moved_behind(const std::vector<int64_t>& dims, bool first, bool lanes) {
  return first ? in_front<int64_t>(0, behind_lanes(dims)) : moved(dims, lanes);
}

}  // namespace

BatchResults batch_gather(const BatchArgs& args) {
  const Gather g(args.attrs);
  const bool x = args.batched[0], indices = args.batched[1], both = x && indices;
  std::vector<Dim> sizes = g.slice_sizes;
  if (x) sizes.insert(sizes.begin(), both ? Dim(1) : args.batching.size);
  return {
      {same_op(args, args.operands,
               GatherAttrs{.offset_dims = moved_behind(g.offset_dims, !indices, true),
                           .collapsed_slice_dims = moved(g.collapsed_slice_dims, x),
                           .operand_batching_dims = moved_behind(g.operand_batching_dims, both, x),
                           .start_indices_batching_dims = moved_behind(g.start_indices_batching_dims, both, indices),
                           .start_index_map = moved(g.start_index_map, x),
                           .index_vector_dim = g.index_vector_dim + indices,
                           .slice_sizes = std::move(sizes)})}};
}

BatchResults batch_scatter(const BatchArgs& args) {
  const Scatter s(args.attrs);
  const bool indices = args.batched[1];
  return {{same_op(
      args, {lifted(args, 0), args.operands[1], lifted(args, 2)},
      ScatterAttrs{.combine = s.combine,
                   .update_window_dims = moved_behind(s.update_window_dims, !indices, true),
                   .inserted_window_dims = moved(s.inserted_window_dims, true),
                   .input_batching_dims = moved_behind(s.input_batching_dims, indices, true),
                   .scatter_indices_batching_dims = moved_behind(s.scatter_indices_batching_dims, indices, indices),
                   .scatter_dims_to_operand_dims = moved(s.scatter_dims_to_operand_dims, true),
                   .index_vector_dim = s.index_vector_dim + indices})}};
}

}  // namespace tenon::ir::rules
