// Transforms of C++ callables over argument trees: trace, jit, grad, jvp, vjp. Templates here only flatten and rebuild trees;
// everything else is behind plain functions on lists of tensors. Control flow stands in frontend/control.h.
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tenon/frontend/match.h"
#include "tenon/frontend/tensor.h"

namespace tenon {
namespace detail {

struct Program;  // a closed graph with its captured tensors
struct JitState;
struct JitEntry;
using Body = void (*)(void* context, std::vector<Tensor>& inputs, std::vector<Tensor>& outputs);

// Traces body over inputs of the given types (concrete, traced or spec tensors); closed over what it captures.
std::shared_ptr<Program> close(const char* what, const std::vector<Tensor>& inputs, Body body, void* context,
                               const Location& at);
std::vector<Tensor> run_gradient(const Program& p, const std::vector<Tensor>& inputs, const std::vector<bool>& active,
                                 const Location& at);
void check_loss(const std::vector<TreeItem>& result, const Location& at);  // its first tensor has a value
struct JvpResult {
  std::vector<Tensor> primals, tangents;  // a tangent that is structurally absent is zeros
};
JvpResult run_jvp(const Program& p, const std::vector<Tensor>& inputs, const std::vector<Tensor>& tangents,
                  const Location& at);
struct Pullback {
  std::shared_ptr<void> state;
  std::vector<Tensor> operator()(const std::vector<Tensor>& cotangents, const Location& at) const;
};
std::pair<std::vector<Tensor>, Pullback> run_vjp(const Program& p, const std::vector<Tensor>& inputs,
                                                 const Location& at);
std::string text_of(const Program& p, bool annotated);

Tensor stand_in(const Tensor& t);  // its type and place without its value

// Calls f on a copy of the arguments whose tensors are the trace's, and keeps the result tree.
template <class F, class R, class... A>
struct Recorder {
  F& f;
  std::tuple<A...> args;
  R* result;
  static void body(void* context, std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
    auto& self = *static_cast<Recorder*>(context);
    replace(self.args, inputs.data());
    *self.result = std::apply(self.f, std::as_const(self.args));
    outputs = tensors_of(*self.result);
  }
};
// What F gives for arguments of types A; a Tensor where it gives an x[i].
template <class F, class... A>
struct ResultFor {
  static constexpr bool by_reference =
      std::conjunction_v<std::negation<std::is_invocable<F&, const A&...>>, std::is_invocable<F&, A&...>>;
  static_assert(
      !by_reference,
      "a function under a transform (jit, grad, scan ...) must not take tensors by non-const reference: it runs on "
      "traced copies, so the caller would never see the change; take them by value or const reference and return "
      "what changes");
  static auto find() {
    if constexpr (by_reference) {
      return std::type_identity<Tensor>{};
    } else {
      return std::type_identity<Plain<std::remove_cvref_t<std::invoke_result_t<F&, const A&...>>>>{};
    }
  }
  using type = typename decltype(find())::type;
};
template <class F, class... A>
using ResultOf = typename ResultFor<F, A...>::type;

}  // namespace detail

// ---- trace -----------------------------------------------------------------------------------------------------------

class Traced {
 public:
  explicit Traced(std::shared_ptr<detail::Program> p) : program_(std::move(p)) {}
  std::string ir() const { return detail::text_of(*program_, false); }  // canonical text; parse() reads it back
  std::string annotated() const { return detail::text_of(*program_, true); }  // with the C++ line of every op
  const std::shared_ptr<detail::Program>& program() const { return program_; }
  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs, const At& at = At::current()) const;

 private:
  std::shared_ptr<detail::Program> program_;
};
Traced parse(const std::string& text);  // Error with line and column

template <class F, class... A>
Traced trace(F&& f, const A&... args) {
  using R = detail::ResultOf<std::remove_reference_t<F>, A...>;
  std::tuple<A...> copy(args...);
  R result{};
  detail::Recorder<std::remove_reference_t<F>, R, A...> recorder{f, copy, &result};
  return Traced(detail::close("trace", detail::tensors_of(copy), &recorder.body, &recorder, {}));
}

// ---- jit -------------------------------------------------------------------------------------------------------------

enum class Math : uint8_t { strict };
struct JitOptions {
  std::vector<int> donate = {};  // numbers of arguments whose memory the results may take
  std::string name = "";
  Math math = Math::strict;
  bool fuse = true;
};

struct KernelInfo {
  std::string name, kind;  // kind: map, row, column, contract, nest
  std::vector<std::string> lines;  // file:line of the ops it computes
  std::string bytes_read, bytes_written, flops;
};
struct MemoryInfo {
  int64_t arena_bytes = 0, input_bytes = 0, output_bytes = 0;
};
// A compiled program, to look into.
class Compiled {
 public:
  explicit Compiled(std::shared_ptr<detail::JitEntry> e) : entry_(std::move(e)) {}
  std::string explain() const;  // per kernel: source lines, bytes, flops; and for each edge that was not fused, why
  std::vector<KernelInfo> kernels() const;
  MemoryInfo memory() const;
  bool from_cache() const;
  double compile_seconds() const;
  const std::shared_ptr<detail::JitEntry>& entry() const { return entry_; }

