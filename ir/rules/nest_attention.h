// What the loop nests of attention are made of: memory for tiles, a run of queries turned so that lanes run over queries, scores of a
// block of keys, and what hides them. Lanes over queries make everything that happens to a row of scores a vector over rows: maxima
// and sums need no shuffles, and no block of keys is turned. Refuses to choose orders: ir/rules/reduction.h does.
#pragma once

#include "tenon/ir/base/philox.h"
#include "tenon/ir/math/exp.h"
#include "tenon/ir/rules/attention.h"
#include "tenon/ir/rules/nest.h"
#include "tenon/ir/rules/reduction.h"

namespace tenon::ir::rules {

struct AttentionNest {
  using Scalars = std::vector<Scalar>;
  using Dims = std::vector<Dim>;
  // A tile of numbers: scratch of an iteration, or the iteration's part of a buffer of the program, where it is large.
  struct Memory {
    BufferId buffer{};
    Scalars front = {};
  };
  static constexpr int64_t square = 16;  // rounds of a loop whose loads are turned in registers

  Lowering& c;
  const Node& node;
  KernelBuilder& b = c.builder;
  const Attention attrs{c.graph, node};
  const AttentionOperands at{node.op, attrs};
  const DType type = c.operand_type(node, at.q).dtype, sum = attention_sums(type);
  const AttentionExtents e{c.operand_type(node, at.q).shape, c.operand_type(node, at.k).shape,
                           c.operand_type(node, at.v).shape};
  const Scalar one = number(1), none = number(0);
  std::vector<Dim> outer = {};  // of the parallel loop
  Scalars place = {};  // in it; the batch's axes come first
  int64_t room = c.lanes == 1 ? 36 << 10 : 512 << 10;  // bytes of scratch that are left

  AttentionNest(Lowering& context, const Node& of) : c(context), node(of) {}

  Scalar number(int64_t v) const { return c.index_literal(v); }
  Scalar real(double v) const { return c.literal(sum, v); }
  Scalar hidden() const { return real(-std::numeric_limits<double>::infinity()); }
  Scalar shown(Scalar x) const { return select(x == hidden(), real(0), x); }
  Dim up(Dim extent, int64_t by) const { return b.symbols().quotient(b.symbols().sum(extent, by - 1), by); }

  // ---- loops and memory
  template <class Body>
  void loop(LoopKind kind, Scalar extent, Body body) const {
    const Scalar i = open_loop(c, kind, extent);
    body(i);
    b.close_loop();
  }
  template <class Body>
  void serial(Scalar extent, Body body) const {
    loop(LoopKind::serial, extent, body);
  }
  template <class Body>
  void vector(Scalar extent, Body body) const {
    loop(LoopKind::vector, extent, body);
  }
  template <class Body>
  Scalars carried(Scalar extent, const Scalars& initial, Body body) const {
    const auto ids = [](const Scalars& all) {
      std::vector<ScalarId> list;
      for (const Scalar& s : all) list.push_back(s.id);
      return list;
    };
    const auto handles = [&](std::span<const ScalarId> list) {
      Scalars all;
      for (ScalarId v : list) all.push_back({&b, v});
      return all;
    };
    const std::vector<ScalarId> opened = b.open_loop(LoopKind::serial, extent.id, ids(initial));
    const Scalars next = body(Scalar{&b, opened[0]}, handles(std::span(opened).subspan(1)));
    return handles(b.close_loop(ids(next)));
  }

