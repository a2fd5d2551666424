// A convolution as loops, directly, without copying patches: every result element is one chain of fused multiply-adds from
// +0 over taps, then channels, ascending. A tap on padding, or between the elements of a dilated input, is skipped.
//
//   parallel n, spatial, block { vector feature {
//     serial tap... carry sums of the block's positions { serial channel { fma, fma, ... } }
//     store, store, ... } }
//
// Several positions of one axis, and several vectors of features, are summed side by side (convolution_tile.h): their chains do not
// wait for each other, and what is loaded serves all of them (convolution_sums.h). An image that lies channels first is read in
// blocks of rows, which wait in scratch memory channels last, and blocks of positions are turned on their way to a result that does.
#include "tenon/ir/rules/convolution_sums.h"

namespace tenon::ir::rules {
namespace {

struct Convolved {
  Lowering& c;
  const Node& node;
  ConvolutionSums sum{c, node};
  KernelBuilder& b = c.builder;
  const Type& type = sum.type;
  const Shape &from = sum.from, &kernel = sum.kernel;
  const DType sum_type = sum.sum_type;
  const size_t spatial = sum.spatial;
  const Scalar zero = sum.zero, one = sum.one, features = sum.features;
  const ConvolutionTile& tile = sum.tile;
  const Order to = c.order(node, 2);
  BufferId turned{};  // scratch memory for a block on its way

  // Vectors of features have no edge: masks cost as much as loads where they take whole registers.
  const bool fills_vectors = kernel[spatial + 1].is_number() && kernel[spatial + 1].number() % c.lanes == 0;

  // Positions of a block are neighbours in memory, and features are not: the block is turned on its way there.
  bool is_turned(size_t many) const {
    return many > 1 && tile.axis != 0 && tile.apart == 1 && !to.empty() && to.back() == static_cast<int64_t>(tile.axis);
  }
  Scalar lanes_from(Scalar feature) const {
    const Scalar all = c.index_literal(c.lanes);
    return fills_vectors ? all : min(features - feature, all);
  }
  // The sums wait, a row a position; then lanes are positions. `feature` is the first of the tile.
  void wait(Scalar lane, const Scalars& sums) const {
    for (size_t k = 0; k < sums.size(); ++k) {
      const auto p = static_cast<int64_t>(k) / tile.wide, v = static_cast<int64_t>(k) % tile.wide;
      const Scalar at = lane + c.index_literal(v * c.lanes);
      b.store(turned, std::array{c.index_literal(p).id, at.id}, sums[k].id);
    }
  }
  void store_turned(const Scalars& out, Scalar feature, size_t many) const {
    const Dim all = kernel[spatial + 1];
    const bool whole = all.is_number() && all.number() % (tile.wide * c.lanes) == 0;
    for (int64_t v = 0; v < tile.wide; ++v) {
      const Scalar position = open_loop(c, LoopKind::vector, c.index_literal(c.lanes)),
                   part = open_loop(c, LoopKind::serial, c.index_literal(c.lanes)) + c.index_literal(v * c.lanes);
      Scalars index = out;
      index[tile.axis] = index[tile.axis] + position;
      index.push_back(feature + part);
      Scalar there = position < c.index_literal(static_cast<int64_t>(many));
      if (!whole) there = there & (feature + part < features);
      const Scalar sum{&b, b.load(turned, std::array{position.id, part.id})};
      c.store(node, 0, index, cast(sum, type.dtype), there);
      b.close_loop();
      b.close_loop();
    }
  }

  // The sums, by position and vector of features, are the results at `out` and along the axis.
  void store(const Scalars& out, Scalar feature, const Scalars& sums) const {
    for (size_t k = 0; k < sums.size(); ++k) {
      const auto p = static_cast<int64_t>(k) / tile.wide, v = static_cast<int64_t>(k) % tile.wide;
      Scalars index = out;
      index[tile.axis] = index[tile.axis] + c.index_literal(p * tile.apart);
      index.push_back(feature + c.index_literal(v * c.lanes));
      c.store(node, 0, index, cast(sums[k], type.dtype), {});
    }
  }

