// Derivatives of what an equation defines, whatever found it: tn::fixed_point, tn::custom_root. They come from the implicit function
// theorem (Christianson, "Reverse accumulation and attractive fixed points", 1994; Blondel et al., "Efficient and modular implicit
// differentiation", 2022): a linear system at the solution, in both modes, and no derivative through the iterations.
#pragma once

#include <tuple>
#include <utility>
#include <vector>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/transform/control.h"
#include "tenon/frontend/transform/rules.h"

namespace tenon {

namespace detail {

std::vector<Tensor> run_linear_solve(const Program& solve, const Program& matvec, const Program& transposed,
                                     const std::vector<Tensor>& b, const Location& at);
// Whether next is further from state than rounding explains: |next - state| > 8 eps max(|next|, |state|) somewhere; and not a NaN.
Tensor still_moves(const std::vector<Tensor>& state, const std::vector<Tensor>& next);
// x of A x = b by elimination with partial pivoting; columns[i] holds A times unit vector i, one row for each.
Tensor eliminate(const Tensor& columns, const Tensor& b);
// Tensors as one vector of f64 or of their common dtype, and back.
Tensor ravelled(const std::vector<Tensor>& parts);
Tensor unit_rows(const Tensor& vector);  // the identity, a row for each element
std::vector<Tensor> unravelled(const Tensor& vector, const std::vector<Tensor>& like);

// The tree with a function of both trees' tensors in the place of each.
template <class X, class F>
X zipped(const X& a, const X& b, F f) {
  X out = a;
  const std::vector<Tensor> second = tensors_of(b);
  size_t i = 0;
  for (Tensor* t : leaves_of(out)) {
    *t = f(*t, second[i]);
    ++i;
  }
  return out;
}

// x of matvec(x) = b; solve(matvec, b) finds it, of the transposed system too. Both are traced; derivatives come from matvec.
template <class M, class X, class S>
X linear_solve(M matvec, const X& b, S solve, const Location& at) {
  const auto product = recorded_as<X>("linear_solve", matvec, std::tuple<X>(b), tensors_of(b), at);
  const auto transpose = [&](const X& cotangent) { return linear_transpose(matvec, b)(cotangent); };
  const auto forward = [&](const X& right) { return solve(matvec, right); };
  const auto backward = [&](const X& right) { return solve(transpose, right); };
  const auto found = recorded_as<X>("linear_solve", forward, std::tuple<X>(b), tensors_of(b), at);
  const auto reverse = recorded_as<X>("linear_solve", backward, std::tuple<X>(b), tensors_of(b), at);
  return found.with(run_linear_solve(*found.program, *product.program, *reverse.program, tensors_of(b), at));
}

// Repeats x = step(x) until it moves no more, at most 2^20 times.
template <class Step, class X>
X iterated(Step step, const X& start, const At& at) {
  const auto going = [](const std::tuple<X, Tensor, Tensor>& s) {
    return logical_and(std::get<1>(s), std::get<2>(s) < (int64_t{1} << 20));
  };
  const auto body = [&](const std::tuple<X, Tensor, Tensor>& s) {
    const X next = step(std::get<0>(s));
    return std::tuple<X, Tensor, Tensor>(next, still_moves(tensors_of(std::get<0>(s)), tensors_of(next)),
                                         std::get<2>(s) + int64_t{1});
  };
  const std::tuple<X, Tensor, Tensor> init(start, full({}, true), zeros({}, {.dtype = i64}));
  return std::get<0>(while_loop(going, body, init, {}, at));
}

template <class X>
X without_derivative(const X& x) {
  X out = x;
  for (Tensor* t : leaves_of(out)) *t = stop_gradient(*t);
  return out;
}

// The derivative of x where f(x, params...) is constant by the rules of `system`: dx solves (d residual / dx) dx = -(d residual / dp) dp.
template <class Residual, class X, class Solve, class... P>
X implicit_tangent(Residual residual, const X& x, Solve solve, const At& at, const std::tuple<P...>& params,
                   const std::tuple<P...>& directions) {
  const auto matvec = [=](const X& v) {
    const auto of_x = [&](const X& y) {
      return std::apply([&](const auto&... p) { return residual(y, p...); }, params);
    };
    return jvp<decltype(of_x), X>(of_x, x, v, at).second;
  };
  const auto of_params = [=](const P&... p) { return residual(x, p...); };
  X right = jvp<decltype(of_params), std::tuple<P...>>(of_params, params, directions, at).second;
  for (Tensor* t : leaves_of(right)) *t = -*t;
  return linear_solve(matvec, right, solve, place(at));
}

// Orders of derivatives that come from the equation; those beyond go through the iterations.
inline constexpr int implicit_orders = 3;

template <int order, class F, class X, class... P>
X fixed_point_of(F f, const X& x0, const P&... params) {
  const At at;  // errors name the lines of tensors
  const auto find = [f, at](const X& start, const P&... p) {
    return iterated([&](const X& x) { return X(f(x, p...)); }, start, at);
  };
  if constexpr (order == 0) {
    return find(x0, params...);
  } else {
    const auto rule = [f, at](const std::tuple<X, P...>& primals, const std::tuple<X, P...>& tangents) {
      const X x = std::apply([&](const auto&... p) { return fixed_point_of<order - 1>(f, p...); }, primals);
      const auto rest = [](const X&, const P&... p) { return std::tuple<P...>(p...); };
      const auto residual = [f](const X& y, const P&... p) {
        return zipped(y, X(f(y, p...)), [](const Tensor& a, const Tensor& b) { return a - b; });
      };
      // (1 - A) v = b, by v = b + A v, which contracts as f does.
      const auto solve = [at](const auto& matvec, const X& b) {
        return iterated(
            [&](const X& v) {
              const X moved = zipped(v, X(matvec(v)), [](const Tensor& a, const Tensor& m) { return a - m; });
              return zipped(b, moved, [](const Tensor& a, const Tensor& m) { return a + m; });
            },
            b, at);
      };
      return std::make_pair(
          x, implicit_tangent(residual, x, solve, at, std::apply(rest, primals), std::apply(rest, tangents)));
    };
    return custom_jvp(find, rule, at)(x0, params...);
  }
}

// A x = b by the matrix of A, which is made whole.
struct Direct {
  template <class M, class X>
  X operator()(const M& matvec, const X& b) const {
    const std::vector<Tensor> like = tensors_of(b);
    const auto on_vector = [&](const Tensor& v) {
      X tree = b;
      const std::vector<Tensor> parts = unravelled(v, like);
      replace(tree, parts.data());
      const X product = matvec(tree);
      return ravelled(tensors_of(product));
    };
    const Tensor right = ravelled(like);
    const std::vector<Tensor> parts = unravelled(eliminate(vmap(on_vector)(unit_rows(right)), right), like);
    X out = b;
    replace(out, parts.data());
    return out;
  }
};

template <int order, class F, class Solve, class X, class... P>
X root_of(F f, Solve solve, const X& x0, const P&... params) {
  const At at;
  const auto find = [solve](const X& start, const P&... p) {
    return X(std::apply([&](const auto&... a) { return solve(a...); },
                        without_derivative(std::tuple<X, P...>(start, p...))));
  };
  if constexpr (order == 0) {
    return find(x0, params...);
  } else {
    const auto rule = [f, solve, at](const std::tuple<X, P...>& primals, const std::tuple<X, P...>& tangents) {
      const X x = std::apply([&](const auto&... p) { return root_of<order - 1>(f, solve, p...); }, primals);
      const auto rest = [](const X&, const P&... p) { return std::tuple<P...>(p...); };
      return std::make_pair(
          x, implicit_tangent(f, x, Direct{}, at, std::apply(rest, primals), std::apply(rest, tangents)));
    };
    return custom_jvp(find, rule, at)(x0, params...);
  }
}

}  // namespace detail

// x = f(x, params...), iterated from x0 until x moves by no more than rounding (8 units in the last place), at most 2^20 times. f
// contracts near its fixed point. Derivatives are by params, by x0 there is none: the fixed point does not depend on it. Up to the
// third order they come from the equation.
template <class F, class X, class... P>
X fixed_point(F f, const X& x0, const P&... params) {
  return detail::guarded("fixed_point", {},
                         [&] { return detail::fixed_point_of<detail::implicit_orders>(std::move(f), x0, params...); });
}

// The root x = solve(x0, params...) of f(x, params...) = 0, which has the tree and the types of x. solve is never differentiated: the
// derivatives by params, up to the third order, come from f at the root, through the matrix of its derivative by x, which is made
// whole: for systems of up to some thousand unknowns. By x0 there is none.
template <class F, class Solve, class X, class... P>
X custom_root(F f, Solve solve, const X& x0, const P&... params) {
  return detail::guarded("custom_root", {}, [&] {
    return detail::root_of<detail::implicit_orders>(std::move(f), std::move(solve), x0, params...);
  });
}

}  // namespace tenon