  // Asked for between the loop that `outer` is of and the first use; `kept` beyond the iteration's end.
  Memory memory(const char* name, const Shape& shape) {
    const int64_t size = shape.is_static() ? shape.numel() * bytes(sum) : INT64_MAX;
    if (shape.is_static() && size <= room) {
      room -= size;
      return {b.scratch(name, sum, shape)};
    }
    return kept(shape);
  }
  Memory kept(const Shape& shape) const {
    Shape all(outer);
    for (Dim d : shape) all.push_back(d);
    return {c.temporary(node, sum, all), place};
  }
  static std::vector<ScalarId> ids(const Memory& m, std::initializer_list<Scalar> index) {
    std::vector<ScalarId> all;
    for (const Scalar& s : m.front) all.push_back(s.id);
    for (const Scalar& s : index) all.push_back(s.id);
    return all;
  }
  Scalar load(const Memory& m, std::initializer_list<Scalar> index) const {
    return {&b, b.load(m.buffer, ids(m, index))};
  }
  void store(const Memory& m, std::initializer_list<Scalar> index, Scalar value) const {
    b.store(m.buffer, ids(m, index), value.id);
  }
  // An element of an operand, in the dtype of sums.
  Scalar element(uint32_t operand, std::initializer_list<Scalar> behind) const {
    Scalars index(place.begin(), place.begin() + static_cast<std::ptrdiff_t>(e.batch.size()));
    index.insert(index.end(), behind);
    return cast(c.element(node, operand, index), sum);
  }
  void give(uint32_t result, std::initializer_list<Scalar> behind, Scalar value) const {
    Scalars index(place.begin(), place.begin() + static_cast<std::ptrdiff_t>(e.batch.size()));
    index.insert(index.end(), behind);
    c.store(node, result, index, cast(value, c.result_type(node, result).dtype), {});
  }

  // f(places): the `side` columns of a tile, some vectors of them at a time, so that a loop over rows reads memory as it lies.
  template <class F>
  void columns(int64_t side, F f) const {
    const int64_t vectors = c.register_bytes / (8 * std::max(c.lanes, 1) * static_cast<int64_t>(bytes(sum)));
    const int64_t groups = c.lanes == 1 ? 1 : std::clamp<int64_t>(vectors, 1, side / square);
    vector(number(side / groups), [&](Scalar i) {
      Scalars places;
      for (int64_t g = 0; g < groups; ++g) places.push_back(g == 0 ? i : i + number(g * (side / groups)));
      f(places);
    });
  }
  // What `of` makes of each place.
  template <class F>
  static Scalars each(const Scalars& places, F of) {
    Scalars all;
    for (size_t g = 0; g < places.size(); ++g) all.push_back(of(g));
    return all;
  }

  // ---- pieces
  // done(i, j, the chain over k of lhs(i, k) rhs(k, j))
  template <class Lhs, class Rhs, class Done>
  void contract(Scalar m, Scalar n, Scalar k, Lhs lhs, Rhs rhs, Done done) const {
    const auto handle = [&](ScalarId v) { return Scalar{&b, v}; };
    std::vector<ScalarId> arguments = b.open_contract(sum, one.id, m.id, n.id, k.id);
    const Scalar x = lhs(handle(arguments[1]), handle(arguments[2]));
    arguments = b.close_lhs(x.id);
    const Scalar y = rhs(handle(arguments[1]), handle(arguments[2]));
    arguments = b.close_rhs(y.id);
    done(handle(arguments[1]), handle(arguments[2]), handle(arguments[3]));
    b.close_contract();
  }

  // Rows of an operand from `first` on into columns: to[d, i], zeros past `rows`.
  void turn(uint32_t operand, Scalar head, Scalar first, Scalar rows, Dim width, const Memory& to, int64_t side,
            Scalar factor) const {
    serial(select(rows < number(side), c.extent(width), none),
           [&](Scalar d) { vector(number(side), [&](Scalar i) { store(to, {d, i}, real(0)); }); });
    const auto move = [&](Scalar d, Scalar i) {
      const Scalar x = element(operand, {head, first + i, d});
      store(to, {d, i}, factor ? x * factor : x);
    };
    each_square(c.extent(width), rows, move);
  }
  // f(j, i) for j below `count` and lanes i below `rows`: 16 rounds inside the lanes, so that loads along j are turned.
  template <class F>
  void each_square(Scalar count, Scalar rows, F f) const {
    const Scalar whole = count / number(square), rest = rem(count, number(square));
    serial(whole, [&](Scalar group) {
      const Scalar first = group * number(square);
      vector(rows, [&](Scalar i) { serial(number(square), [&](Scalar r) { f(first + r, i); }); });
    });
    const Scalar first = whole * number(square);
    serial(rest, [&](Scalar r) { vector(rows, [&](Scalar i) { f(first + r, i); }); });
  }