  // The results at `out`, and at as many places along the axis as `many` says, of the features from `begin` on.
  void positions(const Scalars& out, Scalar begin, size_t many) {
    const int64_t width = tile.wide * c.lanes;
    const bool turns = is_turned(many), apart = tile.block != width && (turns || tile.wide > 1 || fills_vectors);
    Scalar part = zero;  // of the block
    if (apart) {
      Scalar times = c.index_literal(tile.block / width);
      if (tile.wide == 1)  // features may end before the block does
        times =
            (min(features - begin, c.index_literal(tile.block)) + c.index_literal(width - 1)) / c.index_literal(width);
      part = open_loop(c, LoopKind::serial, times) * c.index_literal(width);
    }
    Scalar feature = begin + part;
    const Scalar first = feature;
    Scalar lanes = c.index_literal(c.lanes);
    if (tile.wide == 1 && !fills_vectors) lanes = min(features - first, apart ? lanes : c.index_literal(tile.block));
    const Scalar lane = open_loop(c, LoopKind::vector, lanes);
    feature = first + lane;
    sum.feature_at_hand = part + lane;
    Scalars sums(many * static_cast<size_t>(tile.wide), c.literal(sum_type, 0));
    if (tile.axis == 0) {
      sum.add_taps(sums, out, many, feature, {}, true);
    } else if (many == 1 || sum.conv.lhs_dilation[tile.axis - 1] != 1) {
      sum.add_taps(sums, out, many, feature, {}, false);
    } else {
      const Scalar known = sum.all_inside(out, many);
      sum.add_taps(sums, out, many, feature, known, true);
      sum.add_taps(sums, out, many, feature, known == sum.no(), false);
    }
    turns ? wait(lane, sums) : store(out, feature, sums);
    b.close_loop();
    if (turns) store_turned(out, first, many);
    if (apart) b.close_loop();
  }

  // The results of positions from `first` on: a chunk of taps at a time for all places along the other axes of the space, whose sums
  // wait in memory meanwhile, so that what a chunk takes stays in a cache. Chunks ascend: every sum is the chain that it is anyway.
  // `image`: of the batch, where that is not the axis of the positions.
  void in_chunks(Scalar image, Scalar first, Scalar begin, size_t many) {
    std::vector<Dim> around;
    for (size_t a = 1; a <= spatial; ++a)
      if (a != tile.axis) around.push_back(type.shape[a]);
    const Dim places = product_of(c, around);
    const auto count = static_cast<int64_t>(many) * tile.wide;
    const BufferId waiting = b.scratch("sums", sum_type, Shape{places, count, c.lanes});
    const auto each = [&](auto body) {
      const Scalar place = open_loop(c, LoopKind::serial, c.extent(places));
      Scalars out = indices_of(c, place, around);
      if (tile.axis != 0) out.insert(out.begin(), image);
      out.insert(out.begin() + static_cast<std::ptrdiff_t>(tile.axis), first);
      const Scalar lane = open_loop(c, LoopKind::vector, lanes_from(begin));
      body(out, begin + lane, [&](int64_t k) { return std::array{place.id, c.index_literal(k).id, lane.id}; });
      b.close_loop();
      b.close_loop();
    };
    const Dim chunks = (kernel[0].number() + tile.rows - 1) / tile.rows;
    const Scalar chunk = open_loop(c, LoopKind::serial, c.extent(chunks));
    each([&](const Scalars& out, Scalar feature, auto at) {
      Scalars sums;
      for (int64_t k = 0; k < count; ++k)
        sums.push_back({&b, b.load(waiting, at(k), (chunk > zero).id, c.literal(sum_type, 0).id)});
      sum.add_taps(sums, out, many, feature, {}, tile.axis == 0, chunk);
      for (int64_t k = 0; k < count; ++k) b.store(waiting, at(k), sums[static_cast<size_t>(k)].id);
    });
    b.close_loop();
    each([&](const Scalars& out, Scalar feature, auto at) {
      Scalars sums;
      for (int64_t k = 0; k < count; ++k) sums.push_back({&b, b.load(waiting, at(k))});
      store(out, feature, sums);
    });
  }

