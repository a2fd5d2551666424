// A leaf of n elements is [ranks, ceil(n / ranks)] with zeros at its end, and row r of that is rank r's. Leaves of one dtype travel
// together.
#include "tenon/frontend/dist/sharded_state.h"

#include <bit>
#include <ranges>

#include "tenon/frontend/dist/collectives.h"
#include "tenon/frontend/dist/parts.h"
#include "tenon/frontend/dist/shards.h"
#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"

namespace tenon::dist::detail {
namespace {

int64_t elements_of(const Tensor& t, const char* what, const Location& at) {
  const Extent n = t.numel();
  if (!n.is_number())
    throw Error(std::string(what) + ": " + describe(t) + " has a free extent; give tensors of known extents", at);
  return n.number();
}

// [n] -> [ranks, part]
ir::Value in_rows(ir::Value x, int64_t ranks) {
  const int64_t n = x.shape().numel(), part = (n + ranks - 1) / ranks, zeros = part * ranks - n;
  ir::Value flat = ir::reshape(x, Shape({n}));
  if (zeros > 0) {
    const ir::Value both[] = {flat, ir::splat(*x.builder, x.dtype(), 0, Shape({zeros}))};
    flat = ir::concat(both, 0);
  }
  return ir::reshape(flat, Shape({ranks, part}));
}

ir::Value own_row(ir::Value rows, const Group& group, const Location& at) {
  if (group.size() > 1) return over_ranks(ir::Op::rank_slice, rows, group, at);
  Shape shape = rows.shape();
  shape.erase(0);
  return ir::reshape(rows, shape);
}

ir::Value beside_each_other(const std::vector<ir::Value>& values, int64_t axis) {
  return values.size() == 1 ? values[0] : ir::concat(values, axis);
}

ir::Value columns(ir::Value x, int64_t from, int64_t count) {  // of the last axis
  Shape shape = x.shape();
  std::vector<Dim> starts(shape.size(), 0), sizes(shape.begin(), shape.end());
  starts.back() = from, sizes.back() = count;
  return ir::slice(x, starts, sizes, std::vector<int64_t>(shape.size(), 1));
}

// Of [own shards, ranks, ...] the rank's row of the sum over all shards.
ir::Value own_sum(ir::Value shards, const ShardedStep& step, const Location& at) {
  const Group& group = step.group;
  if (group.size() == 1) return own_row(ir::tree_sum(shards), group, at);
  if (std::has_single_bit(static_cast<uint64_t>(step.own)))  // a rank's shards are a whole branch of the tree
    return over_ranks(ir::Op::reduce_scatter, ir::tree_sum(shards), group, at);
  Shape shape = shards.shape();
  shape[0] = Dim(step.shards);
  const ir::Value all = ir::reshape(over_ranks(ir::Op::all_gather, shards, group, at, {1}), shape);
  return own_row(ir::tree_sum(all), group, at);
}

// The floating ones of `tensors`, as inputs of a graph; what becomes of each goes back to its place.
struct Flowing {
  ir::GraphBuilder b;
  std::vector<Tensor> inputs;
  std::vector<ir::Value> values;
  std::vector<size_t> places;

  Flowing(const char* name, const std::vector<Tensor>& tensors, const Location& at) : b(name) {
    b.set_location(at);
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].defined() || !is_floating(tensors[i].dtype())) continue;
      inputs.push_back(tensors[i]);
      values.push_back({&b, b.input(tensors[i].cell()->type)});
      places.push_back(i);
    }
  }
  std::vector<Tensor> run(std::vector<Tensor> otherwise, const Location& at) {
    std::vector<ir::ValueId> results;
    for (const ir::Value& v : values) results.push_back(v.id);
    const std::vector<Tensor> made = apply_graph(*b.finish(results), inputs, at);
    for (size_t i = 0; i < made.size(); ++i) otherwise[places[i]] = made[i];
    return otherwise;
  }
};

}  // namespace

LeafParts own_parts(const std::vector<Tensor>& leaves, const Group& group, const Location& at) {
  return door("dist::sharded_init", at, [&] {
    for (const Tensor& t : leaves) elements_of(t, "dist::sharded_init", at);
    Flowing f("own_parts", leaves, at);
    for (ir::Value& v : f.values) v = own_row(in_rows(v, group.size()), group, at);
    return f.run(leaves, at);
  });
}

