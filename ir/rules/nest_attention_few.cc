// Attention of a few queries, as when text is written word by word: all queries that read a head of keys, those of heads that share it
// included, go past the keys together, so that k and v are read once. Lanes run over keys. Refuses more rows than columns of a
// contraction whose rows are lanes.
//
//   parallel batch, head of k { queries scaled;  serial block {
//     contract scores[key, row];  bias, mask;  row { maximum;  vector key { exponentials };  their sum }
//     contract sums[row, d] = fma(sums, factor, weights v) }  store sums / total, logarithms }
#include "tenon/ir/rules/nest_attention.h"

namespace tenon::ir::rules {
namespace {

struct Few : AttentionNest {
  const int64_t queries = e.queries.number(), rows = queries * e.sharing();
  const Scalar all = number(rows), width = c.extent(e.width), depth = c.extent(e.depth);
  Memory top, total, factor, scaled, scores, sums;
  Scalar key_head;

  Few(Lowering& context, const Node& of) : AttentionNest(context, of) {}

  // A row is a query of one of the heads.
  Scalar head_of(Scalar r) const {
    return e.sharing() == 1 ? key_head : key_head * number(e.sharing()) + r / number(queries);
  }
  Scalar query_of(Scalar r) const { return queries == 1 ? none : rem(r, number(queries)); }
  Block at_row(Block x, Scalar r) const {
    x.head = head_of(r), x.query = query_of(r);
    return x;
  }
  Scalar score(Scalar j, Scalar r) const { return load(scores, {j, r}); }

  void open() {
    outer = e.batch;
    outer.push_back(e.key_heads);
    place = open_parallel(c, outer);
    key_head = place.back();
    const Shape line{Dim(rows)};
    top = memory("top", line), total = memory("total", line), factor = memory("factor", line);
    scaled = memory("queries", Shape{Dim(rows), e.depth}), sums = memory("sums", Shape{Dim(rows), e.width});
    scores = memory("scores", Shape{Dim(attention_keys), Dim(rows)});
    serial(all, [&](Scalar r) {
      vector(depth,
             [&](Scalar d) { store(scaled, {r, d}, element(at.q, {head_of(r), query_of(r), d}) * real(attrs.scale)); });
      store(top, {r}, hidden());
      store(total, {r}, real(0));
    });
    clear(sums, all, width);
  }

  void products(const Block& x) const {
    contract(
        x.count, all, depth, [&](Scalar j, Scalar d) { return element(at.k, {key_head, x.first + j, d}); },
        [&](Scalar d, Scalar r) { return load(scaled, {r, d}); },
        [&](Scalar j, Scalar r, Scalar s) { store(scores, {j, r}, s); });
    if (at.mask == at.none && at.bias == at.none && (!attrs.causal || x.whole)) return;
    serial(all, [&](Scalar r) {
      const Block here = at_row(x, r);
      vector(x.count, [&](Scalar j) {
        Scalar s = score(j, r);
        if (at.bias != at.none) s = s + cast(beside(at.bias, here, j, none), sum);
        if (at.mask != at.none) s = select(beside(at.mask, here, j, none), s, hidden());
        if (attrs.causal && !x.whole) s = select(x.first + j <= here.query, s, hidden());
        store(scores, {j, r}, s);
      });
    });
  }

  // The largest score of a row and what was so far; NaN is none. Which of equal ones does not matter: several chains.
  Scalar largest(const Block& x, Scalar r) const {
    constexpr int64_t chains = 8;
    const auto larger = [](Scalar s, Scalar m) { return select(s > m, s, m); };
    const Scalar whole = x.count / number(chains), first = whole * number(chains);
    Scalars tops = carried(whole, Scalars(chains, load(top, {r})), [&](Scalar j, Scalars now) {
      for (size_t n = 0; n < now.size(); ++n)
        now[n] = larger(score(j * number(chains) + number(static_cast<int64_t>(n)), r), now[n]);
      return now;
    });
    for (size_t half = tops.size() / 2; half > 0; half /= 2)
      for (size_t n = 0; n < half; ++n) tops[n] = larger(tops[n], tops[n + half]);
    return carried(rem(x.count, number(chains)), {tops[0]},
                   [&](Scalar j, const Scalars& now) { return Scalars{larger(score(first + j, r), now[0])}; })[0];
  }

  void block(const Block& x) const {
    products(x);
    serial(all, [&](Scalar r) {
      const Scalar before = load(top, {r}), now = largest(x, r), less = shown(now);
      vector(x.count, [&](Scalar j) { store(scores, {j, r}, weight(x, score(j, r), less, true)); });
      store(factor, {r}, math::exp_not_positive(before - less));
      store(top, {r}, now);
    });
    // All rows side by side: each sum is one chain.
    const auto row = [&](size_t r) { return number(static_cast<int64_t>(r)); };
    const Scalars so_far = carried(x.count, Scalars(static_cast<size_t>(rows), real(0)), [&](Scalar j, Scalars now) {
      for (size_t r = 0; r < now.size(); ++r) now[r] = now[r] + score(j, row(r));
      return now;
    });
    for (size_t r = 0; r < so_far.size(); ++r)
      store(total, {row(r)}, fma(load(total, {row(r)}), load(factor, {row(r)}), so_far[r]));
    if (at.key != at.none)
      serial(all, [&](Scalar r) {
        const Block here = at_row(x, r);
        vector(x.count, [&](Scalar j) { store(scores, {j, r}, score(j, r) * drawn(here, j, none, 1)[0]); });
      });
    contract(
        all, width, x.count, [&](Scalar r, Scalar j) { return score(j, r); },
        [&](Scalar j, Scalar d) { return element(at.v, {key_head, x.first + j, d}); },
        [&](Scalar r, Scalar d, Scalar chain) {
          store(sums, {r, d}, fma(load(sums, {r, d}), load(factor, {r}), chain));
        });
  }

  void run() {
    open();
    Block x{};
    x.key_head = key_head, x.query = none;
    each_block(x, [&](const Block& here) { block(here); });
    serial(all, [&](Scalar r) {
      const Scalar l = load(total, {r}), by = real(1) / l, head = head_of(r), i = query_of(r);
      give(1, {head, i}, load(top, {r}) + log(l));
      vector(width, [&](Scalar d) { give(0, {head, i, d}, select(l == real(0), real(0), load(sums, {r, d}) * by)); });
    });
    b.close_loop();
  }
};

}  // namespace

bool attention_of_few(const Lowering& c, const AttentionExtents& e) {
  constexpr int64_t most = 8, least_depth = 32;
  if (c.lanes == 1 || !e.queries.is_number() || !e.depth.is_number() || e.depth.number() < least_depth) return false;
  const int64_t rows = e.queries.number() * e.sharing();
  return rows >= 1 && rows <= most;
}
void nest_attention_few(Lowering& context, const Node& node) { Few(context, node).run(); }

}  // namespace tenon::ir::rules
