// A jitted function behind its signature alone. Refuses callables that are not jitted: wrap them in tn::jit first.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "tenon/frontend/transform/jit.h"

namespace tenon {

// A jitted function by its signature, so that a class can hold one. Arguments are taken by const reference.
template <class S>
class Function;
template <class R, class... A>
class Function<R(A...)> {
  struct Holder {
    virtual ~Holder() = default;
    virtual R call(const std::remove_cvref_t<A>&... args) const = 0;
  };
  template <class F>
  struct Held final : Holder {
    Jit<F> jit;
    explicit Held(Jit<F> j) : jit(std::move(j)) {}
    R call(const std::remove_cvref_t<A>&... args) const override {
      static_assert(!detail::gives_another<R, const F, std::remove_cvref_t<A>...>,
                    "a tn::Function gives what its signature says; this jitted function gives another type");
      if constexpr (detail::gives<R, const F, std::remove_cvref_t<A>...>())
        return jit(args...);
      else
        __builtin_unreachable();
    }
  };
  std::shared_ptr<const Holder> holder_;

 public:
  Function() = default;
  template <class F>
  Function(Jit<F> jit) : holder_(std::make_shared<Held<F>>(std::move(jit))) {}  // NOLINT
  explicit operator bool() const { return holder_ != nullptr; }
  R operator()(const std::remove_cvref_t<A>&... args) const {
    if (!holder_) throw Error("an empty tn::Function was called; assign tn::jit(f) to it first");
    return holder_->call(args...);
  }
};

}  // namespace tenon
