// tn::checkpoint: a function of which a derivative keeps the inputs, and what a policy says, and computes the rest again. Same bits,
// less memory, more time (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/transform/record.h"

namespace tenon {

// What a policy is asked about: a value that the function computes.
struct Saveable {
  std::string_view op;  // as the IR names it: dot_general, exp ...
  std::string_view name;  // given by tn::checkpoint_name; else empty
  DType dtype;
  const Shape& shape;
};
// Any function of a Saveable that says whether it is kept.
class CheckpointPolicy {
 public:
  template <class F>
    requires std::is_invocable_r_v<bool, const F&, const Saveable&>
  CheckpointPolicy(F f)  // NOLINT: functions are policies
      : state_(std::make_shared<const F>(std::move(f))),
        ask_([](const void* state, const Saveable& value) { return bool((*static_cast<const F*>(state))(value)); }) {}
  bool operator()(const Saveable& value) const { return ask_(state_.get(), value); }

 private:
  std::shared_ptr<const void> state_;
  bool (*ask_)(const void*, const Saveable&);
};

inline bool save_nothing(const Saveable&) { return false; }
inline bool save_dots(const Saveable& value) { return value.op == "dot_general" || value.op == "convolution"; }
inline bool save_everything(const Saveable&) { return true; }
// Values that tn::checkpoint_name gave one of these names.
CheckpointPolicy save_names(std::vector<std::string> names);
// x, under a name that policies know.
Tensor checkpoint_name(Operand x, const std::string& name);

struct CheckpointOptions {
  CheckpointPolicy policy = save_nothing;
};

namespace detail {
std::vector<Tensor> run_checkpoint(const Program& p, const CheckpointPolicy& policy, const std::vector<Tensor>& inputs,
                                   const Location& at);

template <class F>
class Checkpoint {
 public:
  Checkpoint(F f, CheckpointOptions options, const Location& made)
      : f_(std::move(f)), options_(std::move(options)), made_(made) {}
  template <class... A>
  auto operator()(const A&... args) const {
    return guarded("checkpoint", made_, [&] {
      const auto traced = recorded("checkpoint", f_, std::tuple<A...>(args...), made_);
      return traced.with(run_checkpoint(*traced.program, options_.policy, traced.inputs, made_));
    });
  }

 private:
  const F f_;
  const CheckpointOptions options_;
  const Location made_;
};
}  // namespace detail

// f, whose derivatives keep its inputs and what the policy chooses, and compute the rest a second time.
template <class F>
auto checkpoint(F f, CheckpointOptions options = {}, const At& at = At::current()) {
  return detail::Checkpoint<F>(std::move(f), std::move(options), place(at));
}

}  // namespace tenon
