// tn::dist::shard_map: a function of one rank's parts, over whole tensors. Every rank passes the same whole arguments and gets the same
// whole results; inside, each sees its parts, and says with collectives what they do together. Refuses results that differ along an
// axis which their spec does not name.
#pragma once

#include <tuple>
#include <utility>
#include <vector>

#include "tenon/frontend/dist/spec.h"
#include "tenon/frontend/dist/world.h"
#include "tenon/frontend/transform/record.h"
#include "tenon/frontend/transform/vmap.h"

namespace tenon::dist {

// This rank's part of a whole tensor: extents along the axes that the spec names are divided by their sizes. Error where an axis is
// not there or does not divide.
Tensor shard(Operand x, const Mesh& mesh, const Spec& spec);
// The whole tensor from every rank's part; the inverse of shard.
Tensor gather(Operand part, const Mesh& mesh, const Spec& spec);
// What rank 0 of the mesh has, on all of its ranks.
Tensor replicate(Operand x, const Mesh& mesh);

namespace detail {

struct Parts {
  std::vector<Tensor> inputs;  // whole, as they were given
  std::vector<Tensor> local;  // one rank's type of each
  std::vector<const Spec*> specs;
};
Parts parts_of(const Mesh& mesh, const Specs& specs, const std::vector<std::vector<tenon::detail::TreeItem>>& arguments,
               const Location& at);
std::vector<Tensor> run_shard_map(const tenon::detail::Program& p, const Mesh& mesh, const Parts& parts,
                                  const Specs& out, const std::vector<size_t>& members, size_t member_count,
                                  const Location& at);

// The axes of a mesh by their names, for psum and its kind, and the mesh itself for constrain. The mesh outlives it.
class MeshScope {
 public:
  explicit MeshScope(const Mesh& mesh);
  ~MeshScope();
  MeshScope(const MeshScope&) = delete;
  MeshScope& operator=(const MeshScope&) = delete;
  static const Mesh* innermost();  // of this thread, or null

 private:
  void* const scopes_;
  const Mesh* const before_;
};

template <class F>
class ShardMap {
 public:
  ShardMap(F f, Mesh mesh, Specs in, Specs out, const Location& made)
      : f_(std::move(f)), mesh_(std::move(mesh)), in_(std::move(in)), out_(std::move(out)), made_(made) {}

  template <class... A>
  auto operator()(const A&... args) const {
    return tenon::detail::guarded("dist::shard_map", made_, [&] {
      std::vector<std::vector<tenon::detail::TreeItem>> arguments;
      (arguments.push_back(tenon::detail::items_of(args)), ...);
      const Parts parts = parts_of(mesh_, in_, arguments, made_);
      using R = tenon::detail::ResultOf<const F, A...>;
      auto traced = [&] {
        const MeshScope scope(mesh_);
        return tenon::detail::recorded_as<R>("shard_map", f_, std::tuple<A...>(args...), parts.local, made_);
      }();
      std::vector<size_t> members;
      const size_t count = tenon::detail::members_of(traced.result, members);
      return traced.with(run_shard_map(*traced.program, mesh_, parts, out_, members, count, made_));
    });
  }

 private:
  const F f_;
  const Mesh mesh_;
  const Specs in_, out_;
  const Location made_;
};

}  // namespace detail

// f over the parts of its arguments: in_specs say how each argument (every tensor of it) is cut, out_specs how each member of the result
// is put together. Called with whole tensors, the same on every rank, it gives whole tensors. Inside, tn::psum(x, "data") and the
// functions of tn::dist go over the ranks of the mesh. Derivatives are those of the whole function.
template <class F>
auto shard_map(F f, const Mesh& mesh, Specs in_specs, Specs out_specs, const At& at = At::current()) {
  return detail::ShardMap<F>(std::move(f), mesh, std::move(in_specs), std::move(out_specs), place(at));
}

}  // namespace tenon::dist
