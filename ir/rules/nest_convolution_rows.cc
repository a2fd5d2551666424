// A convolution whose features share little of what they read (depthwise), channels first: lanes are positions along the last axis, and
// several rows of results are summed side by side, so that a row that was read serves every row of taps that reaches it.
//
//   parallel n, feature, block of rows { vector position {
//     load row 0 shifted by tap 0, 1, 2;  fma, fma, ...;  load row 1 ...;  store, store, ... } }
//
// Every result is the chain that it is anyway: rows that are read ascend, and so do the taps of each result. A tap that is outside along
// the last axis keeps the sum of its lane. Blocks that lie inside along the axis of the rows ask nothing about it. Refuses to unroll
// taps whose number is unknown or large: those are loops, over one row of results at a time.
#include <array>
#include <optional>

#include "tenon/ir/rules/convolution_sums.h"
#include "tenon/ir/rules/nest.h"
#include "tenon/ir/rules/rules.h"

namespace tenon::ir::rules {
namespace {

constexpr int64_t most_products = 256, most_rows = 8;  // of a block; in one

struct Rowwise {
  Lowering& c;
  const Node& node;
  const Convolution conv{c.graph, node};
  KernelBuilder& b = c.builder;
  const Type& type = c.result_type(node);
  const Shape &from = c.operand_type(node, 0).shape, &kernel = c.operand_type(node, 1).shape;
  const DType sum_type = is_half(type.dtype) ? DType::f32 : type.dtype;
  const size_t spatial = conv.strides.size(), last = spatial - 1;  // of the lists of spatial axes
  const Scalar zero = c.index_literal(0), one = c.index_literal(1), channels = c.extent(kernel[spatial]);
  const bool unrolls = is_few(kernel[last]),
             has_rows = unrolls && spatial > 1 && is_few(kernel[last - 1]) && conv.lhs_dilation[last - 1] == 1;
  const int64_t rows = rows_at_once();

  static bool is_few(Dim taps) { return taps.is_number() && taps.number() <= 16; }
  // A divisor of the number of rows, if there is a good one.
  int64_t rows_at_once() const {
    if (!has_rows) return 1;
    const int64_t taps = std::max<int64_t>(1, kernel[last].number() * kernel[last - 1].number());
    const int64_t most = std::max<int64_t>(1, std::min(most_rows, most_products / taps));
    const Dim extent = type.shape[last];
    if (!extent.is_number()) return std::min<int64_t>(most, 4);
    for (int64_t n = most; n >= 3; --n)
      if (extent.number() % n == 0) return n;
    return std::max<int64_t>(1, std::min({most, int64_t{4}, extent.number()}));
  }

  struct Tap {
    Scalar at;
    std::optional<Scalar> inside;  // none: all lanes are
  };
  Scalar carried(Scalar extent, Scalars& sums) const {
    std::vector<ScalarId> ids;
    for (const Scalar& s : sums) ids.push_back(s.id);
    const std::vector<ScalarId> arguments = b.open_loop(LoopKind::serial, extent.id, ids);
    for (size_t k = 0; k < sums.size(); ++k) sums[k] = {&b, arguments[k + 1]};
    return {&b, arguments[0]};
  }
  void close(Scalars& sums) const {
    std::vector<ScalarId> ids;
    for (const Scalar& s : sums) ids.push_back(s.id);
    const std::vector<ScalarId> results = b.close_loop(ids);
    for (size_t k = 0; k < sums.size(); ++k) sums[k] = {&b, results[k]};
  }

  // Where a tap along an axis without holes falls; what need not be asked is not.
  Tap tap_at(size_t d, Scalar position, Scalar tap) const {
    const Scalar at = position * c.index_literal(conv.strides[d]) + tap * c.index_literal(conv.rhs_dilation[d]) -
                      c.index_literal(conv.low[d]);
    return {at, (at >= zero) & (at < c.extent(from[d + 1]))};
  }
  Tap column(Scalar position, int64_t tap) const {
    const int64_t shift = tap * conv.rhs_dilation[last] - conv.low[last], stride = conv.strides[last];
    const Scalar at = position * c.index_literal(stride) + c.index_literal(shift);
    const Dim in = from[spatial], out = type.shape[spatial];
    int64_t most = 0;
    const bool known = in.is_number() && out.is_number() && !__builtin_mul_overflow(out.number() - 1, stride, &most) &&
                       !__builtin_add_overflow(most, shift, &most);
    std::optional<Scalar> inside;
    if (shift < 0) inside = at >= zero;
    if (!known || most >= in.number()) {
      const Scalar before_end = at < c.extent(in);
      inside = inside ? *inside & before_end : before_end;
    }
    return {at, inside};
  }

