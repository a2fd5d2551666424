// The sums of a direct convolution: chains over taps, then channels, of several positions and vectors of features side by side. Along
// axes other than that of the positions, only taps that are inside are visited, where that is a range. Along the axis of the
// positions, where a tap is inside for all of a block, or for all but a few at one end, channels run without a question; else a
// position that is outside keeps its sum. Refuses to know where results go (nest_convolution.cc).
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "tenon/ir/rules/convolution_order.h"
#include "tenon/ir/rules/convolution_tile.h"

namespace tenon::ir::rules {

using Scalars = std::vector<Scalar>;

// Up to so many channels, known ones, stand in the loop over taps itself.
inline constexpr int64_t most_unrolled = 4;

// Of scratch memory for a part of a kernel.
inline constexpr int64_t most_bytes_beside = 768 << 10;

struct ConvolutionSums {
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
  // Rows of an image that lies channels first, where they wait channels last: which of a block's rows of results is at hand.
  const PackedRows packing = packed();
  BufferId packed_at{};
  Scalar row_at_hand{};
  // A large kernel's part for a block of features, where it waits beside them, and the number of the feature at hand there.
  const bool packs_kernel =
      packing.kernel &&
      kernel.numel() / kernel[spatial + 1].number() * tile.block * bytes(sum_type) <= most_bytes_beside;
  BufferId kernel_at{};
  Scalar feature_at_hand{};

  PackedRows packed() const {
    if (tile.axis != spatial || tile.rows != 0 || c.order(node, 0).empty()) return {};
    return packed_rows(conv, from, kernel, type.shape, bytes(sum_type));
  }
  Scalar factor(const Scalars& at) const {
    if (packs_kernel) return {&b, b.load(kernel_at, std::array{at[0].id, at[1].id, at[2].id, at[3].id})};
    return cast(c.element(node, 1, at), sum_type);
  }
  // An element of the input at `index`, of which a packed one's row is a row of the block; 0 where it is masked.
  Scalar read(const Scalars& index, std::optional<Scalar> mask) const {
    const Scalar nothing = c.literal(type.dtype, 0);
    if (packing.results == 0)
      return cast(mask ? c.masked_element(node, 0, index, *mask, nothing) : c.element(node, 0, index), sum_type);
    const std::array at{index[1].id, index[2].id, index[3].id};
    if (!mask) return {&b, b.load(packed_at, at)};
    return {&b, b.load(packed_at, at, mask->id, c.literal(sum_type, 0).id)};
  }

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
      at.push_back(channel), at.push_back((packs_kernel ? feature_at_hand : feature) + c.index_literal(v * c.lanes));
      factors.push_back(factor(at));
    }
    auto sum = sums.begin();
    for (size_t p = begin; p < end; ++p) {
      Scalars index = places[p];
      index.push_back(from_channel);
      const Scalar x = read(index, inside.empty() ? std::nullopt : std::optional(inside[p]));
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

  Scalar packed_row(Scalar tap) const {
    return row_at_hand * c.index_literal(conv.strides[0]) + tap * c.index_literal(conv.rhs_dilation[0]);
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
        places[p].push_back(packing.results != 0 && d == 0 ? packed_row(tap) : at);
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
};

}  // namespace tenon::ir::rules
