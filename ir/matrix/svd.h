// The thin singular value decomposition: QR, reflections of R to a bidiagonal matrix, then implicit QR with a shift (Golub and Reinsch,
// "Singular value decomposition and least squares solutions", Numerische Mathematik 14, 1970; Golub and Van Loan, Matrix Computations,
// 4th ed., section 8.6). At most 60 steps for each value, of which two or three are usual. A wide matrix is taken as its transpose.
#pragma once

#include "tenon/ir/matrix/reflections.h"

namespace tenon::ir::matrix {

template <class M>
struct Svd {
  using Index = typename M::Index;
  using Real = typename M::Real;
  using Flag = typename M::Flag;
  using Reals = typename M::Reals;
  using Turn = std::tuple<Real, Real>;  // cosine, sine
  M& m;
  Reals work;  // long side by short side
  Reals square, lefts, rights;  // short by short: R, then what is turned into the singular vectors of R, in rows
  Reals scales, right_scales, products, beside, cosines, sines, right_cosines, right_sines,
      long_scales;  // short side each; long_scales: of the reflections in work
  Reals values;
  Index longer, shorter;
  double epsilon;
  bool wanted;

  Real length(Real x, Real y) { return m.sqrt(m.fma(x, x, y * y)); }
  Turn turn(Real x, Real y, Real r) {  // that makes (r, 0) of (x, y)
    const Flag nothing = r == m.real(0);
    const Real by = m.select(nothing, m.real(1), r);
    return {m.select(nothing, m.real(1), x / by), m.select(nothing, m.real(0), y / by)};
  }

  // square becomes bidiagonal: values, and above them `beside`, whose element k stands over value k. Column k keeps below the diagonal
  // its reflection's v, row k its own from column k + 1 on.
  void bidiagonal() {
    const Index one = m.index(1);
    m.loop(m.max(shorter - one, m.index(0)), [&](Index k) {
      const Index rest = shorter - k - one;
      const auto [squares] = m.fold(rest, std::tuple<Real>(m.real(0)), [&](Index i, const std::tuple<Real>& c) {
        const Real x = m.load(square, k + one + i, k);
        return std::tuple<Real>(m.fma(x, x, std::get<0>(c)));
      });
      const Reflection<M> h = reflection<M>(m, m.load(square, k, k), squares);
      m.each(rest, [&](Index i) { m.store(square, k + one + i, k, m.load(square, k + one + i, k) / h.divisor); });
      m.store(values, k, h.value);
      m.store(scales, k, h.scale);
      reflect(m, square, products, h.scale, k, shorter, k + one, rest, [&](Index i) { return m.load(square, i, k); });
      reflect_columns(k, rest);
    });
    m.loop(m.min(shorter, one), [&](Index) {
      const Index last = shorter - one;
      m.store(values, last, m.load(square, last, last));
      m.store(scales, last, m.real(0));
      m.store(beside, m.index(0), m.real(0));
    });
  }
  void reflect_columns(Index k, Index rest) {
    const Index one = m.index(1), first = k + one;
    const Real squares = m.sum(rest - one, [&](Index j) {
      const Real x = m.load(square, k, first + one + j);
      return x * x;
    });
    const Reflection<M> h = reflection<M>(m, m.load(square, k, first), squares);
    m.each(rest - one,
           [&](Index j) { m.store(square, k, first + one + j, m.load(square, k, first + one + j) / h.divisor); });
    m.store(square, k, first, m.real(1));
    m.store(beside, first, h.value);
    m.store(right_scales, k, h.scale);
    m.loop(rest, [&](Index row) {
      const Index i = first + row;
      const Real seen =
          m.sum(rest, [&](Index j) { return m.load(square, i, first + j) * m.load(square, k, first + j); });
      const Real part = -(h.scale * seen);
      m.each(rest, [&](Index j) {
        m.store(square, i, first + j, m.fma(part, m.load(square, k, first + j), m.load(square, i, first + j)));
      });
    });
  }
  void transpose(Reals from, Reals to) {
    m.loop(shorter, [&](Index i) { m.each(shorter, [&](Index j) { m.store(to, i, j, m.load(from, j, i)); }); });
  }
  void make_identity(Reals x) {
    m.loop(shorter, [&](Index i) {
      m.each(shorter, [&](Index j) { m.store(x, i, j, m.select(i == j, m.real(1), m.real(0))); });
    });
  }
  // The products of the reflections, transposed; spare is memory for one of them.
  void gather_reflections(Reals spare) {
    const Index one = m.index(1);
    make_identity(spare);
    m.loop(shorter, [&](Index back) {
      const Index k = shorter - one - back;
      reflect(m, spare, products, m.load(scales, k), k, shorter, k, shorter - k,
              [&](Index i) { return m.load(square, i, k); });
    });
    transpose(spare, lefts);
    make_identity(spare);
    m.loop(m.max(shorter - one, m.index(0)), [&](Index back) {
      const Index k = shorter - m.index(2) - back;
      reflect(m, spare, products, m.load(right_scales, k), k + one, shorter, k + one, shorter - k - one,
              [&](Index i) { return m.load(square, k, i); });
    });
    transpose(spare, rights);
  }