  struct
      Block {  // keys [first, first + count) beside queries [query, query + rows) of a head, of which `side` have room
    Scalar head, key_head, query, rows, first, count;
    int64_t side = 0;
    bool whole = false;  // attention_keys keys, of which `causal` hides none
  };
  // How many keys the run has to do with, at most.
  Scalar seen(Scalar query) const {
    const Scalar all = c.extent(e.keys), run = number(attention_queries);
    return attrs.causal ? min(all, query / run * run + run) : all;
  }
  // Calls body with every block of keys for queries from `query` on: whole ones, then those at the edge.
  template <class Body>
  void each_block(Block block, Body body) const {
    const Scalar all = seen(block.query), size = number(attention_keys), keys = c.extent(e.keys);
    const Scalar wholes =
        (attrs.causal ? min(keys, block.query / number(attention_queries) * number(attention_queries)) : keys) / size;
    const bool fixed = e.keys.is_number();
    if (!fixed || e.keys.number() >= attention_keys)
      serial(wholes, [&](Scalar n) {
        block.first = n * size, block.count = size, block.whole = true;
        body(block);
      });
    if (fixed && !attrs.causal && e.keys.number() % attention_keys == 0) return;
    const Scalar done = wholes * size;
    serial((all - done + (size - one)) / size, [&](Scalar n) {
      block.first = done + n * size, block.count = min(size, all - block.first), block.whole = false;
      body(block);
    });
  }

