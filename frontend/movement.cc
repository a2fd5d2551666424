// Functions that move elements: reshape, transpose, broadcast, concat, slices and pads.
#include <algorithm>
#include <numeric>

#include "tenon/frontend/promote.h"
#include "tenon/frontend/selection.h"
#include "tenon/frontend/tape.h"
#include "tenon/frontend/trace.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

std::vector<ir::Value> build_reshape(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  return {ir::reshape(x[0], Shape(ir::Reshape(a).shape))};
}
std::vector<ir::Value> build_transpose(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  return {ir::transpose(x[0], ir::Transpose(a).permutation)};
}
std::vector<ir::Value> build_broadcast(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  return {ir::broadcast_to(x[0], Shape(made::Shaped(a).shape))};
}
std::vector<ir::Value> build_concat(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const made::Joined to(a);
  std::vector<ir::Value> parts;
  for (const ir::Value& v : x) parts.push_back(ir::cast(v, to.dtype));
  return {ir::concat(parts, to.axis)};
}
std::vector<ir::Value> build_stack(ir::GraphBuilder& b, Values x, const ir::Attrs& a) {
  std::vector<ir::Value> rows;
  for (const ir::Value& v : x) {
    Shape shape = v.shape();
    shape.insert(static_cast<size_t>(made::Joined(a).axis), Dim(1));
    rows.push_back(ir::reshape(v, shape));
  }
  return build_concat(b, rows, a);
}
std::vector<ir::Value> build_reverse(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  return {ir::reverse(x[0], ir::Reverse(a).axes)};
}
std::vector<ir::Value> build_pad(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const made::Widened w(a);
  return {ir::pad(x[0], x[1], w.low, w.high, std::vector<int64_t>(w.low.size(), 0))};
}
std::vector<ir::Value> build_index(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const made::Selected s(a);
  ir::Value v = ir::slice(x[0], s.starts, s.sizes, s.strides);
  if (!s.reversed.empty()) v = ir::reverse(v, s.reversed);
  return {ir::reshape(v, Shape(s.shape))};
}

// Reshape of a concrete tensor shares its buffer: no kernel, and the tape sees a program only when it records.
Tensor share(const Tensor& x, const Shape& shape, const Location& at) {
  Tensor t = make_concrete({x.dtype(), shape}, buffer_of(x, "reshape", at), at);
  return t;
}

Tensor reshape_to(const Tensor& x, const Shape& shape, const Location& at) {
  if (!Trace::current() && x.defined() && x.cell()->concrete() && !records(std::span(&x, 1)))
    return share(x, shape, at);
  return apply_one({"reshape", build_reshape}, ir::ReshapeAttrs{shape.dims()}, {x}, at);
}

std::vector<int64_t> checked_permutation(const std::vector<int64_t>& permutation, const Tensor& x, const Location& at) {
  std::vector<int64_t> p;
  for (int64_t a : permutation) p.push_back(axis_of(a, x.ndim(), "transpose", at));
  std::vector<int64_t> sorted = p;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted.size() != static_cast<size_t>(x.ndim()) || sorted[i] != static_cast<int64_t>(i))
      throw Error("transpose: the permutation must name each axis of " + describe(x) + " once", at);
  return p;
}

}  // namespace

Tensor reshape(Operand operand, const std::vector<int64_t>& shape) {
  const Tensor x = as_tensor(operand, "reshape");
  Shape to;
  int64_t open = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && open < 0) {
      open = static_cast<int64_t>(i);
      to.push_back(Dim(1));
      continue;
    }
    if (shape[i] < 0) throw Error("reshape: extents are not negative, and at most one is -1", operand.where());
    to.push_back(Dim(shape[i]));
  }
  to = Extents(to).checked("reshape", x.dtype(), operand.where());
  const int64_t known = to.numel();
  if (!x.shape().is_static())
    return apply_one({"reshape", build_reshape}, ir::ReshapeAttrs{to.dims()}, {x}, operand.where());
  const int64_t n = x.numel();
  if (open >= 0 && known != 0 && n % known == 0) to[static_cast<size_t>(open)] = Dim(n / known);
  if (to.numel() != n || (open >= 0 && known == 0))
    throw Error(
        "reshape: " + describe(x) + " has " + std::to_string(n) + " elements, which do not fit " + to_string(to),
        operand.where());
  return reshape_to(x, to, operand.where());
}