  // Positions of the axis: whole blocks first, `apart` of them between each other's positions, then those that are left, at once where
  // their number is known.
  struct Units {
    Dim whole, rest, all;
    bool at_once;
  };
  Units units() const {
    Symbols& symbols = b.symbols();
    const int64_t size = tile.count * tile.apart;
    const Dim extent = type.shape[tile.axis], rest = symbols.remainder(extent, size),
              whole = symbols.product(symbols.quotient(extent, size), tile.apart);
    const bool at_once = tile.apart == 1 && rest.is_number() && rest.number() > 0;
    return {whole, rest, tile.count == 1 ? extent : symbols.sum(whole, at_once ? Dim(1) : rest), at_once};
  }
  // The results of one of them, `out` being the index along all other axes.
  void at_unit(const Units& units, const Scalars& out, Scalar feature, Scalar unit) {
    const auto at = [&](Scalar first, int64_t many) {
      if (tile.rows != 0) return in_chunks(out.empty() ? zero : out[0], first, feature, static_cast<size_t>(many));
      Scalars all = out;
      all.insert(all.begin() + static_cast<std::ptrdiff_t>(tile.axis), first);
      positions(all, feature, static_cast<size_t>(many));
    };
    const auto when = [&](Scalar condition, auto body) {
      open_loop(c, LoopKind::serial, select(condition, one, zero));
      body();
      b.close_loop();
    };
    const auto block = [&] {
      const Scalar step = c.index_literal(tile.apart);
      at(unit / step * c.index_literal(tile.count * tile.apart) + rem(unit, step), tile.count);
    };
    if (tile.count == 1) return at(unit, 1);
    if (units.rest.is_number() && units.rest.number() == 0) return block();
    const Scalar whole = c.extent(units.whole), is_whole = unit < whole;
    when(is_whole, block);
    when(is_whole == sum.no(), [&] {
      const Scalar first = c.extent(b.symbols().difference(type.shape[tile.axis], units.rest));
      units.at_once ? at(first, units.rest.number()) : at(unit - whole + first, 1);
    });
  }
  void open_scratch() {
    if (!is_turned(static_cast<size_t>(tile.count))) return;
    // Zeros, since whole squares are turned, whatever of them a block fills.
    turned = b.scratch("turned", sum_type, Shape{c.lanes, tile.wide * c.lanes});
    const Scalar position = open_loop(c, LoopKind::serial, c.index_literal(c.lanes)),
                 feature = open_loop(c, LoopKind::vector, c.index_literal(tile.wide * c.lanes));
    b.store(turned, std::array{position.id, feature.id}, c.literal(sum_type, 0).id);
    b.close_loop();
    b.close_loop();
  }

  // Features in blocks, outermost, so that what they take of the kernel stays in a cache.
  void run() {
    Symbols& symbols = b.symbols();
    const Dim blocks_of_features = symbols.quotient(symbols.sum(kernel[spatial + 1], tile.block - 1), tile.block);
    const Units all = units();
    if (sum.packing.results != 0) return run_packed(all, blocks_of_features);
    std::vector<Dim> outer{blocks_of_features};
    if (tile.axis == 0) outer.push_back(all.all);
    for (size_t a = 0; a <= (tile.rows == 0 ? spatial : 0); ++a)
      if (a != tile.axis) outer.push_back(type.shape[a]);
    if (tile.axis != 0) outer.push_back(all.all);  // innermost: neighbours share what they read
    Scalars out = open_parallel(c, outer);
    open_scratch();
    const Scalar feature = out[0] * c.index_literal(tile.block), unit = tile.axis == 0 ? out[1] : out.back();
    out.erase(out.begin());
    out.erase(tile.axis == 0 ? out.begin() : out.end() - 1);
    at_unit(all, out, feature, unit);
    b.close_loop();
  }

