// Reference meaning of attention and of what its derivatives are made of: row by row, keys in blocks, as docs/numbers.md says.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tenon/ir/base/philox.h"
#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/rules/attention.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_chain.h"
#include "tenon/ir/rules/eval_index.h"

namespace tenon::ir::rules {
namespace {

template <class T>
struct Attended {
  using Element = T;
  using W = Wide<T>;
  using Row = std::vector<W>;
  static constexpr W hidden = -std::numeric_limits<W>::infinity();

  const EvalArgs& args;
  const Attention attrs{args.attrs};
  const AttentionOperands at{args.op, attrs};
  const AttentionExtents e{shape(at.q), shape(at.k), shape(at.v)};
  const int64_t heads = e.heads.number(), key_heads = e.key_heads.number(), queries = e.queries.number(),
                keys = e.keys.number(), depth = e.depth.number(), width = e.width.number();
  const W scale = static_cast<W>(attrs.scale);
  Indices lead = {};  // the batch and the head of q at hand
  int64_t row = 0, key_row = 0;  // the first rows of that head, among all rows of q and of k

  const Shape& shape(uint32_t k) const { return args.operands[k]->type.shape; }

  // Every head: body(), with its rows.
  template <class Body>
  void each_head(Body body) {
    Indices sizes = numbers(e.batch);
    sizes.push_back(heads);
    int64_t number = 0;
    for (Odometer o(sizes); !o.done(); o.next(), ++number) {
      lead = o.index;
      row = number * queries;
      key_row = (number / heads * key_heads + number % heads / e.sharing()) * keys;
      body();
    }
  }
  W element(uint32_t k, int64_t at_row, int64_t columns, int64_t column) const {
    return widen(args.operands[k]->template as<T>()[at_row * columns + column]);
  }
  W q(int64_t i, int64_t d) const { return element(at.q, row + i, depth, d) * scale; }
  W k(int64_t j, int64_t d) const { return element(at.k, key_row + j, depth, d); }
  W v(int64_t j, int64_t d) const { return element(at.v, key_row + j, width, d); }
  const W* sums(uint32_t k) const { return args.operands[k]->template as<W>(); }

  // Of a mask or a bias, the element beside a score.
  int64_t beside(uint32_t operand, int64_t i, int64_t j) const {
    const Indices sizes = extents(shape(operand)), step = strides(sizes);
    Indices index = lead;
    index.push_back(i), index.push_back(j);
    for (size_t d = 0; d < sizes.size(); ++d)
      if (sizes[d] == 1) index[d] = 0;
    return dot(index, step);
  }
  // Keys that row i has anything to do with.
  int64_t seen(int64_t i) const {
    return attrs.causal ? std::min(keys, (i / attention_queries + 1) * attention_queries) : keys;
  }
  template <class Body>
  void each_block(int64_t i, Body body) const {
    for (int64_t first = 0; first < seen(i); first += attention_keys)
      body(first, std::min(attention_keys, seen(i) - first));
  }
  Row scores(int64_t i, int64_t first, int64_t count) const {
    Row s;
    for (int64_t j = first; j < first + count; ++j) {
      W x = chain<T>(depth, [&](int64_t d) { return k(j, d); }, [&](int64_t d) { return q(i, d); });
      if (at.bias != at.none) x += widen(args.operands[at.bias]->template as<T>()[beside(at.bias, i, j)]);
      if (at.mask != at.none && !args.operands[at.mask]->data[static_cast<size_t>(beside(at.mask, i, j))]) x = hidden;
      s.push_back(attrs.causal && j > i ? hidden : x);
    }
    return s;
  }
  // of row i and the block from `first` on
  Row exponentials(const Row& s, W less, int64_t i, int64_t first) const {
    const bool whole = first + attention_keys <= std::min(keys, i / attention_queries * attention_queries);
    Row e = s;
    for (W& x : e) x -= less;
    exp(Lanes::from(dtype(), e.data(), static_cast<int64_t>(e.size()))).copy_to(e.data());
    for (size_t j = 0; at.hides(attrs, whole) && j < s.size(); ++j)
      if (s[j] == hidden) e[j] = 0;
    return e;
  }
  static W exponential(W x) {
    exp(Lanes::from(dtype(), &x, 1)).copy_to(&x);
    return x;
  }
  static W logarithm(W x) {
    log(Lanes::from(dtype(), &x, 1)).copy_to(&x);
    return x;
  }
  static constexpr DType dtype() { return sizeof(W) == 4 ? DType::f32 : DType::f64; }
  static W shown(W x) { return x == hidden ? W{} : x; }
  Row weights(int64_t i, int64_t first, int64_t count) const {
    return exponentials(scores(i, first, count), shown(sums(at.logarithms)[row + i]), i, first);
  }