 private:
  std::shared_ptr<detail::JitEntry> entry_;
};
class Lowered {
 public:
  explicit Lowered(std::shared_ptr<detail::JitEntry> e) : entry_(std::move(e)) {}
  std::string ir() const;
  std::string program() const;  // kernels and steps, as text
  Compiled compile() const;
  const std::shared_ptr<detail::JitEntry>& entry() const { return entry_; }

 private:
  std::shared_ptr<detail::JitEntry> entry_;
};

namespace detail {
std::shared_ptr<JitState> make_jit(JitOptions options, const Location& made);
JitEntry* find_entry(JitState& state, const Leaves& leaves);  // null when this signature is new
// keep: whether calls may reuse it (specs may not run).
std::shared_ptr<JitEntry> add_entry(JitState& state, const Leaves& leaves, std::vector<std::vector<TreeItem>> arguments,
                                    Body body, void* context, bool keep);
// Completes an entry with the result tree of its trace, and only then lets other threads find it. Gives the entry to call:
// that of another thread which traced the same signature first.
std::shared_ptr<JitEntry> publish_entry(JitState& state, std::shared_ptr<JitEntry> entry, std::shared_ptr<void> result);
void* result_of(const JitEntry& entry);
void run_entry(JitState& state, JitEntry& entry, const Leaves& leaves, std::vector<Tensor>& outputs);

// Tells lists of argument types apart: a generic function's trees may have one structure and several types.
template <class... A>
inline char type_token = 0;
template <class... A>
Leaves signature_of(const A&... args) {
  Leaves leaves;
  const char* token = &type_token<Plain<A>...>;
  leaves.structure.append(reinterpret_cast<const char*>(&token), sizeof token);
  (walk(args, leaves), ...);
  return leaves;
}
}  // namespace detail

template <class F>
class Jit {
 public:
  Jit(F f, JitOptions options, const Location& made)
      : f_(std::move(f)), state_(detail::make_jit(std::move(options), made)) {}

  template <class... A>
  auto operator()(const A&... args) const {
    using R = detail::ResultOf<const F, A...>;
    const detail::Leaves leaves = detail::signature_of(args...);
    detail::JitEntry* entry = detail::find_entry(*state_, leaves);
    std::shared_ptr<detail::JitEntry> fresh;
    if (entry == nullptr) {
      fresh = record<R>(leaves, true, args...);
      entry = fresh.get();
    }
    std::vector<Tensor> outputs;
    detail::run_entry(*state_, *entry, leaves, outputs);
    if constexpr (std::is_same_v<R, Tensor>) {
      return outputs.empty() ? Tensor() : outputs[0];
    } else {
      R result = *static_cast<R*>(detail::result_of(*entry));
      detail::replace(result, outputs.data());
      return result;
    }
  }

  // Traces and, when compile() is called, compiles, without running. Arguments may be tn::spec.
  template <class... A>
  Lowered lower(const A&... args) const {
    using R = detail::ResultOf<const F, A...>;
    const detail::Leaves leaves = detail::signature_of(args...);
    return Lowered(record<R>(leaves, false, args...));
  }

 private:
  template <class R, class... A>
  std::shared_ptr<detail::JitEntry> record(const detail::Leaves& leaves, bool keep, const A&... args) const {
    auto result = std::make_shared<R>();
    detail::Recorder<const F, R, A...> recorder{f_, std::tuple<A...>(args...), result.get()};
    std::vector<std::vector<detail::TreeItem>> arguments;
    (arguments.push_back(detail::items_of(args)), ...);
    auto entry = detail::add_entry(*state_, leaves, std::move(arguments), &recorder.body, &recorder, keep);
    return detail::publish_entry(*state_, std::move(entry), std::move(result));
  }
  F f_;
  std::shared_ptr<detail::JitState> state_;
};

template <class F>
auto jit(F f, JitOptions options = {}, const At& at = At::current()) {
  return Jit<F>(std::move(f), std::move(options), place(at));
}

// ---- gradients -------------------------------------------------------------------------------------------------------

namespace detail {

template <bool WithValue, class F, int... I>
struct Gradient {
  F f;
  Location made;

