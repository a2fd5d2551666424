// Which axis of tensors is that of the lanes, as tn::vmap takes it: a number, none, or one of these for each argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace tenon {

// No axis, tn::none; in an index a new one.
struct None {
  constexpr bool operator==(const None&) const = default;
};
inline constexpr None none{};

struct LaneAxis {
  constexpr LaneAxis(int64_t number) : axis(number) {}  // NOLINT: numbers are axes, from the end where negative
  constexpr LaneAxis(None) : absent(true) {}  // NOLINT
  int64_t axis = 0;
  bool absent = false;
};

// One entry for all, or one for each.
class LaneAxes {
 public:
  LaneAxes(int64_t axis) : axes_{axis} {}  // NOLINT
  LaneAxes(int axis) : axes_{LaneAxis(axis)} {}  // NOLINT
  LaneAxes(None) : axes_{none} {}  // NOLINT
  LaneAxes(std::initializer_list<LaneAxis> axes) : axes_(axes), listed_(true) {}
  LaneAxes(std::vector<LaneAxis> axes) : axes_(std::move(axes)), listed_(true) {}  // NOLINT
  bool listed() const { return listed_; }
  size_t size() const { return axes_.size(); }
  LaneAxis of(size_t i) const { return axes_[listed_ ? i : 0]; }

 private:
  std::vector<LaneAxis> axes_;
  bool listed_ = false;
};

}  // namespace tenon