Tensor Tensor::reshape(const std::vector<int64_t>& shape, const At& at) const {
  return tenon::reshape(Operand(*this, at), shape);
}

Tensor transpose(Operand operand, const std::vector<int64_t>& permutation) {
  const Tensor x = as_tensor(operand, "transpose");
  return apply_one({"transpose", build_transpose},
                   ir::TransposeAttrs{checked_permutation(permutation, x, operand.where())}, {x}, operand.where());
}
Tensor Tensor::transpose(const std::vector<int64_t>& permutation, const At& at) const {
  return tenon::transpose(Operand(*this, at), permutation);
}
Tensor Tensor::transpose(const At& at) const {
  std::vector<int64_t> p(static_cast<size_t>(ndim()));
  std::iota(p.rbegin(), p.rend(), 0);
  return tenon::transpose(Operand(*this, at), p);
}
Tensor Tensor::astype(DType dtype, const At& at) const { return cast_to(*this, dtype, place(at)); }

Tensor broadcast_to(Operand operand, const Extents& extents) {
  const Tensor x = as_tensor(operand, "broadcast_to");
  const Shape shape = extents.checked("broadcast_to", x.dtype(), operand.where());
  const int offset = shape.rank() - x.ndim();
  bool fits = offset >= 0;
  for (int i = 0; fits && i < x.ndim(); ++i) {
    const Dim d = x.shape()[static_cast<size_t>(i)];
    fits = d == 1 || d == shape[static_cast<size_t>(i + offset)];
  }
  if (!fits) throw Error("broadcast_to: " + describe(x) + " does not stretch to " + to_string(shape), operand.where());
  if (x.shape() == shape) return x;
  return apply_one({"broadcast_to", build_broadcast}, made::ShapedAttrs{shape.dims()}, {x}, operand.where());
}

namespace {

// How parts are joined along an axis: in the dtype that they meet in. Error unless they agree in every other axis.
ir::Attrs joined(std::span<const Tensor> parts, int64_t axis, const Location& at) {
  DType dtype = parts[0].dtype();
  for (const Tensor& p : parts) dtype = promote(dtype, p.dtype(), "concat", at);
  const int64_t a = axis_of(axis, parts[0].ndim(), "concat", at);
  for (const Tensor& p : parts) {
    bool fits = p.ndim() == parts[0].ndim();
    for (int i = 0; fits && i < p.ndim(); ++i)
      fits = i == a || p.shape()[static_cast<size_t>(i)] == parts[0].shape()[static_cast<size_t>(i)];
    if (!fits)
      throw Error("concat: " + describe(parts[0]) + " and " + describe(p) + " must agree in every axis but " +
                      std::to_string(a),
                  at);
  }
  return made::JoinedAttrs{.axis = a, .dtype = dtype};
}

}  // namespace

Tensor concat(std::span<const Tensor> parts, int64_t axis, const At& at) {
  if (parts.empty()) throw Error("concat of no tensors", place(at));
  return apply({"concat", build_concat}, joined(parts, axis, place(at)), parts, place(at))[0];
}
Tensor concat(std::initializer_list<Tensor> parts, int64_t axis, const At& at) {
  return concat(std::span(parts.begin(), parts.size()), axis, at);
}