  // Rows of an image in blocks, outermost: what those take of the input is turned once for all features.
  void run_packed(const Units& all, Dim blocks_of_features) {
    const int64_t rows = sum.packing.results;
    const std::array<Dim, 2> outer{type.shape[0], Dim((type.shape[1].number() + rows - 1) / rows)};
    const Scalars at = open_parallel(c, outer);
    open_scratch();
    const Scalar first = at[1] * c.index_literal(rows);
    pack(at[0], first);
    const Scalar feature = open_loop(c, LoopKind::serial, c.extent(blocks_of_features)) * c.index_literal(tile.block);
    if (sum.packs_kernel) pack_kernel(feature);
    sum.row_at_hand = open_loop(c, LoopKind::serial, min(c.extent(type.shape[1]) - first, c.index_literal(rows)));
    const Scalar unit = open_loop(c, LoopKind::serial, c.extent(all.all));
    at_unit(all, {at[0], first + sum.row_at_hand}, feature, unit);
    for (int depth = 0; depth < 4; ++depth) b.close_loop();
  }
  void pack_kernel(Scalar first) {
    sum.kernel_at = b.scratch("kernel", sum_type, Shape{kernel[0], kernel[1], kernel[2], tile.block});
    const std::array<Dim, 3> rows{kernel[0], kernel[1], kernel[2]};
    Scalars at = indices_of(c, open_loop(c, LoopKind::serial, c.extent(product_of(c, rows))), rows);
    const Scalar width =
        tile.wide > 1 ? c.index_literal(tile.block) : min(features - first, c.index_literal(tile.block));
    const Scalar lane = open_loop(c, LoopKind::vector, width);
    const std::array to{at[0].id, at[1].id, at[2].id, lane.id};
    at.push_back(first + lane);
    b.store(sum.kernel_at, to, cast(c.element(node, 1, at), sum_type).id);
    b.close_loop();
    b.close_loop();
  }
  // Lanes are channels, and squares of 16 columns are turned in registers; the last one begins earlier where columns are no multiple.
  // All rows of the same channels one after the other: they are neighbours in memory.
  void pack(Scalar image, Scalar first_result) {
    const int64_t columns = from[2].number(), channels = from[3].number(), square = std::min<int64_t>(columns, c.lanes);
    const auto loop = [&](int64_t times) { return open_loop(c, LoopKind::serial, c.index_literal(times)); };
    const auto blocks = [](int64_t all, int64_t size) { return (all + size - 1) / size; };
    sum.packed_at = b.scratch("packed", sum_type, Shape{sum.packing.taken, from[2], from[3]});
    const Scalar begin = first_result * c.index_literal(sum.conv.strides[0]) - c.index_literal(sum.conv.low[0]);
    const Scalar first = loop(blocks(channels, c.lanes)) * c.index_literal(c.lanes);
    const Scalar row = loop(sum.packing.taken), at = begin + row;
    const Scalar is_there = (at >= zero) & (at < c.extent(from[1]));
    const Scalar there = open_loop(c, LoopKind::serial, select(is_there, one, zero));
    const Scalar column =
        min(loop(blocks(columns, square)) * c.index_literal(square), c.index_literal(columns - square));
    const Scalar width = channels % c.lanes == 0 ? c.index_literal(c.lanes)
                                                 : min(c.index_literal(channels) - first, c.index_literal(c.lanes));
    const Scalar channel = first + open_loop(c, LoopKind::vector, width), place = column + loop(square);
    const std::array index{image, at + there, place, channel};
    b.store(sum.packed_at, std::array{row.id, place.id, channel.id}, cast(c.element(node, 0, index), sum_type).id);
    for (int depth = 0; depth < 6; ++depth) b.close_loop();
  }
};

}  // namespace

void nest_convolution(Lowering& c, const Node& node) {
  if (c.lanes > 1 &&
      goes_along_rows(Convolution(c.graph, node), c.operand_type(node, 1).shape, c.order(node, 0), c.order(node, 2)))
    return nest_convolution_rows(c, node);
  Convolved{c, node}.run();
}

}  // namespace tenon::ir::rules
