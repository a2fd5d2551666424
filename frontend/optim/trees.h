// What the templates of tn::optim hand to their rules: trees by path. Internal to it. Refuses nothing by itself.
#pragma once

#include <utility>
#include <vector>

#include "tenon/frontend/optim/settings.h"
#include "tenon/frontend/tree/items.h"

namespace tenon::optim::detail {

using Items = std::vector<tenon::detail::TreeItem>;
// The parameters, the gradients, then the slots of the state. Items point into the trees, and a step writes there.
using Trees = std::vector<Items>;

template <class... P>
Trees trees_of(P&... trees) {
  return {tenon::detail::items_of(trees)...};
}

void make_moments(const Items& parameters, double first = 0);  // in the place of numbers; undefined in that of all else
void make_none(const Items& parameters);  // undefined everywhere
Tensor first_step(const Items& parameters);  // 0, where they lie

// A slot of a state, shaped as the parameters: f32 for f16 and bf16, undefined for integers, bools and buffers, or for all.
template <class P>
P slot_of(P parameters, bool kept = true, double first = 0) {
  const Items items = tenon::detail::items_of(parameters);
  kept ? make_moments(items, first) : make_none(items);
  return parameters;
}

}  // namespace tenon::optim::detail
