// A convolution as loops, directly, without copying patches: every result element is one chain of fused multiply-adds from
// +0 over taps, then channels, ascending. A tap on padding, or between the elements of a dilated input, is skipped.
//
//   parallel n, spatial, block { vector feature {
//     serial tap... carry sums of the block's positions { serial channel { fma, fma, ... } }
//     store, store, ... } }
//
// Several positions of one axis, and several vectors of features, are summed side by side (convolution_tile.h): their chains do not
// wait for each other, and what is loaded serves all of them. Along the other axes, only taps that are inside are visited, where
// that is a range. Along the axis of the positions, where a tap is inside for all positions of a block, or for all but a few at one
// end, channels run without a question; else a position that is outside keeps its sum.
#include <algorithm>
#include <array>
#include <optional>

#include "tenon/ir/rules/convolution_order.h"
#include "tenon/ir/rules/convolution_tile.h"

namespace tenon::ir::rules {
namespace {

using Scalars = std::vector<Scalar>;

// Up to so many channels, known ones, stand in the loop over taps itself.
constexpr int64_t most_unrolled = 4;

struct Convolved {
  Lowering& c;
  const Node& node;
  const Convolution conv{c.graph, node};
  KernelBuilder& b = c.builder;
  const Type& type = c.result_type(node);
  const Shape &from = c.operand_type(node, 0).shape, &kernel = c.operand_type(node, 1).shape;
  const DType sum_type = is_half(type.dtype) ? DType::f32 : type.dtype;
  const size_t spatial = conv.strides.size();
  const Scalar zero = c.index_literal(0), one = c.index_literal(1), channels = c.extent(kernel[spatial]),
               features = c.extent(kernel[spatial + 1]);
  const ConvolutionTile tile = convolution_tile(c, conv, kernel, type, bytes(sum_type));
  const Order to = c.order(node, 2);
  BufferId turned{};  // scratch memory for a block on its way

  // How many positions of a block may lie outside at one end of the axis while the others are inside; those get loops of their own.
  int64_t outside_at_an_end(size_t many) const {
    const size_t d = tile.axis - 1;
    const int64_t far = std::max({conv.low[d], conv.high[d], int64_t{0}}) + conv.lhs_dilation[d] - 1;
    const int64_t between = conv.strides[d] * tile.apart;
    return std::min({far / between + (far % between != 0), int64_t{3}, static_cast<int64_t>(many) - 1});
  }
  // Taps along a spatial axis that are inside are neighbours, one element apart: no other is visited.
  bool is_clipped(size_t d) const {
    return d + 1 != tile.axis && conv.lhs_dilation[d] == 1 && conv.rhs_dilation[d] == 1;
  }

  struct Place {
    Scalar at, hits,
        inside;  // of the input; whether it falls on an element or between two; and whether it is one that there is
  };
  Place place(size_t d, Scalar position, Scalar tap) const {
    const Scalar dilation = c.index_literal(conv.lhs_dilation[d]);
    const Scalar spread = position * c.index_literal(conv.strides[d]) + tap * c.index_literal(conv.rhs_dilation[d]) -
                          c.index_literal(conv.low[d]);
    const Scalar at = spread / dilation, hits = rem(spread, dilation) == zero;
    return {at, hits, hits & (spread >= zero) & (at < c.extent(from[d + 1]))};
  }
  Scalars open(Scalar extent, const Scalars& sums, Scalar& index) const {
    std::vector<ScalarId> ids;
    for (const Scalar& s : sums) ids.push_back(s.id);
    const std::vector<ScalarId> arguments = b.open_loop(LoopKind::serial, extent.id, ids);
    index = {&b, arguments[0]};
    return handles({arguments.begin() + 1, arguments.end()});
  }
  Scalars close(const Scalars& sums) const {
    std::vector<ScalarId> ids;
    for (const Scalar& s : sums) ids.push_back(s.id);
    return handles(b.close_loop(ids));
  }
  Scalars handles(const std::vector<ScalarId>& ids) const {
    Scalars all;
    for (ScalarId id : ids) all.push_back({&b, id});
    return all;
  }