std::vector<Tensor> gathered_parts(const LeafParts& parts, const std::vector<Tensor>& like, const Group& group,
                                   const Location& at) {
  return door("dist::sharded_update", at, [&] {
    const auto misfit = [&](size_t i) {
      throw Error("dist::sharded_update: the update gave " +
                      (i < parts.size() ? describe(parts[i]) : std::string("nothing")) + " for the rank's part of " +
                      describe(like[i]) + "; it gives parts of the parts that it gets",
                  at);
    };
    for (size_t i = 0; i < like.size(); ++i) {
      if (i >= parts.size() || !parts[i].defined() || parts[i].dtype() != like[i].dtype()) misfit(i);
      const int64_t n = elements_of(like[i], "dist::sharded_update", at);
      if (is_floating(like[i].dtype()) && parts[i].shape() != Shape({(n + group.size() - 1) / group.size()})) misfit(i);
    }
    if (parts.size() != like.size())
      throw Error("dist::sharded_update: the update gave more parts than there are parameters", at);
    const ShardedStep& step = step_here("dist::sharded_update", at);
    Flowing f("gathered_parts", parts, at);
    // The first ones first, as they are updated: each travels behind the updates of the next.
    for (const std::vector<size_t>& bucket : buckets_of(f.inputs, step.options.bucket_bytes) | std::views::reverse) {
      std::vector<ir::Value> flat;
      for (size_t i : bucket) flat.push_back(f.values[i]);
      ir::Value all = beside_each_other(flat, 0);
      const int64_t width = all.shape().numel();
      all =
          group.size() > 1 ? over_ranks(ir::Op::all_gather, all, group, at, {1}) : ir::reshape(all, Shape({1, width}));
      int64_t from = 0;
      for (size_t i : bucket) {
        const Shape& whole = like[f.places[i]].cell()->type.shape;
        const int64_t part = f.values[i].shape().numel(), n = whole.numel();
        const ir::Value rows = ir::reshape(columns(all, from, part), Shape({part * group.size()}));
        f.values[i] = ir::reshape(n == part * group.size() ? rows : columns(rows, 0, n), whole);
        from += part;
      }
    }
    return f.run(parts, at);
  });
}

LeafParts mean_parts(const std::vector<Tensor>& gradients, const Group& group, const Location& at) {
  return door("dist::sharded_update", at, [&] {
    const ShardedStep& step = step_here("dist::sharded_update", at);
    if (step.group.size() != group.size() || step.group.stride() != group.stride())
      throw Error("dist::sharded_update: parts over '" + group.name() + "' in a step over '" + step.group.name() +
                      "'; give the group of the step",
                  at);
    Flowing f("mean_parts", gradients, at);
    for (const std::vector<size_t>& bucket : buckets_of(f.inputs, step.options.bucket_bytes)) {
      std::vector<ir::Value> rows;
      for (size_t i : bucket) rows.push_back(in_rows(f.values[i], group.size()));
      const ir::Value all = beside_each_other(rows, 1);
      const ir::Value mean = mean_of(own_sum(widened(by_shard(all, step)), step, at), all.dtype(), step);
      int64_t from = 0;
      for (size_t k = 0; k < bucket.size(); ++k) {
        const int64_t part = rows[k].shape()[1].number();
        f.values[bucket[k]] = bucket.size() == 1 ? mean : columns(mean, from, part);
        from += part;
      }
    }
    return f.run(gradients, at);
  });
}

namespace {

// f(part of the state, leaf) for every list in a state that has an entry for each leaf.
template <class F>
void for_each_part(const std::vector<tenon::detail::TreeItem>& state, const std::vector<Tensor>& leaves, const F& f) {
  const size_t n = leaves.size();
  for (size_t at = 0; at + n < state.size(); ++at) {
    size_t entries = 0;
    if (state[at].tag == 'l') __builtin_memcpy(&entries, state[at].bytes.data(), sizeof entries);
    if (state[at].tag != 'l' || entries != n) continue;
    for (size_t i = 0; i < n; ++i) {
      const tenon::detail::TreeItem& item = state[at + 1 + i];
      if (item.tag == 't' && is_floating(leaves[i].dtype()) && item.path.starts_with(state[at].path + "["))
        f(*item.tensor, leaves[i]);
    }
  }
}

}  // namespace

void gather_state(const std::vector<tenon::detail::TreeItem>& state, const std::vector<Tensor>& leaves,
                  const Group& group, const Location& at) {
  door("dist::gather_state", at, [&] {
    for_each_part(state, leaves, [&](Tensor& part, const Tensor& leaf) {
      const int64_t n = elements_of(leaf, "dist::gather_state", at), own = (n + group.size() - 1) / group.size();
      if (part.shape() != Shape({own}))
        throw Error("dist::gather_state: " + describe(part) + " is no rank's part of " + describe(leaf), at);
      const Tensor all = all_gather(Operand(part, at), group);
      part = n == own * group.size() ? all : all[{slice(0, n)}];
    });
  });
}

void shard_state(const std::vector<tenon::detail::TreeItem>& state, const std::vector<Tensor>& leaves,
                 const Group& group, const Location& at) {
  door("dist::shard_state", at, [&] {
    for_each_part(state, leaves, [&](Tensor& whole, const Tensor& leaf) {
      if (whole.shape() != Shape({elements_of(leaf, "dist::shard_state", at)}))
        throw Error("dist::shard_state: " + describe(whole) + " is not " + describe(leaf) + ", flattened", at);
      whole = own_parts({whole}, group, at)[0];
    });
  });
}

}  // namespace tenon::dist::detail
