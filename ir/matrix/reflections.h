// Householder's reflections, and QR by them (Golub and Van Loan, Matrix Computations, 4th ed., sections 5.1, 5.2). A reflection is
// 1 - scale * v v^T with v = (1, ...), as LAPACK has it: what it makes of a column has the sign that loses no digits.
#pragma once

#include <array>

#include "tenon/ir/matrix/elimination.h"

namespace tenon::ir::matrix {

inline constexpr int side_by_side = 4;  // rows that one pass takes

// A power of two near the largest of |a|, by which squares neither overflow nor vanish; 1 where there is none.
template <class M>
typename M::Real power_of_scale(M& m, typename M::Reals a, typename M::Index height, typename M::Index width) {
  using Real = typename M::Real;
  const auto [largest] = m.fold(height, std::tuple<Real>(m.real(0)), [&](auto i, const std::tuple<Real>& c) {
    const Real here = m.largest(width, [&](auto j) { return m.abs(m.load(a, i, j)); }), so_far = std::get<0>(c);
    return std::tuple<Real>(m.select(here > so_far, here, so_far));
  });
  const Real power = m.power_below(largest);
  return m.select(m.both(power > m.real(0), power - power == m.real(0)), power, m.real(1));
}

// What turns (first, rest...) into (value, 0...), rest having this sum of squares: v = (1, rest / divisor...).
template <class M>
struct Reflection {
  typename M::Real scale, divisor, value;
};
template <class M>
Reflection<M> reflection(M& m, typename M::Real first, typename M::Real squares) {
  using Real = typename M::Real;
  const Real zero = m.real(0), length = m.sqrt(m.fma(first, first, squares));
  const Real value = m.select(first < zero, length, -length);
  const auto nothing = squares == zero;
  return {m.select(nothing, zero, (value - first) / value), m.select(nothing, m.real(1), first - value),
          m.select(nothing, first, value)};
}

// Rows first + 1 ... of x are reflected together with row first, in columns from ...; v(i) is the reflection's at row i, and row
// `products` is work.
template <class M, class V>
void reflect(M& m, typename M::Reals x, typename M::Reals products, typename M::Real scale, typename M::Index first,
             typename M::Index end, typename M::Index from, typename M::Index columns, V v) {
  using Index = typename M::Index;
  using Real = typename M::Real;
  m.each(columns, [&](Index j) { m.store(products, j, m.load(x, first, from + j)); });
  const auto add = [&]<int rows>(Index i) {
    std::array<Real, rows> f;
    for (int r = 0; r < rows; ++r) f[r] = v(i + m.index(r));
    m.each(columns, [&](Index j) {
      Real sum = m.load(products, j);
      for (int r = 0; r < rows; ++r) sum = m.fma(f[r], m.load(x, i + m.index(r), from + j), sum);
      m.store(products, j, sum);
    });
  };
  in_groups<side_by_side>(m, first + m.index(1), end - first - m.index(1), add);
  m.each(columns, [&](Index j) {
    const Real part = scale * m.load(products, j);
    m.store(products, j, part);
    m.store(x, first, from + j, m.load(x, first, from + j) - part);
  });
  const auto take = [&]<int rows>(Index i) {
    std::array<Real, rows> f;
    for (int r = 0; r < rows; ++r) f[r] = -v(i + m.index(r));
    m.each(columns, [&](Index j) {
      const Real part = m.load(products, j);
      for (int r = 0; r < rows; ++r)
        m.store(x, i + m.index(r), from + j, m.fma(f[r], part, m.load(x, i + m.index(r), from + j)));
    });
  };
  in_groups<side_by_side>(m, first + m.index(1), end - first - m.index(1), take);
}

// a in place: r on and above the diagonal, below it the reflections' v. scales and products are rows of `width`.
template <class M>
struct Reflected {
  using Index = typename M::Index;
  using Real = typename M::Real;
  M& m;
  typename M::Reals a, scales, products;
  Index height, width;

  void run() {
    const Index one = m.index(1);
    m.loop(m.min(height, width), [&](Index k) {
      const auto [squares] =
          m.fold(height - k - one, std::tuple<Real>(m.real(0)), [&](Index i, const std::tuple<Real>& c) {
            const Real x = m.load(a, k + one + i, k);
            return std::tuple<Real>(m.fma(x, x, std::get<0>(c)));
          });
      const Reflection<M> h = reflection<M>(m, m.load(a, k, k), squares);
      m.each(height - k - one, [&](Index i) { m.store(a, k + one + i, k, m.load(a, k + one + i, k) / h.divisor); });
      m.store(a, k, k, h.value);
      m.store(scales, k, h.scale);
      apply(a, k, k + one, width - k - one);
    });
  }
  // Reflection k of rows k ... of x.
  void apply(typename M::Reals x, Index k, Index from, Index columns) {
    reflect(m, x, products, m.load(scales, k), k, height, from, columns, [&](Index i) { return m.load(a, i, k); });
  }
  // x becomes the product of all reflections with it; where it starts as the identity, columns before k are untouched by reflection k.
  void multiply(typename M::Reals x, Index columns, bool identity) {
    const Index steps = m.min(height, width);
    m.loop(steps, [&](Index back) {
      const Index k = steps - m.index(1) - back;
      apply(x, k, identity ? k : m.index(0), identity ? columns - k : columns);
    });
  }
};

// a = q r. work has the shape of a; q has as many columns as r has rows.
template <class M>
void qr(M& m, typename M::Reals a, typename M::Reals work, typename M::Reals scales, typename M::Reals products,
        typename M::Reals q, typename M::Reals r, typename M::Index height, typename M::Index width,
        typename M::Index inner) {
  using Index = typename M::Index;
  using Real = typename M::Real;
  m.loop(height, [&](Index i) { m.each(width, [&](Index j) { m.store(work, i, j, m.load(a, i, j)); }); });
  const Real power = power_of_scale(m, work, height, width), zero = m.real(0);
  m.loop(height, [&](Index i) { m.each(width, [&](Index j) { m.store(work, i, j, m.load(work, i, j) / power); }); });
  Reflected<M> reflected{m, work, scales, products, height, width};
  reflected.run();
  m.loop(inner, [&](Index i) {
    m.each(width, [&](Index j) { m.store(r, i, j, m.select(j < i, zero, m.load(work, i, j) * power)); });
  });
  m.loop(height,
         [&](Index i) { m.each(inner, [&](Index j) { m.store(q, i, j, m.select(i == j, m.real(1), zero)); }); });
  reflected.multiply(q, inner, true);
}

}  // namespace tenon::ir::matrix