  template <class... A>
  auto operator()(const A&... args) const {
    static_assert(((I < static_cast<int>(sizeof...(A))) && ...), "tn::grad<I...> names an argument that is not there");
    using R = ResultOf<const F, A...>;
    std::tuple<A...> copy(args...);
    R result{};
    Recorder<const F, R, A...> recorder{f, copy, &result};
    const std::vector<Tensor> inputs = tensors_of(copy);
    auto program = close("grad", inputs, &recorder.body, &recorder, made);
    std::vector<bool> active;
    int number = 0;
    const auto mark = [&](const auto& arg) {
      const bool chosen = ((I == number) || ...);
      for (const Tensor& t : tensors_of(arg)) active.push_back(chosen && is_floating(t.dtype()));
      ++number;
    };
    (mark(args), ...);
    check_loss(items_of(result), made);
    std::vector<Tensor> values = run_gradient(*program, inputs, active, made);
    replace(result, values.data());
    // Gradients arrive for active leaves only; an integer leaf has none and becomes undefined.
    size_t next = values.size();
    for (bool a : active) next -= a ? 1 : 0;
    std::vector<Tensor> gradients;
    for (bool a : active) gradients.push_back(a ? values[next++] : Tensor());
    replace(copy, gradients.data());
    auto chosen = [&] {
      if constexpr (sizeof...(I) == 1)
        return std::get<I...>(copy);
      else
        return std::make_tuple(std::get<I>(copy)...);
    }();
    if constexpr (WithValue)
      return std::make_pair(std::move(result), std::move(chosen));
    else if constexpr (IsPair<R>::value)
      return std::make_pair(std::move(chosen), std::move(result.second));
    else
      return chosen;
  }
};

}  // namespace detail

// The gradient of f's value (a floating scalar, or the first of a pair whose second is aux) by argument 0, or by those named:
// grad<0, 2>(f). The result has the arguments' types; with aux it is a pair of gradient and aux.
template <int... I, class F>
auto grad(F f, const At& at = At::current()) {
  if constexpr (sizeof...(I) == 0)
    return detail::Gradient<false, F, 0>{std::move(f), place(at)};
  else
    return detail::Gradient<false, F, I...>{std::move(f), place(at)};
}
// A pair of f's result and the gradient.
template <int... I, class F>
auto value_and_grad(F f, const At& at = At::current()) {
  if constexpr (sizeof...(I) == 0)
    return detail::Gradient<true, F, 0>{std::move(f), place(at)};
  else
    return detail::Gradient<true, F, I...>{std::move(f), place(at)};
}

namespace detail {
template <class T>
struct AsTuple {
  static std::tuple<T> make(const T& t) { return {t}; }
};
template <class... T>
struct AsTuple<std::tuple<T...>> {
  static std::tuple<T...> make(const std::tuple<T...>& t) { return t; }
};
}  // namespace detail

// Value and directional derivative: primals and tangents are one argument, or a tuple of all arguments.
template <class F, class P>
auto jvp(F f, const P& primals, const P& tangents, const At& at = At::current()) {
  auto in = detail::AsTuple<P>::make(primals);
  const std::vector<Tensor> directions =
      detail::paired({"jvp", "the primals have", "the tangents", "tangents have the tree and the types of the primals"},
                     primals, tangents, detail::Match::cotangent, place(at));
  return std::apply(
      [&](auto&... args) {
        using R = detail::ResultOf<F, std::remove_reference_t<decltype(args)>...>;
        R result{};
        detail::Recorder<F, R, std::remove_reference_t<decltype(args)>...> recorder{f, in, &result};
        const std::vector<Tensor> inputs = detail::tensors_of(in);
        auto program = detail::close("jvp", inputs, &recorder.body, &recorder, place(at));
        detail::JvpResult r = detail::run_jvp(*program, inputs, directions, place(at));
        R tangent = result;
        detail::replace(result, r.primals.data());
        detail::replace(tangent, r.tangents.data());
        return std::make_pair(std::move(result), std::move(tangent));
      },
      in);
}

template <class F>
auto jvp(F f, const Tensor& primals, const Tensor& tangents, const At& at = At::current()) {
  return jvp<F, Tensor>(std::move(f), primals, tangents, at);
}

// Value and pullback: pull(cotangent of the result) gives cotangents of the arguments (one, or a tuple).
template <class F, class... A>
auto vjp(F f, const A&... args) {
  using R = detail::ResultOf<F, A...>;
  std::tuple<A...> copy(args...);
  R result{};
  detail::Recorder<F, R, A...> recorder{f, copy, &result};
  const std::vector<Tensor> inputs = detail::tensors_of(copy);
  auto program = detail::close("vjp", inputs, &recorder.body, &recorder, {});
  auto [values, pullback] = detail::run_vjp(*program, inputs, {});
  R like = result;
  for (Tensor* t : detail::leaves_of(like)) *t = detail::stand_in(*t);
  detail::replace(result, values.data());
  auto pull = [pullback = pullback, copy, like](const R& cotangent, const At& at = At::current()) {
    std::tuple<A...> out = copy;
    const std::vector<Tensor> seeds = detail::paired(
        {"vjp", "the result has", "the cotangent", "a cotangent has the tree and the types of the result"}, like,
        cotangent, detail::Match::cotangent, place(at));
    std::vector<Tensor> gradients = pullback(seeds, place(at));
    detail::replace(out, gradients.data());
    if constexpr (sizeof...(A) == 1)
      return std::get<0>(out);
    else
      return out;
  };
  return std::make_pair(std::move(result), std::move(pull));
}

}  // namespace tenon