  // Rows first ... end of x by turns: turn j is of rows j and j + 1.
  void turn_rows(Reals x, Reals c, Reals s, Index first, Index end) {
    m.each(shorter, [&](Index j) {
      const auto [last] =
          m.fold(end - first, std::tuple<Real>(m.load(x, first, j)), [&](Index i, const std::tuple<Real>& carried) {
            const Index at = first + i;
            const Real held = std::get<0>(carried), row = m.load(x, at + m.index(1), j);
            const Real cosine = m.load(c, at), sine = m.load(s, at);
            m.store(x, at, j, m.fma(held, cosine, row * sine));
            return std::tuple<Real>(m.fma(row, cosine, -(held * sine)));
          });
      m.store(x, end, j, last);
    });
  }
  // A zero value before `low`: what stands above the values low ... high is turned away against it.
  void cancel(Index low, Index high) {
    const Index one = m.index(1), hub = m.max(low - one, m.index(0)), count = high - low + one;
    const Turn start(m.real(0), m.real(1));
    m.fold(count, start, [&](Index i, const Turn& t) {
      const auto [c, s] = t;
      const Index at = low + i;
      const Real f = s * m.load(beside, at), g = m.load(values, at), r = length(f, g);
      m.store(beside, at, c * m.load(beside, at));
      m.store(values, at, r);
      const auto [cosine, sine] = turn(g, -f, r);
      m.store(cosines, at, cosine);
      m.store(sines, at, sine);
      return Turn(cosine, sine);
    });
    if (!wanted) return;
    m.each(shorter, [&](Index j) {
      const auto [last] =
          m.fold(count, std::tuple<Real>(m.load(lefts, hub, j)), [&](Index i, const std::tuple<Real>& carried) {
            const Index at = low + i;
            const Real held = std::get<0>(carried), row = m.load(lefts, at, j), c = m.load(cosines, at),
                       s = m.load(sines, at);
            m.store(lefts, at, j, m.fma(row, c, -(held * s)));
            return std::tuple<Real>(m.fma(held, c, row * s));
          });
      m.store(lefts, hub, j, last);
    });
  }
  // One step of QR on the values low ... high.
  void step(Index low, Index high) {
    const Index one = m.index(1), before = m.max(high - one, low);
    const Real zero = m.real(0), first = m.load(values, low), z = m.load(values, high), y = m.load(values, before);
    const Real g = m.load(beside, before), h = m.load(beside, high);
    const Real shift = ((y - z) * (y + z) + (g - h) * (g + h)) / (m.real(2) * h * y), root = length(shift, m.real(1));
    const Real far = shift + m.select(shift < zero, -root, root);
    const Real start = ((first - z) * (first + z) + h * (y / far - h)) / first;
    using Carried = std::tuple<Real, Real, Real, Real>;  // cosine, sine, what is chased, the value at hand
    const auto [c, s, chased, value] =
        m.fold(high - low, Carried(m.real(1), m.real(1), start, first), [&](Index i, const Carried& k) {
          const auto [c0, s0, f0, x0] = k;
          const Index at = low + i, next = at + one;
          const Real above = m.load(beside, next), below = m.load(values, next);
          const Real h0 = s0 * above, g0 = c0 * above, r = length(f0, h0);
          m.store(beside, at, r);
          const auto [c1, s1] = turn(f0, h0, r);
          const Real f1 = m.fma(x0, c1, g0 * s1), g1 = m.fma(g0, c1, -(x0 * s1)), h1 = below * s1, y1 = below * c1;
          const Real q = length(f1, h1);
          m.store(values, at, q);
          const auto [c2, s2] = turn(f1, h1, q);
          m.store(right_cosines, at, c1);
          m.store(right_sines, at, s1);
          m.store(cosines, at, c2);
          m.store(sines, at, s2);
          return Carried(c2, s2, m.fma(c2, g1, s2 * y1), m.fma(c2, y1, -(s2 * g1)));
        });
    m.store(beside, low, zero);
    m.store(beside, high, chased);
    m.store(values, high, value);
    if (!wanted) return;
    turn_rows(rights, right_cosines, right_sines, low, high);
    turn_rows(lefts, cosines, sines, low, high);
  }
  // Where the block that ends with `high` starts, and whether there a zero value stands before it.
  std::tuple<Index, Flag> start_of_block(Index high, Real small) {
    const Index one = m.index(1), zero = m.index(0);
    using Found = std::tuple<Index, Flag, Flag>;  // the place, whether it is known, whether a zero stands before it
    const auto [place, known, after_zero] =
        m.fold(high + one, Found(zero, zero < zero, zero < zero), [&](Index back, const Found& c) {
          const Index at = high - back;
          const Flag apart = m.either(at == zero, m.abs(m.load(beside, at)) <= small);
          const Flag behind = m.abs(m.load(values, m.max(at - one, zero))) <= small, found = m.either(apart, behind);
          const auto [was, known_before, zero_before] = c;
          return Found(m.select(m.either(known_before, m.select(found, zero < zero, zero == zero)), was, at),
                       m.either(known_before, found),
                       m.select(known_before, zero_before, m.select(apart, zero < zero, behind)));
        });
    return {m.max(m.min(place, high), zero), after_zero};
  }
  void iterate() {
    const Index one = m.index(1), steps = m.index(60);
    const Real sum = m.sum(shorter, [&](Index i) { return m.abs(m.load(values, i)) + m.abs(m.load(beside, i)); });
    const Real most = m.largest(shorter, [&](Index i) { return m.abs(m.load(values, i)) + m.abs(m.load(beside, i)); });
    const Real small = m.real(epsilon) * most;
    // Where anything is not finite, no step is taken.
    m.loop(m.select(sum - sum == m.real(0), shorter, m.index(0)), [&](Index back) {
      const Index high = shorter - one - back;
      m.repeat(steps + one, std::tuple<Flag>(high == high), [&](Index count, const std::tuple<Flag>&) {
        const auto [low, after_zero] = start_of_block(high, small);
        m.when(after_zero, [&] { cancel(low, high); });
        const Flag more = low != high;
        m.when(more, [&] { step(low, high); });
        return std::tuple<Flag>(m.both(more, count < steps));
      });
    });
  }
  void exchange(Reals of, Index p, Index q) {
    m.each(shorter, [&](Index j) {
      const Real a = m.load(of, p, j), b = m.load(of, q, j);
      m.store(of, p, j, b);
      m.store(of, q, j, a);
    });
  }
  // Values are not negative, and descend.
  void sort() {
    m.loop(shorter, [&](Index i) {
      const Real value = m.load(values, i);
      m.store(values, i, m.abs(value));
      if (wanted)
        m.when(value < m.real(0),
               [&] { m.each(shorter, [&](Index j) { m.store(rights, i, j, -m.load(rights, i, j)); }); });
    });
    m.loop(shorter, [&](Index i) {
      const Index most = i + m.argmax(shorter - i, [&](Index j) { return m.load(values, i + j); });
      m.when(most != i, [&] {
        const Real a = m.load(values, i), b = m.load(values, most);
        m.store(values, i, b);
        m.store(values, most, a);
        if (wanted) exchange(lefts, i, most), exchange(rights, i, most);
      });
    });
  }
  // What stands in work, divided by a power of two. Afterwards left, memory like work, has the orthonormal columns of the long side, and
  // `rights` the rows of the short one.
  void run(Real power, Reals left) {
    Reflected<M> reflected{m, work, long_scales, products, longer, shorter};
    reflected.run();
    m.loop(shorter, [&](Index i) {
      m.each(shorter, [&](Index j) { m.store(square, i, j, m.select(j < i, m.real(0), m.load(work, i, j))); });
    });
    bidiagonal();
    if (wanted) gather_reflections(left);
    iterate();
    sort();
    if (wanted) {
      m.loop(longer, [&](Index i) { m.each(shorter, [&](Index j) { m.store(left, i, j, m.real(0)); }); });
      m.loop(shorter, [&](Index i) { m.each(shorter, [&](Index j) { m.store(left, i, j, m.load(lefts, j, i)); }); });
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
