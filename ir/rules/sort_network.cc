// Keys alone, as many rows side by side as there are lanes: comparisons that stand in advance, each the minimum and the maximum of two
// vectors, whatever the keys are. Registers full of keys are sorted by exchanging odd and even ones (Batcher, Sorting networks and
// their applications, AFIPS 1968), then two sorted runs at a time become one: the first comparisons are of mirrored places, and
// every later one of places half as far apart (bitonic sorting, ibid.), as many rounds as fit into the registers at each passage
// over the keys. Places behind the end of a row hold the greatest key. Refuses what has other operands than keys, rows that
// do not stay in a cache, and fewer rows than lanes: sort_by_rank and sort_by_digits.
//
//   parallel 16 rows { vector row { serial element { key[element, row] }  network }  serial element { vector element { serial row } } }
#include <algorithm>
#include <array>
#include <bit>

#include "tenon/ir/rules/sort_ways.h"

namespace tenon::ir::rules {
namespace {

constexpr int64_t cached_bytes = 256 << 10;  // of the keys that are sorted together

int log_of(int64_t power) { return std::bit_width(static_cast<uint64_t>(power)) - 1; }

// The ones below the power of two that is not less than n, for n >= 1.
Scalar ones_below(Lowering& c, Scalar n) {
  Scalar x = n - c.index_literal(1);
  for (int64_t shift = 1; shift < 64; shift *= 2) x = x | (x >> c.index_literal(shift));
  return x;
}

// The keys of the rows of a group, by place and lane, and the comparisons among them.
struct Network {
  Lowering& c;
  DType key;
  BufferId keys;
  int64_t room, width;  // places that there is memory for; keys in registers: powers of two
  Scalar lane;
  KernelBuilder& b = c.builder;
  const Scalar zero = c.index_literal(0), one = c.index_literal(1);

  Scalar load(Scalar place) const {
    const ScalarId at[] = {place.id, lane.id};
    return {&b, b.load(keys, at)};
  }
  void store(Scalar place, Scalar k) const {
    const ScalarId at[] = {place.id, lane.id};
    b.store(keys, at, k.id);
  }
  static void exchange(Scalar& less, Scalar& greater) {
    const Scalar x = less;
    less = min(x, greater);
    greater = max(x, greater);
  }
  static void exchange_apart(std::span<Scalar> x, size_t distance) {
    for (size_t i = 0; i < x.size(); ++i)
      if ((i & distance) == 0) exchange(x[i], x[i + distance]);
  }
  template <class Change>
  void at_places(Scalar first, Scalar step, size_t count, Change change) const {
    std::vector<Scalar> places{first}, x;
    while (places.size() < count) places.push_back(places.back() + step);
    for (Scalar place : places) x.push_back(load(place));
    change(std::span(x));
    for (size_t k = 0; k < count; ++k) store(places[k], x[k]);
  }

  // Runs of as many keys as there are registers.
  void sort_runs(Scalar count) const {
    const Scalar run = open_loop(c, LoopKind::serial, count);
    at_places(run * c.index_literal(width), one, static_cast<size_t>(width), [](std::span<Scalar> x) {
      for (size_t p = 1; p < x.size(); p *= 2)
        for (size_t k = p; k >= 1; k /= 2)
          for (size_t j = k % p; j + k < x.size(); j += 2 * k)
            for (size_t i = j; i < std::min(j + k, x.size() - k); ++i)
              if (i / (2 * p) == (i + k) / (2 * p)) exchange(x[i], x[i + k]);
    });
    b.close_loop();
  }
  // Group number g of those that stand `step` apart: where it begins.
  Scalar start(Scalar g, Scalar offset) const { return (g - offset) * c.index_literal(width) + offset; }