Tensor stack(std::span<const Tensor> parts, int64_t axis, const At& at) {
  if (parts.empty()) throw Error("stack of no tensors", place(at));
  std::vector<Tensor> rows;
  const int64_t a = axis_of(axis, parts[0].ndim() + 1, "stack", place(at));
  for (const Tensor& p : parts) {
    Shape shape = as_tensor(Operand(p, at), "expand_dims").shape();
    shape.insert(static_cast<size_t>(axis_of(a, p.ndim() + 1, "expand_dims", place(at))), Dim(1));
    rows.push_back(stand_in({p.dtype(), shape}, place(at)));
  }
  return apply({"stack", build_stack}, joined(rows, a, place(at)), parts, place(at))[0];
}
Tensor stack(std::initializer_list<Tensor> parts, int64_t axis, const At& at) {
  return stack(std::span(parts.begin(), parts.size()), axis, at);
}

Tensor flip(Operand operand, const std::vector<int64_t>& axes) {
  const Tensor x = as_tensor(operand, "flip");
  std::vector<int64_t> a;
  for (int64_t axis : axes) a.push_back(axis_of(axis, x.ndim(), "flip", operand.where()));
  return apply_one({"flip", build_reverse}, ir::ReverseAttrs{a}, {x}, operand.where());
}

Tensor pad(Operand operand, const std::vector<std::pair<int64_t, int64_t>>& widths, double value) {
  const Tensor x = as_tensor(operand, "pad");
  if (widths.size() != static_cast<size_t>(x.ndim()))
    throw Error("pad: one (low, high) pair per axis of " + describe(x), operand.where());
  std::vector<Dim> low, high;
  for (auto [l, h] : widths) {
    if (l < 0 || h < 0) throw Error("pad: widths are not negative; slice instead", operand.where());
    low.push_back(Dim(l)), high.push_back(Dim(h));
  }
  if (!is_floating(x.dtype()) && !(value >= -0x1p63 && value < 0x1p63))
    throw Error("pad: the fill " + std::to_string(value) + " does not fit " + std::string(name(x.dtype())),
                operand.where());
  const Operand fill =
      is_floating(x.dtype()) ? Operand(value, operand.where()) : Operand(static_cast<int64_t>(value), operand.where());
  return apply_one({"pad", build_pad}, made::WidenedAttrs{low, high}, {x, materialize(fill, x.dtype(), "pad")},
                   operand.where());
}

Tensor squeeze(Operand operand, int64_t axis) {
  const Tensor x = as_tensor(operand, "squeeze");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "squeeze", operand.where()));
  Shape shape = x.shape();
  if (!(shape[a] == 1))
    throw Error("squeeze: axis " + std::to_string(axis) + " of " + describe(x) + " is not 1", operand.where());
  shape.erase(a);
  return reshape_to(x, shape, operand.where());
}
Tensor expand_dims(Operand operand, int64_t axis) {
  const Tensor x = as_tensor(operand, "expand_dims");
  Shape shape = x.shape();
  shape.insert(static_cast<size_t>(axis_of(axis, x.ndim() + 1, "expand_dims", operand.where())), Dim(1));
  return reshape_to(x, shape, operand.where());
}

