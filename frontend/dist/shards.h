// The shards of the step that is traced here, for what joins them. Internal to the frontend.
#pragma once

#include <vector>

#include "tenon/frontend/dist/data_parallel.h"
#include "tenon/ir/graph/build.h"

namespace tenon::dist::detail {

// The step of data_parallel that this is in, innermost. Error, in the name of `what`, where there is none.
const ShardedStep& step_here(const char* what, const Location& at);
const ShardedStep* step_or_none();
// A shard's value -> those of this rank's shards, one behind the other along a new axis 0.
ir::Value by_shard(ir::Value x, const ShardedStep& step);
// Halves as f32: what shards have is joined in it and rounded once, as the ranks' is, so that it does not matter who joins.
ir::Value widened(ir::Value x);
// Of such a sum over all shards.
ir::Value mean_of(ir::Value sum, DType dtype, const ShardedStep& step);
// Numbers of tensors that travel together, in the order in which their gradients come, the last first: those below a quarter of `most`
// bytes, up to so many; larger ones alone.
std::vector<std::vector<size_t>> buckets_of(const std::vector<Tensor>& tensors, int64_t most);

}  // namespace tenon::dist::detail
