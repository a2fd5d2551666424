// Training steps over shards of a batch, which the ranks of a group share: the same bits whoever computes them.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/dist/world.h"
#include "tenon/frontend/transform/gradients.h"
#include "tenon/frontend/transform/vmap.h"
#include "tenon/frontend/tree/tree.h"

namespace tenon::dist {

struct DataParallelOptions {
  int shards = 0;  // parts that a batch is cut into, a multiple of the group's ranks; 0: one for each rank
  int64_t bucket_bytes = 1 << 20;  // gradients below a quarter of it travel together, up to so many bytes
};

namespace detail {

// The shards of this rank: a tensor of the batch is [shards of the rank, rows of a shard, ...] there.
struct ShardedStep {
  const Group& group;
  const DataParallelOptions options;
  int64_t shards = 1, own = 1;  // in all, and of this rank
  ShardedStep(const Group& g, const DataParallelOptions& o, const Location& at);
  struct Arguments {
    std::vector<Tensor> inputs;  // whole, as they were given
    std::vector<Tensor> shard;  // what a shard sees of each
    std::vector<bool> cut;
  };
  Arguments arguments(const std::vector<std::vector<tenon::detail::TreeItem>>& given, const Location& at) const;
  std::vector<Tensor> run(const tenon::detail::Program& p, const Arguments& arguments, const Location& at) const;
};

// What mean_gradient asks: the step that is traced, innermost.
class StepScope {
 public:
  explicit StepScope(const ShardedStep& step);
  ~StepScope();
  StepScope(const StepScope&) = delete;
  StepScope& operator=(const StepScope&) = delete;

 private:
  const ShardedStep* const before_;
  const tenon::detail::AxisScope axis_;
};
// The means over all shards of these tensors of one. Error outside a step.
std::vector<Tensor> means(const std::vector<Tensor>& of_shard, const Location& at);

template <class F>
class DataParallel {
 public:
  DataParallel(F step, Group group, const DataParallelOptions& options, const Location& made)
      : step_(std::move(step)), group_(std::move(group)), options_(options), made_(made) {}

  template <class... A>
  auto operator()(const A&... args) const {
    static_assert(sizeof...(A) >= 3,
                  "dist::data_parallel's step takes parameters, a state, and a batch: three arguments or more");
    return tenon::detail::guarded("dist::data_parallel", made_, [&] {
      const ShardedStep sharded(group_, options_, made_);
      std::vector<std::vector<tenon::detail::TreeItem>> given;
      (given.push_back(tenon::detail::items_of(args)), ...);
      const ShardedStep::Arguments arguments = sharded.arguments(given, made_);
      using R = tenon::detail::ResultOf<const F, A...>;
      auto traced = [&] {
        const StepScope scope(sharded);
        return tenon::detail::recorded_as<R>("data_parallel", step_, std::tuple<A...>(args...), arguments.shard, made_);
      }();
      return traced.with(sharded.run(*traced.program, arguments, made_));
    });
  }

 private:
  const F step_;
  const Group group_;
  const DataParallelOptions options_;
  const Location made_;
};

template <class L>
class MeanGradient {
 public:
  MeanGradient(L loss, const Location& made) : loss_(std::move(loss)), made_(made) {}
  template <class... A>
  auto operator()(const A&... args) const {
    auto both = tenon::value_and_grad(loss_)(args...);
    tenon::detail::replace(both, means(tenon::detail::tensors_of(both), made_).data());
    return both;
  }

 private:
  const L loss_;
  const Location made_;
};

template <class T>
concept IsTree = std::is_base_of_v<Tensor, T> || tenon::detail::TupleLike<T> || tenon::detail::MapLike<T> ||
                 tenon::detail::VectorLike<T> || tenon::detail::OptionalLike<T> || std::is_aggregate_v<T>;

}  // namespace detail

// step(params, state, batch...) over all ranks of the group, each of which passes the same params, state and whole batch. The batch (every
// tensor of the arguments after the second) is cut along axis 0 into `shards` parts, of which each rank computes its share, one by
// one as far as bits are concerned and together as far as time is. Inside, a step sees one shard; mean_gradient joins them. What does
// not differ between shards comes out as it is; what does, as one more axis in front, by shard. Losses and parameters are the same to
// the bit for every number of ranks that divides the shards: the shards' gradients are joined by one tree over the shards, whoever
// computed them. Errors for shards that the ranks do not divide, and for batches that the shards do not divide.
template <class F>
auto data_parallel(F step, const Group& group, const DataParallelOptions& options = {}, const At& at = At::current()) {
  return detail::DataParallel<F>(std::move(step), group, options, place(at));
}

// In such a step: of a loss, a function that gives loss and gradient by the first argument, as means over the shards; of a tree of
// floating tensors (what value_and_grad gave), their means over the shards.
template <class T>
auto mean_gradient(T loss_or_tree, const At& at = At::current()) {
  if constexpr (!detail::IsTree<T>) {
    return detail::MeanGradient<T>(std::move(loss_or_tree), place(at));
  } else {
    tenon::detail::replace(loss_or_tree, detail::means(tenon::detail::tensors_of(loss_or_tree), place(at)).data());
    return loss_or_tree;
  }
}

}  // namespace tenon::dist
