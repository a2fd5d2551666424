// Shards are lanes: of one rank, its own; over ranks, everybody's. A rank joins what it has by the tree over all shards as far as that
// goes within its own, the ranks join the rest (runtime/tenon_ranks.h has the same tree).
#include "tenon/frontend/dist/data_parallel.h"

#include <bit>
#include <optional>

#include "tenon/frontend/dist/parts.h"
#include "tenon/frontend/dist/shards.h"
#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/pass.h"

namespace tenon::dist::detail {

namespace {

const std::string& axis_name() {
  static constinit Forever<const std::string> name;
  return name.get([] { return new std::string("shards of dist::data_parallel"); });
}
thread_local const ShardedStep* innermost = nullptr;

}  // namespace

const ShardedStep* step_or_none() { return innermost; }

const ShardedStep& step_here(const char* what, const Location& at) {
  if (innermost == nullptr)
    throw Error(std::string(what) +
                    ": there are no shards here; call it in a step of tn::dist::data_parallel, which makes them",
                at);
  return *innermost;
}

ir::Value by_shard(ir::Value x, const ShardedStep& step) {
  return ir::apply(*x.builder, ir::Op::axis_gather, {&x, 1},
                   ir::AxisGatherAttrs{.axis = axis_name(), .size = Dim(step.own)})[0];
}

ir::Value widened(ir::Value x) { return is_half(x.dtype()) ? ir::cast(x, DType::f32) : x; }

ir::Value mean_of(ir::Value sum, DType dtype, const ShardedStep& step) {
  return ir::cast(sum / ir::splat(*sum.builder, sum.dtype(), static_cast<double>(step.shards), sum.shape()), dtype);
}

namespace {

// The sum over all shards of [own shards, ...].
ir::Value summed(ir::Value own, const ShardedStep& step, const Location& at) {
  if (step.group.size() == 1) return ir::tree_sum(own);
  if (std::has_single_bit(static_cast<uint64_t>(step.own)))  // a rank's shards are a whole branch of the tree
    return over_ranks(ir::Op::all_reduce_sum, ir::tree_sum(own), step.group, at);
  Shape shape = own.shape();
  shape[0] = Dim(step.shards);
  return ir::tree_sum(ir::reshape(over_ranks(ir::Op::all_gather, own, step.group, at, {1}), shape));
}

}  // namespace

std::vector<std::vector<size_t>> buckets_of(const std::vector<Tensor>& tensors, int64_t most) {
  std::vector<std::vector<size_t>> buckets;
  std::optional<size_t> filling;
  int64_t filled = 0;
  for (size_t i = tensors.size(); i-- > 0;) {
    const int64_t size = static_cast<int64_t>(tensors[i].numel()) * bytes(tensors[i].dtype());
    if (size >=
        most / 4) {  // it outlasts what a message costs; alone it is copied neither into a bucket nor out of one
      buckets.push_back({i});
      continue;
    }
    if (!filling || size > most - filled || tensors[buckets[*filling].back()].dtype() != tensors[i].dtype()) {
      filling = buckets.size(), filled = 0;
      buckets.emplace_back();
    }
    buckets[*filling].push_back(i);
    filled += size;
  }
  return buckets;
}

ShardedStep::ShardedStep(const Group& g, const DataParallelOptions& o, const Location& at) : group(g), options(o) {
  shards = o.shards == 0 ? g.size() : o.shards;
  if (shards < 1 || shards % g.size() != 0)
    throw Error("dist::data_parallel: " + std::to_string(o.shards) + " shards for the " + std::to_string(g.size()) +
                    " ranks of '" + g.name() + "'; give a multiple of the ranks, so that each has as many",
                at);
  if (o.bucket_bytes < 0)
    throw Error("dist::data_parallel: buckets of " + std::to_string(o.bucket_bytes) + " bytes; give 0 or more", at);
  own = shards / g.size();
}

ShardedStep::Arguments ShardedStep::arguments(const std::vector<std::vector<tenon::detail::TreeItem>>& given,
                                              const Location& at) const {
  Arguments all;
  for (size_t a = 0; a < given.size(); ++a)
    for (const tenon::detail::TreeItem& item : given[a]) {
      if (item.tag != 't') continue;
      const Tensor& t = *item.tensor;
      all.inputs.push_back(t);
      all.cut.push_back(a >= 2);
      if (a < 2) {
        all.shard.push_back(t);
        continue;
      }
      const std::string who = "dist::data_parallel: argument " + std::to_string(a) +
                              (item.path.empty() ? "" : " at '" + item.path + "'") + ", " + describe(t) + ",";
      const Shape& shape = t.cell()->type.shape;
      if (shape.size() == 0) throw Error(who + " is a scalar and cannot be cut; make it part of the state", at);
      if (!shape[0].is_number()) throw Error(who + " has a free batch; give tensors of known extents", at);
      if (shape[0].number() % shards != 0)
        throw Error(who + " has a batch of " + std::to_string(shape[0].number()) + ", which " + std::to_string(shards) +
                        " shards do not divide; drop or pad the rest of it",
                    at);
      Shape of_shard = shape;
      of_shard[0] = Dim(shape[0].number() / shards);
      all.shard.push_back(stand_in_for(t, std::move(of_shard)));
    }
  return all;
}

std::vector<Tensor> ShardedStep::run(const tenon::detail::Program& p, const Arguments& arguments,
                                     const Location& at) const {
  const FloatEnvironment standard;
  const std::vector<Tensor> all = p.inputs(arguments.inputs);
  ir::GraphBuilder b("data_parallel", p.graph->symbols);
  b.merging = false;
  b.set_location(at);
  std::vector<ir::ValueId> operands;
  std::vector<ir::Value> given;
  std::vector<bool> batched;
  for (size_t i = 0; i < all.size(); ++i)
    given.push_back({&b, b.input(i < arguments.inputs.size() ? arguments.inputs[i].cell()->type
                                                             : p.graph->type(ir::ValueId{static_cast<uint32_t>(i)}))});
  for (size_t i = 0; i < all.size(); ++i) {
    batched.push_back(i < arguments.cut.size() && arguments.cut[i]);
    ir::Value x = given[i];
    if (batched.back()) {  // [ranks, own shards, rows, ...], of which the rank's
      Shape split = x.shape();
      split[0] = Dim(x.shape()[0].number() / shards);
      split.insert(0, Dim(own));
      if (group.size() > 1) {
        split.insert(0, Dim(group.size()));
        x = over_ranks(ir::Op::rank_slice, ir::reshape(x, split), group, at);
      } else {
        x = ir::reshape(x, split);
      }
    }
    operands.push_back(x.id);
  }
  const ir::SubgraphBatch made = passes::batch(*p.graph, {.size = Dim(own), .axis = axis_name()}, batched);
  std::vector<ir::ValueId> results = b.splice(*made.graph, operands);
  for (size_t o = 0; o < results.size(); ++o) {
    if (!made.output_is_batched[o]) continue;
    ir::Value x{&b, results[o]};
    if (group.size() > 1) {
      Shape shape = x.shape();
      shape[0] = Dim(shards);
      x = ir::reshape(over_ranks(ir::Op::all_gather, x, group, at, {1}), shape);
    }
    results[o] = x.id;
  }
  return apply_graph(*b.finish(results), all, at);
}

StepScope::StepScope(const ShardedStep& step) : before_(innermost), axis_(axis_name(), Dim(step.own)) {
  innermost = &step;
}
StepScope::~StepScope() { innermost = before_; }

std::vector<Tensor> means(const std::vector<Tensor>& of_shard, const Location& at) {
  const ShardedStep& step = step_here("dist::mean_gradient", at);
  for (const Tensor& t : of_shard)
    if (t.defined() && !is_floating(t.dtype()))
      throw Error("dist::mean_gradient: " + describe(t) + " has no mean; leave out what is no floating tensor", at);
  std::vector<Tensor> defined;
  for (const Tensor& t : of_shard)
    if (t.defined()) defined.push_back(t);
  ir::GraphBuilder b("mean_gradient");
  b.set_location(at);
  std::vector<ir::Value> given;
  for (const Tensor& t : defined) given.push_back({&b, b.input(t.cell()->type)});
  std::vector<ir::ValueId> results(given.size());
  for (const std::vector<size_t>& bucket : buckets_of(defined, step.options.bucket_bytes)) {
    std::vector<ir::Value> flat;
    for (size_t i : bucket) flat.push_back(ir::reshape(given[i], Shape({given[i].shape().numel()})));
    const ir::Value one = flat.size() == 1 ? given[bucket[0]] : ir::concat(flat, 0);
    const ir::Value mean = mean_of(summed(widened(by_shard(one, step)), step, at), one.dtype(), step);
    int64_t from = 0;
    for (size_t i : bucket) {
      const int64_t count = given[i].shape().numel();
      results[i] = flat.size() == 1 ? mean.id
                                    : ir::reshape(ir::slice(mean, {Dim(from)}, {Dim(count)}, {1}), given[i].shape()).id;
      from += count;
    }
  }
  const std::vector<Tensor> made = apply_graph(*b.finish(results), defined, at);
  std::vector<Tensor> all;
  size_t next = 0;
  for (const Tensor& t : of_shard) all.push_back(t.defined() ? made[next++] : Tensor());
  return all;
}

}  // namespace tenon::dist::detail
