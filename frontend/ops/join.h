// Joining a list of tensors that may grow, eagerly: no program for each length. Internal to frontend/ops.
#pragma once

#include "tenon/frontend/tensor/apply.h"

namespace tenon {

// Up to here a list has a program for each length, casts and all.
inline constexpr size_t most_joined = 8;

// How lists are joined along an axis of the result, in one dtype: `list` joins what was given, `joined` the results of that.
struct Joining {
  Emit list, joined;
  ir::Attrs attrs;
  int64_t axis;
  ir::Type type;  // of the result
};
// Whether a list is joined here: outside of traces, longer than most_joined.
bool is_long_list(std::span<const Tensor> parts);
// parts agree in every other axis. Error for an undefined one, and for one without a value.
Tensor join_list(const Joining& joining, std::span<const Tensor> parts, const Location& at);

// parts joined along `axis` by `emit`, whose formula reshapes each of them to what `shaped` says.
Tensor join_as(const Emit& emit, std::span<const Tensor> shaped, int64_t axis, std::span<const Tensor> parts,
               const Location& at);

}  // namespace tenon
