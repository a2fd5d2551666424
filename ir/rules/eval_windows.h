// Where the elements of windows lie, found one after the other: for the reference meaning of gather and scatter, and for what follows
// dependences through them. Extents are numbers.
#pragma once

#include "tenon/ir/rules/eval_index.h"
#include "tenon/ir/rules/windows.h"

namespace tenon::ir::rules {

// The windows of an x by indices. `at` indices means a position among them, without the dimension of the components.
class WindowWalk {
 public:
  WindowWalk(const Windows& w, const Shape& x, const Shape& indices, const Shape& windows)
      : w_(w),
        x_(extents(x)),
        indices_(extents(indices)),
        x_step_(strides(x_)),
        index_step_(strides(indices_)),
        window_step_(strides(extents(windows))),
        sizes_(x_.size(), 1) {
    for (size_t d = 0; d < x_.size(); ++d)
      if (w.x[d].window >= 0) sizes_[d] = extents(windows)[static_cast<size_t>(w.x[d].window)];
    positions_ = indices_;
    if (w.vector >= 0) positions_[static_cast<size_t>(w.vector)] = 1;
  }
  const Indices& positions() const { return positions_; }  // the extents that positions count up in
  const Indices& sizes() const { return sizes_; }  // of a window, by dimension of x

  // Where the window of a position begins, by dimension of x, as the indices say it.
  Indices start(const int64_t* indices, const Indices& position) const {
    Indices at(x_.size(), 0);
    const int64_t first = dot(position, index_step_);
    for (size_t d = 0; d < x_.size(); ++d) {
      const Windows::Dimension& x = w_.x[d];
      if (x.batch >= 0) at[d] = position[static_cast<size_t>(x.batch)];
      if (x.component < 0) continue;
      at[d] = indices[first + (w_.vector < 0 ? 0 : x.component * index_step_[static_cast<size_t>(w_.vector)])];
    }
    return at;
  }
  bool fits(const Indices& start) const {
    for (size_t d = 0; d < x_.size(); ++d)
      if (start[d] < 0 || start[d] > x_[d] - sizes_[d]) return false;
    return true;
  }
  Indices clamped(Indices start) const {
    for (size_t d = 0; d < x_.size(); ++d) start[d] = std::max<int64_t>(std::min(start[d], x_[d] - sizes_[d]), 0);
    return start;
  }
  // The element of x, and that of result or updates, of an index within the window.
  int64_t in_x(const Indices& start, const Indices& inside) const { return dot(start, x_step_) + dot(inside, x_step_); }
  int64_t in_windows(const Indices& position, const Indices& inside) const {
    int64_t at = 0;
    for (size_t j = 0; j < position.size(); ++j)
      if (w_.along[j] >= 0) at += position[j] * window_step_[static_cast<size_t>(w_.along[j])];
    for (size_t d = 0; d < inside.size(); ++d)
      if (w_.x[d].window >= 0) at += inside[d] * window_step_[static_cast<size_t>(w_.x[d].window)];
    return at;
  }

 private:
  const Windows& w_;
  Indices x_, indices_, x_step_, index_step_, window_step_, sizes_, positions_;
};

}  // namespace tenon::ir::rules
