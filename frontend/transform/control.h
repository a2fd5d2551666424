// Control flow over argument trees: cond, while_loop, fori_loop, scan. Branches and carries are compared whole, by path.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/transform/record.h"
#include "tenon/frontend/tree/match.h"

namespace tenon {

struct WhileOptions {
  // Bytes that a gradient may keep of the states that the loop goes through; the others are computed again. 0: the default. The
  // bits of a gradient do not depend on it, and less than a few states is raised to those.
  int64_t memory = int64_t{64} << 20;
};

struct ScanOptions {
  Extent length = -1;  // needed when xs has no tensors
  bool reverse = false;
  int64_t unroll = 1;  // iterations that are written out one after the other; no bit depends on it
  int64_t memory = 0;  // as of a while_loop; 0: a gradient keeps what it needs of every iteration
};

namespace detail {
std::vector<Tensor> run_cond(const Tensor& predicate, const Program& then, const Program& otherwise,
                             const std::vector<Tensor>& operands, const Location& at);
std::vector<Tensor> run_while(const Program& condition, const Program& body, const std::vector<Tensor>& init,
                              WhileOptions o, const Location& at);
// Outputs: carries, then stacked ys.
std::vector<Tensor> run_scan(const Program& body, const std::vector<Tensor>& init, const std::vector<Tensor>& xs,
                             const ScanOptions& o, const Location& at);
Tensor counter(Extent low, Extent high, const Location& at);  // i64 low ... high - 1
// Of a fori_loop whose bounds are known when it runs: i64 scalars.
Tensor loop_bound(const Operand& bound, const Location& at);
Tensor below(const Tensor& i, const Tensor& end, const Location& at);
Tensor next_number(const Tensor& i, const Location& at);
std::vector<Tensor> row_specs(const std::vector<Tensor>& xs, Extent& length, const Location& at);

inline constexpr const char* same_state =
    "keep its tree, values and types (what changes must be a tensor; astype helps)";
}  // namespace detail

namespace detail {
template <class F, class G, class... A>
auto cond_as(const char* what, const Tensor& predicate, F& then, G& otherwise, const Location& at, const A&... args) {
  return guarded(what, at, [&] {
    const std::tuple<A...> arguments(args...);
    const auto first = recorded(what, then, arguments, at);
    using R = decltype(first.result);
    static_assert(!gives_another<R, G, A...>, "the branches of cond give one type, and these give two");
    const auto second = recorded_as<R>(what, otherwise, arguments, first.inputs, at);
    paired({what, "the first branch gives", "the second", "both return the same tree of the same types"}, first.result,
           second.result, Match::whole, at);
    return first.with(run_cond(predicate, *first.program, *second.program, first.inputs, at));
  });
}

template <class C, class B, class S>
S while_as(const char* what, C& condition, B& body, const S& init, WhileOptions o, const Location& at) {
  return guarded(what, at, [&] {
    const std::tuple<S> state(init);
    const std::vector<Tensor> inputs = tensors_of(state);
    const auto test = recorded_as<Tensor>(what, condition, state, inputs, at);
    const auto step = recorded_as<S>(what, body, state, inputs, at);
    paired({what, "the state goes in as", "comes out as", same_state}, init, step.result, Match::whole, at);
    return step.with(run_while(*test.program, *step.program, inputs, o, at));
  });
}
}  // namespace detail

// then(args...) where the predicate (a bool scalar) holds, else otherwise(args...). Both give the same tree.
template <class F, class G, class... A>
auto cond(Operand predicate, F then, G otherwise, const A&... args) {
  return detail::cond_as("cond", predicate.tensor(), then, otherwise, predicate.where(), args...);
}

// Repeats state = body(state) while condition(state), a bool scalar, holds.
template <class C, class B, class S>
S while_loop(C condition, B body, const S& init, WhileOptions o = {}, const At& at = At::current()) {
  static_assert(!detail::gives_another<Tensor, C, S>,
                "while_loop's condition gives a bool tensor; a trace has no value to make a bool of");
  static_assert(!detail::gives_another<S, B, S>, "while_loop's body gives the type of the state that it takes");
  return detail::while_as("while_loop", condition, body, init, o, place(at));
}

namespace detail {
template <class S, class R>
struct Carries {
  static constexpr bool pair = false, same = false;
};
template <class S, class C, class Y>
struct Carries<S, std::pair<C, Y>> {
  static constexpr bool pair = true, same = std::is_same_v<Plain<C>, Plain<S>>;
};

template <class F, class S, class X>
auto scan_as(const char* what, F& f, const S& init, const X& xs, ScanOptions o, const Location& at) {
  constexpr bool called = is_callable<F, S, X>();
  using Result = ResultOf<F, S, X>;
  using Gives = Carries<S, Result>;
  static_assert(!called || Gives::pair, "scan's function gives a pair of carry and y");
  static_assert(!called || !Gives::pair || Gives::same,
                "the carry that comes out of a scan has the type of the one that goes in");
  using R = std::conditional_t<called && Gives::same, Result, std::pair<S, Tensor>>;  // said, and no more errors
  return guarded(what, at, [&] {
    const std::vector<Tensor> carries = tensors_of(init), rows_in = tensors_of(xs);
    std::vector<Tensor> inputs = carries;  // and one row of xs
    for (Tensor& row : row_specs(rows_in, o.length, at)) inputs.push_back(std::move(row));
    const auto body = recorded_as<R>(what, f, std::tuple<S, X>(init, xs), std::move(inputs), at);
    paired({what, "the state goes in as", "comes out as", same_state}, init, body.result.first, Match::whole, at);
    return body.with(run_scan(*body.program, carries, rows_in, o, at));
  });
}
}  // namespace detail

// f(carry, x) gives (carry, y) for each row x of xs along axis 0; gives the last carry and the stacked ys.
template <class F, class S, class X>
auto scan(F f, const S& init, const X& xs, ScanOptions o = {}, const At& at = At::current()) {
  return detail::scan_as("scan", f, init, xs, o, place(at));
}

// x = body(i, x) for i = low ... high - 1, i an i64 scalar; nothing where high is no more than low.
template <class B, class S>
S fori_loop(Extent low, Extent high, B body, const S& init, const At& at = At::current()) {
  static_assert(!detail::gives_another<detail::Plain<S>, B, Tensor, S>,
                "fori_loop's body gives the type of the state that it takes");
  const auto step = [&](const S& state, const Tensor& i) {
    if constexpr (detail::gives<detail::Plain<S>, B, Tensor, S>())
      return std::make_pair(body(i, state), 0);
    else
      return std::make_pair(state, 0);
  };
  return S(detail::scan_as("fori_loop", step, init, detail::counter(low, high, place(at)), {}, place(at)).first);
}

// The same with bounds that are known when the program runs, one of them an integer tensor: a while_loop.
template <class L, class H, class B, class S>
  requires(std::is_same_v<detail::Plain<L>, Tensor> || std::is_same_v<detail::Plain<H>, Tensor>)
S fori_loop(const L& low, const H& high, B body, const S& init, WhileOptions o = {}, const At& at = At::current()) {
  static_assert(!detail::gives_another<detail::Plain<S>, B, Tensor, S>,
                "fori_loop's body gives the type of the state that it takes");
  using State = std::pair<Tensor, detail::Plain<S>>;
  const Tensor end = detail::loop_bound(Operand(high, place(at)), place(at));
  auto more = [&](const State& s) { return detail::below(s.first, end, place(at)); };
  auto step = [&](const State& s) {
    if constexpr (detail::gives<detail::Plain<S>, B, Tensor, S>())
      return State(detail::next_number(s.first, place(at)), body(s.first, s.second));
    else
      return s;
  };
  const State start(detail::loop_bound(Operand(low, place(at)), place(at)), init);
  return S(detail::while_as("fori_loop", more, step, start, o, place(at)).second);
}

}  // namespace tenon
