// Attention and its forward derivative as loops: a tile of queries goes past the keys, block by block, and keeps what it has summed.
//
//   parallel batch, head, tile { queries turned, scaled;  serial block {
//     contract scores[key, query];  bias, mask;  vector query { maximum; exponentials, their sum }
//     contract sums[query, d] = fma(sums, factor, weights v) }  store sums / total, logarithms }
//
// Scores of a block lie in the first cache; k and v are read where they are.
#include <limits>

#include "tenon/ir/rules/nest_attention.h"

namespace tenon::ir::rules {
namespace {

struct Tile : AttentionNest {
  using Block = AttentionNest::Block;
  int64_t side = attention_queries;
  Block x{};

  Tile(Lowering& context, const Node& of) : AttentionNest(context, of) {
    if (c.lanes == 1 || sum == DType::f64) side /= 2;
    if (e.queries.is_number())
      while (side > square && side / 2 >= e.queries.number()) side /= 2;
  }
  void open() {
    outer = e.batch;
    outer.push_back(e.heads);
    outer.push_back(up(e.queries, side));
    place = open_parallel(c, outer);
    x.side = side;
    x.head = place[e.batch.size()];
    x.key_head = e.sharing() == 1 ? x.head : x.head / number(e.sharing());
    x.query = place.back() * number(side);
    const bool even = e.queries.is_number() && e.queries.number() % side == 0;
    x.rows = even ? number(side) : min(number(side), c.extent(e.queries) - x.query);
  }
  Shape across(Dim rows) const { return {rows, Dim(side)}; }
  Shape line() const { return {Dim(side)}; }

