// Reference meaning of indexing: gather clamps, scatter drops and combines in ascending order.
#include <algorithm>

#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_windows.h"

namespace tenon::ir::rules {

// A window of one element along an empty dimension has nothing to clamp to: its result is zero.
std::vector<Array> eval_gather(const EvalArgs& args) {
  const Array &x = *args.operands[0], &indices = *args.operands[1];
  const Windows w = windows_of(Gather(args.attrs), indices.type.shape.size());
  Array result(args.results[0]);
  const WindowWalk walk(w, x.type.shape, indices.type.shape, result.type.shape);
  if (x.numel() == 0) return one_result(std::move(result));
  for (Odometer position(walk.positions()); !position.done(); position.next()) {
    const Indices start = walk.clamped(walk.start(indices.as<int64_t>(), position.index));
    for (Odometer inside(walk.sizes()); !inside.done(); inside.next())
      copy_element(result, walk.in_windows(position.index, inside.index), x, walk.in_x(start, inside.index));
  }
  return one_result(std::move(result));
}

// Each update is combined by itself, so halves round after every one. Elements of one window lie at different places, so those that
// follow each other in memory are combined together.
std::vector<Array> eval_scatter(const EvalArgs& args) {
  Array result = *args.operands[0];
  const Array &indices = *args.operands[1], &updates = *args.operands[2];
  const Scatter scatter(args.attrs);
  const Shape& shape = result.type.shape;
  const Windows w = windows_of(scatter, shape.size(), indices.type.shape.size(), updates.type.shape);
  const WindowWalk walk(w, shape, indices.type.shape, updates.type.shape);
  const OpDef* combine = find_op(scatter.combine);
  const DType type = result.type.dtype;
  const int64_t size = bytes(type);
  Indices sizes = walk.sizes();
  int64_t run = 1;
  if (!sizes.empty() && w.x.back().window + 1 == updates.type.shape.rank()) run = std::exchange(sizes.back(), 1);
  if (run == 0) return one_result(std::move(result));
  for (Odometer position(walk.positions()); !position.done(); position.next()) {
    const Indices start = walk.start(indices.as<int64_t>(), position.index);
    if (!walk.fits(start)) continue;
    for (Odometer inside(sizes); !inside.done(); inside.next()) {
      unsigned char* target = result.data.data() + walk.in_x(start, inside.index) * size;
      const unsigned char* update = updates.data.data() + walk.in_windows(position.index, inside.index) * size;
      const Lanes both[] = {Lanes::from(type, target, run), Lanes::from(type, update, run)};
      (combine ? elementwise(combine->op, both) : both[1]).copy_to(target);
    }
  }
  return one_result(std::move(result));
}

}  // namespace tenon::ir::rules
