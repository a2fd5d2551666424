// Control flow over argument trees: cond, while_loop, fori_loop, scan. Branches and carries are compared whole, by path.
#pragma once

#include "tenon/frontend/transform.h"

namespace tenon {
namespace detail {
std::vector<Tensor> run_cond(const Tensor& predicate, const Program& then, const Program& otherwise,
                             const std::vector<Tensor>& operands, const Location& at);
std::vector<Tensor> run_while(const Program& condition, const Program& body, const std::vector<Tensor>& init,
                              const Location& at);
// Outputs: carries, then stacked ys.
std::vector<Tensor> run_scan(const Program& body, const std::vector<Tensor>& init, const std::vector<Tensor>& xs,
                             int64_t length, bool reverse, const Location& at);
Tensor counter(int64_t low, int64_t high, const Location& at);  // i64 low ... high - 1
std::vector<Tensor> row_specs(const std::vector<Tensor>& xs, int64_t& length, const Location& at);

inline constexpr const char* same_state =
    "keep its tree, values and types (what changes must be a tensor; astype helps)";
}  // namespace detail

// then(args...) where the predicate (a bool scalar) holds, else otherwise(args...). Both give the same tree.
template <class F, class G, class... A>
auto cond(Operand predicate, F then, G otherwise, const A&... args) {
  using R = detail::ResultOf<F, A...>;
  std::tuple<A...> copy(args...);
  const std::vector<Tensor> inputs = detail::tensors_of(copy);
  R result{}, other{};
  detail::Recorder<F, R, A...> first{then, copy, &result};
  detail::Recorder<G, R, A...> second{otherwise, copy, &other};
  const Location at = predicate.where();
  auto a = detail::close("cond", inputs, &first.body, &first, at);
  auto b = detail::close("cond", inputs, &second.body, &second, at);
  detail::paired({"cond", "the first branch gives", "the second", "both return the same tree of the same types"},
                 result, other, detail::Match::whole, at);
  std::vector<Tensor> values = detail::run_cond(predicate.tensor(), *a, *b, inputs, at);
  detail::replace(result, values.data());
  return result;
}

// Repeats state = body(state) while condition(state), a bool scalar, holds.
template <class C, class B, class S>
S while_loop(C condition, B body, const S& init, const At& at = At::current()) {
  static_assert(sizeof(detail::ResultFor<C, S>) && sizeof(detail::ResultFor<B, S>));
  std::tuple<S> copy(init);
  const std::vector<Tensor> inputs = detail::tensors_of(copy);
  Tensor holds;
  S next = init;
  detail::Recorder<C, Tensor, S> test{condition, copy, &holds};
  detail::Recorder<B, S, S> step{body, copy, &next};
  auto c = detail::close("while_loop", inputs, &test.body, &test, place(at));
  auto b = detail::close("while_loop", inputs, &step.body, &step, place(at));
  detail::paired({"while_loop", "the state goes in as", "comes out as", detail::same_state}, init, next,
                 detail::Match::whole, place(at));
  std::vector<Tensor> values = detail::run_while(*c, *b, inputs, place(at));
  detail::replace(next, values.data());
  return next;
}

struct ScanOptions {
  int64_t length = -1;  // needed when xs has no tensors
  bool reverse = false;
};

namespace detail {
template <class F, class S, class X>
auto scan_as(const char* what, F& f, const S& init, const X& xs, ScanOptions o, const Location& at) {
  using R = ResultOf<F, S, X>;
  static_assert(IsPair<R>::value, "scan's function gives a pair of carry and y");
  std::vector<Tensor> carries = tensors_of(init), rows_in = tensors_of(xs);
  std::vector<Tensor> rows = row_specs(rows_in, o.length, at);
  std::tuple<S, X> copy(init, xs);
  R result{};
  static_assert(std::is_same_v<Plain<decltype(result.first)>, Plain<S>>,
                "the carry that comes out has the type of the one that goes in");
  Recorder<F, R, S, X> recorder{f, copy, &result};
  std::vector<Tensor> inputs = carries;
  inputs.insert(inputs.end(), rows.begin(), rows.end());
  auto body = close(what, inputs, &recorder.body, &recorder, at);
  paired({what, "the state goes in as", "comes out as", same_state}, init, result.first, Match::whole, at);
  std::vector<Tensor> values = run_scan(*body, carries, rows_in, o.length, o.reverse, at);
  replace(result, values.data());
  return result;
}
}  // namespace detail

// f(carry, x) gives (carry, y) for each row x of xs along axis 0; gives the last carry and the stacked ys.
template <class F, class S, class X>
auto scan(F f, const S& init, const X& xs, ScanOptions o = {}, const At& at = At::current()) {
  return detail::scan_as("scan", f, init, xs, o, place(at));
}

// x = body(i, x) for i = low ... high - 1, i an i64 scalar. Differentiates in both modes, since the count is known.
template <class B, class S>
S fori_loop(int64_t low, int64_t high, B body, const S& init, const At& at = At::current()) {
  static_assert(sizeof(detail::ResultFor<B, Tensor, S>));
  const auto step = [&](const S& state, const Tensor& i) { return std::make_pair(body(i, state), 0); };
  return S(detail::scan_as("fori_loop", step, init, detail::counter(low, high, place(at)), {}, place(at)).first);
}

}  // namespace tenon