  // What the weights of a block are multiplied by: 0 or 1 / (1 - p).
  Row drops(int64_t i, int64_t first, int64_t count) const {
    if (at.key == at.none) return Row(static_cast<size_t>(count), 1);
    const AttentionDropout drop(attrs.dropout, dtype());
    const Indices batch = numbers(e.batch), key = extents(shape(at.key));
    const size_t lanes = key.size() - 1;
    int64_t lane = 0, number = 0;
    for (size_t d = 0; d < lanes; ++d) lane = lane * key[d] + (key[d] == 1 ? 0 : lead[d]);
    for (size_t d = lanes; d < batch.size(); ++d) number = number * batch[d] + lead[d];
    number = ((number * heads + lead.back()) * queries + i) * keys + first;
    const uint32_t* words = args.operands[at.key]->template as<uint32_t>() + 2 * lane;
    Lanes low(DType::u32, count), high(DType::u32, count);
    for (int64_t j = 0; j < count; ++j) {
      const int64_t block = (number + j) / drop.per_block;
      low.as<uint32_t>()[j] = static_cast<uint32_t>(block), high.as<uint32_t>()[j] = static_cast<uint32_t>(block >> 32);
    }
    const std::array<Lanes, 4> drawn = philox4x32<Lanes>({low, high, like_bits(low, 0), like_bits(low, 0)},
                                                         {like_bits(low, words[0]), like_bits(low, words[1])});
    Row r;
    for (int64_t j = 0; j < count; ++j) {
      const auto part = static_cast<size_t>((number + j) % drop.per_block);
      const auto word = [&](size_t k) { return static_cast<uint64_t>(drawn[k].as<uint32_t>()[j]); };
      const uint64_t bits = drop.per_block == 4 ? word(part) : word(2 * part) | word(2 * part + 1) << 32;
      r.push_back(bits >> drop.shift >= static_cast<uint64_t>(drop.threshold) ? static_cast<W>(drop.factor) : W{});
    }
    return r;
  }
  static Row times(Row x, const Row& y) {
    for (size_t j = 0; j < x.size(); ++j) x[j] *= y[j];
    return x;
  }

  void forward(T* out, W* logarithms) {
    each_head([&] {
      for (int64_t i = 0; i < queries; ++i) {
        W top = hidden, total{};
        Row acc(static_cast<size_t>(width));
        each_block(i, [&](int64_t first, int64_t count) {
          Row p = scores(i, first, count);
          const W before = top;
          for (W s : p) top = s > top ? s : top;
          p = exponentials(p, shown(top), i, first);
          const W factor = exponential(before - shown(top));
          W sum{};
          for (W x : p) sum += x;
          total = std::fma(total, factor, sum);
          if (at.key != at.none) p = times(p, drops(i, first, count));
          for (int64_t d = 0; d < width; ++d)
            acc[static_cast<size_t>(d)] = std::fma(acc[static_cast<size_t>(d)], factor, sum_of(p, first, d));
        });
        for (W x : acc) *out++ = narrow<T>(total == 0 ? W{} : x * (1 / total));
        *logarithms++ = top + logarithm(total);
      }
    });
  }
  // Of weights of a block and the values.
  W sum_of(const Row& p, int64_t first, int64_t d) const {
    return chain<T>(
        static_cast<int64_t>(p.size()), [&](int64_t j) { return p[static_cast<size_t>(j)]; },
        [&](int64_t j) { return v(first + j, d); });
  }

  void tangent(W* products, W* totals) {
    each_head([&] {
      for (int64_t i = 0; i < queries; ++i) {
        W total{};
        Row acc(static_cast<size_t>(width));
        each_block(i, [&](int64_t first, int64_t count) {
          Row p = weights(i, first, count), moved = p;
          W sum{};
          for (int64_t j = 0; j < count; ++j) {
            const W t = chain<T>(
                            depth, [&](int64_t d) { return k(first + j, d); },
                            [&](int64_t d) { return element(0, row + i, depth, d) * scale; }) +
                        chain<T>(
                            depth, [&](int64_t d) { return element(1, key_row + first + j, depth, d); },
                            [&](int64_t d) { return q(i, d); });
            sum += moved[static_cast<size_t>(j)] *= t;
          }
          total += sum;
          if (at.key != at.none) {
            const Row dropped = drops(i, first, count);
            p = times(p, dropped), moved = times(moved, dropped);
          }
          for (int64_t d = 0; d < width; ++d) {
            W& a = acc[static_cast<size_t>(d)];
            a += sum_of(moved, first, d);
            a += chain<T>(
                count, [&](int64_t j) { return p[static_cast<size_t>(j)]; },
                [&](int64_t j) { return element(2, key_row + first + j, width, d); });
          }
        });
        products = std::copy(acc.begin(), acc.end(), products);
        *totals++ = total;
      }
    });
  }

