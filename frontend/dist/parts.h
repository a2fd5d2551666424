// Tensors as one block for each rank, and single ops over ranks. Internal to the frontend.
#pragma once

#include "tenon/frontend/dist/spec.h"
#include "tenon/frontend/dist/world.h"
#include "tenon/ir/graph/build.h"

namespace tenon::dist {

// An op of the family `ranks` on x.
Tensor asked(ir::Op op, const Tensor& x, const Group& group, std::vector<int64_t> numbers, const Location& at);
// The same on a value of a graph.
ir::Value over_ranks(ir::Op op, ir::Value x, const Group& group, const Location& at, std::vector<int64_t> numbers = {});
// Error unless the extent along that axis is a multiple of the group's size.
void check_divides(const Tensor& t, int64_t axis, const Group& group, const char* what, const Location& at);
// One dimension that is cut: over the ranks of which group.
struct Cut {
  int64_t axis;
  Group group;
};
// Those of a spec, along axes of several ranks. Error where it does not fit a tensor.
std::vector<Cut> cuts_of(const Mesh& mesh, const Spec& spec, const Shape& shape, const std::string& who,
                         const Location& at);
// [..., n, ...] -> [size, ..., n / size, ...], and back.
Tensor in_front(const Tensor& x, int64_t axis, int64_t size, const Location& at);
Tensor from_front(const Tensor& blocks, int64_t axis, const Location& at);

}  // namespace tenon::dist
