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

// Where counting from the end starts at 0: v clamped to 0 ... n.
Extent clamped(Extent v, Extent n) {
  if (v.is_number() && v.number() < 0) {
    const Extent back = v.number() == INT64_MIN ? INT64_MAX : -v.number();
    return n - min(n, back);
  }
  return min(v, n);
}

// How many steps cover a distance.
Extent steps_over(Extent distance, int64_t step) {
  if (distance.is_number()) return distance.number() == 0 ? 0 : (distance.number() - 1) / step + 1;
  return (distance + (step - 1)) / step;
}

// What one slice takes of an axis of n elements.
struct Run {
  Extent start, size;
  int64_t step;
  bool reversed;
};

Run run_of(const Index& slice, Extent n, const Location& at) {
  if (slice.step == 0) throw Error("index: a slice's step is not zero", at);
  if (slice.step > 0) {
    const Extent start = clamped(slice.start, n), stop = max(clamped(slice.stop, n), start);
    return {start, steps_over(stop - start, slice.step), slice.step, false};
  }
  // Downwards: positions moved up by one, so that the one before the first is 0.
  const int64_t step = slice.step == INT64_MIN ? INT64_MAX : -slice.step;  // both are beyond any extent
  const auto above = [&](Extent v) {
    if (v.is_symbol() || (v.number() >= 0 && v.number() < INT64_MAX)) return min(v + 1, n);
    return v.number() < 0 ? clamped(v, n + 1) : n;
  };
  const Extent stop = above(slice.stop), first = max(above(slice.start), stop);
  const Extent size = steps_over(first - stop, step);
  return {first - covered(size, step), size, step, true};
}

}  // namespace

Index::Index(const Tensor& positions, const std::source_location& at)
    : what(What::tensor), cell(positions.cell()), where(place(at)) {}

Extent covered(Extent size, int64_t step) { return (max(size, 1) - 1) * step + min(size, 1); }

Selection selection_of(const Tensor& x, std::span<const Index> given, const Location& at) {
  const std::vector<Index> indices = written_out(x, given, at);
  std::vector<Dim> starts, sizes;
  std::vector<int64_t> strides, reversed;
  Shape result;
  const auto take = [&](Extent start, Extent size, int64_t step) {
    starts.push_back(extent_here(start)), sizes.push_back(extent_here(size)), strides.push_back(step);
  };
  for (const Index& which : indices) {
    const auto axis = static_cast<int64_t>(starts.size());
    if (which.what == Index::What::fresh) {
      result.push_back(1);
      continue;
    }
    const Extent n = x.shape()[starts.size()];
    if (which.what == Index::What::every) {
      take(0, n, 1);
      result.push_back(n);
    } else if (which.what == Index::What::number) {
      const Extent& v = which.start;
      const bool open = n.is_symbol() || v.is_symbol();  // then the type rule has it checked when the extents are known
      const Extent position =
          v.is_number() && v.number() < 0 ? (open ? n - -std::max(v.number(), -INT64_MAX) : v + n) : v;
      if (!open && (position < 0 || position >= n))
        throw Error("index " + std::to_string(v) + " is out of range for axis " + std::to_string(axis) + " of " +
                        describe(x) + "; it goes from " + std::to_string(-n) + " to " + std::to_string(n - 1),
                    at);
      take(position, 1, 1);
    } else {
      const Run run = run_of(which, n, at);
      const bool few = run.size.is_number() && run.size.number() <= 1;
      take(run.start, run.size, few ? 1 : run.step);
      if (run.reversed && !few) reversed.push_back(axis);
      result.push_back(run.size);
    }
  }
  return {std::move(starts), std::move(sizes), std::move(strides), std::move(reversed), std::move(result)};
}

Tensor select_at(const Tensor& x, std::span<const Index> indices, const Location& at) try {
  if (has_tensors(indices)) return select_by_tensors(x, indices, at);
  const Selection s = selection_of(x, indices, at);
  return apply_one(
      {"index", build_index},
      made::SelectedAttrs{
          .starts = s.starts, .sizes = s.sizes, .strides = s.strides, .reversed = s.reversed, .shape = s.result.dims()},
      {x}, at);
} catch (...) {
  leave_with_error("index", at);
}

Tensor dynamic_slice(Operand operand, std::span<const Tensor> starts, const Extents& sizes) try {
  std::vector<Tensor> inputs{as_tensor(operand, "dynamic_slice")};
  append_starts(inputs, starts, "dynamic_slice", operand.where());
  const Shape window = sizes.checked("dynamic_slice", inputs[0].dtype(), operand.where());
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
