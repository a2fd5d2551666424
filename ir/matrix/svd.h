// The thin singular value decomposition: QR, then one-sided Jacobi on the rows of R (Drmac and Veselic, "New fast and accurate Jacobi
// SVD algorithm", SIAM J. Matrix Anal. Appl. 29, 2008, parts I and II): rows are rotated in pairs until all are orthogonal; their lengths are
// the singular values. At most 30 sweeps, of which six to ten are usual. A wide matrix is taken as its transpose.
#pragma once

#include "tenon/ir/matrix/reflections.h"

namespace tenon::ir::matrix {

template <class M>
struct Svd {
  using Index = typename M::Index;
  using Real = typename M::Real;
  using Flag = typename M::Flag;
  using Reals = typename M::Reals;
  M& m;
  Reals work;  // long side by short side
  Reals rows, turns;  // short by short: rows of R as they are turned, and what has turned them
  Reals scales, products, squares, spare;  // short side each
  Reals values;
  Index longer, shorter;
  double epsilon;
  bool wanted;

  // Rows p and q as a turn makes them orthogonal.
  void turn(Index p, Index q, Real x, Real y, Real product) {
    const Real one = m.real(1), zeta = (y - x) / (m.real(2) * product);
    const Real length = m.sqrt(m.fma(zeta, zeta, one));
    const Real tangent = one / (zeta + m.select(zeta < m.real(0), -length, length));
    const Real cosine = one / m.sqrt(m.fma(tangent, tangent, one)), sine = cosine * tangent;
    const auto both = [&](Reals of) {
      m.each(shorter, [&](Index j) {
        const Real a = m.load(of, p, j), b = m.load(of, q, j);
        m.store(of, p, j, m.fma(cosine, a, -(sine * b)));
        m.store(of, q, j, m.fma(sine, a, cosine * b));
      });
    };
    both(rows);
    if (wanted) both(turns);
    m.store(squares, p, m.fma(-tangent, product, x));
    m.store(squares, q, m.fma(tangent, product, y));
  }
  Real squared(Index i) {
    return m.sum(shorter, [&](Index j) {
      const Real x = m.load(rows, i, j);
      return x * x;
    });
  }
  // Every pair once; whether any was turned.
  Flag sweep(Real tolerance) {
    const Index one = m.index(1);
    m.loop(shorter, [&](Index i) { m.store(squares, i, squared(i)); });
    const auto [turned] =
        m.fold(shorter, std::tuple<Flag>(shorter < shorter), [&](Index p, const std::tuple<Flag>& before) {
          return m.fold(shorter - p - one, before, [&](Index right, const std::tuple<Flag>& c) {
            const Index q = p + one + right;
            const Real product = m.sum(shorter, [&](Index j) { return m.load(rows, p, j) * m.load(rows, q, j); });
            const Real x = m.load(squares, p), y = m.load(squares, q);
            const Flag apart = m.abs(product) > tolerance * (m.sqrt(x) * m.sqrt(y));
            m.when(apart, [&] { turn(p, q, x, y, product); });
            return std::tuple<Flag>(m.either(std::get<0>(c), apart));
          });
        });
    return turned;
  }
  void exchange(Reals of, Index p, Index q) {
    m.each(shorter, [&](Index j) {
      const Real a = m.load(of, p, j), b = m.load(of, q, j);
      m.store(of, p, j, b);
      m.store(of, q, j, a);
    });
  }
  void sort() {
    m.loop(shorter, [&](Index i) { m.store(values, i, m.sqrt(squared(i))); });
    m.loop(shorter, [&](Index i) {
      const Index most = i + m.argmax(shorter - i, [&](Index j) { return m.load(values, i + j); });
      m.when(most != i, [&] {
        const Real a = m.load(values, i), b = m.load(values, most);
        m.store(values, i, b);
        m.store(values, most, a);
        exchange(rows, i, most);
        if (wanted) exchange(turns, i, most);
      });
    });
  }
  // Rows of length 1. A row of zeros becomes a direction that no row before it has: the unit vector that those reach least, less what
  // they reach of it, twice.
  void normalize() {
    const Real zero = m.real(0), one = m.real(1);
    m.loop(shorter, [&](Index i) {
      const Real length = m.load(values, i);
      m.when(length == zero, [&] {
        m.each(shorter, [&](Index j) { m.store(spare, j, one); });
        m.loop(i, [&](Index r) {
          m.each(shorter, [&](Index j) {
            const Real x = m.load(rows, r, j);
            m.store(spare, j, m.fma(-x, x, m.load(spare, j)));
          });
        });
        const Index free = m.argmax(shorter, [&](Index j) { return m.load(spare, j); });
        m.each(shorter, [&](Index j) { m.store(rows, i, j, m.select(j == free, one, zero)); });
        m.loop(m.index(2), [&](Index) {
          m.loop(i, [&](Index r) {
            const Real part = -m.sum(shorter, [&](Index j) { return m.load(rows, r, j) * m.load(rows, i, j); });
            m.each(shorter, [&](Index j) { m.store(rows, i, j, m.fma(part, m.load(rows, r, j), m.load(rows, i, j))); });
          });
        });
      });
      const Real by = m.select(length == zero, m.sqrt(squared(i)), length);
      m.each(shorter, [&](Index j) { m.store(rows, i, j, m.load(rows, i, j) / by); });
    });
  }
  // What stands in work, divided by a power of two. Afterwards work is [long, short]: the orthonormal columns of the long side; the rows of
  // `rows` are those of the short side. left is memory like work.
  void run(Real power, Reals left) {
    Reflected<M> reflected{m, work, scales, products, longer, shorter};
    reflected.run();
    m.loop(shorter, [&](Index i) {
      m.each(shorter, [&](Index j) {
        m.store(rows, i, j, m.select(j < i, m.real(0), m.load(work, i, j)));
        if (wanted) m.store(turns, i, j, m.select(i == j, m.real(1), m.real(0)));
      });
    });
    const Index sweeps = m.index(30);
    const Real tolerance = m.real(2 * epsilon) * m.sqrt(m.as_real(shorter));
    m.repeat(sweeps + m.index(1), std::tuple<Flag>(shorter == shorter), [&](Index count, const std::tuple<Flag>&) {
      return std::tuple<Flag>(m.both(sweep(tolerance), count < sweeps));
    });
    sort();
    if (wanted) {
      normalize();
      m.loop(longer, [&](Index i) { m.each(shorter, [&](Index j) { m.store(left, i, j, m.real(0)); }); });
      m.loop(shorter, [&](Index i) { m.each(shorter, [&](Index j) { m.store(left, i, j, m.load(turns, j, i)); }); });
      reflected.multiply(left, shorter, false);
    }
    m.each(shorter, [&](Index i) { m.store(values, i, m.load(values, i) * power); });
  }
};

// a, height by width, into work; wide: as its transpose. The largest of its elements is about the power that this gives.
template <class M>
typename M::Real take_scaled(M& m, typename M::Reals a, typename M::Reals work, typename M::Index height,
                             typename M::Index width) {
  using Index = typename M::Index;
  const auto power = power_of_scale(m, a, height, width);
  const Index shorter = m.min(height, width);
  m.when(height < width, [&] {
    m.loop(shorter, [&](Index i) { m.each(width, [&](Index j) { m.store(work, j, i, m.load(a, i, j) / power); }); });
  });
  m.when(width <= height, [&] {
    m.loop(height, [&](Index i) { m.each(shorter, [&](Index j) { m.store(work, i, j, m.load(a, i, j) / power); }); });
  });
  return power;
}

// Where the sides belong: of a wide matrix the short side's rows are u's columns.
template <class M>
void give_sides(M& m, typename M::Reals left, typename M::Reals rows, typename M::Reals u, typename M::Reals vh,
                typename M::Index height, typename M::Index width) {
  using Index = typename M::Index;
  const Index shorter = m.min(height, width);
  m.when(height < width, [&] {
    m.loop(shorter, [&](Index i) {
      m.each(shorter, [&](Index j) { m.store(u, i, j, m.load(rows, j, i)); });
      m.each(width, [&](Index j) { m.store(vh, i, j, m.load(left, j, i)); });
    });
  });
  m.when(width <= height, [&] {
    m.loop(height, [&](Index i) { m.each(shorter, [&](Index j) { m.store(u, i, j, m.load(left, i, j)); }); });
    m.loop(shorter, [&](Index i) { m.each(shorter, [&](Index j) { m.store(vh, i, j, m.load(rows, i, j)); }); });
  });
}

}  // namespace tenon::ir::matrix