  // to[j, i] = done(j, i, the chain over d of operand[j, d] queries[d, i])
  template <class Done>
  void products(const Block& x, uint32_t operand, const Memory& queries, Dim inner, Done done) const {
    contract(
        x.count, number(x.side), c.extent(inner),
        [&](Scalar j, Scalar d) { return element(operand, {x.key_head, x.first + j, d}); },
        [&](Scalar d, Scalar i) { return load(queries, {d, i}); }, done);
  }
  // The element of a mask or bias beside a score.
  Scalar beside(uint32_t operand, const Block& x, Scalar j, Scalar i) const {
    const Shape& shape = c.operand_type(node, operand).shape;
    Scalars index(place.begin(), place.begin() + static_cast<std::ptrdiff_t>(e.batch.size()));
    index.push_back(x.head), index.push_back(x.query + i), index.push_back(x.first + j);
    for (size_t d = 0; d < shape.size(); ++d)
      if (shape[d] == 1) index[d] = none;
    return c.element(node, operand, index);
  }
  // Scores of a block: products, with the bias, and -inf for what takes no part.
  void scores(const Block& x, const Memory& queries, const Memory& to) const {
    products(x, at.k, queries, e.depth, [&](Scalar j, Scalar i, Scalar s) { store(to, {j, i}, s); });
    if (at.mask != at.none || at.bias != at.none)
      each_square(x.count, x.rows, [&](Scalar j, Scalar i) {
        Scalar s = load(to, {j, i});
        if (at.bias != at.none) s = s + cast(beside(at.bias, x, j, i), sum);
        if (at.mask != at.none) s = select(beside(at.mask, x, j, i), s, hidden());
        store(to, {j, i}, s);
      });
    if (attrs.causal && !x.whole)
      serial(select(x.first + x.count > x.query + one, x.count, none), [&](Scalar j) {
        vector(number(x.side),
               [&](Scalar i) { store(to, {j, i}, select(x.first + j <= x.query + i, load(to, {j, i}), hidden())); });
      });
  }
  // What the weights of keys first + j.. are multiplied by in row query + i: `step` of them, of one block of the generator, if not one.
  Scalars drawn(const Block& x, Scalar j, Scalar i, int64_t step) const {
    const AttentionDropout drop(attrs.dropout, sum);
    const Shape& key = c.operand_type(node, at.key).shape;
    const auto lanes = static_cast<std::ptrdiff_t>(key.size()) - 1, all = static_cast<std::ptrdiff_t>(e.batch.size());
    Dims behind(e.batch.begin() + lanes, e.batch.end());
    behind.insert(behind.end(), {e.heads, e.queries, e.keys});
    Scalars index(place.begin() + lanes, place.begin() + all);
    index.insert(index.end(), {x.head, x.query + i, x.first + j});
    const auto word = [&](int64_t n) {
      Scalars at_word;
      for (std::ptrdiff_t d = 0; d < lanes; ++d)
        at_word.push_back(key[static_cast<size_t>(d)] == 1 ? none : place[static_cast<size_t>(d)]);
      at_word.push_back(number(n));
      return c.element(node, at.key, at_word);
    };
    const Scalar first = linear_index(c, behind, index), block = first / number(drop.per_block);
    const Scalar low = cast(block, DType::u32), high = cast(block >> number(32), DType::u32);
    // Rounds are a loop: written out they would be most of the kernel.
    const Scalars words = carried(number(philox_rounds), {low, high, like(low, 0), like(low, 0), word(0), word(1)},
                                  [](Scalar, Scalars s) {
                                    const auto next = philox_round<Scalar>({s[0], s[1], s[2], s[3]}, {s[4], s[5]});
                                    const auto key = philox_next<Scalar>({s[4], s[5]});
                                    return Scalars{next[0], next[1], next[2], next[3], key[0], key[1]};
                                  });
    Scalars factors;
    for (int64_t n = 0; n < drop.per_block; ++n) factors.push_back(factor(drop, words, static_cast<size_t>(n)));
    for (int64_t n = 1; step == 1 && n < drop.per_block; ++n)
      factors[0] = select(rem(first, number(drop.per_block)) == number(n), factors[static_cast<size_t>(n)], factors[0]);
    factors.resize(static_cast<size_t>(step));
    return factors;
  }
  Scalar factor(const AttentionDropout& drop, const Scalars& words, size_t n) const {
    const auto wide = [](Scalar x) { return cast(x, DType::u64); };
    Scalar bits = words[drop.per_block == 4 ? n : 0];
    if (drop.per_block == 2) bits = wide(words[2 * n]) | (wide(words[2 * n + 1]) << like(wide(bits), 32));
    const Scalar least = like_bits(bits, static_cast<uint64_t>(drop.threshold));
    return select((bits >> like_bits(bits, static_cast<uint64_t>(drop.shift))) >= least, real(drop.factor), real(0));
  }
  // to[j, i] of a block. A block of the generator serves neighbours where no row begins inside one.
  void draw(const Block& x, const Memory& to) const {
    if (at.key == at.none) return;
    const int64_t per_block = AttentionDropout(attrs.dropout, sum).per_block;
    const int64_t step = e.keys.is_number() && e.keys.number() % per_block == 0 ? per_block : 1;
    serial(x.count / number(step), [&](Scalar group) {
      vector(number(x.side), [&](Scalar i) {
        const Scalar j = group * number(step);
        const Scalars factors = drawn(x, j, i, step);
        for (int64_t n = 0; n < step; ++n) store(to, {j + number(n), i}, factors[static_cast<size_t>(n)]);
      });
    });
  }
  // A weight after dropout.
  Scalar dropped(Scalar x, const Memory& drops, Scalar j, Scalar i) const {
    return at.key == at.none ? x : x * load(drops, {j, i});
  }
  Memory memory_of_drops(int64_t side) {
    return at.key == at.none ? Memory{} : memory("drops", Shape{Dim(attention_keys), Dim(side)});
  }
  // Of a score; where keys are hidden no exponential is taken of them, since results that small are slow on some machines. below: `less`
  // is no smaller than any score of its column.
  Scalar weight(const Block& x, Scalar s, Scalar less, bool below = false) const {
    const auto power = [&](Scalar x) { return below ? math::exp_not_positive(x) : exp(x); };
    if (!at.hides(attrs, x.whole)) return power(s - less);
    const Scalar gone = s == hidden();
    return select(gone, real(0), power(select(gone, real(0), s - less)));
  }
  // sums[i, d] = done(i, d, the chain over the block's keys of weights[j, i] operand[j, d])
  template <class Done>
  void over_keys(const Block& x, const Memory& weights, uint32_t operand, Dim width, Done done) const {
    contract(
        number(x.side), c.extent(width), x.count, [&](Scalar i, Scalar j) { return load(weights, {j, i}); },
        [&](Scalar j, Scalar d) { return element(operand, {x.key_head, x.first + j, d}); }, done);
  }
  void clear(const Memory& m, Scalar rows, Scalar columns) const {
    serial(rows, [&](Scalar i) { vector(columns, [&](Scalar j) { store(m, {i, j}, real(0)); }); });
  }
};

// Whether the queries of all heads that read one of k are so few that they go past the keys together, and the loops that do so.
bool attention_of_few(const Lowering& c, const AttentionExtents& e);
void nest_attention_few(Lowering& context, const Node& node);

}  // namespace tenon::ir::rules
