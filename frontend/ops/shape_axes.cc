// Axes that come, go and change places: a reshape, a transpose or a broadcast each, under the name that callers know.
#include <algorithm>
#include <numeric>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/shapes.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

Tensor shaped(const Tensor& x, const Shape& shape, const Location& at) { return reshape(Operand(x, at), shape); }

// The axes of x in another order.
Tensor ordered(const Tensor& x, const std::vector<int64_t>& order, const Location& at) {
  return std::is_sorted(order.begin(), order.end()) ? x : transpose(Operand(x, at), order);
}

std::vector<int64_t> all_axes(const Tensor& x) {
  std::vector<int64_t> axes(static_cast<size_t>(x.ndim()));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

// Each once, from the front.
std::vector<int64_t> checked_axes(const std::vector<int64_t>& axes, const Tensor& x, const char* op,
                                  const Location& at) {
  std::vector<int64_t> result;
  for (int64_t axis : axes) {
    result.push_back(axis_of(axis, x.ndim(), op, at));
    if (std::count(result.begin(), result.end(), result.back()) > 1)
      throw Error(std::string(op) + ": axis " + std::to_string(axis) + " is named twice", at);
  }
  return result;
}

Tensor moved(const char* op, const Operand& operand, const std::vector<int64_t>& from,
             const std::vector<int64_t>& to) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, op);
  if (from.size() != to.size())
    throw Error(std::string(op) + ": " + std::to_string(from.size()) + " axes move to " + std::to_string(to.size()) +
                    " places; one place for each",
                at);
  const std::vector<int64_t> source = checked_axes(from, x, op, at), target = checked_axes(to, x, op, at);
  std::vector<int64_t> order(static_cast<size_t>(x.ndim()), -1);
  for (size_t i = 0; i < source.size(); ++i) order[static_cast<size_t>(target[i])] = source[i];
  int64_t next = 0;
  for (int64_t& place : order) {
    if (place >= 0) continue;
    while (std::find(source.begin(), source.end(), next) != source.end()) ++next;
    place = next++;
  }
  return ordered(x, order, at);
} catch (...) {
  leave_with_error(op, operand.where());
}

// x with axes of extent 1 until it has `rank` of them: in front, or of a third one behind, as NumPy has it.
Tensor at_least(const char* op, const Operand& operand, int rank) try {
  const Tensor x = as_tensor(operand, op);
  Shape shape = x.shape();
  while (shape.rank() < rank) {
    if (shape.rank() == 2)
      shape.push_back(Dim(1));
    else
      shape.insert(0, Dim(1));
  }
  return x.ndim() >= rank ? x : shaped(x, shape, operand.where());
} catch (...) {
  leave_with_error(op, operand.where());
}

}  // namespace

Tensor flatten(Operand operand, int64_t start, int64_t end) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "flatten");
  if (x.ndim() == 0) return shaped(x, Shape({1}), at);
  const int64_t first = axis_of(start, x.ndim(), "flatten", at), last = axis_of(end, x.ndim(), "flatten", at);
  if (first > last)
    throw Error("flatten: axis " + std::to_string(start) + " stands behind axis " + std::to_string(end), at);
  Shape shape;
  for (int64_t i = 0; i < first; ++i) shape.push_back(x.shape()[static_cast<size_t>(i)]);
  Shape joined;
  for (int64_t i = first; i <= last; ++i) joined.push_back(x.shape()[static_cast<size_t>(i)]);
  shape.push_back(element_count(joined));
  for (int64_t i = last + 1; i < x.ndim(); ++i) shape.push_back(x.shape()[static_cast<size_t>(i)]);
  return shaped(x, shape, at);
} catch (...) {
  leave_with_error("flatten", operand.where());
}

Tensor ravel(Operand operand) { return flatten(std::move(operand)); }

Tensor unflatten(Operand operand, int64_t axis, const Extents& sizes) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "unflatten");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "unflatten", at));
  std::vector<Extent> shape(x.shape().begin(), x.shape().end());
  Extent known = 1;
  bool numbers = true, open = false;
  for (const Extent& e : sizes.list()) {
    if (e.is_number() && e.number() == -1)
      open = true;
    else
      known = known * e;
    numbers = numbers && e.is_number();
  }
  const Dim whole = x.shape()[a];
  const bool fits = !numbers || whole.is_symbol() ||
                    (open ? known.number() > 0 && whole.number() % known.number() == 0 : whole == known.number());
  if (sizes.list().empty() || !fits)
    throw Error("unflatten: axis " + std::to_string(axis) + " of " + describe(x) + " is not what the sizes make", at);
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(a));
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(a), sizes.list().begin(), sizes.list().end());
  return reshape(Operand(x, at), shape);
} catch (...) {
  leave_with_error("unflatten", operand.where());
}

Tensor squeeze(Operand operand) try {
  const Tensor x = as_tensor(operand, "squeeze");
  Shape shape;
  for (Dim d : x.shape())
    if (!(d == 1)) shape.push_back(d);
  return shape == x.shape() ? x : shaped(x, shape, operand.where());
} catch (...) {
  leave_with_error("squeeze", operand.where());
}

