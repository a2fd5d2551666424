// How a direct convolution on vectors is cut: which positions and features of the result are summed side by side in registers.
// Pure arithmetic: no choice made here can change a bit. Refuses to build loops (nest_convolution.cc does).
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "tenon/ir/rules/nest.h"

namespace tenon::ir::rules {

// Strides and dilations above this: positions one by one, since products of them may not fit.
inline constexpr int64_t most_apart = 1 << 20;

struct ConvolutionTile {
  size_t axis = 0;  // of the result, whose positions are side by side; 0 is the batch
  int64_t count = 1, apart = 1;  // how many positions, and how far from each other
  int64_t wide = 1;  // vectors of features
  int64_t block = 64;  // features whose part of the kernel stays in a cache while positions go by
  int64_t rows = 0;  // of taps along the first axis that one chunk has; 0: all are summed at once
};

// Positions of a block stand so far apart that their taps fall on elements of a dilated input together.
inline int64_t positions_apart(const Convolution& conv, size_t axis) {
  return axis == 0 ? 1 : conv.lhs_dilation[axis - 1] / std::gcd(conv.lhs_dilation[axis - 1], conv.strides[axis - 1]);
}

// What a step of all tiles of an axis takes, in halves of a cycle: multiply-adds and loads, two a cycle each, or the wait of
// a sum for itself; and the loop.
inline int64_t step_cost(int64_t positions, int64_t count, int64_t wide) {
  const auto tile = [&](int64_t n) { return n == 0 ? 0 : std::max({n * wide, n + wide, int64_t{8}}) + 1; };
  return positions / count * tile(count) + tile(positions % count);
}

// A kernel that is an image (the derivative by a kernel), and few places of it: what a tile takes of both fits no second cache, but
// that of some rows of taps does, and serves all places.
inline int64_t rows_of_a_chunk(const ConvolutionTile& t, int64_t groups, const Shape& kernel, const Type& result,
                               int64_t lanes, int64_t size) {
  int64_t row = size * ((groups == 1 ? t.count : lanes) + t.wide * lanes), places = 1;
  for (size_t d = 1; d + 1 < kernel.size(); ++d)
    if (!kernel[d].is_number() || __builtin_mul_overflow(row, kernel[d].number(), &row)) return 0;
  for (size_t d = 1; d + 1 < result.shape.size(); ++d)
    if (d != t.axis &&
        (!result.shape[d].is_number() || __builtin_mul_overflow(places, result.shape[d].number(), &places)))
      return 0;
  if (places < 2 || places > 64 || row <= 0 || !kernel[0].is_number()) return 0;
  const int64_t rows = std::max<int64_t>(1, (256 << 10) / row);
  return kernel[0].number() < 3 * rows ? 0 : rows;
}

// The tile that wastes least of those whose sums fit into registers beside what they are made of.
inline ConvolutionTile convolution_tile(const Lowering& c, const Convolution& conv, const Shape& kernel,
                                        const Type& result, int64_t size) {
  ConvolutionTile t;
  if (c.lanes == 1) return t;
  const size_t spatial = conv.strides.size();
  const int64_t registers = c.register_bytes / (c.lanes * size), most = std::min<int64_t>(14, registers - 2);
  if (most < 2) return t;
  const auto extent = [&](size_t a) {
    return result.shape[a].is_number() ? result.shape[a].number() / positions_apart(conv, a) : INT64_MAX;
  };
  t.axis = spatial;
  const int64_t enough = std::max<int64_t>(most / 2, 6);  // positions, for sums that do not wait for themselves
  for (size_t a = 0; a < spatial && extent(t.axis) < enough; ++a)
    if (extent(a) > extent(t.axis)) t.axis = a;
  if (t.axis > 0 && std::max(conv.strides[t.axis - 1], conv.lhs_dilation[t.axis - 1]) > most_apart) return t;
  t.apart = positions_apart(conv, t.axis);
  const Dim features = kernel[spatial + 1];
  const int64_t positions = std::min<int64_t>(extent(t.axis), 1 << 16);
  double best = 0;
  for (int64_t wide = 1; wide <= 4; ++wide) {
    // Several vectors share what they take of the input; all of them are whole.
    if (wide > 1 && (conv.groups != 1 || !features.is_number() || features.number() == 0 ||
                     features.number() % (wide * c.lanes) != 0))
      continue;
    for (int64_t n = 2; n <= std::min(most, positions); ++n) {
      if (n * wide + wide + (wide > 1) > registers - 1) break;
      const double cost = static_cast<double>(step_cost(positions, n, wide)) / static_cast<double>(wide);
      if (best == 0 || cost <= best) best = cost, t.count = n, t.wide = wide;
    }
  }
  // A kernel that fills the second cache: fewer features at once.
  int64_t taken = size * t.block;
  for (size_t d = 0; d <= spatial; ++d)
    if (kernel[d].is_number() && __builtin_mul_overflow(taken, kernel[d].number(), &taken)) taken = INT64_MAX;
  const int64_t least = t.wide * c.lanes;
  if (taken > 512 << 10 || t.block % least != 0 || (t.wide > 1 && features.number() % t.block != 0)) t.block = least;
  if (t.count > 1 && spatial > 0) t.rows = rows_of_a_chunk(t, conv.groups, kernel, result, c.lanes, size);
  if (t.rows != 0) t.block = least;
  return t;
}

}  // namespace tenon::ir::rules
