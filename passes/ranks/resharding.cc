// One step after the other, the free ones first: cut what is whole; move a cut from one dimension to another; put together.
#include "tenon/passes/ranks/resharding.h"

#include <algorithm>

#include "tenon/ir/graph/attributes.h"

namespace tenon::passes {

using namespace ir;

namespace {

struct Step {
  enum Kind { cut, move, gather } kind;
  size_t dimension, to = 0;  // to: where a moved cut goes
  int8_t axis = -1;
};

// The next step from one to the other; they are not alike.
Step next_step(const Cuts& have, const Cuts& want) {
  const auto used = [&](int8_t axis) { return std::find(have.begin(), have.end(), axis) != have.end(); };
  for (size_t d = 0; d < have.size(); ++d)
    if (have[d] < 0 && want[d] >= 0 && !used(want[d])) return {Step::cut, d, 0, want[d]};
  for (size_t d = 0; d < have.size(); ++d)
    for (size_t e = 0; e < have.size(); ++e)
      if (have[d] >= 0 && want[d] != have[d] && have[e] < 0 && want[e] == have[d]) return {Step::move, d, e, have[d]};
  for (size_t d = 0; d < have.size(); ++d)
    if (have[d] >= 0 && want[d] != have[d]) return {Step::gather, d, 0, have[d]};
  throw InternalError("partition: no way from one cut to another");
}

void take(Cuts& have, const Step& s) {
  have[s.dimension] = s.kind == Step::cut ? s.axis : int8_t{-1};
  if (s.kind == Step::move) have[s.to] = s.axis;
}

Value over(Op op, Value x, const MeshAxis& axis, const std::string& why) {
  return apply(*x.builder, op, {&x, 1},
               CollectiveAttrs{.size = axis.size,
                               .stride = axis.stride,
                               .place = std::string(name(op)) + " over '" + axis.name + "' " + why,
                               .numbers = op == Op::all_gather ? std::vector<int64_t>{1} : std::vector<int64_t>{}})[0];
}

std::string dimension(size_t d) { return "dimension " + std::to_string(d); }

}  // namespace

Shape part_of(Shape whole, const Cuts& cuts, std::span<const MeshAxis> mesh) {
  for (size_t d = 0; d < cuts.size(); ++d)
    if (cuts[d] >= 0) whole[d] = whole[d].number() / mesh[static_cast<size_t>(cuts[d])].size;
  return whole;
}

int64_t bytes_moved(const Type& whole, Cuts have, const Cuts& want, std::span<const MeshAxis> mesh) {
  int64_t moved = 0;
  while (have != want) {
    const Step s = next_step(have, want);
    take(have, s);
    if (s.kind == Step::cut) continue;
    int64_t all = bytes(whole.dtype);
    for (Dim d : part_of(whole.shape, have, mesh))
      if (d.is_number()) all *= d.number();
    moved += std::min<int64_t>(all, int64_t{1} << 40);
  }
  return moved;
}

Value relaid(Value x, const Shape& whole, Cuts have, const Cuts& want, std::span<const MeshAxis> mesh,
             const Reason& reason) {
  while (have != want) {
    const Step s = next_step(have, want);
    const MeshAxis& axis = mesh[static_cast<size_t>(s.axis)];
    const std::string who = "for " + reason.who;
    if (s.kind == Step::cut) {
      x = over(Op::rank_slice, split_blocks(x, s.dimension, axis.size), axis, who);
    } else if (s.kind == Step::move) {
      const std::string what = ", which takes " + dimension(s.to) + " cut, and not " + dimension(s.dimension);
      x = over(Op::all_to_all, split_blocks(x, s.to, axis.size), axis, who + what + reason.why);
      x = merge_blocks(x, s.dimension);
    } else {
      const std::string what = ", which takes " + dimension(s.dimension) + " of extent " +
                               std::to_string(whole[s.dimension].number()) +
                               (want[s.dimension] < 0 ? " whole" : " cut along another axis");
      x = merge_blocks(over(Op::all_gather, x, axis, who + what + reason.why), s.dimension);
    }
    take(have, s);
  }
  return x;
}

Value joined(Value x, Op collective, const MeshAxis& axis, const Reason& reason) {
  return over(collective, x, axis, "for " + reason.why + " of " + reason.who);
}

Value sum_scattered(Value x, size_t d, const MeshAxis& axis, const Reason& reason) {
  return over(Op::reduce_scatter, split_blocks(x, d, axis.size), axis,
              "for " + reason.why + " of " + reason.who + ", whose " + dimension(d) + " is wanted cut");
}

}  // namespace tenon::passes
