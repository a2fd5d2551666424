// Lowers movement whose place is known at run time only: starts and indices are operands, clamped before they are used.
#include "tenon/ir/rules/nest.h"
#include "tenon/ir/rules/windows.h"

namespace tenon::ir::rules {
namespace {

// The first element of a window along each axis, clamped so that the window lies inside. first: operand number of axis 0's
// start.
std::vector<Scalar> clamped_starts(Lowering& c, const Node& node, const Shape& whole, const Shape& window,
                                   uint32_t first) {
  const Scalar zero = c.index_literal(0);
  std::vector<Scalar> starts;
  for (size_t i = 0; i < whole.size(); ++i) {
    if (whole[i] == window[i]) {
      starts.push_back(zero);
      continue;
    }
    const Scalar start = c.element(node, first + static_cast<uint32_t>(i), {});
    starts.push_back(clamp(start, zero, c.extent(whole[i]) - c.extent(window[i])));
  }
  return starts;
}

}  // namespace

Scalar lower_dynamic_slice(Lowering& c, const Node& node, std::span<const Scalar> index) {
  std::vector<Scalar> place = clamped_starts(c, node, c.operand_type(node, 0).shape, c.result_type(node).shape, 1);
  for (size_t i = 0; i < index.size(); ++i) place[i] = place[i] + index[i];
  return c.element(node, 0, place);
}

Scalar lower_dynamic_update_slice(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Shape& window = c.operand_type(node, 1).shape;
  std::vector<Scalar> place = clamped_starts(c, node, c.operand_type(node, 0).shape, window, 2);
  Scalar inside{&c.builder, c.builder.literal(DType::boolean, 1)};
  for (size_t i = 0; i < index.size(); ++i) {
    place[i] = index[i] - place[i];
    inside = inside & (place[i] >= c.index_literal(0)) & (place[i] < c.extent(window[i]));
  }
  return c.masked_element(node, 1, place, inside, c.element(node, 0, index));
}

// The update alone is stored: where the result is not the operand's own memory, the operand has been copied there.
void nest_dynamic_update_slice(Lowering& c, const Node& node) {
  const Shape& window = c.operand_type(node, 1).shape;
  std::vector<Scalar> place = clamped_starts(c, node, c.operand_type(node, 0).shape, window, 2);
  std::vector<Dim> outer;  // the axes that have loops, but for the last of them
  std::vector<size_t> axes;
  for (size_t i = 0; i < window.size(); ++i)
    if (!(window[i] == 1)) axes.push_back(i);
  for (size_t i = 0; i + 1 < axes.size(); ++i) outer.push_back(window[axes[i]]);
  std::vector<Scalar> at(window.size(), c.index_literal(0));
  if (!outer.empty()) {
    const std::vector<Scalar> index = open_parallel(c, outer);
    for (size_t i = 0; i < index.size(); ++i) at[axes[i]] = index[i];
  }
  if (!axes.empty()) at[axes.back()] = open_loop(c, LoopKind::vector, c.extent(window[axes.back()]));
  for (size_t i = 0; i < place.size(); ++i) place[i] = place[i] + at[i];
  c.store(node, 0, place, c.element(node, 1, at), {});
  if (!axes.empty()) c.builder.close_loop();
  if (!outer.empty()) c.builder.close_loop();
}

// A window that does not fit, of one element along an empty dimension, has nothing to clamp to: its result is zero.
Scalar lower_gather(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Windows w = windows_of(c.graph, node);
  const Shape& shape = c.operand_type(node, 0).shape;
  const Scalar zero = c.index_literal(0);
  std::vector<Scalar> position(w.along.size(), zero), place;
  for (size_t j = 0; j < w.along.size(); ++j)
    if (w.along[j] >= 0) position[j] = index[static_cast<size_t>(w.along[j])];
  Scalar fits{&c.builder, c.builder.literal(DType::boolean, 1)};
  for (size_t d = 0; d < shape.size(); ++d) {
    const Windows::Dimension& x = w.x[d];
    if (x.batch >= 0) {
      place.push_back(position[static_cast<size_t>(x.batch)]);
    } else if (x.component < 0 || x.size == shape[d]) {
      place.push_back(x.window < 0 ? zero : index[static_cast<size_t>(x.window)]);
    } else {
      if (w.vector >= 0) position[static_cast<size_t>(w.vector)] = c.index_literal(x.component);
      const Scalar extent = c.extent(shape[d]), start = c.element(node, 1, position);
      const Scalar size = c.extent(x.size);
      place.push_back(clamp(start, zero, extent - size));
      if (x.window >= 0) place.back() = place.back() + index[static_cast<size_t>(x.window)];
      if (x.size == 1) fits = fits & (extent > zero);
    }
  }
  return c.masked_element(node, 0, place, fits, c.literal(c.result_type(node).dtype, 0));
}

}  // namespace tenon::ir::rules
