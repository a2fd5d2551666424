// constrain: how a tensor lies becomes a note in the program, which the pass `partition` answers; outside of a program it is nothing.
#include "tenon/frontend/dist/constrain.h"

#include "tenon/frontend/dist/parts.h"
#include "tenon/frontend/dist/shard_map.h"
#include "tenon/frontend/dist/shards.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::dist {

namespace {

// axes: for each dimension the number of the axis in `sizes`, or -1.
Tensor lying(const Tensor& t, std::vector<int64_t> sizes, std::vector<int64_t> axes, std::string names,
             const Location& at) {
  if (!Trace::current()) return t;
  for (size_t d = 0; d < axes.size(); ++d)
    if (axes[d] >= 0 && t.cell()->type.shape[d].is_symbol())
      throw Error("dist::constrain: " + describe(t) + " is cut along dimension " + std::to_string(d) +
                      ", whose extent is free; trace the program for tensors whose extent there is a number",
                  at);
  return apply_primitive(
      ir::Op::constrain,
      ir::ConstrainAttrs{
          .sizes = std::move(sizes), .axes = std::move(axes), .names = std::move(names), .place = to_string(at)},
      std::span(&t, 1), at)[0];
}

// What a rank holds in a step of data_parallel differs along its axis already.
void refuse_the_batch(const Group& group, const Location& at) {
  const detail::ShardedStep* step = detail::step_or_none();
  if (step == nullptr || group.size() == 1 || step->group.size() == 1) return;
  const int64_t begin = group.stride(), end = begin * group.size(), first = step->group.stride(),
                last = first * step->group.size();
  if (begin < last && first < end)
    throw Error("dist::constrain: data_parallel cuts the batch along '" + step->group.name() +
                    "' here; name another axis of the mesh",
                at);
}

Tensor over_mesh(const Operand& x, const Mesh& mesh, const Spec& spec) {
  const Tensor t = as_tensor(x, "dist::constrain");
  const Shape& shape = t.cell()->type.shape;
  std::vector<int64_t> sizes, axes(shape.size(), -1);
  std::string names;
  for (const Mesh::Axis& axis : mesh.axes()) {
    sizes.push_back(axis.size);
    names += (sizes.size() > 1 ? "," : "") + axis.name;
  }
  for (const Cut& cut : cuts_of(mesh, spec, shape, "dist::constrain: " + describe(t), x.where())) {
    refuse_the_batch(cut.group, x.where());
    for (size_t k = 0; k < sizes.size(); ++k)
      if (mesh.axes()[k].name == cut.group.name()) axes[static_cast<size_t>(cut.axis)] = static_cast<int64_t>(k);
  }
  return lying(t, std::move(sizes), std::move(axes), std::move(names), x.where());
}

}  // namespace

Tensor constrain(Operand x, const Mesh& mesh, const Spec& spec) try { return over_mesh(x, mesh, spec); } catch (...) {
  leave_with_error("dist::constrain", x.where());
}

Tensor constrain(Operand x, const Spec& spec) try {
  const Mesh* mesh = detail::MeshScope::innermost();
  if (mesh == nullptr)
    throw Error("dist::constrain: which mesh? Outside shard_map say it: constrain(x, mesh, spec)", x.where());
  return over_mesh(x, *mesh, spec);
} catch (...) {
  leave_with_error("dist::constrain", x.where());
}

Tensor constrain(Operand x, const Group& group, int64_t dimension) try {
  const Tensor t = as_tensor(x, "dist::constrain");
  const int64_t d = dimension < 0 ? dimension + t.ndim() : dimension;
  if (d < 0 || d >= t.ndim())
    throw Error("dist::constrain: " + describe(t) + " has no dimension " + std::to_string(dimension), x.where());
  const auto at = static_cast<size_t>(d);
  if (t.cell()->type.shape[at].is_number()) check_divides(t, d, group, "dist::constrain", x.where());
  if (group.size() == 1) return t;
  refuse_the_batch(group, x.where());
  std::vector<int64_t> axes(t.cell()->type.shape.size(), -2);
  axes[at] = 0;
  return lying(t, {group.size(), group.stride()}, std::move(axes), group.name() + ",", x.where());
} catch (...) {
  leave_with_error("dist::constrain", x.where());
}

}  // namespace tenon::dist
