// Lowers movement whose place is known at run time only: starts and indices are operands, clamped before they are used.
#include "tenon/ir/rules/lower.h"

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

// An empty axis has nothing to clamp to: its result is zero.
Scalar lower_gather(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const size_t axis = Gather(c.graph, node).axis;
  const size_t rank = c.operand_type(node, 1).shape.size();
  const Scalar extent = c.extent(c.operand_type(node, 0).shape[axis]), zero = c.index_literal(0);
  const Scalar row = c.element(node, 1, index.subspan(axis, rank));
  std::vector<Scalar> place(index.begin(), index.begin() + static_cast<std::ptrdiff_t>(axis));
  place.push_back(clamp(row, zero, extent - c.index_literal(1)));
  place.insert(place.end(), index.begin() + static_cast<std::ptrdiff_t>(axis + rank), index.end());
  return c.masked_element(node, 0, place, extent > zero, c.literal(c.result_type(node).dtype, 0));
}

}  // namespace tenon::ir::rules
