// Optimizers of which each rank keeps its part: of R ranks, each holds 1/R of the moments, updates 1/R of the parameters with it, and
// gets the rest from the others. The bits are those of the whole update, which is elementwise. Refuses updates that look across
// elements (norms of a whole gradient): they would see a part.
#pragma once

#include <utility>
#include <vector>

#include "tenon/frontend/dist/world.h"
#include "tenon/frontend/tree/tree.h"

namespace tenon::dist {

// One tensor for each of a tree: of a floating one, flattened and padded with zeros to a multiple of the ranks, this rank's run, f32[n]
// for f32; others whole, as they are.
using LeafParts = std::vector<Tensor>;

namespace detail {
LeafParts own_parts(const std::vector<Tensor>& leaves, const Group& group, const Location& at);
std::vector<Tensor> gathered_parts(const LeafParts& parts, const std::vector<Tensor>& like, const Group& group,
                                   const Location& at);
// By the shards of the step at hand, the means of gradients; undefined where there is none.
LeafParts mean_parts(const std::vector<Tensor>& gradients, const Group& group, const Location& at);
// Of a state over LeafParts, flattened parts into flattened wholes and back.
void gather_state(const std::vector<tenon::detail::TreeItem>& state, const std::vector<Tensor>& leaves,
                  const Group& group, const Location& at);
void shard_state(const std::vector<tenon::detail::TreeItem>& state, const std::vector<Tensor>& leaves,
                 const Group& group, const Location& at);
}  // namespace detail

// The state before the first step: init(parts), such as [](const auto& p) { return tn::optim::adamw_init(p); }, of this rank's parts.
template <class Init, class P>
auto sharded_init(const Init& init, const P& parameters, const Group& group, const At& at = At::current()) {
  return tenon::detail::guarded("dist::sharded_init", place(at), [&] {
    return init(detail::own_parts(tenon::detail::tensors_of(parameters), group, place(at)));
  });
}

// In a step of data_parallel over this group: the parameters after update(parts, mean gradients of the parts, state), which gives
// (parts, state), such as [](const auto& p, const auto& g, const auto& s) { return tn::optim::adamw(p, g, s); }. `gradients` are the shard's,
// as value_and_grad gave them, with the parameters' tree; they are summed where they are needed, by reduce_scatter, and not by
// mean_gradient before. The parameters come back whole, with the bits of the whole update of mean_gradient's, and the state in parts. Error
// outside a step.
template <class Update, class P, class S>
std::pair<P, S> sharded_update(const Update& update, P parameters, const P& gradients, const S& state,
                               const Group& group, const At& at = At::current()) {
  return tenon::detail::guarded("dist::sharded_update", place(at), [&]() -> std::pair<P, S> {
    const std::vector<Tensor> leaves = tenon::detail::tensors_of(parameters);
    const std::vector<Tensor> by_leaf =
        tenon::detail::paired({"dist::sharded_update", "the parameters have", "the gradients",
                               "gradients have the tree and the types of the parameters, and may lack tensors"},
                              parameters, gradients, tenon::detail::Match::gradient, place(at));
    auto [parts, next] =
        update(detail::own_parts(leaves, group, place(at)), detail::mean_parts(by_leaf, group, place(at)), state);
    tenon::detail::replace(parameters, detail::gathered_parts(parts, leaves, group, place(at)).data());
    return {std::move(parameters), std::move(next)};
  });
}

// The state with flattened wholes in the places of parts, the same on every rank and for every number of them: what a checkpoint takes.
// Lists with one entry for each tensor of the parameters are parts; what else there is stays as it is.
template <class S, class P>
S gather_state(S state, const P& parameters, const Group& group, const At& at = At::current()) {
  tenon::detail::guarded("dist::gather_state", place(at), [&] {
    detail::gather_state(tenon::detail::items_of(state), tenon::detail::tensors_of(parameters), group, place(at));
  });
  return state;
}
// This rank's parts of such a state; the inverse.
template <class S, class P>
S shard_state(S state, const P& parameters, const Group& group, const At& at = At::current()) {
  tenon::detail::guarded("dist::shard_state", place(at), [&] {
    detail::shard_state(tenon::detail::items_of(state), tenon::detail::tensors_of(parameters), group, place(at));
  });
  return state;
}

}  // namespace tenon::dist
