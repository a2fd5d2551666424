// Batching a traced function: lanes are brought to the front, the graph is batched, and they are put where they are wanted.
#include "tenon/frontend/transform/vmap.h"

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/named_axis.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/pass.h"

namespace tenon::detail {
namespace {

std::string leaf_name(size_t argument, const TreeItem& item) {
  return "argument " + std::to_string(argument) + (item.path.empty() ? "" : " at '" + item.path + "'");
}

// From 0; Error where a tensor of that rank does not have the axis.
int64_t axis_in(int64_t axis, int64_t rank, const std::string& who, const Location& at) {
  const int64_t from_front = axis < 0 ? axis + rank : axis;
  if (from_front < 0 || from_front >= rank)
    throw Error("vmap: " + who + " has no axis " + std::to_string(axis) + "; give an axis that it has, or tn::none",
                at);
  return from_front;
}

Tensor one_lane(const Tensor& t, int64_t axis) {
  Shape shape = t.cell()->type.shape;
  shape.erase(static_cast<size_t>(axis));
  return stand_in_for(t, std::move(shape));
}

}  // namespace

Lanes lanes_of(const VmapOptions& options, const std::vector<std::vector<TreeItem>>& arguments, const Location& at) {
  const LaneAxes& axes = options.in_axes;
  if (axes.listed() && axes.size() != arguments.size())
    throw Error("vmap: .in_axes lists " + std::to_string(axes.size()) + " axes for " +
                    std::to_string(arguments.size()) + " arguments; give one for each, or one number for all",
                at);
  Lanes lanes;
  const Tensor* first = nullptr;
  std::string first_name;
  for (size_t a = 0; a < arguments.size(); ++a) {
    for (const TreeItem& item : arguments[a]) {
      if (item.tag != 't') continue;
      const Tensor& t = *item.tensor;
      lanes.inputs.push_back(t);
      LaneAxis axis = axes.of(a);
      if (axis.absent) {
        lanes.lane.push_back(t);
        lanes.axes.push_back(axis);
        continue;
      }
      const std::string name = leaf_name(a, item);
      axis.axis = axis_in(axis.axis, t.ndim(), name + ", which is " + describe(t) + ",", at);
      const Dim extent = extent_here(t.cell()->type.shape[static_cast<size_t>(axis.axis)]);
      if (first == nullptr) {
        first = &t;
        first_name = name + " has " + extent_text(extent) + " along axis " + std::to_string(axis.axis) + " (" +
                     describe(t) + ")";
        lanes.size = extent;
      } else if (!(extent == lanes.size)) {
        throw Error("vmap: arguments differ in how many lanes they have: " + first_name + ", " + name + " has " +
                        extent_text(extent) + " along axis " + std::to_string(axis.axis) + " (" + describe(t) +
                        "); what is the same for every lane has .in_axes tn::none",
                    at);
      }
      lanes.lane.push_back(one_lane(t, axis.axis));
      lanes.axes.push_back(axis);
    }
  }
  if (first == nullptr)
    throw Error(
        "vmap: no tensor of the arguments has an axis of lanes (.in_axes is tn::none for all); name one for at least "
        "one argument",
        at);
  return lanes;
}

std::vector<Tensor> run_vmap(const Program& p, const Lanes& lanes, const VmapOptions& options,
                             const std::vector<size_t>& members, size_t member_count, const Location& at) {
  const FloatEnvironment standard;
  const LaneAxes& to = options.out_axes;
  if (to.listed() && to.size() != member_count)
    throw Error("vmap: .out_axes lists " + std::to_string(to.size()) + " axes for a result of " +
                    std::to_string(member_count) + (member_count == 1 ? " member" : " members") +
                    "; give one for each, or one number for all",
                at);
  const std::vector<Tensor> all = p.inputs(lanes.inputs);
  ir::GraphBuilder b("vmap", p.graph->symbols);
  b.merging = false;
  b.set_location(at);
  std::vector<ir::Value> given;
  std::vector<bool> batched, forced;
  for (size_t i = 0; i < all.size(); ++i) {
    ir::Type type = p.graph->type(ir::ValueId{static_cast<uint32_t>(i)});
    const bool has_lanes = i < lanes.axes.size() && !lanes.axes[i].absent;
    if (has_lanes) type.shape.insert(static_cast<size_t>(lanes.axes[i].axis), lanes.size);
    given.push_back({&b, b.input(type)});
    batched.push_back(has_lanes);
  }
  std::vector<ir::ValueId> operands;
  for (size_t i = 0; i < given.size(); ++i)
    operands.push_back(batched[i] ? ir::move_axis(given[i], static_cast<size_t>(lanes.axes[i].axis), 0).id
                                  : given[i].id);
  for (size_t member : members) forced.push_back(!to.of(member).absent);
  const ir::SubgraphBatch made =
      passes::batch(*p.graph, {.size = lanes.size, .axis = options.axis_name, .exact = exact_lanes()}, batched, forced);
  std::vector<ir::ValueId> results = b.splice(*made.graph, operands);
  for (size_t o = 0; o < results.size(); ++o) {
    const LaneAxis axis = to.of(members[o]);
    if (axis.absent && made.output_is_batched[o])
      throw Error(
          "vmap: .out_axes is tn::none for a result that differs from lane to lane; give it an axis in .out_axes, or "
          "join the lanes (tn::psum, or a reduction after vmap)",
          at);
    if (axis.absent) continue;
    const ir::Value x{&b, results[o]};
    const int64_t place =
        axis_in(axis.axis, x.shape().rank(),
                "a result with the lanes, " + type_text(x.type()) + ", for which .out_axes is given,", at);
    results[o] = ir::move_axis(x, 0, static_cast<size_t>(place)).id;
  }
  return apply_graph(*b.finish(results), all, at);
}

AxisScope::AxisScope(const std::string& name, Dim size) : scope_(new NamedAxis(name, size)) {}
AxisScope::~AxisScope() { delete static_cast<NamedAxis*>(scope_); }

}  // namespace tenon::detail

