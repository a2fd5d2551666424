// A network in stages, one or several on each rank: microbatches travel from stage to stage, cotangents back.
#pragma once

#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "tenon/frontend/dist/world.h"
#include "tenon/frontend/transform/record.h"
#include "tenon/frontend/tree/tree.h"

namespace tenon::dist {

enum Schedule {
  gpipe,  // every microbatch forward, then every one backward: all activations are alive in between
  one_f_one_b  // a microbatch goes backward as soon as it can: a rank holds those of as many microbatches as stages lie behind it
};

struct PipelineOptions {
  int microbatches = 1;  // parts that a batch is cut into along axis 0
  Schedule schedule = gpipe;
};

namespace detail {

// What a pipeline runs, with the types of C++ left behind: each stage as a program of its parameters and what the stage before gives.
struct Stages {
  std::vector<std::shared_ptr<tenon::detail::Program>> programs;
  std::vector<std::vector<Tensor>> parameters;  // whole, of each stage
  std::vector<Tensor> x;  // whole
  std::vector<Tensor> microbatch;  // one part's type of each
};
void check_pipeline(size_t stages, const Group& group, const PipelineOptions& options, const Location& at);
std::vector<Tensor> microbatch_of(const std::vector<Tensor>& x, int microbatches, const Location& at);
// What one microbatch's results are, as tensors without values.
std::vector<Tensor> results_of(const tenon::detail::Program& p);
std::vector<Tensor> run_pipeline(const Stages& stages, const Group& group, const PipelineOptions& options,
                                 const Location& at);

template <class... S>
class Pipeline {
 public:
  Pipeline(std::tuple<S...> stages, Group group, const PipelineOptions& options, const Location& made)
      : stages_(std::move(stages)), group_(std::move(group)), options_(options), made_(made) {
    check_pipeline(sizeof...(S), group_, options_, made_);
  }

  template <class P, class X>
  auto operator()(const P& parameters, const X& x) const {
    static_assert(std::tuple_size<P>::value == sizeof...(S),
                  "dist::pipeline takes a tuple with the parameters of each stage");
    return tenon::detail::guarded("dist::pipeline", made_, [&] {
      Stages all;
      all.x = tenon::detail::tensors_of(x);
      all.microbatch = microbatch_of(all.x, options_.microbatches, made_);
      X part = x;
      tenon::detail::replace(part, all.microbatch.data());
      auto result = record<0>(all, parameters, part);
      tenon::detail::replace(result, run_pipeline(all, group_, options_, made_).data());
      return result;
    });
  }

 private:
  // The stages from number N on; gives the last one's result, as a tree of tensors without values.
  template <size_t N, class P, class H>
  auto record(Stages& all, const P& parameters, const H& h) const {
    const auto& own = std::get<N>(parameters);
    all.parameters.push_back(tenon::detail::tensors_of(own));
    auto traced = tenon::detail::recorded("pipeline", std::get<N>(stages_), std::tuple(own, h), made_);
    auto result = traced.with(results_of(*traced.program));
    all.programs.push_back(std::move(traced.program));
    if constexpr (N + 1 == sizeof...(S))
      return result;
    else
      return record<N + 1>(all, parameters, result);
  }

  const std::tuple<S...> stages_;
  const Group group_;
  const PipelineOptions options_;
  const Location made_;
};

}  // namespace detail

// The composition of stages, each stage(parameters, x) -> x of the next, over the ranks of a group: a rank runs the stages that are its
// own, in order, on one microbatch after the other. Called as f(tuple of parameters, x) with the same on every rank, it gives on every
// rank what the composition gives: the microbatches' results one behind the other along axis 0, or their mean where the last stage
// gives a floating scalar (a loss). Forward bits are those of the composition on each microbatch; gradients are the sums of the
// microbatches' in their order, on every rank, and have the same bits for every number of ranks. Every tensor of x and of what
// stages give has the batch, or a microbatch's part of it, along axis 0. Errors for stages that the ranks do not divide, and a batch
// that the microbatches do not divide.
template <class... S>
auto pipeline(std::tuple<S...> stages, const Group& group, const PipelineOptions& options = {},
              const At& at = At::current()) {
  return detail::Pipeline<S...>(std::move(stages), group, options, place(at));
}

}  // namespace tenon::dist
