// tn::jit: a callable that is traced once per signature of its arguments, compiled when it first runs, and called from then on.
// Refuses nothing itself: what is wrong with a call is said where it is traced or run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/report/inspect.h"
#include "tenon/frontend/transform/dynamic.h"
#include "tenon/frontend/transform/record.h"
#include "tenon/frontend/tree/items.h"

namespace tenon {

enum class Math : uint8_t { strict };
struct JitOptions {
  std::vector<int> donate = {};  // numbers of arguments whose memory the results may take
  std::string name = "";
  Math math = Math::strict;
  bool fuse = true;
  // What its signatures may take in memory, programs included; the least recently used go. Without it, all functions without a
  // bound share $TENON_MEMORY_CACHE_BYTES.
  std::optional<uint64_t> memory_cache_bytes = {};
  Dynamic dynamic = {};  // extents that stay free: one compilation serves every size of them
  bool check_nans = false;  // a call that makes a NaN is an error that names the first op which did; slow
};

namespace detail {
struct JitState;
std::shared_ptr<JitState> make_jit(JitOptions options, const Location& made);
// Completes a signature: after the structure come dtype, shape and requires_grad of every tensor, then where they lie and the modes
// that programs depend on. dynamic: null where extents are as the arguments have them.
void end_signature(const Dynamic* dynamic, Leaves& leaves, const Location& made);
// What a call gives: its tensors, and the tree that they stand in, to be copied and refilled.
struct Results {
  Few<Tensor, 4> tensors;
  std::shared_ptr<void> tree;  // where it is wanted
};
// Completes a signature and calls its entry. False when it is new, or was dropped.
bool call_entry(JitState& state, const Dynamic* dynamic, Leaves& signature, bool wants_tree, Results& results);
// Begins the entry of a new signature, before its trace. Error when the options name an argument that is not there.
std::shared_ptr<JitEntry> start_entry(JitState& state, std::vector<std::vector<TreeItem>> arguments);
// Completes an entry with its trace and the result tree of that, and only then lets other threads find it. Gives the entry to
// call: that of another thread which traced the same signature first. keep: whether calls may reuse it (specs may not run).
std::shared_ptr<JitEntry> finish_entry(JitState& state, const Leaves& signature, std::shared_ptr<JitEntry> entry,
                                       const Program& program, const std::vector<Tensor>& inputs,
                                       std::shared_ptr<void> result, const std::vector<TreeItem>& results, bool keep);
// While a signature is traced: what its options ask of the trace.
class TraceScope {
 public:
  explicit TraceScope(const JitState& state);
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  const bool exact_before_;
};
void run_entry(JitState& state, JitEntry& entry, const Leaves& signature, bool wants_tree, Results& results);

// Tells lists of argument types apart: a generic function's trees may have one structure and several types.
template <class... A>
inline char type_token = 0;
// dynamic: null where extents are as the arguments have them. Without its end, which call_entry() writes.
template <class... A>
[[gnu::always_inline]] inline Leaves signature_begun(const Dynamic* dynamic, const A&... args) {
  Leaves leaves;
  if (dynamic != nullptr) leaves.ends = std::make_unique<std::vector<size_t>>();
  const char* token = &type_token<Plain<A>...>;
  leaves.structure.append(&token, sizeof token);
  [[maybe_unused]] const auto end = [&] {  // of one argument
    if (dynamic != nullptr) leaves.ends->push_back(leaves.tensors.size());
  };
  ((walk(args, leaves), end()), ...);
  return leaves;
}
template <class... A>
Leaves signature_of(const Dynamic* dynamic, const Location& made, const A&... args) {
  Leaves leaves = signature_begun(dynamic, args...);
  end_signature(dynamic, leaves, made);
  return leaves;
}
}  // namespace detail

template <class F>
class Jit {
 public:
  Jit(F f, JitOptions options, const Location& made)
      : f_(std::move(f)), made_(made), dynamic_(options.dynamic), state_(detail::make_jit(std::move(options), made)) {}

  template <class... A>
  auto operator()(const A&... args) const {
    return detail::guarded("jit", made_, [&] { return call(args...); });
  }

  // Traces and, when compile() is called, compiles, without running. Arguments may be tn::spec.
  template <class... A>
  Lowered lower(const A&... args) const {
    return detail::guarded("lower()", made_, [&] {
      return Lowered(record(detail::signature_of(free(), made_, args...), false, args...));
    });
  }

 private:
  const Dynamic* free() const { return dynamic_.any() && !detail::tracing() ? &dynamic_ : nullptr; }

  template <class... A>
  auto call(const A&... args) const {
    using R = detail::ResultOf<const F, A...>;
    constexpr bool tree = !std::is_same_v<R, Tensor>;
    const Dynamic* const dynamic = free();
    detail::Leaves signature = detail::signature_begun(dynamic, args...);
    detail::Results results;
    if (!detail::call_entry(*state_, dynamic, signature, tree, results))
      detail::run_entry(*state_, *record(signature, true, args...), signature, tree, results);
    if constexpr (tree) {
      R result = *static_cast<R*>(results.tree.get());
      detail::replace(result, results.tensors.data());
      return result;
    } else {
      return results.tensors.empty() ? Tensor() : std::move(results.tensors[0]);
    }
  }

  template <class... A>
  std::shared_ptr<detail::JitEntry> record(const detail::Leaves& signature, bool keep, const A&... args) const {
    std::vector<std::vector<detail::TreeItem>> arguments;
    (arguments.push_back(detail::items_of(args)), ...);
    auto entry = detail::start_entry(*state_, std::move(arguments));
    const std::tuple<A...> trees(args...);
    std::vector<Tensor> inputs = detail::tensors_of(trees), traced_as = inputs;
    if (signature.ends != nullptr && !signature.ends->empty())
      traced_as = detail::free_inputs(dynamic_, signature, made_);
    using R = detail::ResultOf<const F, A...>;
    const detail::TraceScope scope(*state_);
    auto traced = detail::recorded_as<R>("jit", f_, trees, std::move(traced_as), made_);
    auto result = std::make_shared<decltype(traced.result)>(std::move(traced.result));
    const auto results = detail::items_of(*result);
    return detail::finish_entry(*state_, signature, std::move(entry), *traced.program, inputs, std::move(result),
                                results, keep);
  }
  F f_;
  Location made_;
  Dynamic dynamic_;
  std::shared_ptr<detail::JitState> state_;
};

template <class F>
auto jit(F f, JitOptions options = {}, const At& at = At::current()) {
  return Jit<F>(std::move(f), std::move(options), place(at));
}

}  // namespace tenon
