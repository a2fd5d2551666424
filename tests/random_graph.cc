// Grows a graph op by op: operands are drawn from what is there already, recent values more often, so that chains, shared
// values and several outputs all occur.
#include "tenon/tests/random_graph.h"

#include <algorithm>

#include "tenon/tests/case_builder.h"

namespace tenon::testing {

using namespace ir;

namespace {

class Grower {
 public:
  Grower(uint64_t seed, int ops) : c_("seed " + std::to_string(seed)), random_(seed) {
    const int inputs = 1 + pick(3);
    for (int i = 0; i < inputs; ++i) {
      std::vector<int64_t> shape;
      for (int d = pick(4); d > 0; --d) shape.push_back(extent());
      values_.push_back(c_.input(random_array(type_of(f32, shape), random_, Domain::moderate)));
    }
    for (int i = 0; i < ops; ++i)
      if (const Value v = grow(); v.shape().numel() <= 20000) values_.push_back(v);
  }
  Case finish() {
    c_.output(values_.back());
    for (int i = pick(3); i > 0; --i) c_.output(draw());
    return c_.finish();
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  int64_t extent() {
    const int64_t sizes[] = {1, 2, 3, 5, 8, 17, 20};
    return sizes[pick(7)];
  }
  Value draw() {
    const int n = static_cast<int>(values_.size());
    return values_[static_cast<size_t>(pick(2) ? n - 1 - pick(std::min(n, 4)) : pick(n))];
  }
  // Some value as an operand beside x: of the same shape, made so by a broadcast or a reduction where need be.
  Value beside(const Shape& shape) {
    for (int i = 0; i < 6; ++i)
      if (const Value y = draw(); y.shape() == shape) return y;
    for (int i = 0; i < 6; ++i) {
      const Value y = draw();
      const Shape s = y.shape();
      if (s.rank() > shape.rank()) continue;
      std::vector<int64_t> axes;  // match axes of y to those of shape in order
      int next = 0;
      for (int a = 0; a < s.rank(); ++a) {
        while (next < shape.rank() &&
               !(shape[static_cast<size_t>(next)] == s[static_cast<size_t>(a)] || s[static_cast<size_t>(a)] == 1))
          ++next;
        axes.push_back(next++);
      }
      if (next <= shape.rank()) return broadcast(y, shape, axes);
    }
    return splat(c_.builder, f32, 0.5 + pick(3), shape);
  }

  Value grow() {
    Value x = draw();
    Shape s = x.shape();
    const int rank = s.rank();
    switch (pick(16)) {
      case 0: return exp(min(x, like(x, 2)));
      case 1: return x + beside(s);
      case 2: return x * beside(s);
      case 3: return max(x, beside(s));
      case 4: return x - beside(s);
      case 5: return select(lt(x, beside(s)), x, like(x, -1));
      case 6: {
        if (rank < 2) return sqrt(abs(x));
        std::vector<int64_t> permutation;
        for (int i = 0; i < rank; ++i) permutation.push_back(i);
        std::shuffle(permutation.begin(), permutation.end(), random_);
        return transpose(x, permutation);
      }
      case 7: {
        const int64_t n = s.numel();
        for (int64_t k : {4, 3, 2})
          if (n % k == 0 && pick(2)) return reshape(x, Shape{n / k, k});
        return reshape(x, pick(2) ? Shape{n} : Shape{1, n, 1});
      }
      case 8:
      case 9:
      case 10: {
        if (rank == 0) return neg(x);
        const Op ops[] = {Op::reduce_sum, Op::reduce_sum, Op::reduce_max, Op::reduce_min, Op::reduce_prod};
        std::vector<int64_t> axes;
        for (int i = 0; i < rank; ++i)
          if (pick(2)) axes.push_back(i);
        if (axes.empty()) axes.push_back(rank - 1);
        const Value r = reduce(ops[pick(5)], x, axes);
        if (pick(2)) return r;
        std::vector<int64_t> kept;  // back to the wide shape, as a softmax or a norm would
        for (int i = 0; i < rank; ++i)
          if (std::find(axes.begin(), axes.end(), i) == axes.end()) kept.push_back(i);
        return x - broadcast(r, s, kept);
      }
      case 11: {
        if (rank == 0) return x + x;
        const size_t axis = static_cast<size_t>(pick(rank));
        const int64_t n = s[axis].number(), start = pick(static_cast<int>(n)), step = 1 + pick(2);
        std::vector<Dim> starts(s.size(), 0), sizes = s.dims();
        std::vector<int64_t> strides(s.size(), 1);
        starts[axis] = start;
        sizes[axis] = (n - start + step - 1) / step;
        strides[axis] = step;
        return slice(x, starts, sizes, strides);
      }
      case 12: {
        if (rank == 0) return x;
        const int64_t axis = pick(rank);
        if (pick(2)) return reverse(x, {axis});
        const Value y = beside(s);
        const Value parts[] = {x, y, x};
        return concat(std::span(parts, 2 + static_cast<size_t>(pick(2))), axis);
      }
      case 13: {
        if (rank == 0) return x;
        std::vector<Dim> low(s.size(), 0), high(s.size(), 0);
        low[static_cast<size_t>(pick(rank))] = pick(3);
        high[static_cast<size_t>(pick(rank))] = pick(3);
        return pad(x, splat(c_.builder, f32, -1, Shape{}), low, high, std::vector<int64_t>(s.size(), pick(2)));
      }
      case 14: {
        const Value y = draw();
        const Shape t = y.shape();
        for (int i = 0; i < rank; ++i)
          for (int j = 0; j < t.rank(); ++j)
            if (s[static_cast<size_t>(i)] == t[static_cast<size_t>(j)] && s.numel() * t.numel() < 100000)
              return dot_general(x, y, {}, {}, {i}, {j});
        return x * like(x, 0.5);
      }
      default: {
        if (rank == 0) return x;
        const Value rows = iota(c_.builder, i64, Shape{3}, 0) * splat_integer(c_.builder, i64, pick(4), Shape{3});
        const Value operands[] = {x, rows};
        return apply(c_.builder, Op::gather, operands, {Attr::of(std::vector<int64_t>{pick(rank)})})[0];
      }
    }
  }

  CaseBuilder c_;
  Random random_;
  std::vector<Value> values_;
};

}  // namespace

Case random_graph(uint64_t seed, int ops) { return Grower(seed, ops).finish(); }

}  // namespace tenon::testing
