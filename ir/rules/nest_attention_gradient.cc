// The backward derivative of attention as loops: every product of the weights once, a block of keys going past all runs of queries of
// the heads that read it. Sums over queries stay in a tile, sums over keys in memory as large as q.
//
//   parallel batch, head of k {  queries and cotangents turned;  serial block of keys { serial head, run {
//     contract scores, products of v and the cotangent;  vector query { weights p, s = p (products - less) }
//     contract by v += p^T g;  by k += s^T q;  by q += s k }  store by v, by k }  store by q }
//
// Where there are fewer of those than threads, blocks of keys and runs of queries are units of their own, each with the weights that
// it sums over, in the same order: seven products where there were five, and nothing that two units write.
#include <limits>

#include "tenon/ir/rules/nest_attention.h"

namespace tenon::ir::rules {
namespace {

struct Backward : AttentionNest {
  static constexpr int64_t side = attention_queries;
  // What is made of a run of queries before keys go past it: turned queries and cotangents, and a line each of logarithms and of what is
  // taken off the products; the sums by q.
  struct Run {
    Scalar head, number, rows;
    Memory queries, cotangents, less, by_q;
  };
  const Dim runs = up(e.queries, side), shared = Dim(e.sharing());
  const Scalar wide = number(side), depth = c.extent(e.depth), width = c.extent(e.width), scale = real(attrs.scale);
  Memory queries, cotangents, less, by_q, weights, moved, by_k, by_v, drops;
  Scalar key_head;

  Backward(Lowering& context, const Node& of) : AttentionNest(context, of) {}

  // Tiles, and for all heads and runs together or for one what is made of a run.
  void open(std::initializer_list<Dim> units, bool joint) {
    outer = e.batch;
    outer.push_back(e.key_heads);
    outer.insert(outer.end(), units);
    place = open_parallel(c, outer);
    key_head = place[e.batch.size()];
    weights = memory("weights", Shape{Dim(attention_keys), Dim(side)});
    moved = memory("moved", Shape{Dim(attention_keys), Dim(side)});
    by_k = memory("by_k", Shape{Dim(attention_keys), e.depth});
    by_v = memory("by_v", Shape{Dim(attention_keys), e.width});
    drops = memory_of_drops(side);
    const auto room_for = [&](const char* name, Dim rows, Dim columns) {
      return joint ? kept(Shape{shared, runs, rows, columns}) : memory(name, Shape{rows, columns});
    };
    queries = room_for("queries", e.depth, Dim(side));
    cotangents = room_for("cotangents", e.width, Dim(side));
    less = room_for("less", Dim(2), Dim(side));
    by_q = room_for("by_q", Dim(side), e.depth);
  }
  Run run_of(Scalar h, Scalar n, bool joint) const {
    const bool even = e.queries.is_number() && e.queries.number() % side == 0;
    Run r{key_head * number(e.sharing()) + h,
          n,
          even ? wide : min(wide, c.extent(e.queries) - n * wide),
          queries,
          cotangents,
          less,
          by_q};
    for (Memory* m : {&r.queries, &r.cotangents, &r.less, &r.by_q})
      if (joint) m->front.push_back(h), m->front.push_back(n);
    return r;
  }
  template <class F>
  void each_run(bool joint, F f) const {
    serial(number(e.sharing()), [&](Scalar h) { serial(c.extent(runs), [&](Scalar n) { f(run_of(h, n, joint)); }); });
  }

  void prepare(const Run& r) const {
    const Scalar first = r.number * wide;
    turn(at.q, r.head, first, r.rows, e.depth, r.queries, side, scale);
    turn(0, r.head, first, r.rows, e.width, r.cotangents, side, {});
    clear(r.less, number(2), wide);
    vector(r.rows, [&](Scalar i) {
      store(r.less, {none, i}, shown(element(at.logarithms, {r.head, first + i})));
      store(r.less, {one, i}, element(1, {r.head, first + i}));
    });
  }

  // The weights of a block and what their changes get.
  void weigh(const Block& x, const Run& r) const {
    scores(x, r.queries, weights);
    products(x, at.v, r.cotangents, e.width, [&](Scalar j, Scalar i, Scalar s) { store(moved, {j, i}, s); });
    draw(x, drops);
    columns(side, [&](const Scalars& places) {
      const auto shift = each(places, [&](size_t g) { return load(r.less, {none, places[g]}); });
      const auto mean = each(places, [&](size_t g) { return load(r.less, {one, places[g]}); });
      serial(x.count, [&](Scalar j) {
        for (size_t g = 0; g < places.size(); ++g) {
          const Scalar p = weight(x, load(weights, {j, places[g]}), shift[g]);
          store(weights, {j, places[g]}, dropped(p, drops, j, places[g]));
          store(moved, {j, places[g]}, p * (dropped(load(moved, {j, places[g]}), drops, j, places[g]) - mean[g]));
        }
      });
    });
  }
  void sum_by_queries(const Block& x, const Run& r) const {
    contract(
        x.rows, depth, x.count, [&](Scalar i, Scalar j) { return load(moved, {j, i}); },
        [&](Scalar j, Scalar d) { return element(at.k, {x.key_head, x.first + j, d}); },
        [&](Scalar i, Scalar d, Scalar chain) { store(r.by_q, {i, d}, load(r.by_q, {i, d}) + chain); });
  }
  void sum_by_keys(const Block& x) const {
    over_queries(x, weights, 0, width, by_v);
    over_queries(x, moved, at.q, depth, by_k);
  }
  // sums[j, d] += the chain over the run's queries of factors[j, i] operand[i, d]
  void over_queries(const Block& x, const Memory& factors, uint32_t operand, Scalar columns, const Memory& sums) const {
    contract(
        x.count, columns, x.rows, [&](Scalar j, Scalar i) { return load(factors, {j, i}); },
        [&](Scalar i, Scalar d) { return element(operand, {x.head, x.query + i, d}); },
        [&](Scalar j, Scalar d, Scalar chain) { store(sums, {j, d}, load(sums, {j, d}) + chain); });
  }