  // The products of one channel, added to the sums of the positions [begin, end); where `inside` has a scalar for each, to
  // those that are.
  void add_channel(Scalar channel, Scalars& sums, size_t begin, size_t end, const std::vector<Scalars>& places,
                   const Scalars& weight, Scalar feature, const Scalars& inside) const {
    Scalar from_channel = channel;
    if (conv.groups != 1) from_channel = feature / (features / c.index_literal(conv.groups)) * channels + channel;
    Scalars factors;
    for (int64_t v = 0; v < tile.wide; ++v) {
      Scalars at = weight;
      at.push_back(channel), at.push_back(feature + c.index_literal(v * c.lanes));
      factors.push_back(cast(c.element(node, 1, at), sum_type));
    }
    auto sum = sums.begin();
    for (size_t p = begin; p < end; ++p) {
      Scalars index = places[p];
      index.push_back(from_channel);
      const Scalar x = cast(inside.empty() ? c.element(node, 0, index)
                                           : c.masked_element(node, 0, index, inside[p], c.literal(type.dtype, 0)),
                            sum_type);
      for (Scalar factor : factors) {
        const Scalar next = fma(x, factor, *sum);
        *sum++ = inside.empty() ? next : select(inside[p], next, *sum);
      }
    }
  }
  // All channels of one tap, where the condition holds, if there is one.
  void add(std::optional<Scalar> condition, Scalars& all, size_t begin, size_t end, const std::vector<Scalars>& places,
           const Scalars& weight, Scalar feature, const Scalars& inside = {}) const {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(begin) * tile.wide,
               last = all.begin() + static_cast<std::ptrdiff_t>(end) * tile.wide;
    Scalars sums(first, last);
    const Dim many = kernel[spatial];
    const auto times = [&](Scalar n) { return condition ? select(*condition, n, zero) : n; };
    Scalar channel{};
    if (many.is_number() && many.number() <= most_unrolled) {
      channel = zero;  // of the loop, where there is one: what is asked for exists where it runs
      if (condition) sums = open(times(one), sums, channel);
      for (int64_t k = 0; k < many.number(); ++k)
        add_channel(channel + c.index_literal(k), sums, begin, end, places, weight, feature, inside);
      if (condition) sums = close(sums);
    } else {
      sums = open(times(channels), sums, channel);
      add_channel(channel, sums, begin, end, places, weight, feature, inside);
      sums = close(sums);
    }
    std::copy(sums.begin(), sums.end(), first);
  }

  // Of a tap, the positions that are inside are neighbours: all of the block, all but some at one end, or (a block that is wider than
  // the input) any.
  void add_tap(Scalars& sums, const std::vector<Scalars>& places, const Scalars& weight, Scalar feature, Scalar row,
               const Scalars& inside) const {
    const size_t many = places.size();
    if (many == 1) return add(row & inside[0], sums, 0, many, places, weight, feature);
    Scalar done = inside[0] & inside[many - 1];
    add(row & done, sums, 0, many, places, weight, feature);
    for (size_t out = 1; out <= static_cast<size_t>(outside_at_an_end(many)); ++out)
      for (const bool left : {true, false}) {
        const size_t begin = left ? out : 0, end = left ? many : many - out;
        const Scalar beside = inside[left ? out - 1 : many - out];
        const Scalar here = inside[begin] & inside[end - 1] & (beside == no());
        add(row & here, sums, begin, end, places, weight, feature);
        done = done | here;
      }
    if (outside_at_an_end(many) > 0) add(row & (done == no()), sums, 0, many, places, weight, feature, inside);
  }
  Scalar no() const { return {&b, b.literal(DType::boolean, 0)}; }
  Scalar yes() const { return {&b, b.literal(DType::boolean, 1)}; }
  int64_t between(size_t d) const {  // elements of the input, from one position of a block to the next
    return d + 1 == tile.axis && tile.count > 1 ? tile.apart * conv.strides[d] / conv.lhs_dilation[d] : 0;
  }