  // Runs of width / 2 * step keys, two of which become one: the comparisons that are `step` apart and more.
  void mirror(Scalar groups, Scalar step) const {
    const Scalar g = open_loop(c, LoopKind::serial, groups), offset = g & (step - one);
    const auto half = static_cast<size_t>(width / 2);
    const Scalar last = c.index_literal(room - 1), back = zero - step;
    const Scalar across = step * c.index_literal(width / 2 - 1);  // for who checks bounds
    const Scalar low = min(start(g, offset), last - across);
    const Scalar high =
        clamp(start(g, offset) + (step * c.index_literal(width) - one) - (offset + offset), across, last);
    at_places(low, step, half, [&](std::span<Scalar> x) {
      at_places(high, back, half, [&](std::span<Scalar> y) {
        for (size_t k = 0; k < half; ++k) exchange(x[k], y[k]);
        for (size_t distance = half / 2; distance >= 1; distance /= 2) {
          exchange_apart(x, distance);
          for (size_t i = 0; i < half; ++i)
            if ((i & distance) == 0) exchange(y[i + distance], y[i]);
        }
      });
    });
    b.close_loop();
  }
  // The comparisons that are from width / 2 times `step` down to `step` apart.
  void narrow(Scalar groups, Scalar step) const {
    const Scalar g = open_loop(c, LoopKind::serial, groups), last = c.index_literal(room - 1);
    const Scalar first =
        min(start(g, g & (step - one)), last - step * c.index_literal(width - 1));  // for who checks bounds
    at_places(first, step, static_cast<size_t>(width), [](std::span<Scalar> x) {
      for (size_t distance = x.size() / 2; distance >= 1; distance /= 2) exchange_apart(x, distance);
    });
    b.close_loop();
  }

  void sort(Scalar places, Scalar log_places) const {
    const Scalar groups = places / c.index_literal(width);
    const Scalar most = c.index_literal(room / width), two = c.index_literal(2), log = c.index_literal(log_of(width));
    sort_runs(groups);
    if (room == width) return;
    const std::vector<ScalarId> merge = b.open_loop(LoopKind::serial, (log_places - log).id, std::span(&two.id, 1));
    const Scalar number{&b, merge[0]}, step = min(Scalar{&b, merge[1]}, most), doubled = step + step;
    mirror(groups, step);
    const std::vector<ScalarId> pass = b.open_loop(LoopKind::serial, ((number + log) / log).id, std::span(&step.id, 1));
    const Scalar next = clamp({&b, (Scalar{&b, pass[1]} / c.index_literal(width)).id}, one, most);
    narrow(groups, next);
    b.close_loop(std::span(&next.id, 1));
    b.close_loop(std::span(&doubled.id, 1));
  }
};

// How a row of keys lies among those beside it: loops over its elements, from and to the keys of the network.
struct Group {
  const SideBySide& s;
  Lowering& c;
  const Network& network;
  Scalar first, skip;  // the row of lane 0; lanes whose rows another group sorts, too
  std::vector<Scalar> outside;  // indices of the axes that all lanes share
  KernelBuilder& b = c.builder;
  const DType type = c.result_type(s.node).dtype;
  const Scalar n = c.extent(s.shape[s.axis]), lanes = c.index_literal(c.lanes);

  std::vector<Scalar> at(Scalar place, Scalar lane) const {
    std::vector<Scalar> full(s.shape.size(), place);
    const Scalar row = first + lane;
    const std::vector<Scalar> rest = s.along ? outside : indices_of(c, row, s.others);
    for (size_t d = 0, k = 0; d < full.size(); ++d)
      if (d != s.axis) full[d] = k < rest.size() ? rest[k++] : row;
    return full;
  }
  // All places of a row, carrying a truth; as many at a time as there are lanes where places lie side by side, the last of them
  // with some of those before.
  template <class Body>
  Scalar each_place(Scalar carried, Body body) const {
    const auto loop = [&](Scalar count, Scalar start, auto inside) {
      const std::vector<ScalarId> arguments = b.open_loop(LoopKind::serial, count.id, std::span(&start.id, 1));
      const Scalar next = inside(Scalar{&b, arguments[0]}, Scalar{&b, arguments[1]});
      return Scalar{&b, b.close_loop(std::span(&next.id, 1))[0]};
    };
    if (s.along) return loop(n, carried, body);
    return loop((n + lanes - c.index_literal(1)) / lanes, carried, [&](Scalar block, Scalar outer) {
      const Scalar start = min(block * lanes, n - lanes);
      return loop(lanes, outer, [&](Scalar k, Scalar inner) { return body(start + k, inner); });
    });
  }

  void read(Scalar places, BufferId lost) const {
    const Scalar no{&b, b.literal(DType::boolean, 0)};
    const Scalar any = each_place(no, [&](Scalar place, Scalar before) {
      const Scalar x = c.element(s.node, 0, at(place, network.lane));
      network.store(place, order_key(x));
      return is_floating(type) ? before | lost_in_key(x) : before;
    });
    if (is_floating(type)) b.store(lost, std::span(&network.lane.id, 1), any.id);
    const Scalar behind = open_loop(c, LoopKind::serial, places - n);
    network.store(n + behind, {&b, b.literal(network.key, largest_key(network.key))});
    b.close_loop();
  }