  // A block of keys and the runs that see it; those that see it whole come after the others.
  template <class F>
  void block_of_keys(Scalar n, bool joint, F step) const {
    const Scalar keys = c.extent(e.keys), size = number(attention_keys), first = n * size;
    const bool even = e.keys.is_number() && e.keys.number() % attention_keys == 0;
    const Scalar count = even ? size : min(size, keys - first), all = c.extent(runs);
    clear(by_k, count, depth);
    clear(by_v, count, width);
    // Runs that end before the block's first key have nothing to do with it.
    const Scalar skipped = attrs.causal ? min(all, first / wide) : none;
    const Scalar seen_whole = min(all, skipped + number(attention_keys / side));
    const Scalar edge = select(first + size <= keys, seen_whole, all);
    serial(number(e.sharing()), [&](Scalar h) {
      const auto at_run = [&](Scalar m, bool whole) {
        const Run r = run_of(h, m, joint);
        const Scalar query = m * wide, here = attrs.causal ? min(count, query + wide - first) : count;
        step(Block{r.head, key_head, query, r.rows, first, whole ? count : here, side, whole}, r);
      };
      if (attrs.causal) serial(edge - skipped, [&](Scalar m) { at_run(skipped + m, false); });
      const Scalar from = attrs.causal ? edge : none;
      serial(all - from, [&](Scalar m) { at_run(from + m, true); });
    });
    serial(count, [&](Scalar j) {
      vector(depth, [&](Scalar d) { give(1, {key_head, first + j, d}, load(by_k, {j, d}) * scale); });
      vector(width, [&](Scalar d) { give(2, {key_head, first + j, d}, load(by_v, {j, d})); });
    });
  }
  void give_by_queries(const Run& r) const {
    serial(r.rows, [&](Scalar i) {
      vector(depth, [&](Scalar d) { give(0, {r.head, r.number * wide + i, d}, load(r.by_q, {i, d}) * scale); });
    });
  }

  void run_jointly() {
    open({}, true);
    each_run(true, [&](const Run& r) {
      prepare(r);
      clear(r.by_q, wide, depth);
    });
    serial(c.extent(up(e.keys, attention_keys)), [&](Scalar n) {
      block_of_keys(n, true, [&](const Block& x, const Run& r) {
        weigh(x, r);
        sum_by_keys(x);
        sum_by_queries(x, r);
      });
    });
    each_run(true, [&](const Run& r) { give_by_queries(r); });
    b.close_loop();
  }

  void run_apart() {
    const Dim blocks = up(e.keys, attention_keys), rows = b.symbols().product(runs, e.sharing());
    open({b.symbols().sum(blocks, rows)}, false);
    const Scalar unit = place.back(), of_keys = c.extent(blocks);
    serial(select(unit < of_keys, one, none), [&](Scalar) {
      block_of_keys(unit, false, [&](const Block& x, const Run& r) {
        prepare(r);
        weigh(x, r);
        sum_by_keys(x);
      });
    });
    serial(select(unit < of_keys, none, one), [&](Scalar) {
      const Scalar n = unit - of_keys, all = max(c.extent(runs), one);
      const Run r = run_of(n / all, rem(n, all), false);
      prepare(r);
      clear(r.by_q, wide, depth);
      each_block({r.head, key_head, r.number * wide, r.rows, none, none, side, false}, [&](const Block& x) {
        weigh(x, r);
        sum_by_queries(x, r);
      });
      give_by_queries(r);
    });
    b.close_loop();
  }

  // Fewer heads than threads, and more to share out.
  bool is_apart() const {
    int64_t heads = e.key_heads.is_number() ? e.key_heads.number() : c.cores;
    for (Dim d : e.batch) heads = d.is_number() && heads < c.cores ? heads * d.number() : c.cores;
    const bool some = !e.queries.is_number() || e.queries.number() > side || e.sharing() > 1;
    return heads < c.cores && some && !(e.keys == 0) && !(e.queries == 0);
  }
};

}  // namespace

void nest_attention_gradient(Lowering& context, const Node& node) {
  Backward nest(context, node);
  if (nest.is_apart())
    nest.run_apart();
  else
    nest.run_jointly();
}

}  // namespace tenon::ir::rules