  // The products of what is read at `place` (n, spatial), added to the sums that a tap of the rows belongs to.
  struct Use {
    size_t sum;
    Scalars tap;  // of the kernel, spatial
  };
  void add(const Scalars& place, std::optional<Scalar> inside, std::span<const Use> uses, Scalar feature,
           Scalars& sums) const {
    const auto add_channel = [&](Scalar channel, Scalars& all) {
      Scalars index = place;
      const Scalar features = c.extent(kernel[spatial + 1]);
      index.push_back(conv.groups == 1 ? channel
                                       : feature / (features / c.index_literal(conv.groups)) * channels + channel);
      const Scalar x =
          cast(inside ? c.masked_element(node, 0, index, *inside, c.literal(type.dtype, 0)) : c.element(node, 0, index),
               sum_type);
      for (const Use& u : uses) {
        Scalars at = u.tap;
        at.push_back(channel), at.push_back(feature);
        const Scalar next = fma(x, cast(c.element(node, 1, at), sum_type), all[u.sum]);
        all[u.sum] = inside ? select(*inside, next, all[u.sum]) : next;
      }
    };
    const Dim many = kernel[spatial];
    if (many.is_number() && many.number() <= most_unrolled) {
      for (int64_t k = 0; k < many.number(); ++k) add_channel(c.index_literal(k), sums);
    } else {
      const Scalar channel = carried(channels, sums);
      add_channel(channel, sums);
      close(sums);
    }
  }

  // Loops over the taps of all axes below `end`, those that are outside left out; `out` is the result's index.
  void open_taps(const Scalars& out, size_t end, Scalars& place, Scalars& taps, Scalars& sums) const {
    for (size_t d = 0; d < end; ++d) {
      const Scalar tap = carried(c.extent(kernel[d]), sums);
      const Scalar dilation = c.index_literal(conv.lhs_dilation[d]);
      const Scalar spread = out[d + 1] * c.index_literal(conv.strides[d]) +
                            tap * c.index_literal(conv.rhs_dilation[d]) - c.index_literal(conv.low[d]);
      const Scalar at = spread / dilation;
      const Scalar inside = (rem(spread, dilation) == zero) & (spread >= zero) & (at < c.extent(from[d + 1]));
      // What is read stands in this loop, since its index does: outside it need not be there.
      place.push_back(at + carried(select(inside, one, zero), sums)), taps.push_back(tap);
    }
  }
  void close_taps(size_t end, Scalars& sums) const {
    for (size_t d = 0; d < 2 * end; ++d) close(sums);
  }

  // The results of `many` rows from `out` on, taps in loops or unrolled. inside: all rows that are read are there.
  Scalars looped(const Scalars& out, Scalar feature) const {
    Scalars sums{c.literal(sum_type, 0)}, place{out[0]}, taps;
    open_taps(out, last, place, taps, sums);
    const Scalar tap = carried(c.extent(kernel[last]), sums);
    const Tap t = tap_at(last, out[spatial], tap);
    place.push_back(t.at), taps.push_back(tap);
    add(place, t.inside, std::array{Use{0, taps}}, feature, sums);
    close(sums);
    close_taps(last, sums);
    return sums;
  }
  Scalars unrolled(const Scalars& out, int64_t many, Scalar feature, bool inside) const {
    const size_t d = has_rows ? last - 1 : last;  // axes in loops
    const int64_t down = has_rows ? kernel[d].number() : 1, apart = has_rows ? conv.rhs_dilation[d] : 1,
                  stride = has_rows ? conv.strides[d] : 1;
    Scalars sums(static_cast<size_t>(many), c.literal(sum_type, 0)), place{out[0]}, taps;
    open_taps(out, d, place, taps, sums);
    std::vector<Tap> columns;
    for (int64_t t = 0; t < kernel[last].number(); ++t) columns.push_back(column(out[spatial], t));
    for (int64_t row = 0; row <= (many - 1) * stride + (down - 1) * apart; ++row) {
      std::vector<std::array<int64_t, 2>> reach;  // result and tap
      for (int64_t r = 0; r < many; ++r)
        if (const int64_t to = row - r * stride; to >= 0 && to % apart == 0 && to / apart < down)
          reach.push_back({r, to / apart});
      if (reach.empty()) continue;
      Scalars where = place;
      std::optional<Scalar> is_there;
      if (has_rows) {
        const Scalar at = out[d + 1] * c.index_literal(stride) + c.index_literal(row - conv.low[d]);
        where.push_back(at);
        if (!inside) is_there = (at >= zero) & (at < c.extent(from[d + 1]));
      }
      where.push_back(zero);
      for (int64_t t = 0; t < kernel[last].number(); ++t) {
        const Tap& column = columns[static_cast<size_t>(t)];
        std::vector<Use> uses;
        for (const auto& [r, tap] : reach) {
          uses.push_back({static_cast<size_t>(r), taps});
          if (has_rows) uses.back().tap.push_back(c.index_literal(tap));
          uses.back().tap.push_back(c.index_literal(t));
        }
        where.back() = column.at;
        std::optional<Scalar> asked = column.inside;
        if (is_there) asked = asked ? *asked & *is_there : *is_there;
        add(where, asked, uses, feature, sums);
      }
    }
    close_taps(d, sums);
    return sums;
  }