  // Sums over keys go by blocks, sums over queries by heads and runs.
  void gradient(Row& by_q, Row& by_k, Row& by_v) {
    const W *g = sums(0), *less = sums(1);
    each_head([&] {
      for (int64_t run = 0; run < queries; run += attention_queries)
        for (int64_t first = 0; first < seen(run); first += attention_keys) {
          const int64_t count = std::min(attention_keys, seen(run) - first);
          const int64_t rows = std::min(attention_queries, queries - run);
          std::vector<Row> p, s;
          for (int64_t i = run; i < run + rows; ++i) {
            p.push_back(weights(i, first, count));
            s.push_back(p.back());
            const bool drop = at.key != at.none;
            const Row dropped = drop ? drops(i, first, count) : Row();
            for (int64_t j = 0; j < count; ++j) {
              W product = chain<T>(
                  width, [&](int64_t d) { return v(first + j, d); },
                  [&](int64_t d) { return g[(row + i) * width + d]; });
              if (drop) product *= dropped[static_cast<size_t>(j)];
              s.back()[static_cast<size_t>(j)] *= product - less[row + i];
            }
            if (drop) p.back() = times(p.back(), dropped);
          }
          for (int64_t i = 0; i < rows; ++i)
            for (int64_t d = 0; d < depth; ++d)
              by_q[static_cast<size_t>((row + run + i) * depth + d)] += chain<T>(
                  count, [&](int64_t j) { return s[static_cast<size_t>(i)][static_cast<size_t>(j)]; },
                  [&](int64_t j) { return k(first + j, d); });
          for (int64_t j = 0; j < count; ++j) {
            const auto of = [&](const std::vector<Row>& all) {
              return [&all, j](int64_t i) { return all[static_cast<size_t>(i)][static_cast<size_t>(j)]; };
            };
            for (int64_t d = 0; d < depth; ++d)
              by_k[static_cast<size_t>((key_row + first + j) * depth + d)] +=
                  chain<T>(rows, of(s), [&](int64_t i) { return element(at.q, row + run + i, depth, d); });
            for (int64_t d = 0; d < width; ++d)
              by_v[static_cast<size_t>((key_row + first + j) * width + d)] +=
                  chain<T>(rows, of(p), [&](int64_t i) { return g[(row + run + i) * width + d]; });
          }
        }
    });
    for (Row* r : {&by_q, &by_k})
      for (W& x : *r) x *= scale;
  }
};

template <class F>
std::vector<Array> attended(const EvalArgs& args, F f) {
  std::vector<Array> results;
  for (const Type& t : args.results) results.emplace_back(t);
  const AttentionOperands at(args.op, Attention(args.attrs));
  visit(args.operands[at.q]->type.dtype, [&](auto sample) {
    using T = decltype(sample);
    if constexpr (is_float_type<T>) f(Attended<T>{args}, results);
  });
  return results;
}

}  // namespace

std::vector<Array> eval_attention(const EvalArgs& args) {
  return attended(args, [](auto a, std::vector<Array>& r) {
    using W = typename decltype(a)::W;
    a.forward(r[0].template as<typename decltype(a)::Element>(), r[1].template as<W>());
  });
}

std::vector<Array> eval_attention_tangent(const EvalArgs& args) {
  return attended(args, [](auto a, std::vector<Array>& r) {
    using W = typename decltype(a)::W;
    a.tangent(r[0].template as<W>(), r[1].template as<W>());
  });
}

std::vector<Array> eval_attention_gradient(const EvalArgs& args) {
  return attended(args, [](auto a, std::vector<Array>& r) {
    using A = decltype(a);
    typename A::Row sums[3];
    for (size_t k = 0; k < 3; ++k) sums[k].resize(static_cast<size_t>(r[k].numel()));
    a.gradient(sums[0], sums[1], sums[2]);
    for (size_t k = 0; k < 3; ++k)
      std::transform(sums[k].begin(), sums[k].end(), r[k].template as<typename A::Element>(),
                     [](auto x) { return narrow<typename A::Element>(x); });
  });
}

}  // namespace tenon::ir::rules
