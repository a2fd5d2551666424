// Parts of a tensor: what x[...] selects, and windows that start where tensors say. Refuses a position out of range where
// extents are numbers; starts that are computed are clamped when the program runs.
#include "tenon/frontend/ops/selection.h"

#include <algorithm>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

std::vector<ir::Value> build_index(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const made::Selected s(a);
  ir::Value v = ir::slice(x[0], s.starts, s.sizes, s.strides);
  if (!s.reversed.empty()) v = ir::reverse(v, s.reversed);
  return {ir::reshape(v, Shape(s.shape))};
}

std::vector<ir::Value> build_dynamic_slice(ir::GraphBuilder& b, Values x, const ir::Attrs& a) {
  std::vector<ir::Value> operands = {x[0]};
  for (const ir::Value& start : x.subspan(1)) operands.push_back(formula::position(start));
  return ir::apply(b, ir::Op::dynamic_slice, operands, a);
}
std::vector<ir::Value> build_dynamic_update_slice(ir::GraphBuilder& b, Values x, const ir::Attrs& a) {
  std::vector<ir::Value> operands = {x[0], ir::cast(x[1], x[0].dtype())};
  for (const ir::Value& start : x.subspan(2)) operands.push_back(formula::position(start));
  return ir::apply(b, ir::Op::dynamic_update_slice, operands, a);
}

void append_starts(std::vector<Tensor>& inputs, std::span<const Tensor> starts, const char* op, const Location& at) {
  for (const Tensor& s : starts) {
    check_index(s, op, at);
    inputs.push_back(s);
  }
}

}  // namespace

Selection selection_of(const Tensor& x, std::span<const Index> indices, const Location& at) {
  if (indices.size() > static_cast<size_t>(x.ndim()))
    throw Error("index: " + std::to_string(indices.size()) + " indices into " + describe(x), at);
  std::vector<Dim> starts, sizes;
  std::vector<int64_t> strides, reversed;
  Shape result;
  for (int64_t i = 0; i < x.ndim(); ++i) {
    const Index which = i < static_cast<int64_t>(indices.size()) ? indices[i] : Index(tenon::all);
    if (which.what == Index::What::all) {  // also where the extent is symbolic
      const Dim extent = x.shape()[i];
      starts.push_back(Dim(0)), sizes.push_back(extent), strides.push_back(1), result.push_back(extent);
      continue;
    }
    const Dim extent = x.shape()[i];
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

Tensor select_at(const Tensor& x, std::span<const Index> indices, const Location& at) try {
  const Selection s = selection_of(x, indices, at);
  return apply_one(
      {"index", build_index},
      made::SelectedAttrs{
          .starts = s.starts, .sizes = s.sizes, .strides = s.strides, .reversed = s.reversed, .shape = s.result.dims()},
      {x}, at);
} catch (...) {
  leave_with_error("index", at);
}

Tensor dynamic_slice(Operand operand, std::span<const Tensor> starts, const std::vector<int64_t>& sizes) try {
  std::vector<Tensor> inputs{as_tensor(operand, "dynamic_slice")};
  append_starts(inputs, starts, "dynamic_slice", operand.where());
  const Shape window = Extents(sizes).checked("dynamic_slice", inputs[0].dtype(), operand.where());
  return apply({"dynamic_slice", build_dynamic_slice}, ir::DynamicSliceAttrs{window.dims()}, inputs,
               operand.where())[0];
} catch (...) {
  leave_with_error("dynamic_slice", operand.where());
}
Tensor dynamic_update_slice(Operand operand, Operand update, std::span<const Tensor> starts) try {
  const Tensor x = as_tensor(operand, "dynamic_update_slice");
  std::vector<Tensor> inputs{x, entered(update, x.dtype(), "dynamic_update_slice")};
  append_starts(inputs, starts, "dynamic_update_slice", operand.where());
  return apply({"dynamic_update_slice", build_dynamic_update_slice}, {}, inputs, operand.where())[0];
} catch (...) {
  leave_with_error("dynamic_update_slice", operand.where());
}

}  // namespace tenon