  void positions(const Scalars& out, int64_t many) const {
    const Scalar feature = out.back();
    const auto body = [&](Scalars at, bool inside) {
      at[spatial] = open_loop(c, LoopKind::vector, c.extent(type.shape[spatial]));
      const Scalars sums = unrolls ? unrolled(at, many, feature, inside) : looped(at, feature);
      for (size_t r = 0; r < sums.size(); ++r) {
        Scalars index = at;
        if (r > 0) index[last] = index[last] + c.index_literal(static_cast<int64_t>(r));
        c.store(node, 0, index, cast(sums[r], type.dtype), {});
      }
      b.close_loop();
    };
    if (!has_rows) return body(out, false);
    const size_t d = last - 1;
    const int64_t reach = (many - 1) * conv.strides[d] + (kernel[d].number() - 1) * conv.rhs_dilation[d];
    const Scalar first = out[d + 1] * c.index_literal(conv.strides[d]) - c.index_literal(conv.low[d]);
    const Scalar inside = (first >= zero) & (first + c.index_literal(reach) < c.extent(from[d + 1]));
    for (const bool known : {true, false}) {
      const Scalar times = known ? select(inside, one, zero) : select(inside, zero, one);
      if (times.id == zero.id) continue;
      Scalars here = out;  // by the loop's own index, so that what is read stands in it
      here[last] = here[last] + open_loop(c, LoopKind::serial, times);
      body(here, known);
      b.close_loop();
    }
  }

  // Blocks of rows first, then rows that fill none, together where their number is known.
  void run() {
    Symbols& symbols = b.symbols();
    const std::vector<int64_t> order = c.order(node, 2);
    const bool blocks = spatial >= 2;
    const Dim extent = blocks ? type.shape[last] : Dim(1), whole = symbols.quotient(extent, rows),
              rest = symbols.remainder(extent, rows);
    const bool at_once = rest.is_number() && rest.number() > 0;
    const Dim units = rows == 1 ? extent : symbols.sum(whole, at_once ? Dim(1) : rest);
    std::vector<Dim> outer;
    for (size_t k = 0; k + 1 < order.size(); ++k) {
      const auto axis = static_cast<size_t>(order[k]);
      outer.push_back(blocks && axis == last ? units : type.shape[axis]);
    }
    const Scalars index = open_parallel(c, outer);
    Scalars out(order.size(), zero);
    for (size_t k = 0; k < index.size(); ++k) out[static_cast<size_t>(order[k])] = index[k];
    if (rows == 1 || (rest.is_number() && rest.number() == 0)) {
      if (blocks) out[last] = out[last] * c.index_literal(rows);
      positions(out, rows);
    } else {
      const Scalar unit = out[last], is_whole = unit < c.extent(whole);
      for (const bool block : {true, false}) {
        open_loop(c, LoopKind::serial, block ? select(is_whole, one, zero) : select(is_whole, zero, one));
        out[last] = block ? unit * c.index_literal(rows)
                          : c.extent(symbols.difference(extent, rest)) + (at_once ? zero : unit - c.extent(whole));
        positions(out, block ? rows : at_once ? rest.number() : 1);
        b.close_loop();
      }
    }
    b.close_loop();
  }
};

}  // namespace

void nest_convolution_rows(Lowering& c, const Node& node) { Rowwise{c, node}.run(); }

// Lanes are positions: what is read, what is written, and the kernel, whose numbers are read one by one. Lanes are features: blocks of
// rows are read turned, where they fit a cache, and blocks of positions are written turned.
void orders_convolution(const Graph& graph, const Node& node, std::vector<Order>& orders) {
  const Convolution conv(graph, node);
  const Shape &kernel = graph.type(graph.operands(node)[1]).shape, &to = graph.type(graph.result(node)).shape;
  const size_t spatial = conv.strides.size();
  const Dim length = to[spatial];
  const bool is_long = spatial > 0 && (!length.is_number() || length.number() >= 7);
  if (is_long && goes_along_rows(conv, kernel, orders[0], orders[2])) return;
  orders[1].clear();
  const auto last = static_cast<int64_t>(spatial);
  const auto ends_there = [&](const Order& order) { return is_long && !order.empty() && order.back() == last; };
  const Shape& from = graph.type(graph.operands(node)[0]).shape;
  const auto size = std::max<int64_t>(4, bytes(graph.type(graph.result(node)).dtype));
  if (!ends_there(orders[0]) || packed_rows(conv, from, kernel, to, size).results == 0) orders[0].clear();
  if (conv.groups != 1 || !ends_there(orders[2])) orders[2].clear();
}

}  // namespace tenon::ir::rules