Tensor squeeze(Operand operand, const std::vector<int64_t>& axes) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "squeeze");
  const std::vector<int64_t> gone = checked_axes(axes, x, "squeeze", at);
  Shape shape;
  for (int64_t i = 0; i < x.ndim(); ++i) {
    const Dim d = x.shape()[static_cast<size_t>(i)];
    const bool leaves = std::find(gone.begin(), gone.end(), i) != gone.end();
    if (leaves && !(d == 1)) throw Error("squeeze: axis " + std::to_string(i) + " of " + describe(x) + " is not 1", at);
    if (!leaves) shape.push_back(d);
  }
  return shaped(x, shape, at);
} catch (...) {
  leave_with_error("squeeze", operand.where());
}

Tensor unsqueeze(Operand operand, int64_t axis) try {
  const Tensor x = as_tensor(operand, "unsqueeze");
  Shape shape = x.shape();
  shape.insert(static_cast<size_t>(axis_of(axis, x.ndim() + 1, "unsqueeze", operand.where())), Dim(1));
  return shaped(x, shape, operand.where());
} catch (...) {
  leave_with_error("unsqueeze", operand.where());
}

Tensor swapaxes(Operand operand, int64_t a, int64_t b) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "swapaxes");
  std::vector<int64_t> order = all_axes(x);
  std::swap(order[static_cast<size_t>(axis_of(a, x.ndim(), "swapaxes", at))],
            order[static_cast<size_t>(axis_of(b, x.ndim(), "swapaxes", at))]);
  return ordered(x, order, at);
} catch (...) {
  leave_with_error("swapaxes", operand.where());
}

Tensor movedim(Operand x, const std::vector<int64_t>& from, const std::vector<int64_t>& to) {
  return moved("movedim", x, from, to);
}
Tensor movedim(Operand x, int64_t from, int64_t to) {
  return moved("movedim", x, std::vector<int64_t>{from}, std::vector<int64_t>{to});
}
Tensor moveaxis(Operand x, const std::vector<int64_t>& from, const std::vector<int64_t>& to) {
  return moved("moveaxis", x, from, to);
}
Tensor moveaxis(Operand x, int64_t from, int64_t to) {
  return moved("moveaxis", x, std::vector<int64_t>{from}, std::vector<int64_t>{to});
}

Tensor permute(Operand operand, const std::vector<int64_t>& axes) try {
  const Tensor x = as_tensor(operand, "permute");
  const std::vector<int64_t> order = checked_axes(axes, x, "permute", operand.where());
  if (order.size() != static_cast<size_t>(x.ndim()))
    throw Error("permute: name each axis of " + describe(x) + " once", operand.where());
  return ordered(x, order, operand.where());
} catch (...) {
  leave_with_error("permute", operand.where());
}

Tensor atleast_1d(Operand x) { return at_least("atleast_1d", x, 1); }
Tensor atleast_2d(Operand x) { return at_least("atleast_2d", x, 2); }
Tensor atleast_3d(Operand x) { return at_least("atleast_3d", x, 3); }

Tensor expand(Operand operand, const Extents& shape) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "expand");
  std::vector<Extent> to = shape.list();
  const size_t more = to.size() - std::min(to.size(), x.shape().size());
  for (size_t i = 0; i < to.size(); ++i) {
    if (!to[i].is_number() || to[i].number() != -1) continue;
    if (i < more) throw Error("expand: a new axis has no extent yet, so it is not -1", at);
    to[i] = x.shape()[i - more];
  }
  return broadcast_to(Operand(x, at), to);
} catch (...) {
  leave_with_error("expand", operand.where());
}

Tensor expand_as(Operand operand, const Tensor& other) try {
  return broadcast_to(Operand(as_tensor(operand, "expand_as"), operand.where()),
                      as_tensor(Operand(other, operand.where()), "expand_as").shape());
} catch (...) {
  leave_with_error("expand_as", operand.where());
}

Tensor swapdims(Operand x, int64_t a, int64_t b) { return swapaxes(std::move(x), a, b); }
Tensor transpose(Operand x, int64_t a, int64_t b) { return swapaxes(std::move(x), a, b); }
Tensor t(Operand operand) try {
  const Tensor x = as_tensor(operand, "t");
  if (x.ndim() > 2)
    throw Error("t: takes a matrix, or fewer axes, not " + describe(x) + "; transpose and matrix_transpose take more",
                operand.where());
  return x.ndim() == 2 ? swapaxes(Operand(x, operand.where()), 0, 1) : x;
} catch (...) {
  leave_with_error("t", operand.where());
}
Tensor matrix_transpose(Operand operand) try {
  const Tensor x = as_tensor(operand, "matrix_transpose");
  if (x.ndim() < 2)
    throw Error("matrix_transpose: takes matrices in the last two axes, not " + describe(x), operand.where());
  return swapaxes(Operand(x, operand.where()), -2, -1);
} catch (...) {
  leave_with_error("matrix_transpose", operand.where());
}
Tensor adjoint(Operand x) {
  const Tensor turned = matrix_transpose(x);
  return is_complex(turned.dtype()) ? conj(Operand(turned, x.where())) : turned;
}
Tensor reshape_as(Operand x, const Tensor& other) { return reshape(std::move(x), Extents(other.shape())); }
Tensor view_as(Operand x, const Tensor& other) { return reshape(std::move(x), Extents(other.shape())); }

}  // namespace tenon