  void write() const {
    const auto give = [&](Scalar place, Scalar lane) {
      const ScalarId from[] = {place.id, lane.id};
      c.store(s.node, 0, at(place, lane), from_key({&b, b.load(network.keys, from)}, type), lane >= skip);
    };
    if (s.along) {
      const Scalar lane = open_loop(c, LoopKind::vector, lanes);
      give(open_loop(c, LoopKind::serial, n), lane);
    } else {
      const Scalar block = open_loop(c, LoopKind::serial, (n + lanes - c.index_literal(1)) / lanes);
      const Scalar start = min(block * lanes, n - lanes), place = start + open_loop(c, LoopKind::vector, lanes);
      give(place, open_loop(c, LoopKind::serial, lanes));
      b.close_loop();
    }
    for (int k = 0; k < 2; ++k) b.close_loop();
  }

  void write_lost(BufferId lost) const {
    const Scalar zero = c.index_literal(0), lane = open_loop(c, LoopKind::serial, lanes);
    const Scalar again = Scalar{&b, b.load(lost, std::span(&lane.id, 1))} & (lane >= skip);
    const SortedRow row{c, s.node, at(zero, lane), s.axis, zero, n};
    give_lost(row, select(again, n, zero), [&](Scalar place) {
      const ScalarId from[] = {place.id, lane.id};
      return Scalar{&b, b.load(network.keys, from)};
    });
    b.close_loop();
  }
};

}  // namespace

SideBySide::SideBySide(Lowering& context, const Node& n)
    : c(context), node(n), shape(c.result_type(n).shape), axis(Sort(c.graph, n).axis), along(axis + 1 != shape.size()) {
  const int64_t vector = c.lanes * bytes(key_type(c.result_type(n).dtype));
  const auto power_below = [](int64_t x) { return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(x))); };
  room = power_below(cached_bytes / vector);
  width = std::clamp<int64_t>(power_below(c.register_bytes / 2 / vector), 4, 16);
  const Dim length = shape[axis];
  for (size_t d = 0; d < shape.size(); ++d)
    if (d != axis && !(along && d + 1 == shape.size())) others.push_back(shape[d]);
  side = along ? shape[shape.size() - 1] : product_of(c, others);
  const auto is_below = [](Dim d, int64_t least) { return d.is_number() && d.number() < least; };
  never = node.operand_count != 1 || is_below(side, c.lanes) || is_below(length, c.lanes) ||
          (length.is_number() && length.number() > room);
  always = !never && side.is_number() && length.is_number();
  if (!never && length.is_number())
    room = std::max(static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(length.number()))), width);
}

Scalar SideBySide::fits() const {
  const Scalar n = c.extent(shape[axis]), lanes = c.index_literal(c.lanes);
  return (n >= lanes) & (n <= c.index_literal(room)) & (c.extent(side) >= lanes);
}

Scalar SideBySide::groups() const {
  const Scalar lanes = c.index_literal(c.lanes), of_side = (c.extent(side) + lanes - c.index_literal(1)) / lanes;
  return along ? of_side * c.extent(product_of(c, others)) : of_side;
}

void SideBySide::sort(Scalar group) const {
  KernelBuilder& b = c.builder;
  const DType key = key_type(c.result_type(node).dtype);
  const Scalar lanes = c.index_literal(c.lanes), zero = c.index_literal(0), n = c.extent(shape[axis]);
  const BufferId keys = b.scratch("keys", key, Shape{room, c.lanes});
  const BufferId lost = b.scratch("lost", DType::boolean, Shape{c.lanes});
  Scalar of_side = group;
  std::vector<Scalar> outside;
  if (along) {
    const Scalar each = (c.extent(side) + lanes - c.index_literal(1)) / lanes;
    of_side = rem(group, each);
    outside = indices_of(c, group / each, others);
  }
  const Scalar first = clamp(of_side * lanes, zero, c.extent(side) - lanes), skip = of_side * lanes - first;
  const Scalar below =
      shape[axis].is_number() ? c.index_literal(room - 1) : ones_below(c, max(n, c.index_literal(width)));

  Network network{c, key, keys, room, width, open_loop(c, LoopKind::vector, lanes)};
  const Group rows{*this, c, network, first, skip, outside};
  const Scalar places = below + c.index_literal(1);
  rows.read(places, lost);
  network.sort(places, shape[axis].is_number() ? c.index_literal(log_of(room)) : popcount(below));
  b.close_loop();
  rows.write();
  if (is_floating(c.result_type(node).dtype)) rows.write_lost(lost);
}

}  // namespace tenon::ir::rules
