// Eigenvalues and eigenvectors of a symmetric matrix: reflections to a tridiagonal one, then implicit QL with Wilkinson's shift (Golub and
// Van Loan, Matrix Computations, 4th ed., section 8.3; Parlett, The Symmetric Eigenvalue Problem, chapter 8). At most 60 steps for
// each eigenvalue, of which two or three are usual.
#pragma once

#include "tenon/ir/matrix/reflections.h"

namespace tenon::ir::matrix {

template <class M>
struct Eigh {
  using Index = typename M::Index;
  using Real = typename M::Real;
  using Flag = typename M::Flag;
  M& m;
  typename M::Reals values, beside, scales, products, cosines, sines;  // n each
  typename M::Reals work, vectors;  // n by n; vectors only where they are wanted
  Index n;
  double epsilon;
  bool wanted;

  // work, symmetric, becomes tridiagonal: values and, beside them, the other diagonal. Row k keeps its reflection's v from column k + 1 on.
  void tridiagonal() {
    const Index one = m.index(1);
    m.loop(m.max(n - one, m.index(0)), [&](Index k) {
      const Index first = k + one, rest = n - first;
      const Real squares = m.sum(rest - one, [&](Index j) {
        const Real x = m.load(work, k, first + one + j);
        return x * x;
      });
      const Reflection<M> h = reflection<M>(m, m.load(work, k, first), squares);
      m.store(beside, k, h.value);
      m.store(scales, k, h.scale);
      m.each(rest - one,
             [&](Index j) { m.store(work, k, first + one + j, m.load(work, k, first + one + j) / h.divisor); });
      m.store(work, k, first, m.real(1));
      take_reflection(k, first, rest, h.scale);
    });
    m.loop(n, [&](Index k) { m.store(values, k, m.load(work, k, k)); });
    m.loop(m.min(n, one), [&](Index) { m.store(beside, n - one, m.real(0)); });
  }
  // The rest A of work becomes H A H: less v w^T + w v^T, where w = scale A v - (scale^2 / 2) (v . A v) v.
  void take_reflection(Index k, Index first, Index rest, Real scale) {
    const auto v = [&](Index i) { return m.load(work, k, i); };
    m.each(rest, [&](Index j) { m.store(products, j, m.real(0)); });
    const auto add = [&]<int rows>(Index i) {
      std::array<Real, rows> f;
      for (int r = 0; r < rows; ++r) f[r] = v(i + m.index(r));
      m.each(rest, [&](Index j) {
        Real sum = m.load(products, j);
        for (int r = 0; r < rows; ++r) sum = m.fma(f[r], m.load(work, i + m.index(r), first + j), sum);
        m.store(products, j, sum);
      });
    };
    in_groups<side_by_side>(m, first, rest, add);
    const Real along = m.sum(rest, [&](Index j) { return v(first + j) * m.load(products, j); });
    const Real part = m.real(-0.5) * scale * scale * along;
    m.each(rest, [&](Index j) { m.store(products, j, m.fma(part, v(first + j), scale * m.load(products, j))); });
    const auto take = [&]<int rows>(Index i) {
      std::array<Real, rows> f, g;
      for (int r = 0; r < rows; ++r) f[r] = -v(i + m.index(r)), g[r] = -m.load(products, i + m.index(r) - first);
      m.each(rest, [&](Index j) {
        const Real w = m.load(products, j), u = v(first + j);
        for (int r = 0; r < rows; ++r) {
          const Index row = i + m.index(r);
          m.store(work, row, first + j, m.fma(g[r], u, m.fma(f[r], w, m.load(work, row, first + j))));
        }
      });
    };
    in_groups<side_by_side>(m, first, rest, take);
  }
  // The reflections' product, its transpose in work: rows are what becomes eigenvectors.
  void gather_reflections() {
    const Index one = m.index(1);
    m.loop(n, [&](Index i) {
      m.each(n, [&](Index j) { m.store(vectors, i, j, m.select(i == j, m.real(1), m.real(0))); });
    });
    m.loop(m.max(n - one, m.index(0)), [&](Index back) {
      const Index k = n - m.index(2) - back;
      reflect(m, vectors, products, m.load(scales, k), k + one, n, k + one, n - k - one,
              [&](Index i) { return m.load(work, k, i); });
    });
    m.loop(n, [&](Index i) { m.each(n, [&](Index j) { m.store(work, i, j, m.load(vectors, j, i)); }); });
  }
  // The first from `low` on that nothing joins with the next.
  Index end_of_block(Index low) {
    const Index last = n - m.index(1);
    const auto [end, found] =
        m.fold(last - low, std::tuple<Index, Flag>(last, low < low), [&](Index i, const std::tuple<Index, Flag>& c) {
          const Index at = low + i;
          const Real near = m.abs(m.load(values, at)) + m.abs(m.load(values, at + m.index(1)));
          const Real bound = m.fma(m.real(epsilon), near, m.real(epsilon * epsilon));
          const Flag small = m.abs(m.load(beside, at)) <= bound, known = std::get<1>(c);
          const Index here = m.select(small, at, std::get<0>(c));
          return std::tuple<Index, Flag>(m.select(known, std::get<0>(c), here), m.either(known, small));
        });
    return m.max(m.min(end, last), low);  // where it lies, for who checks bounds
  }
  // One step of QL on low ... end.
  void step(Index low, Index end) {
    const Index one = m.index(1), count = end - low;
    const Real zero = m.real(0), first = m.load(values, low), side = m.load(beside, low);
    const Real slope = (m.load(values, m.min(low + one, end)) - first) / (m.real(2) * side);
    const Real length = m.sqrt(m.fma(slope, slope, m.real(1)));
    const Real far = slope + m.select(slope < zero, -length, length);
    const Real start = m.load(values, end) - first + side / far;
    using Carried = std::tuple<Real, Real, Real, Real>;  // sine, cosine, what was taken, what is chased
    const auto [sine, cosine, taken, chased] =
        m.fold(count, Carried(m.real(1), m.real(1), zero, start), [&](Index back, const Carried& c) {
          const auto [s, co, p, g] = c;
          const Index at = end - one - back;
          const Real f = s * m.load(beside, at), b = co * m.load(beside, at);
          const Real r = m.sqrt(m.fma(f, f, g * g));
          const Flag nothing = r == zero;
          const Real by = m.select(nothing, m.real(1), r);
          const Real next_s = m.select(nothing, zero, f / by), next_c = m.select(nothing, m.real(1), g / by);
          const Real above = m.load(values, at + one) - p;
          const Real t = m.fma(m.load(values, at) - above, next_s, m.real(2) * next_c * b);
          const Real next_p = next_s * t;
          m.store(beside, at + one, r);
          m.store(values, at + one, above + next_p);
          m.store(cosines, at, next_c);
          m.store(sines, at, next_s);
          return Carried(next_s, next_c, next_p, m.fma(next_c, t, -b));
        });
    m.store(values, low, m.load(values, low) - taken);
    m.store(beside, low, chased);
    m.store(beside, end, zero);
    if (wanted) rotate(low, end);
  }
  void rotate(Index low, Index end) {
    const Index one = m.index(1);
    m.each(n, [&](Index j) {
      const auto [last] =
          m.fold(end - low, std::tuple<Real>(m.load(work, end, j)), [&](Index back, const std::tuple<Real>& c) {
            const Index at = end - one - back;
            const Real held = std::get<0>(c), row = m.load(work, at, j), s = m.load(sines, at),
                       co = m.load(cosines, at);
            m.store(work, at + one, j, m.fma(s, row, co * held));
            return std::tuple<Real>(m.fma(co, row, -(s * held)));
          });
      m.store(work, low, j, last);
    });
  }
  void sort() {
    m.loop(n, [&](Index i) {
      const Index least = i + m.argmax(n - i, [&](Index j) { return -m.load(values, i + j); });
      m.when(least != i, [&] {
        const Real x = m.load(values, i), y = m.load(values, least);
        m.store(values, i, y);
        m.store(values, least, x);
        if (wanted)
          m.each(n, [&](Index j) {
            const Real p = m.load(work, i, j), q = m.load(work, least, j);
            m.store(work, i, j, q);
            m.store(work, least, j, p);
          });
      });
    });
  }
  // The lower triangle of a is read.
  void run(typename M::Reals a) {
    const Index one = m.index(1), steps = m.index(60);
    m.loop(n, [&](Index i) {
      m.each(i + one, [&](Index j) { m.store(work, i, j, m.load(a, i, j)); });
      m.each(i, [&](Index j) { m.store(work, j, i, m.load(a, i, j)); });
    });
    const Real power = power_of_scale(m, work, n, n);
    m.loop(n, [&](Index i) { m.each(n, [&](Index j) { m.store(work, i, j, m.load(work, i, j) / power); }); });
    tridiagonal();
    if (wanted) gather_reflections();
    // 0, or NaN where anything is not finite: then no step is taken, and nothing but NaN given.
    const Real sum = m.sum(n, [&](Index i) { return m.abs(m.load(values, i)) + m.abs(m.load(beside, i)); });
    const Real nothing = sum - sum;
    m.loop(m.select(nothing == nothing, n, m.index(0)), [&](Index low) {
      m.repeat(steps + one, std::tuple<Flag>(low == low), [&](Index count, const std::tuple<Flag>&) {
        const Index end = end_of_block(low);
        const Flag more = end != low;
        m.when(more, [&] { step(low, end); });
        return std::tuple<Flag>(m.both(more, count < steps));
      });
    });
    sort();
    m.each(n, [&](Index i) { m.store(values, i, m.load(values, i) * power + nothing); });
    if (wanted)
      m.loop(n, [&](Index i) { m.each(n, [&](Index j) { m.store(vectors, i, j, m.load(work, j, i) + nothing); }); });
  }
};

}  // namespace tenon::ir::matrix
