// scatter as loops: the operand is copied, then the updates are combined with it one by one in ascending order of their indices, so
// duplicates always come out alike. Dimensions of x that have nothing to do with each other are parallel: each iteration copies and
// updates its own part. A window that does not lie inside is dropped by giving its loop no iterations, or by a mask where each
// lane has an index of its own.
//
//   parallel others { serial rows { vector lane { copy } }  serial update { vector lane < (inside ? n : 0) { combine } } }
//
// Where lanes are not threads: the rows of long updates are dealt to threads in ranges, each of which looks at all indices and takes
// those that are its own (copied and updated while a range is in a cache); single elements go by blocks, whose indices are looked at
// side by side before any update, so that no update waits for memory behind the address of one before.
//
//   serial block { reduce(and) j < 1024 { inside }  vector j < (all ? 1024 : 0) { place[j] = index }
//                  serial j < (all ? 1024 : 0) { combine at place[j] }  serial j < (all ? 0 : 1024) { one by one } }
#include "tenon/ir/rules/nest.h"
#include "tenon/ir/rules/windows.h"

namespace tenon::ir::rules {
namespace {

constexpr int64_t block = 1024;  // updates whose places are found together
constexpr int64_t range_elements = 1 << 17, most_ranges = 8, range_row = 16;

struct ScatterNest {
  Lowering& c;
  const Node& node;
  const Shape &shape, &indices;
  const Windows w;
  const std::string& combine;
  const size_t rank;
  bool lane_loop, lane_batch;  // the last dimension is a vector loop; each lane has indices of its own
  bool ranged = false;  // the first of the dimensions that are written in turn is dealt out in ranges
  Scalar low, high;  // the range
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
    ranged = c.lanes > 1 && lane_loop && !lane_batch && others.empty() && !searched.empty() &&
             w.x[searched[0]].component >= 0 && w.x[searched[0]].size == 1;
  }

  // How many ranges: of 2^17 elements each, and fewer where an update is so short that looking at its index costs as much.
  Scalar ranges() {
    Scalar row = c.index_literal(1);
    for (size_t d = 0; d < rank; ++d)
      if (d != searched[0]) row = row * c.extent(shape[d]);
    const Scalar one = c.index_literal(1), rows = c.extent(shape[searched[0]]);
    const Scalar most = min(row / c.index_literal(range_row), c.index_literal(most_ranges));
    return clamp(rows * row / c.index_literal(range_elements), one, max(most, one));
  }
  void open_range(Scalar number, Scalar count) {
    const Scalar rows = c.extent(shape[searched[0]]), each = (rows + count - c.index_literal(1)) / count;
    low = min(number * each, rows);
    high = min(low + each, rows);
  }

  Scalar loop(LoopKind kind, Scalar extent) {
    ++open;
    return open_loop(c, kind, extent);
  }
  void close() {
    for (; open > 0; --open) c.builder.close_loop();
  }

  void copy() {
    for (size_t d : searched) {
      if (ranged && d == searched[0])
        place[d] = loop(LoopKind::serial, high - low) + low;
      else
        place[d] = loop(c.lanes > 1 && d + 1 == rank ? LoopKind::vector : LoopKind::serial, c.extent(shape[d]));
    }
    if (lane_loop)
      place[rank - 1] = loop(LoopKind::vector, c.extent(shape[rank - 1]));
    else if (searched.empty())
      loop(LoopKind::serial, c.index_literal(1));
    c.store(node, 0, place, c.element(node, 0, place), {});
    close();
  }

  // The components that are not parallel: what loops run over, in ascending order.
  std::vector<size_t> positions() const {
    std::vector<size_t> list;
    for (size_t j = 0; j < indices.size(); ++j) {
      bool batch = false;
      for (size_t d = 0; d < rank; ++d)
        if (w.x[d].batch == static_cast<int>(j)) batch = true;
      if (!batch && static_cast<int>(j) != w.vector) list.push_back(j);
    }
    return list;
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
        const bool in_range = ranged && d == searched[0];
        inside = inside & ((start >= (in_range ? low : zero)) & (start < (in_range ? high : extent)));
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

  // Whether places are found by blocks: of single elements, where there are enough of them.
  bool by_blocks() const {
    if (c.lanes == 1 || lane_loop || positions().empty()) return false;
    for (size_t d : searched)
      if (!(w.x[d].size == 1)) return false;
    const Dim last = indices[positions().back()];
    return !(last.is_number() && last.number() < 2 * c.lanes);
  }
  void update_by_blocks() {
    KernelBuilder& b = c.builder;
    const std::vector<size_t> list = positions();
    std::vector<size_t> found;  // the dimensions that an index points into
    std::vector<BufferId> places;
    Scalar exists{&b, b.literal(DType::boolean, 1)};
    for (size_t d : searched) {
      if (w.x[d].component < 0) continue;
      found.push_back(d);
      places.push_back(b.scratch("places" + std::to_string(d), DType::i64, Shape{block}));
      exists = exists & (c.extent(shape[d]) > c.index_literal(0));
    }
    for (size_t j : list)
      if (j != list.back()) position[j] = loop(LoopKind::serial, c.extent(indices[j]));
    const Scalar total = c.extent(indices[list.back()]), size = c.index_literal(block), zero = c.index_literal(0);
    const Scalar first = loop(LoopKind::serial, (total + c.index_literal(block - 1)) / size) * size;
    const Scalar count = min(size, total - first);
    const auto at = [&](Scalar n) { position[list.back()] = first + n; };

    at({&b, b.open_reduce({Op::bit_and}, row_tree, count.id)});
    const ScalarId inside = find().id;
    const Scalar all = exists & Scalar{&b, b.close_reduce(std::span(&inside, 1))[0]},
                 together = select(all, count, zero);
    const Scalar lane = open_loop(c, LoopKind::vector, together);
    at(lane);
    find();
    for (size_t k = 0; k < found.size(); ++k) {
      const Scalar last = c.extent(shape[found[k]]) - c.index_literal(1);
      b.store(places[k], std::span(&lane.id, 1), clamp(place[found[k]], zero, last).id);  // for who checks bounds
    }
    b.close_loop();
    const Scalar next = open_loop(c, LoopKind::serial, together);
    at(next);
    for (size_t k = 0; k < found.size(); ++k) place[found[k]] = {&b, b.load(places[k], std::span(&next.id, 1))};
    combine_one({});
    b.close_loop();
    at(open_loop(c, LoopKind::serial, count - together));
    open_loop(c, LoopKind::serial, select(find(), c.index_literal(1), zero));
    combine_one({});
    for (int k = 0; k < 2; ++k) b.close_loop();
    close();
  }

  void update() {
    if (by_blocks()) return update_by_blocks();
    for (size_t j : positions()) position[j] = loop(LoopKind::serial, c.extent(indices[j]));
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
  if (nest.ranged) {
    const Scalar ranges = nest.ranges();
    nest.open_range(open_loop(c, LoopKind::parallel, ranges), ranges);
  } else {
    std::vector<Dim> extents;
    for (size_t d : nest.others) extents.push_back(nest.shape[d]);
    const std::vector<Scalar> index = open_parallel(c, extents);
    for (size_t i = 0; i < index.size(); ++i) nest.place[nest.others[i]] = index[i];
  }
  nest.copy();
  nest.update();
  c.builder.close_loop();
}

}  // namespace tenon::ir::rules
