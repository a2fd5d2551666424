// Elimination by rows: Cholesky's factor, triangular systems, LU with partial pivoting (Golub and Van Loan, Matrix Computations,
// 4th ed., sections 3.1, 3.4, 4.2). An element is what it was, less one product after the other in the order in which rows are
// eliminated, each with one rounding: blocks of rows change when it is computed, not what.
#pragma once

#include <array>
#include <limits>
#include <tuple>
#include <utility>

namespace tenon::ir::matrix {

inline constexpr int block_rows = 8;  // eliminated from the rest together

// Rows i ... i + rows - 1 of x, from a column on, less their factors times rows k ... k + deep - 1. factor(row, k) is negated already.
template <int rows, int deep, class M, class Row, class Factor>
void eliminate_rows(M& m, typename M::Reals x, Row row, typename M::Index k, typename M::Index i,
                    typename M::Index from, typename M::Index count, Factor factor) {
  using Real = typename M::Real;
  std::array<std::array<Real, deep>, rows> f;
  for (int r = 0; r < rows; ++r)
    for (int u = 0; u < deep; ++u) f[r][u] = factor(i + m.index(r), k + m.index(u));
  m.each(count, [&](auto lane) {
    const auto j = from + lane;
    std::array<Real, rows> sums;
    for (int r = 0; r < rows; ++r) sums[r] = m.load(x, row(i + m.index(r)), j);
    for (int u = 0; u < deep; ++u) {
      const Real above = m.load(x, row(k + m.index(u)), j);
      for (int r = 0; r < rows; ++r) sums[r] = m.fma(f[r][u], above, sums[r]);
    }
    for (int r = 0; r < rows; ++r) m.store(x, row(i + m.index(r)), j, sums[r]);
  });
}

// body.operator()<size>(i) for groups of numbers, and <1> for those that are left. count is not negative.
template <int size, class M, class Body>
void in_groups(M& m, typename M::Index first, typename M::Index count, Body body) {
  const auto groups = m.below(count, size), grouped = m.index(size) * groups;
  m.loop(groups, [&](auto p) { body.template operator()<size>(first + m.index(size) * p); });
  m.loop(count - grouped, [&](auto rest) { body.template operator()<1>(first + grouped + rest); });
}

// block(first, count) for the blocks of n rows, the last one being shorter; behind each whole one eliminate<rows, deep>(first, i) for
// the rows i after it, some at once. Where matrices are lanes, blocks are smaller: each factor is a vector then.
template <int rows, int deep, class M, class Block, class Eliminate>
void in_blocks_of(M& m, typename M::Index n, typename M::Index end, Block block, Eliminate eliminate) {
  const auto size = m.index(deep), whole = m.below(n, deep);
  m.loop(whole, [&](auto number) {
    block(number * size, size);
    const auto first = number * size, next = first + size;
    in_groups<rows>(m, next, end - next,
                    [&]<int some>(typename M::Index i) { eliminate.template operator()<some, deep>(first, i); });
  });
  block(whole * size, n - whole * size);
}
template <class M, class Block, class Eliminate>
void in_blocks(M& m, typename M::Index n, typename M::Index end, Block block, Eliminate eliminate) {
  if (m.side_by_side())
    in_blocks_of<1, 4>(m, n, end, block, eliminate);
  else
    in_blocks_of<2, block_rows>(m, n, end, block, eliminate);
}

// The lower triangle of l becomes the factor of the lower triangle of a; above are zeros. Where a is not positive definite, the whole
// triangle is NaN. Until the end, l holds its transpose, whose rows lie side by side.
template <class M>
void cholesky(M& m, typename M::Reals a, typename M::Reals l, typename M::Index n) {
  using Real = typename M::Real;
  using Index = typename M::Index;
  const Index one = m.index(1);
  const Real zero = m.real(0), nan = m.real(std::numeric_limits<double>::quiet_NaN());
  const auto take = [&](Index i, Index j) { m.store(l, j, i, m.load(a, i, j)); };
  if (m.side_by_side())  // along rows: an element is far from that of the next lane, and its neighbours wait in the cache
    m.loop(n, [&](Index i) { m.each(i + one, [&](Index j) { take(i, j); }); });
  else
    m.loop(n, [&](Index i) { m.each(n - i, [&](Index j) { take(i + j, i); }); });
  const auto same = [](Index i) { return i; };
  const auto factor = [&](Index i, Index k) { return -m.load(l, k, i); };
  const auto block = [&](Index first, Index count) {
    m.loop(count, [&](Index step) {
      const Index k = first + step;
      const Real pivot = m.load(l, k, k);
      const Real root = m.sqrt(m.select(pivot > zero, pivot, nan));
      m.store(l, k, k, root);
      m.each(n - k - one, [&](Index j) { m.store(l, k, k + one + j, m.load(l, k, k + one + j) / root); });
      m.loop(count - step - one, [&](Index row) {
        const Index i = k + one + row;
        const Real f = -m.load(l, k, i);
        m.each(n - i, [&](Index j) { m.store(l, i, i + j, m.fma(f, m.load(l, k, i + j), m.load(l, i, i + j))); });
      });
    });
  };
  in_blocks(m, n, n, block, [&]<int rows, int deep>(Index first, Index i) {
    eliminate_rows<rows, deep>(m, l, same, first, i, i, n - i, factor);
  });
  // A root that is NaN makes NaN of all that follow.
  const auto [last] = m.fold(m.min(n, one), std::tuple<Real>(zero), [&](Index, const std::tuple<Real>&) {
    return std::tuple<Real>(m.load(l, n - one, n - one));
  });
  const auto failed = last != last;
  m.loop(n, [&](Index i) {
    m.store(l, i, i, m.select(failed, nan, m.load(l, i, i)));
    m.each(n - i - one, [&](Index j) {
      m.store(l, i + one + j, i, m.select(failed, nan, m.load(l, i, i + one + j)));
      m.store(l, i, i + one + j, zero);
    });
  });
}

// x of a x = b, a being triangular; its diagonal counts as ones where `unit`.
template <class M>
void solve_triangular(M& m, typename M::Reals a, typename M::Reals b, typename M::Reals x, typename M::Index n,
                      typename M::Index columns, bool upper, bool unit) {
  using Index = typename M::Index;
  const Index one = m.index(1), zero = m.index(0);
  const auto row = [&](Index i) { return upper ? n - one - i : i; };
  const auto factor = [&](Index i, Index k) { return -m.load(a, row(i), row(k)); };
  m.loop(n, [&](Index i) { m.each(columns, [&](Index j) { m.store(x, i, j, m.load(b, i, j)); }); });
  const auto block = [&](Index first, Index count) {
    m.loop(count, [&](Index step) {
      const Index k = first + step;
      if (!unit) {
        const auto pivot = m.load(a, row(k), row(k));
        m.each(columns, [&](Index j) { m.store(x, row(k), j, m.load(x, row(k), j) / pivot); });
      }
      m.loop(count - step - one, [&](Index below) {
        const Index i = k + one + below;
        const auto f = factor(i, k);
        m.each(columns, [&](Index j) { m.store(x, row(i), j, m.fma(f, m.load(x, row(k), j), m.load(x, row(i), j))); });
      });
    });
  };
  in_blocks(m, n, n, block, [&]<int rows, int deep>(Index first, Index i) {
    eliminate_rows<rows, deep>(m, x, row, first, i, zero, columns, factor);
  });
}

// Rows of a, in the order of `rows`, are the product of the unit lower and the upper triangle of lu. The pivot of a column is the
// first of its largest elements; where all are zero, nothing is divided. odd: whether the order is an odd permutation. panel: 8 rows of
// `height`.
template <class M>
struct Lu {
  using Real = typename M::Real;
  using Index = typename M::Index;
  M& m;
  typename M::Reals lu, panel;
  typename M::Indices rows, odd;
  Index height, width;

