// tn::jit: a callable that is traced once per signature of its arguments, compiled when it first runs, and called from then on.
// Refuses nothing itself: what is wrong with a call is said where it is traced or run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/report/inspect.h"
#include "tenon/frontend/transform/record.h"
#include "tenon/frontend/tree/items.h"

namespace tenon {

enum class Math : uint8_t { strict };
struct JitOptions {
  std::vector<int> donate = {};  // numbers of arguments whose memory the results may take
  std::string name = "";
  Math math = Math::strict;
  bool fuse = true;
};

namespace detail {
struct JitState;
std::shared_ptr<JitState> make_jit(JitOptions options, const Location& made);
JitEntry* find_entry(JitState& state, const Leaves& leaves);  // null when this signature is new
// Begins the entry of a new signature, before its trace. Error when the options name an argument that is not there.
std::shared_ptr<JitEntry> start_entry(JitState& state, const Leaves& leaves,
                                      std::vector<std::vector<TreeItem>> arguments);
// Completes an entry with its trace and the result tree of that, and only then lets other threads find it. Gives the entry to
// call: that of another thread which traced the same signature first. keep: whether calls may reuse it (specs may not run).
std::shared_ptr<JitEntry> finish_entry(JitState& state, std::shared_ptr<JitEntry> entry, const Program& program,
                                       const std::vector<Tensor>& inputs, std::shared_ptr<void> result, bool keep);
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
      : f_(std::move(f)), made_(made), state_(detail::make_jit(std::move(options), made)) {}

  template <class... A>
  auto operator()(const A&... args) const {
    using R = detail::ResultOf<const F, A...>;
    const detail::Leaves leaves = detail::signature_of(args...);
    detail::JitEntry* entry = detail::find_entry(*state_, leaves);
    std::shared_ptr<detail::JitEntry> fresh;
    if (entry == nullptr) {
      fresh = record(leaves, true, args...);
      entry = fresh.get();
    }
    std::vector<Tensor> outputs;
    detail::run_entry(*state_, *entry, leaves, outputs);
    if constexpr (std::is_same_v<R, Tensor>) {
      return outputs.empty() ? Tensor() : std::move(outputs[0]);
    } else {
      R result = *static_cast<R*>(detail::result_of(*entry));
      detail::replace(result, outputs.data());
      return result;
    }
  }

  // Traces and, when compile() is called, compiles, without running. Arguments may be tn::spec.
  template <class... A>
  Lowered lower(const A&... args) const {
    return Lowered(record(detail::signature_of(args...), false, args...));
  }

 private:
  template <class... A>
  std::shared_ptr<detail::JitEntry> record(const detail::Leaves& leaves, bool keep, const A&... args) const {
    std::vector<std::vector<detail::TreeItem>> arguments;
    (arguments.push_back(detail::items_of(args)), ...);
    auto entry = detail::start_entry(*state_, leaves, std::move(arguments));
    auto traced = detail::recorded("jit", f_, std::tuple<A...>(args...), made_);
    auto result = std::make_shared<decltype(traced.result)>(std::move(traced.result));
    return detail::finish_entry(*state_, std::move(entry), *traced.program, traced.inputs, std::move(result), keep);
  }
  F f_;
  Location made_;
  std::shared_ptr<detail::JitState> state_;
};

template <class F>
auto jit(F f, JitOptions options = {}, const At& at = At::current()) {
  return Jit<F>(std::move(f), std::move(options), place(at));
}

}  // namespace tenon