  // All taps, one loop a spatial axis. `when`: they are wanted at all. `known`: those along the axis of the positions are inside.
  // `chunk`: only those of this chunk of the first axis.
  void add_taps(Scalars& sums, const Scalars& out, size_t many, Scalar feature, std::optional<Scalar> when, bool known,
                std::optional<Scalar> chunk = {}) const {
    Scalars weight, inside(many, yes());
    std::optional<Scalar> row;  // whether the tap is inside along the other axes, where that is asked
    std::vector<Scalars> places(many, {out[0]});
    for (size_t p = 0; tile.axis == 0 && p < many; ++p)
      places[p][0] = out[0] + c.index_literal(static_cast<int64_t>(p));
    for (size_t d = 0; d < spatial; ++d) {
      Scalar tap{}, begin = zero, end = c.extent(kernel[d]);
      if (d == 0 && chunk) {
        begin = *chunk * c.index_literal(tile.rows);
        end = min(end, begin + c.index_literal(tile.rows));
      }
      if (is_clipped(d)) {
        const Scalar before = c.index_literal(conv.low[d]) - out[d + 1] * c.index_literal(conv.strides[d]);
        begin = max(begin, before);
        end = min(end, c.extent(from[d + 1]) + before);
      }
      Scalar times = max(end - begin, zero);
      if (d == 0 && when) times = select(*when, times, zero);
      sums = open(times, sums, tap);
      tap = begin + tap;
      weight.push_back(tap);
      const Place first = place(d, out[d + 1], tap);
      if (!is_clipped(d) && (d + 1 != tile.axis || conv.lhs_dilation[d] != 1)) {
        const Scalar there = d + 1 == tile.axis ? first.hits : first.inside;
        row = row ? *row & there : there;
      }
      for (size_t p = 0; p < many; ++p) {
        const Scalar at = first.at + c.index_literal(static_cast<int64_t>(p) * between(d));
        places[p].push_back(at);
        if (d + 1 == tile.axis) inside[p] = (at >= zero) & (at < c.extent(from[d + 1]));
      }
    }
    if (known)
      add(row, sums, 0, many, places, weight, feature);
    else
      add_tap(sums, places, weight, feature, row ? *row : yes(), inside);
    for (size_t d = 0; d < spatial; ++d) sums = close(sums);
  }
  // Whether, along the axis of the positions, the first tap of the first one and the last one of the last are inside, and so all
  // between them.
  Scalar all_inside(const Scalars& out, size_t many) const {
    const size_t d = tile.axis - 1;
    const Scalar last = place(d, out[d + 1], c.extent(kernel[d]) - one).at +
                        c.index_literal(static_cast<int64_t>(many - 1) * between(d));
    return (place(d, out[d + 1], zero).at >= zero) & (last < c.extent(from[d + 1]));
  }