  // The largest of each column of scores and of `before`; NaN is none. Which of equal ones does not matter: two chains or four.
  Scalars largest(const Memory& scores, const Scalars& places, const Scalars& before) const {
    const auto larger = [](Scalar s, Scalar m) { return select(s > m, s, m); };
    const int64_t chains = places.size() == 1 ? 4 : 2;
    const Scalar whole = x.count / number(chains), first = whole * number(chains);
    const auto advance = [&](Scalar j, Scalars& now, size_t from) {
      for (size_t g = 0; g < places.size(); ++g) now[from + g] = larger(load(scores, {j, places[g]}), now[from + g]);
    };
    Scalars initial;
    for (int64_t n = 0; n < chains; ++n) initial.insert(initial.end(), before.begin(), before.end());
    Scalars tops = carried(whole, initial, [&](Scalar j, Scalars now) {
      for (int64_t n = 0; n < chains; ++n)
        advance(j * number(chains) + number(n), now, static_cast<size_t>(n) * places.size());
      return now;
    });
    for (size_t half = tops.size() / 2; half >= places.size(); half /= 2) {
      for (size_t n = 0; n < half; ++n) tops[n] = larger(tops[n], tops[n + half]);
      tops.resize(half);
    }
    return carried(rem(x.count, number(chains)), tops, [&](Scalar j, Scalars now) {
      advance(first + j, now, 0);
      return now;
    });
  }
};

}  // namespace

void nest_attention(Lowering& context, const Node& node) {
  const auto shape = [&](uint32_t k) { return context.operand_type(node, k).shape; };
  if (attention_of_few(context, {shape(0), shape(1), shape(2)})) return nest_attention_few(context, node);
  Tile t(context, node);
  const auto& x = t.x;
  const AttentionExtents& e = t.e;
  t.open();
  const auto top = t.memory("top", t.line()), total = t.memory("total", t.line()),
             factor = t.memory("factor", t.line());
  const auto scores = t.memory("scores", t.across(attention_keys)), queries = t.memory("queries", t.across(e.depth)),
             sums = t.memory("sums", Shape{Dim(t.side), e.width}), drops = t.memory_of_drops(t.side);
  const Scalar side = t.number(t.side), width = t.c.extent(e.width);
  t.turn(t.at.q, x.head, x.query, x.rows, e.depth, queries, t.side, t.real(t.attrs.scale));
  t.vector(side, [&](Scalar i) {
    t.store(top, {i}, t.hidden());
    t.store(total, {i}, t.real(0));
  });
  t.clear(sums, side, width);
  t.each_block(x, [&](const Tile::Block& block) {
    t.x = block;
    t.scores(block, queries, scores);
    t.draw(block, drops);
    t.columns(t.side, [&](const Tile::Scalars& places) {
      const auto before = t.each(places, [&](size_t g) { return t.load(top, {places[g]}); });
      const auto now = t.largest(scores, places, before);
      const auto less = t.each(places, [&](size_t g) { return t.shown(now[g]); });
      const auto fading = t.each(places, [&](size_t g) { return math::exp_not_positive(before[g] - less[g]); });
      const auto none = t.each(places, [&](size_t) { return t.real(0); });
      const auto sums = t.carried(block.count, none, [&](Scalar j, Tile::Scalars so_far) {
        for (size_t g = 0; g < places.size(); ++g) {
          const Scalar p = t.weight(block, t.load(scores, {j, places[g]}), less[g], true);
          t.store(scores, {j, places[g]}, t.dropped(p, drops, j, places[g]));
          so_far[g] = so_far[g] + p;
        }
        return so_far;
      });
      for (size_t g = 0; g < places.size(); ++g) {
        t.store(total, {places[g]}, fma(t.load(total, {places[g]}), fading[g], sums[g]));
        t.store(top, {places[g]}, now[g]);
        t.store(factor, {places[g]}, fading[g]);
      }
    });
    t.over_keys(block, scores, t.at.v, e.width, [&](Scalar i, Scalar d, Scalar chain) {
      t.store(sums, {i, d}, fma(t.load(sums, {i, d}), t.load(factor, {i}), chain));
    });
  });
  t.vector(x.rows, [&](Scalar i) {
    const Scalar l = t.load(total, {i});
    t.give(1, {x.head, x.query + i}, t.load(top, {i}) + log(l));
    t.store(factor, {i}, t.real(1) / l);
  });
  t.serial(x.rows, [&](Scalar i) {
    const Scalar nothing = t.load(total, {i}) == t.real(0), r = t.load(factor, {i});
    t.vector(width, [&](Scalar d) {
      t.give(0, {x.head, x.query + i, d}, select(nothing, t.real(0), t.load(sums, {i, d}) * r));
    });
  });
  t.b.close_loop();
}

void nest_attention_tangent(Lowering& context, const Node& node) {
  Tile t(context, node);
  const auto& x = t.x;
  const AttentionExtents& e = t.e;
  t.open();
  const auto total = t.memory("total", t.line()), less = t.memory("less", t.line());
  const auto weights = t.memory("weights", t.across(attention_keys)),
             moved = t.memory("moved", t.across(attention_keys)), queries = t.memory("queries", t.across(e.depth)),
             changes = t.memory("changes", t.across(e.depth)), sums = t.memory("sums", Shape{Dim(t.side), e.width}),
             drops = t.memory_of_drops(t.side);
  const Scalar side = t.number(t.side), width = t.c.extent(e.width), scale = t.real(t.attrs.scale);
  t.turn(t.at.q, x.head, x.query, x.rows, e.depth, queries, t.side, scale);
  t.turn(0, x.head, x.query, x.rows, e.depth, changes, t.side, scale);
  t.vector(side, [&](Scalar i) {
    t.store(total, {i}, t.real(0));
    t.store(less, {i}, t.real(0));
  });
  t.vector(x.rows, [&](Scalar i) { t.store(less, {i}, t.shown(t.element(t.at.logarithms, {x.head, x.query + i}))); });
  t.clear(sums, side, width);
  t.each_block(x, [&](const Tile::Block& block) {
    t.scores(block, queries, weights);
    t.draw(block, drops);
    t.products(block, t.at.k, changes, e.depth, [&](Scalar j, Scalar i, Scalar s) { t.store(moved, {j, i}, s); });
    t.products(block, 1, queries, e.depth,
               [&](Scalar j, Scalar i, Scalar s) { t.store(moved, {j, i}, t.load(moved, {j, i}) + s); });
    t.columns(t.side, [&](const Tile::Scalars& places) {
      const auto shift = t.each(places, [&](size_t g) { return t.load(less, {places[g]}); });
      const auto none = t.each(places, [&](size_t) { return t.real(0); });
      const auto sums = t.carried(block.count, none, [&](Scalar j, Tile::Scalars so_far) {
        for (size_t g = 0; g < places.size(); ++g) {
          const Scalar p = t.weight(block, t.load(weights, {j, places[g]}), shift[g]);
          const Scalar m = p * t.load(moved, {j, places[g]});
          t.store(weights, {j, places[g]}, t.dropped(p, drops, j, places[g]));
          t.store(moved, {j, places[g]}, t.dropped(m, drops, j, places[g]));
          so_far[g] = so_far[g] + m;
        }
        return so_far;
      });
      for (size_t g = 0; g < places.size(); ++g) t.store(total, {places[g]}, t.load(total, {places[g]}) + sums[g]);
    });
    const auto add = [&](Scalar i, Scalar d, Scalar chain) { t.store(sums, {i, d}, t.load(sums, {i, d}) + chain); };
    t.over_keys(block, moved, t.at.v, e.width, add);
    t.over_keys(block, weights, 2, e.width, add);
  });
  t.vector(x.rows, [&](Scalar i) { t.give(1, {x.head, x.query + i}, t.load(total, {i})); });
  t.serial(x.rows, [&](Scalar i) {
    t.vector(width, [&](Scalar d) { t.give(0, {x.head, x.query + i, d}, t.load(sums, {i, d})); });
  });
  t.b.close_loop();
}

}  // namespace tenon::ir::rules