Selection selection_of(const Tensor& x, std::span<const Index> indices, const Location& at) {
  if (indices.size() > static_cast<size_t>(x.ndim()))
    throw Error("index: " + std::to_string(indices.size()) + " indices into " + describe(x), at);
  std::vector<Dim> starts, sizes;
  std::vector<int64_t> strides, reversed;
  Shape result;
  for (int64_t i = 0; i < x.ndim(); ++i) {
    const Index which = i < static_cast<int64_t>(indices.size()) ? indices[static_cast<size_t>(i)] : Index(tenon::all);
    if (which.what == Index::What::all) {  // also where the extent is symbolic
      const Dim extent = x.shape()[static_cast<size_t>(i)];
      starts.push_back(Dim(0)), sizes.push_back(extent), strides.push_back(1), result.push_back(extent);
      continue;
    }
    const Dim extent = x.shape()[static_cast<size_t>(i)];
    if (extent.is_symbol() && which.what == Index::What::number && which.start >= 0 && which.start < INT64_MAX) {
      starts.push_back(Dim(which.start)), sizes.push_back(Dim(1)), strides.push_back(1);  // checked at run time
      continue;
    }
    if (extent.is_symbol())
      throw Error("index: axis " + std::to_string(i) + " of " + describe(x) +
                      " has a named extent, so a position from its end or a slice of it has no known size; use "
                      "tn::dynamic_slice or tn::take",
                  at);
    const int64_t n = extent.number();
    int64_t start = 0, size = n, step = 1;
    if (which.what == Index::What::number) {
      start = which.start < 0 ? which.start + n : which.start;
      if (start < 0 || start >= n)
        throw Error("index " + std::to_string(which.start) + " is out of range for axis " + std::to_string(i) + " of " +
                        describe(x) + "; it goes from " + std::to_string(-n) + " to " + std::to_string(n - 1),
                    at);
      size = 1;
    } else {
      step = which.step;
      if (step == 0) throw Error("index: a slice's step is not zero", at);
      const auto bound = [n](int64_t v, int64_t low, int64_t high) {
        if (v < 0) v = v + n;
        return std::clamp(v, low, high);
      };
      if (which.what == Index::What::slice && step > 0) {
        start = bound(which.start, 0, n);
        const int64_t stop = bound(which.stop, 0, n);
        size = stop > start ? (stop - start - 1) / step + 1 : 0;
      } else if (which.what == Index::What::slice) {
        const int64_t first = which.start >= n ? n - 1 : bound(which.start, -1, n - 1);
        const int64_t stop = which.stop < -n ? -1 : bound(which.stop, -1, n - 1);
        step = step == INT64_MIN ? INT64_MAX : -step;  // both are beyond any extent
        size = first > stop ? (first - stop - 1) / step + 1 : 0;
        start = size == 0 ? 0 : first - (size - 1) * step;
        if (size > 1) reversed.push_back(i);
      }
      if (size <= 1) step = 1;
      result.push_back(Dim(size));
    }
    starts.push_back(Dim(start)), sizes.push_back(Dim(size)), strides.push_back(step);
  }
  return {std::move(starts), std::move(sizes), std::move(strides), std::move(reversed), std::move(result)};
}

Tensor select_at(const Tensor& x, std::span<const Index> indices, const Location& at) {
  const Selection s = selection_of(x, indices, at);
  return apply_one(
      {"index", build_index},
      made::SelectedAttrs{
          .starts = s.starts, .sizes = s.sizes, .strides = s.strides, .reversed = s.reversed, .shape = s.result.dims()},
      {x}, at);
}

Tensor dynamic_slice(Operand operand, std::span<const Tensor> starts, const std::vector<int64_t>& sizes) {
  std::vector<Tensor> inputs{as_tensor(operand, "dynamic_slice")};
  for (const Tensor& s : starts) inputs.push_back(as_index(s, "dynamic_slice", operand.where()));
  const Shape window = Extents(sizes).checked("dynamic_slice", inputs[0].dtype(), operand.where());
  const std::vector<Dim> dims(window.begin(), window.end());
  return apply_primitive(ir::Op::dynamic_slice, ir::DynamicSliceAttrs{dims}, inputs, operand.where())[0];
}
Tensor dynamic_update_slice(Operand operand, Operand update, std::span<const Tensor> starts) {
  const Tensor x = as_tensor(operand, "dynamic_update_slice");
  std::vector<Tensor> inputs{x, materialize(update, x.dtype(), "dynamic_update_slice")};
  for (const Tensor& s : starts) inputs.push_back(as_index(s, "dynamic_update_slice", operand.where()));
  return apply_primitive(ir::Op::dynamic_update_slice, {}, inputs, operand.where())[0];
}

}  // namespace tenon
