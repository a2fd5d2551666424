// tn::vmap: a function of one lane over many, in one program; and what a lane may ask of the others by the name of their axis.
// Refuses axes that leaves do not have, or that differ in extent.
#pragma once

#include <initializer_list>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/lane_axes.h"
#include "tenon/frontend/transform/record.h"
#include "tenon/frontend/tree/items.h"
#include "tenon/frontend/tree/tree.h"

namespace tenon {

struct VmapOptions {
  LaneAxes in_axes = 0;  // of the arguments: which axis of their tensors the lanes are; none: the same for every lane
  LaneAxes out_axes = 0;  // of the members of the result; none: only where no lane changes it
  std::string axis_name = "";  // what psum and its kind call the axis
};

namespace detail {

// One tensor of an argument: its place in the call, for errors, and its axis of lanes.
struct Lanes {
  std::vector<Tensor> inputs;  // as they were given
  std::vector<Tensor> lane;  // one lane's type of each
  std::vector<LaneAxis> axes;  // from 0
  Dim size;
};
Lanes lanes_of(const VmapOptions& options, const std::vector<std::vector<TreeItem>>& arguments, const Location& at);
// members: which member of the result each output belongs to, of how many.
std::vector<Tensor> run_vmap(const Program& p, const Lanes& lanes, const VmapOptions& options,
                             const std::vector<size_t>& members, size_t member_count, const Location& at);

// Which member of a pair or tuple each tensor of a result belongs to; a result that is neither is one member.
template <class R>
size_t members_of(R& result, std::vector<size_t>& members) {
  size_t count = 0;
  const auto member = [&](auto& m) {
    members.resize(members.size() + leaves_of(m).size(), count);
    ++count;
  };
  if constexpr (IsPair<R>::value) {
    member(result.first);
    member(result.second);
  } else if constexpr (TupleLike<R>) {
    std::apply([&](auto&... m) { (member(m), ...); }, result);
  } else {
    member(result);
  }
  return count;
}

// The axis is named while f is traced.
class AxisScope {
 public:
  AxisScope(const std::string& name, Dim size);
  ~AxisScope();
  AxisScope(const AxisScope&) = delete;
  AxisScope& operator=(const AxisScope&) = delete;

 private:
  void* const scope_;
};

template <class F>
class Vmap {
 public:
  Vmap(F f, VmapOptions options, const Location& made) : f_(std::move(f)), options_(std::move(options)), made_(made) {}

  template <class... A>
  auto operator()(const A&... args) const {
    return guarded("vmap", made_, [&] {
      std::vector<std::vector<TreeItem>> arguments;
      (arguments.push_back(items_of(args)), ...);
      const Lanes lanes = lanes_of(options_, arguments, made_);
      using R = ResultOf<const F, A...>;
      auto traced = [&] {
        const AxisScope scope(options_.axis_name, lanes.size);
        return recorded_as<R>("vmap", f_, std::tuple<A...>(args...), lanes.lane, made_);
      }();
      std::vector<size_t> members;
      const size_t count = members_of(traced.result, members);
      return traced.with(run_vmap(*traced.program, lanes, options_, members, count, made_));
    });
  }

 private:
  const F f_;
  const VmapOptions options_;
  const Location made_;
};

}  // namespace detail

// f over lanes: called with tensors that have one more axis, it gives f of every lane, stacked along one more axis. Lanes are
// computed together, each op once; each gives the bits that f gives on that lane alone wherever docs/numbers.md says so. Error,
// naming both and the line, for arguments whose extents differ along their axes; for an axis that is not there; for no axis at all.
template <class F>
auto vmap(F f, VmapOptions options = {}, const At& at = At::current()) {
  return detail::Vmap<F>(std::move(f), std::move(options), place(at));
}

// Of the lanes of a named axis, inside the function that vmap batches. Errors where there is no such axis.
Tensor axis_index(const std::string& axis, const At& at = At::current());  // the lane's number, an i64 scalar
Tensor psum(Operand x, const std::string& axis);  // the sum over all lanes, the same in each
Tensor pmean(Operand x, const std::string& axis);  // integers as f32
Tensor pmax(Operand x, const std::string& axis);  // NaN propagates
Tensor all_gather(Operand x, const std::string& axis);  // all lanes' values, stacked along a new axis 0

}  // namespace tenon
