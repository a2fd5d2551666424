// A convolution as loops, directly, without copying patches: every result element is one chain of fused multiply-adds from
// +0 over taps, then channels, ascending. A tap on padding, or between the elements of a dilated input, is skipped.
//
//   parallel n, spatial, block { vector feature {
//     serial tap... carry sums of the block's positions { serial channel { fma, fma, ... } }
//     store, store, ... } }
//
// Several positions of one axis are summed side by side: their chains do not wait for each other, and what is loaded of the kernel
// serves all of them. Positions of a block stand so far apart that their taps fall on elements of a dilated input together.
// Where a tap is inside for all positions of a block, or for all but a few at one end, channels run without a question; else a
// position that is outside keeps its sum. Positions that fill no block are summed one by one.
#include <algorithm>
#include <numeric>

#include "tenon/ir/rules/nest.h"

namespace tenon::ir::rules {
namespace {

using Scalars = std::vector<Scalar>;

constexpr int64_t feature_block = 64;
// Strides and dilations above this: positions one by one, since products of them may not fit.
constexpr int64_t most_apart = 1 << 20;

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
  size_t axis = 0;  // of the result, whose positions are side by side; 0 is the batch
  int64_t count = 1, apart = 1;  // how many positions, and how far from each other

  // Which axis, and how many of its positions: those whose sums fit into registers beside what they are made of.
  void choose() {
    if (c.lanes == 1) return;
    const int64_t most = std::min<int64_t>(14, c.register_bytes / (c.lanes * bytes(sum_type)) - 2);
    if (most < 2) return;
    const auto extent = [&](size_t a) {
      return type.shape[a].is_number() ? type.shape[a].number() / step(a) : INT64_MAX;
    };
    axis = spatial;
    for (size_t a = 0; a < spatial && extent(axis) < most / 2; ++a)
      if (extent(a) > extent(axis)) axis = a;
    if (axis > 0 && std::max(conv.strides[axis - 1], conv.lhs_dilation[axis - 1]) > most_apart) return;
    apart = step(axis);
    const int64_t positions = extent(axis);
    int64_t best = INT64_MAX;
    for (int64_t n = 2; n <= std::min(most, positions); ++n) {
      // Fewer than 8 chains wait for each other; one more step loads the kernel.
      const int64_t cost =
          positions == INT64_MAX ? -n : positions / n * (std::max<int64_t>(n, 8) + 1) + positions % n * 9;
      if (cost <= best) best = cost, count = n;
    }
  }
  int64_t step(size_t a) const {
    return a == 0 ? 1 : conv.lhs_dilation[a - 1] / std::gcd(conv.lhs_dilation[a - 1], conv.strides[a - 1]);
  }
  // How many positions of a block may lie outside at one end of the axis while the others are inside; those get loops of their own.
  int64_t outside_at_an_end() const {
    if (axis == 0) return 0;
    const size_t d = axis - 1;
    const int64_t far = std::max({conv.low[d], conv.high[d], int64_t{0}}) + conv.lhs_dilation[d] - 1;
    const int64_t between = conv.strides[d] * apart;
    return std::min({far / between + (far % between != 0), int64_t{3}, count - 1});
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

  // All channels of one tap, added to the sums [begin, end); where `inside` has a scalar for each, to those that are.
  void add(Scalar times, Scalars& sums, size_t begin, size_t end, const std::vector<Scalars>& places,
           const Scalars& weight, Scalar feature, const Scalars& inside = {}) const {
    Scalar channel{};
    Scalars next = open(times, {sums.begin() + begin, sums.begin() + end}, channel);
    Scalar from_channel = channel;
    if (conv.groups != 1) from_channel = feature / (features / c.index_literal(conv.groups)) * channels + channel;
    Scalars at = weight;
    at.push_back(channel), at.push_back(feature);
    const Scalar factor = cast(c.element(node, 1, at), sum_type);
    for (size_t p = begin; p < end; ++p) {
      Scalars index = places[p];
      index.push_back(from_channel);
      Scalar& sum = next[p - begin];
      if (inside.empty()) {
        sum = fma(cast(c.element(node, 0, index), sum_type), factor, sum);
      } else {
        const Scalar x = c.masked_element(node, 0, index, inside[p], c.literal(type.dtype, 0));
        sum = select(inside[p], fma(cast(x, sum_type), factor, sum), sum);
      }
    }
    next = close(next);
    std::copy(next.begin(), next.end(), sums.begin() + begin);
  }

  // Of a tap, the positions that are inside are neighbours: all of the block, all but some at one end, or (a block that is wider than
  // the input) any.
  void add_tap(Scalars& sums, const std::vector<Scalars>& places, const Scalars& weight, Scalar feature, Scalar row,
               const Scalars& inside) const {
    const size_t many = sums.size();
    const auto times = [&](Scalar p) { return select(p, channels, zero); };
    if (axis == 0 || many == 1) return add(times(row & inside[0]), sums, 0, many, places, weight, feature);
    Scalar done = inside[0] & inside[many - 1];
    add(times(row & done), sums, 0, many, places, weight, feature);
    for (size_t out = 1; out <= static_cast<size_t>(outside_at_an_end()); ++out)
      for (const bool left : {true, false}) {
        const size_t begin = left ? out : 0, end = left ? many : many - out;
        const Scalar beside = inside[left ? out - 1 : many - out];
        const Scalar here = inside[begin] & inside[end - 1] & (beside == no());
        add(times(row & here), sums, begin, end, places, weight, feature);
        done = done | here;
      }
    if (outside_at_an_end() > 0) add(times(row & (done == no())), sums, 0, many, places, weight, feature, inside);
  }
  Scalar no() const { return {&b, b.literal(DType::boolean, 0)}; }
  Scalar yes() const { return {&b, b.literal(DType::boolean, 1)}; }
  int64_t between(size_t d) const {  // elements of the input, from one position of a block to the next
    return d + 1 == axis && count > 1 ? apart * conv.strides[d] / conv.lhs_dilation[d] : 0;
  }

  // All taps, one loop a spatial axis, where the first of them has `times` rounds; where they are known to be inside, none asks.
  void add_taps(Scalars& sums, const Scalars& out, Scalar feature, Scalar times, bool known) const {
    const size_t many = sums.size();
    Scalars weight, inside(many, yes());
    Scalar row = yes();  // all axes but the one of the positions
    std::vector<Scalars> places(many, {out[0]});
    for (size_t p = 0; axis == 0 && p < many; ++p) places[p][0] = out[0] + c.index_literal(static_cast<int64_t>(p));
    for (size_t d = 0; d < spatial; ++d) {
      Scalar tap{};
      sums = open(d == 0 ? times : c.extent(kernel[d]), sums, tap);
      weight.push_back(tap);
      const Place first = place(d, out[d + 1], tap);
      row = row & (d + 1 == axis ? first.hits : first.inside);
      for (size_t p = 0; p < many; ++p) {
        const Scalar at = first.at + c.index_literal(static_cast<int64_t>(p) * between(d));
        places[p].push_back(at);
        if (d + 1 == axis) inside[p] = (at >= zero) & (at < c.extent(from[d + 1]));
      }
    }
    if (known)
      add(channels, sums, 0, many, places, weight, feature);
    else
      add_tap(sums, places, weight, feature, row, inside);
    for (size_t d = 0; d < spatial; ++d) sums = close(sums);
  }
  // Whether the first tap of the first position and the last one of the last are inside, and so all between them.
  Scalar all_inside(const Scalars& out, size_t many) const {
    Scalar all = yes();
    for (size_t d = 0; d < spatial; ++d) {
      const Scalar last = place(d, out[d + 1], c.extent(kernel[d]) - one).at +
                          c.index_literal(static_cast<int64_t>(many - 1) * between(d));
      all = all & (place(d, out[d + 1], zero).at >= zero) & (last < c.extent(from[d + 1]));
    }
    return all;
  }

  // The results at `out`, and at as many places along the axis as there are sums, of the features from `begin` on.
  void positions(const Scalars& out, Scalar begin, size_t many) const {
    const Scalar lane = open_loop(c, LoopKind::vector, min(features - begin, c.index_literal(feature_block)));
    const Scalar feature = begin + lane;
    Scalars sums(many, c.literal(sum_type, 0));
    const Scalar taps = spatial == 0 ? one : c.extent(kernel[0]);
    const bool dilated =
        std::any_of(conv.lhs_dilation.begin(), conv.lhs_dilation.end(), [](int64_t d) { return d != 1; });
    if (many == 1 || dilated || spatial == 0) {
      add_taps(sums, out, feature, taps, false);
    } else {
      const Scalar known = all_inside(out, many);
      add_taps(sums, out, feature, select(known, taps, zero), true);
      add_taps(sums, out, feature, select(known, zero, taps), false);
    }
    for (size_t p = 0; p < many; ++p) {
      Scalars index = out;
      index[axis] = index[axis] + c.index_literal(static_cast<int64_t>(p) * apart);
      index.push_back(feature);
      c.store(node, 0, index, cast(sums[p], type.dtype), {});
    }
    b.close_loop();
  }

  // Features in blocks, outermost, so that what they take of the kernel stays in a cache. Positions of the axis: whole blocks first,
  // `apart` of them between each other's positions, then those that are left.
  void run() {
    choose();
    Symbols& symbols = b.symbols();
    std::vector<Dim> outer(type.shape.begin(), type.shape.end() - 1);
    const Dim extent = outer[axis],
              blocks_of_features = symbols.quotient(symbols.sum(kernel[spatial + 1], feature_block - 1), feature_block);
    const int64_t size = count * apart;
    const Dim blocks = symbols.product(symbols.quotient(extent, size), apart), rest = symbols.remainder(extent, size);
    outer.erase(outer.begin() + static_cast<std::ptrdiff_t>(axis));
    outer.insert(outer.begin(), blocks_of_features);
    outer.push_back(count == 1 ? extent : symbols.sum(blocks, rest));  // innermost: neighbours share what they read
    Scalars out = open_parallel(c, outer);
    const Scalar unit = out.back(), feature = out[0] * c.index_literal(feature_block), whole = c.extent(blocks);
    out.pop_back();
    out.erase(out.begin());
    const auto at = [&](Scalar first, int64_t many) {
      Scalars all = out;
      all.insert(all.begin() + static_cast<std::ptrdiff_t>(axis), first);
      positions(all, feature, static_cast<size_t>(many));
    };
    const auto when = [&](Scalar times, auto body) {
      open_loop(c, LoopKind::serial, times);
      body();
      b.close_loop();
    };
    const auto block = [&] {
      const Scalar step = c.index_literal(apart);
      at(unit / step * c.index_literal(size) + rem(unit, step), count);
    };
    if (count == 1) {
      at(unit, 1);
    } else if (rest.is_number() && rest.number() == 0) {
      block();
    } else {
      const Scalar is_whole = unit < whole;
      when(select(is_whole, one, zero), block);
      when(select(is_whole, zero, one), [&] { at(unit - whole + c.extent(symbols.difference(extent, rest)), 1); });
    }
    b.close_loop();
  }
};

}  // namespace

void nest_convolution(Lowering& c, const Node& node) { Convolved{c, node}.run(); }

}  // namespace tenon::ir::rules
