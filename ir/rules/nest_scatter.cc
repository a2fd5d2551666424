// scatter as loops: the operand is copied, then the updates are combined with it one by one in ascending order of their indices, so
// duplicates always come out alike. Dimensions of x that have nothing to do with each other are parallel: each iteration copies and
// updates its own part. A window that does not lie inside is dropped by giving its loop no iterations, or by a mask where each
// lane has an index of its own.
//
//   parallel others { serial rows { vector lane { copy } }  serial update { vector lane < (inside ? n : 0) { combine } } }
#include "tenon/ir/rules/nest.h"
#include "tenon/ir/rules/windows.h"

namespace tenon::ir::rules {
namespace {

struct ScatterNest {
  Lowering& c;
  const Node& node;
  const Shape &shape, &indices;
  const Windows w;
  const std::string& combine;
  const size_t rank;
  bool lane_loop, lane_batch;  // the last dimension is a vector loop; each lane has indices of its own
  std::vector<size_t> others, searched;  // parallel dimensions; those that are written in turn
  std::vector<Scalar> place, window, position;  // an index of x, of the window by dimension of x, of the indices
  size_t open = 0;

  ScatterNest(Lowering& context, const Node& n)
      : c(context),
        node(n),
        shape(c.result_type(n).shape),
        indices(c.operand_type(n, 1).shape),
        w(windows_of(c.graph, n)),
        combine(Scatter(c.graph, n).combine),
        rank(shape.size()),
        place(rank, c.index_literal(0)),
        window(rank, c.index_literal(0)),
        position(indices.size(), c.index_literal(0)) {
    const size_t last = rank - 1;
    // Lanes run ahead of each other on a GPU: each must have places of its own, also from one update to the next.
    lane_loop = rank > 0 && !(shape[last] == 1) && w.apart(shape, last);
    lane_batch = lane_loop && w.x[last].batch >= 0;
    for (size_t d = 0; d < rank; ++d) {
      if (lane_loop && d == last) continue;
      (w.apart(shape, d) ? others : searched).push_back(d);
    }
  }

  Scalar loop(LoopKind kind, Scalar extent) {
    ++open;
    return open_loop(c, kind, extent);
  }
  void close() {
    for (; open > 0; --open) c.builder.close_loop();
  }

  void copy() {
    for (size_t d : searched) place[d] = loop(LoopKind::serial, c.extent(shape[d]));
    if (lane_loop)
      place[rank - 1] = loop(LoopKind::vector, c.extent(shape[rank - 1]));
    else if (searched.empty())
      loop(LoopKind::serial, c.index_literal(1));
    c.store(node, 0, place, c.element(node, 0, place), {});
    close();
  }

  // The components that are not parallel: what loops run over, in ascending order.
  void open_positions() {
    for (size_t j = 0; j < indices.size(); ++j) {
      if (static_cast<int>(j) == w.vector) continue;
      bool batch = false;
      for (size_t d = 0; d < rank; ++d)
        if (w.x[d].batch == static_cast<int>(j)) batch = true;
      if (!batch) position[j] = loop(LoopKind::serial, c.extent(indices[j]));
    }
  }
  // Sets where the window begins; whether it lies inside.
  Scalar find() {
    for (size_t d = 0; d < rank; ++d)
      if (w.x[d].batch >= 0) position[static_cast<size_t>(w.x[d].batch)] = place[d];
    Scalar inside{&c.builder, c.builder.literal(DType::boolean, 1)};
    for (size_t d = 0; d < rank; ++d) {
      if (w.apart(shape, d)) continue;
      place[d] = c.index_literal(0);
      if (w.x[d].component < 0) continue;
      if (w.vector >= 0) position[static_cast<size_t>(w.vector)] = c.index_literal(w.x[d].component);
      const Scalar start = c.element(node, 1, position), zero = c.index_literal(0), extent = c.extent(shape[d]);
      if (w.x[d].size == 1) {
        inside = inside & ((start >= zero) & (start < extent));
        place[d] = start;
      } else {
        const Scalar room = extent - c.extent(w.x[d].size);
        inside = inside & ((start >= zero) & (start <= room));
        place[d] = clamp(start, zero, room);
      }
    }
    return inside;
  }
  void combine_one(Scalar mask) {
    std::vector<Scalar> to = place, from(c.operand_type(node, 2).shape.size(), c.index_literal(0));
    for (size_t d = 0; d < rank; ++d) {
      if (w.x[d].window < 0) continue;
      if (!w.apart(shape, d)) to[d] = place[d] + window[d];
      from[static_cast<size_t>(w.x[d].window)] = w.apart(shape, d) ? place[d] : window[d];
    }
    for (size_t j = 0; j < indices.size(); ++j)
      if (w.along[j] >= 0) from[static_cast<size_t>(w.along[j])] = position[j];
    Scalar value = c.element(node, 2, from);
    if (combine != "set") {
      const Scalar other = mask ? c.literal(c.result_type(node).dtype, 0) : Scalar{};
      const ScalarId both[] = {c.reload(node, 0, to, mask, other).id, value.id};
      value = {&c.builder, c.builder.scalar(find_op(combine)->op, both)};
    }
    c.store(node, 0, to, value, mask);
  }

  void update() {
    open_positions();
    if (lane_batch) {
      for (size_t d : searched)
        if (w.x[d].window >= 0) window[d] = loop(LoopKind::serial, c.extent(w.x[d].size));
      place[rank - 1] = loop(LoopKind::vector, c.extent(shape[rank - 1]));
      combine_one(find());
      return close();
    }
    const Scalar inside = find(), zero = c.index_literal(0);
    bool guarded = false;  // the outermost of these loops has no iterations where the window is dropped
    const auto guarded_loop = [&](LoopKind kind, Scalar extent) {
      const Scalar count = guarded ? extent : select(inside, extent, zero);
      guarded = true;
      return loop(kind, count);
    };
    for (size_t d : searched)
      if (w.x[d].window >= 0) window[d] = guarded_loop(LoopKind::serial, c.extent(w.x[d].size));
    if (lane_loop) {
      place[rank - 1] = guarded_loop(LoopKind::vector, c.extent(w.x[rank - 1].size));
    } else if (!guarded) {
      guarded_loop(LoopKind::serial, c.index_literal(1));
    }
    combine_one({});
    close();
  }
};

}  // namespace

void nest_scatter(Lowering& c, const Node& node) {
  ScatterNest nest(c, node);
  std::vector<Dim> extents;
  for (size_t d : nest.others) extents.push_back(nest.shape[d]);
  const std::vector<Scalar> index = open_parallel(c, extents);
  for (size_t i = 0; i < index.size(); ++i) nest.place[nest.others[i]] = index[i];
  nest.copy();
  nest.update();
  c.builder.close_loop();
}

}  // namespace tenon::ir::rules