  // Positions of a block are neighbours in memory, and features are not: the block is turned on its way there.
  bool is_turned(size_t many) const {
    return many > 1 && tile.axis != 0 && tile.apart == 1 && !to.empty() && to.back() == static_cast<int64_t>(tile.axis);
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
  void positions(const Scalars& out, Scalar begin, size_t many) const {
    const int64_t width = tile.wide * c.lanes;
    const bool turns = is_turned(many), apart = tile.block != width && (turns || tile.wide > 1);
    Scalar feature = begin;
    if (apart) {
      Scalar times = c.index_literal(tile.block / width);
      if (tile.wide == 1)  // features may end before the block does
        times =
            (min(features - begin, c.index_literal(tile.block)) + c.index_literal(width - 1)) / c.index_literal(width);
      feature = begin + open_loop(c, LoopKind::serial, times) * c.index_literal(width);
    }
    const Scalar first = feature;
    Scalar lanes = c.index_literal(c.lanes);
    if (tile.wide == 1) lanes = min(features - first, apart ? lanes : c.index_literal(tile.block));
    const Scalar lane = open_loop(c, LoopKind::vector, lanes);
    feature = first + lane;
    Scalars sums(many * static_cast<size_t>(tile.wide), c.literal(sum_type, 0));
    if (tile.axis == 0) {
      add_taps(sums, out, many, feature, {}, true);
    } else if (many == 1 || conv.lhs_dilation[tile.axis - 1] != 1) {
      add_taps(sums, out, many, feature, {}, false);
    } else {
      const Scalar known = all_inside(out, many);
      add_taps(sums, out, many, feature, known, true);
      add_taps(sums, out, many, feature, known == no(), false);
    }
    turns ? wait(lane, sums) : store(out, feature, sums);
    b.close_loop();
    if (turns) store_turned(out, first, many);
    if (apart) b.close_loop();
  }

  // The results of images from `first` on: a chunk of taps at a time for all places, whose sums wait in memory meanwhile, so that
  // what a chunk takes stays in a cache. Chunks ascend: every sum is the chain that it is anyway.
  void in_chunks(Scalar first, Scalar begin, size_t many) const {
    const std::vector<Dim> around(type.shape.begin() + 1, type.shape.end() - 1);
    const Dim places = product_of(c, around);
    const auto count = static_cast<int64_t>(many) * tile.wide;
    const BufferId waiting = b.scratch("sums", sum_type, Shape{places, count, c.lanes});
    const auto each = [&](auto body) {
      const Scalar place = open_loop(c, LoopKind::serial, c.extent(places));
      Scalars out = indices_of(c, place, around);
      out.insert(out.begin(), first);
      const Scalar lane = open_loop(c, LoopKind::vector, min(features - begin, c.index_literal(c.lanes)));
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
      add_taps(sums, out, many, feature, {}, true, chunk);
      for (int64_t k = 0; k < count; ++k) b.store(waiting, at(k), sums[static_cast<size_t>(k)].id);
    });
    b.close_loop();
    each([&](const Scalars& out, Scalar feature, auto at) {
      Scalars sums;
      for (int64_t k = 0; k < count; ++k) sums.push_back({&b, b.load(waiting, at(k))});
      store(out, feature, sums);
    });
  }

  // Features in blocks, outermost, so that what they take of the kernel stays in a cache. Positions of the axis: whole blocks first,
  // `apart` of them between each other's positions, then those that are left, at once where their number is known.
  void run() {
    Symbols& symbols = b.symbols();
    const int64_t size = tile.count * tile.apart;
    const Dim extent = type.shape[tile.axis],
              blocks_of_features = symbols.quotient(symbols.sum(kernel[spatial + 1], tile.block - 1), tile.block),
              blocks = symbols.product(symbols.quotient(extent, size), tile.apart),
              rest = symbols.remainder(extent, size);
    const bool at_once = tile.apart == 1 && rest.is_number() && rest.number() > 0;
    std::vector<Dim> outer{blocks_of_features};
    const Dim units = tile.count == 1 ? extent : symbols.sum(blocks, at_once ? Dim(1) : rest);
    if (tile.axis == 0) outer.push_back(units);
    for (size_t a = 0; a <= spatial && tile.rows == 0; ++a)
      if (a != tile.axis) outer.push_back(type.shape[a]);
    if (tile.axis != 0) outer.push_back(units);  // innermost: neighbours share what they read
    Scalars out = open_parallel(c, outer);
    if (is_turned(static_cast<size_t>(tile.count)))
      turned = b.scratch("turned", sum_type, Shape{c.lanes, tile.wide * c.lanes});
    const Scalar feature = out[0] * c.index_literal(tile.block), unit = tile.axis == 0 ? out[1] : out.back(),
                 whole = c.extent(blocks);
    out.erase(out.begin());
    out.erase(tile.axis == 0 ? out.begin() : out.end() - 1);
    const auto at = [&](Scalar first, int64_t many) {
      if (tile.rows != 0) return in_chunks(first, feature, static_cast<size_t>(many));
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
      at(unit / step * c.index_literal(size) + rem(unit, step), tile.count);
    };
    if (tile.count == 1) {
      at(unit, 1);
    } else if (rest.is_number() && rest.number() == 0) {
      block();
    } else {
      const Scalar is_whole = unit < whole;
      when(is_whole, block);
      when(is_whole == no(), [&] {
        const Scalar first = c.extent(symbols.difference(extent, rest));
        at_once ? at(first, rest.number()) : at(unit - whole + first, 1);
      });
    }
    b.close_loop();
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