namespace tenon {
namespace {

using detail::NamedAxis;

template <ir::Op op>
std::vector<ir::Value> build(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  return ir::apply(b, op, x, attrs);
}
std::vector<ir::Value> build_mean(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const ir::AxisGather a(attrs);
  const ir::Value sum = ir::apply(b, ir::Op::axis_sum, x, ir::AxisSumAttrs{.axis = a.axis})[0];
  const ir::Value count = ir::broadcast_to(ir::cast(ir::extent_value(b, a.size), part_of(sum.dtype())), sum.shape());
  if (is_complex(sum.dtype())) return {ir::complex(ir::real(sum) / count, ir::imag(sum) / count)};
  return {sum / count};
}

Tensor checked(const Operand& x, const char* what) {
  Tensor t = as_tensor(x, what);
  if (t.dtype() == boolean)
    throw Error(std::string(what) + ": bools have no sum or order; cast with astype", x.where());
  return t;
}

// The same over an axis of ranks, in shard_map.
Tensor over_ranks(ir::Op op, const Tensor& x, const NamedAxis& named, const std::string& axis, const Location& at) {
  return apply_primitive(op,
                         detail::collective_attributes(ir::name(op), axis, named.size().number(), named.stride(), at),
                         std::span(&x, 1), at)[0];
}

}  // namespace

Tensor axis_index(const std::string& axis, const At& at) try {
  const NamedAxis& named = NamedAxis::find(axis, "axis_index", place(at));
  if (named.of_ranks())
    return apply_primitive(ir::Op::rank_index,
                           ir::RankIndexAttrs{.size = named.size().number(), .stride = named.stride()}, {},
                           place(at))[0];
  return apply_one({"axis_index", build<ir::Op::axis_index>}, ir::AxisIndexAttrs{.axis = axis}, {}, place(at));
} catch (...) {
  leave_with_error("axis_index", place(at));
}

Tensor psum(Operand x, const std::string& axis) try {
  const NamedAxis& named = NamedAxis::find(axis, "psum", x.where());
  if (named.of_ranks()) return over_ranks(ir::Op::all_reduce_sum, checked(x, "psum"), named, axis, x.where());
  return apply_one({"psum", build<ir::Op::axis_sum>}, ir::AxisSumAttrs{.axis = axis}, {checked(x, "psum")}, x.where());
} catch (...) {
  leave_with_error("psum", x.where());
}

Tensor pmean(Operand x, const std::string& axis) try {
  const NamedAxis& named = NamedAxis::find(axis, "pmean", x.where());
  const Dim size = named.size();
  Tensor t = checked(x, "pmean");
  if (!is_continuous(t.dtype())) t = t.astype(f32);
  if (named.of_ranks())
    return over_ranks(ir::Op::all_reduce_sum, t, named, axis, x.where()) / static_cast<double>(size.number());
  return apply_one({"pmean", build_mean}, ir::AxisGatherAttrs{.axis = axis, .size = size}, {t}, x.where());
} catch (...) {
  leave_with_error("pmean", x.where());
}

Tensor pmax(Operand x, const std::string& axis) try {
  const NamedAxis& named = NamedAxis::find(axis, "pmax", x.where());
  if (named.of_ranks()) return over_ranks(ir::Op::all_reduce_max, checked(x, "pmax"), named, axis, x.where());
  return apply_one({"pmax", build<ir::Op::axis_max>}, ir::AxisSumAttrs{.axis = axis}, {checked(x, "pmax")}, x.where());
} catch (...) {
  leave_with_error("pmax", x.where());
}

Tensor all_gather(Operand x, const std::string& axis) try {
  const NamedAxis& named = NamedAxis::find(axis, "all_gather", x.where());
  const Dim size = named.size();
  if (named.of_ranks()) return over_ranks(ir::Op::all_gather, as_tensor(x, "all_gather"), named, axis, x.where());
  return apply_one({"all_gather", build<ir::Op::axis_gather>}, ir::AxisGatherAttrs{.axis = axis, .size = size},
                   {as_tensor(x, "all_gather")}, x.where());
} catch (...) {
  leave_with_error("all_gather", x.where());
}

}  // namespace tenon
