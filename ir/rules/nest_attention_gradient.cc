// The backward derivative of attention as loops: every product of the weights once, a block of keys going past all runs of queries of
// the heads that read it. Sums over queries stay in a tile, sums over keys in memory as large as q.
//
//   parallel batch, head of k {  queries and cotangents turned;  serial block of keys { serial head, run {
//     contract scores, products of v and the cotangent;  vector query { weights p, s = p (products - less) }
//     contract by v += p^T g;  by k += s^T q;  by q += s k }  store by v, by k }  store by q }
#include <limits>

#include "tenon/ir/rules/nest_attention.h"

namespace tenon::ir::rules {
namespace {

struct Backward : AttentionNest {
  static constexpr int64_t side = attention_queries;
  const Dim runs = up(e.queries, side), shared = Dim(e.sharing());
  const Scalar wide = number(side), depth = c.extent(e.depth), width = c.extent(e.width), scale = real(attrs.scale);
  Memory queries, cotangents, less, by_q, weights, moved, by_k, by_v;

  Backward(Lowering& context, const Node& of) : AttentionNest(context, of) {}

  Scalar query_head(Scalar h) const { return place.back() * number(e.sharing()) + h; }
  Scalar rows_of(Scalar run) const {
    const bool even = e.queries.is_number() && e.queries.number() % side == 0;
    return even ? wide : min(wide, c.extent(e.queries) - run * wide);
  }
  // The tile of a head and a run in memory that holds all of them.
  static Memory part(Memory m, Scalar h, Scalar run) {
    m.front.push_back(h), m.front.push_back(run);
    return m;
  }

  void open() {
    outer = e.batch;
    outer.push_back(e.key_heads);
    place = open_parallel(c, outer);
    weights = memory("weights", Shape{Dim(attention_keys), Dim(side)});
    moved = memory("moved", Shape{Dim(attention_keys), Dim(side)});
    by_k = memory("by_k", Shape{Dim(attention_keys), e.depth});
    by_v = memory("by_v", Shape{Dim(attention_keys), e.width});
    queries = kept(Shape{shared, runs, e.depth, Dim(side)});
    cotangents = kept(Shape{shared, runs, e.width, Dim(side)});
    less = kept(Shape{shared, runs, Dim(2), Dim(side)});
    by_q = kept(Shape{shared, runs, Dim(side), e.depth});
  }

  // Once for each head and run: what all blocks of keys read, and room for sums.
  void prepare(Scalar h, Scalar run) const {
    const Scalar head = query_head(h), first = run * wide, rows = rows_of(run);
    turn(at.q, head, first, rows, e.depth, part(queries, h, run), side, scale);
    turn(0, head, first, rows, e.width, part(cotangents, h, run), side, {});
    clear(part(less, h, run), number(2), wide);
    vector(rows, [&](Scalar i) {
      store(part(less, h, run), {none, i}, shown(element(at.logarithms, {head, first + i})));
      store(part(less, h, run), {one, i}, element(1, {head, first + i}));
    });
    clear(part(by_q, h, run), wide, depth);
  }

  void step(const Block& x, Scalar h, Scalar run) const {
    scores(x, part(queries, h, run), weights);
    products(x, at.v, part(cotangents, h, run), e.width,
             [&](Scalar j, Scalar i, Scalar s) { store(moved, {j, i}, s); });
    const Memory rows = part(less, h, run);
    columns(side, [&](const Scalars& places) {
      const auto shift = each(places, [&](size_t g) { return load(rows, {none, places[g]}); });
      const auto mean = each(places, [&](size_t g) { return load(rows, {one, places[g]}); });
      serial(x.count, [&](Scalar j) {
        for (size_t g = 0; g < places.size(); ++g) {
          const Scalar p = weight(x, load(weights, {j, places[g]}), shift[g]);
          store(weights, {j, places[g]}, p);
          store(moved, {j, places[g]}, p * (load(moved, {j, places[g]}) - mean[g]));
        }
      });
    });
    over_queries(x, weights, 0, width, by_v);
    over_queries(x, moved, at.q, depth, by_k);
    const Memory sums = part(by_q, h, run);
    contract(
        x.rows, depth, x.count, [&](Scalar i, Scalar j) { return load(moved, {j, i}); },
        [&](Scalar j, Scalar d) { return element(at.k, {x.key_head, x.first + j, d}); },
        [&](Scalar i, Scalar d, Scalar chain) { store(sums, {i, d}, load(sums, {i, d}) + chain); });
  }
  // sums[j, d] += the chain over the run's queries of factors[j, i] operand[i, d]
  void over_queries(const Block& x, const Memory& factors, uint32_t operand, Scalar columns, const Memory& sums) const {
    contract(
        x.count, columns, x.rows, [&](Scalar j, Scalar i) { return load(factors, {j, i}); },
        [&](Scalar i, Scalar d) { return element(operand, {x.head, x.query + i, d}); },
        [&](Scalar j, Scalar d, Scalar chain) { store(sums, {j, d}, load(sums, {j, d}) + chain); });
  }

  void block(Scalar n) const {
    const Scalar keys = c.extent(e.keys), first = n * number(attention_keys);
    const Scalar count = min(number(attention_keys), keys - first);
    clear(by_k, count, depth);
    clear(by_v, count, width);
    // Runs that end before the block's first key have nothing to do with it.
    const Scalar all = c.extent(runs), skipped = attrs.causal ? min(all, first / wide) : none;
    serial(number(e.sharing()), [&](Scalar h) {
      serial(all - skipped, [&](Scalar r) {
        const Scalar run = r + skipped, query = run * wide;
        const Scalar here = attrs.causal ? min(count, query + wide - first) : count;
        step({query_head(h), place.back(), query, rows_of(run), first, here, side}, h, run);
      });
    });
    serial(count, [&](Scalar j) {
      vector(depth, [&](Scalar d) { give(1, {place.back(), first + j, d}, load(by_k, {j, d}) * scale); });
      vector(width, [&](Scalar d) { give(2, {place.back(), first + j, d}, load(by_v, {j, d})); });
    });
  }

  void run() {
    open();
    const auto each_run = [&](auto body) {
      serial(number(e.sharing()), [&](Scalar h) { serial(c.extent(runs), [&](Scalar r) { body(h, r); }); });
    };
    each_run([&](Scalar h, Scalar r) { prepare(h, r); });
    serial(c.extent(up(e.keys, attention_keys)), [&](Scalar n) { block(n); });
    each_run([&](Scalar h, Scalar r) {
      serial(rows_of(r), [&](Scalar i) {
        vector(depth,
               [&](Scalar d) { give(0, {query_head(h), r * wide + i, d}, load(part(by_q, h, r), {i, d}) * scale); });
      });
    });
    b.close_loop();
  }
};

}  // namespace

void nest_attention_gradient(Lowering& context, const Node& node) { Backward(context, node).run(); }

}  // namespace tenon::ir::rules