  // Row k changes places with the row of its pivot, which lies in column `step` of the panel: columns first ... of lu, `count` of them.
  void take_pivot(Index first, Index step, Index count) {
    const Index k = first + step, end = first + count;
    const Index pivot = k + m.argmax(height - k, [&](Index i) { return m.abs(m.load(panel, step, k + i)); });
    const auto swap = [&](typename M::Reals x, auto at) {
      const Real p = m.load(x, at(k).first, at(k).second), q = m.load(x, at(pivot).first, at(pivot).second);
      m.store(x, at(k).first, at(k).second, q);
      m.store(x, at(pivot).first, at(pivot).second, p);
    };
    m.loop(count, [&](Index u) { swap(panel, [&](Index i) { return std::pair(u, i); }); });
    m.each(first, [&](Index j) { swap(lu, [&](Index i) { return std::pair(i, j); }); });
    m.each(width - end, [&](Index j) { swap(lu, [&](Index i) { return std::pair(i, end + j); }); });
    const Index p = m.load(rows, k), q = m.load(rows, pivot);
    m.store(rows, k, q);
    m.store(rows, pivot, p);
    m.store(odd, m.select(pivot == k, m.load(odd), m.index(1) - m.load(odd)));
  }
  void factor_panel(Index first, Index count) {
    const Index one = m.index(1);
    m.loop(height - first, [&](Index i) {
      m.each(count, [&](Index u) { m.store(panel, u, first + i, m.load(lu, first + i, first + u)); });
    });
    m.loop(count, [&](Index step) {
      const Index k = first + step, rest = height - k - one;
      take_pivot(first, step, count);
      const Real pivot = m.load(panel, step, k), by = m.select(pivot == m.real(0), m.real(1), pivot);
      m.each(rest, [&](Index i) { m.store(panel, step, k + one + i, m.load(panel, step, k + one + i) / by); });
      m.loop(count - step - one, [&](Index right) {
        const Index u = step + one + right;
        const Real f = -m.load(panel, u, k);
        m.each(rest, [&](Index lane) {
          const Index i = k + one + lane;
          m.store(panel, u, i, m.fma(m.load(panel, step, i), f, m.load(panel, u, i)));
        });
      });
    });
    m.loop(height - first, [&](Index i) {
      m.each(count, [&](Index u) { m.store(lu, first + i, first + u, m.load(panel, u, first + i)); });
    });
  }
  void run(typename M::Reals a) {
    const Index one = m.index(1), zero = m.index(0), steps = m.min(height, width);
    m.loop(height, [&](Index i) {
      m.store(rows, i, i);
      m.each(width, [&](Index j) { m.store(lu, i, j, m.load(a, i, j)); });
    });
    m.store(odd, zero);
    const auto same = [](Index i) { return i; };
    const auto factor = [&](Index i, Index k) { return -m.load(lu, i, k); };
    const auto block = [&](Index first, Index count) {
      const Index end = first + count;
      factor_panel(first, count);
      m.loop(count, [&](Index step) {
        const Index k = first + step;
        m.loop(count - step - one, [&](Index below) {
          const Index i = k + one + below;
          const Real f = factor(i, k);
          m.each(width - end,
                 [&](Index j) { m.store(lu, i, end + j, m.fma(f, m.load(lu, k, end + j), m.load(lu, i, end + j))); });
        });
      });
    };
    in_blocks(m, steps, height, block, [&]<int some, int deep>(Index first, Index i) {
      const Index end = first + m.index(deep);
      eliminate_rows<some, deep>(m, lu, same, first, i, end, width - end, factor);
    });
  }
};

}  // namespace tenon::ir::matrix
