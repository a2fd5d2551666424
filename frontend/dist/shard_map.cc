// shard_map: whole arguments are cut, the function of parts runs between, and its results are put together. Refuses results that differ
// where their spec says they do not (passes/ranks/vary.h).
#include "tenon/frontend/dist/shard_map.h"

#include <bit>
#include <deque>

#include "tenon/frontend/dist/collectives.h"
#include "tenon/frontend/dist/parts.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/named_axis.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/door.h"
#include "tenon/passes/ranks/vary.h"

namespace tenon::dist {

std::string Spec::text() const {
  std::string out = "(";
  for (size_t i = 0; i < size(); ++i)
    out += (i ? ", " : "") + ((*this)[i].empty() ? std::string("none") : "\"" + (*this)[i] + "\"");
  return out + ")";
}

using tenon::detail::Program;

std::vector<Cut> cuts_of(const Mesh& mesh, const Spec& spec, const Shape& shape, const std::string& who,
                         const Location& at) {
  std::vector<Cut> cuts;
  if (spec.size() > shape.size())
    throw Error(who + " has " + std::to_string(shape.rank()) + " dimensions, and its spec " + spec.text() + " names " +
                    std::to_string(spec.size()),
                at);
  for (size_t d = 0; d < spec.size(); ++d) {
    if (spec[d].empty()) continue;
    for (size_t e = 0; e < d; ++e)
      if (spec[e] == spec[d]) throw Error(who + ": the spec " + spec.text() + " names '" + spec[d] + "' twice", at);
    const Group group = [&] {
      try {
        return mesh[spec[d]];
      } catch (const Error& e) {
        throw Error(who + ": the spec " + spec.text() + " names an axis that the mesh does not have; " + e.message(),
                    at);
      }
    }();
    if (shape[d].is_number() && shape[d].number() % group.size() != 0)
      throw Error(who + ": dimension " + std::to_string(d) + " has extent " + std::to_string(shape[d].number()) +
                      ", which the " + std::to_string(group.size()) + " ranks of '" + spec[d] +
                      "' do not divide; pad it with tn::pad",
                  at);
    if (group.size() > 1) cuts.push_back({static_cast<int64_t>(d), group});
  }
  return cuts;
}

namespace {

// The rank's part: along one dimension after the other.
ir::Value cut(ir::Value x, const std::vector<Cut>& cuts, const Location& at) {
  for (const Cut& c : cuts)
    x = over_ranks(ir::Op::rank_slice, ir::split_blocks(x, static_cast<size_t>(c.axis), c.group.size()), c.group, at);
  return x;
}

ir::Value joined(ir::Value x, const std::vector<Cut>& cuts, const Location& at) {
  for (const Cut& c : cuts)
    x = ir::merge_blocks(over_ranks(ir::Op::all_gather, x, c.group, at, {1}), static_cast<size_t>(c.axis));
  return x;
}

// One tensor through a function of a builder.
template <class F>
Tensor through(const Tensor& t, const Location& at, F f) {
  ir::GraphBuilder b("shard");
  b.set_location(at);
  const ir::Value x{&b, b.input(t.cell()->type)};
  const ir::ValueId result = f(x).id;
  return apply_graph(*b.finish(std::span(&result, 1)), std::span(&t, 1), at)[0];
}

// The extents of the whole, from a part's.
Shape whole_shape(Shape part, const Mesh& mesh, const Spec& spec) {
  for (size_t d = 0; d < spec.size() && d < part.size(); ++d)
    if (!spec[d].empty() && part[d].is_number()) part[d] = Dim(part[d].number() * mesh[spec[d]].size());
  return part;
}

}  // namespace

Tensor shard(Operand x, const Mesh& mesh, const Spec& spec) try {
  const Tensor t = as_tensor(x, "dist::shard");
  const auto cuts = cuts_of(mesh, spec, t.cell()->type.shape, "dist::shard: " + describe(t), x.where());
  return cuts.empty() ? t : through(t, x.where(), [&](ir::Value v) { return cut(v, cuts, x.where()); });
} catch (...) {
  leave_with_error("dist::shard", x.where());
}

Tensor gather(Operand part, const Mesh& mesh, const Spec& spec) try {
  const Tensor t = as_tensor(part, "dist::gather");
  const Shape whole = whole_shape(t.cell()->type.shape, mesh, spec);
  const auto cuts = cuts_of(mesh, spec, whole, "dist::gather: " + describe(t), part.where());
  return cuts.empty() ? t : through(t, part.where(), [&](ir::Value v) { return joined(v, cuts, part.where()); });
} catch (...) {
  leave_with_error("dist::gather", part.where());
}

Tensor replicate(Operand x, const Mesh& mesh) { return broadcast(std::move(x), mesh.world(), 0); }

namespace detail {

Parts parts_of(const Mesh& mesh, const Specs& specs, const std::vector<std::vector<tenon::detail::TreeItem>>& arguments,
               const Location& at) {
  if (specs.listed() && specs.size() != arguments.size())
    throw Error("dist::shard_map: in_specs lists " + std::to_string(specs.size()) + " specs for " +
                    std::to_string(arguments.size()) + " arguments; give one for each, or one for all",
                at);
  Parts parts;
  for (size_t a = 0; a < arguments.size(); ++a)
    for (const tenon::detail::TreeItem& item : arguments[a]) {
      if (item.tag != 't') continue;
      const Tensor& t = *item.tensor;
      const std::string who = "dist::shard_map: argument " + std::to_string(a) +
                              (item.path.empty() ? "" : " at '" + item.path + "'") + ", " + describe(t) + ",";
      Shape shape = t.cell()->type.shape;
      for (const Cut& c : cuts_of(mesh, specs.of(a), shape, who, at)) {
        Dim& d = shape[static_cast<size_t>(c.axis)];
        if (!d.is_number())
          throw Error(who + " is cut along an extent that is free; give shard_map tensors of known extents", at);
        d = Dim(d.number() / c.group.size());
      }
      parts.inputs.push_back(t);
      parts.local.push_back(stand_in_for(t, std::move(shape)));
      parts.specs.push_back(&specs.of(a));
    }
  return parts;
}

std::vector<Tensor> run_shard_map(const Program& p, const Mesh& mesh, const Parts& parts, const Specs& out,
                                  const std::vector<size_t>& members, size_t member_count, const Location& at) {
  const FloatEnvironment standard;
  if (out.listed() && out.size() != member_count)
    throw Error("dist::shard_map: out_specs lists " + std::to_string(out.size()) + " specs for a result of " +
                    std::to_string(member_count) + (member_count == 1 ? " member" : " members") +
                    "; give one for each, or one for all",
                at);
  std::vector<passes::RankAxis> axes;
  const auto bit_of = [&](const std::string& name) {
    for (size_t k = 0; k < mesh.axes().size(); ++k)
      if (mesh.axes()[k].name == name && mesh.axes()[k].size > 1) return passes::AxisSet{1} << k;
    return passes::AxisSet{0};
  };
  const auto set_of = [&](const Spec& spec) {
    passes::AxisSet set = 0;
    for (size_t d = 0; d < spec.size(); ++d) set |= bit_of(spec[d]);
    return set;
  };
  for (const Mesh::Axis& axis : mesh.axes()) axes.push_back({axis.size, mesh[axis.name].stride()});
  std::vector<passes::AxisSet> differs;
  for (const Spec* spec : parts.specs) differs.push_back(set_of(*spec));
  const passes::Varied made = passes::varied(*p.graph, axes, differs);

  const std::vector<Tensor> all = p.inputs(parts.inputs);
  ir::GraphBuilder b("shard_map", p.graph->symbols);
  b.merging = false;
  b.set_location(at);
  std::vector<ir::Value> whole;
  for (size_t i = 0; i < all.size(); ++i)
    whole.push_back({&b, b.input(i < parts.inputs.size() ? parts.inputs[i].cell()->type
                                                         : p.graph->type(ir::ValueId{static_cast<uint32_t>(i)}))});
  std::vector<ir::ValueId> operands;
  for (size_t i = 0; i < whole.size(); ++i)
    operands.push_back(
        i < parts.specs.size()
            ? cut(whole[i], cuts_of(mesh, *parts.specs[i], whole[i].shape(), "dist::shard_map", at), at).id
            : whole[i].id);
  std::vector<ir::ValueId> results = b.splice(*made.graph, operands);
  for (size_t o = 0; o < results.size(); ++o) {
    const Spec& spec = out.of(members[o]);
    const ir::Value x{&b, results[o]};
    const std::string who = "dist::shard_map: result " + std::to_string(o) + ", " + ir::to_string(x.type()) + ",";
    if (const passes::AxisSet more = made.outputs[o] & ~set_of(spec))
      throw Error(who + " differs along the axis '" + mesh.axes()[static_cast<size_t>(std::countr_zero(more))].name +
                      "', which its spec " + spec.text() + " does not name; name it, or join the ranks with all_reduce",
                  at);
    results[o] = joined(x, cuts_of(mesh, spec, whole_shape(x.shape(), mesh, spec), who, at), at).id;
  }
  return apply_graph(*b.finish(results), all, at);
}

namespace {
thread_local const Mesh* innermost_mesh = nullptr;
}  // namespace

const Mesh* MeshScope::innermost() { return innermost_mesh; }

MeshScope::MeshScope(const Mesh& mesh) : scopes_(new std::deque<tenon::detail::NamedAxis>), before_(innermost_mesh) {
  auto& scopes = *static_cast<std::deque<tenon::detail::NamedAxis>*>(scopes_);
  for (const Mesh::Axis& axis : mesh.axes()) scopes.emplace_back(axis.name, axis.size, mesh[axis.name].stride());
  innermost_mesh = &mesh;
}
MeshScope::~MeshScope() {
  auto* scopes = static_cast<std::deque<tenon::detail::NamedAxis>*>(scopes_);
  while (!scopes->empty()) scopes->pop_back();
  delete scopes;
  innermost_mesh = before_;
}

}  // namespace detail

}  // namespace tenon::dist
