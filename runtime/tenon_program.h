// What the C++ headers of saved programs share: spans of elements, the error that a failed call throws, and custom functions that
// may throw. C++17; of Tenon it needs the small runtime alone. Refuses to own memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "tenon/runtime/tenon_runtime.h"

namespace tenon::program {

// A tensor's elements, dense and row-major: where they are and how many. Made of a pointer and a count, or of whatever has
// data() and size(): std::vector, std::array, another span.
template <class T>
class Span {
 public:
  constexpr Span() = default;
  constexpr Span(T* data, std::size_t size) : data_(data), size_(size) {}
  template <class C, class D = std::remove_pointer_t<decltype(std::declval<C&>().data())>,
            class = decltype(std::declval<C&>().size()),
            class = std::enable_if_t<std::is_convertible_v<D (*)[], T (*)[]>>>
  constexpr Span(C&& container) : data_(container.data()), size_(container.size()) {}
  constexpr T* data() const { return data_; }
  constexpr std::size_t size() const { return size_; }
  constexpr std::uint64_t bytes() const { return std::uint64_t{size_} * sizeof(T); }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

// A call that gave another code than TENON_OK.
class Error : public std::runtime_error {
 public:
  Error(std::int32_t code, const std::string& what) : std::runtime_error(what), code_(code) {}
  std::int32_t code() const { return code_; }

 private:
  std::int32_t code_;
};

// An environment in which custom functions may throw: the exception waits while compiled code leaves, and goes on then.
class Caught {
 public:
  explicit Caught(const tenon_env* env) {
    if (env == nullptr) env = tenon_runtime_env();
    std::memcpy(&env_, env, env->struct_size < sizeof env_ ? env->struct_size : sizeof env_);
    env_.struct_size = sizeof env_;
    env_.call_custom = &call;
    env_.custom_context = this;
  }
  Caught(const Caught&) = delete;
  Caught& operator=(const Caught&) = delete;

  const tenon_env* env() const { return &env_; }
  // Throws what a custom function threw, else Error unless the call was right.
  void finish(std::int32_t code, const char* program, const char* message) {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    if (code != TENON_OK) throw Error(code, std::string(program) + ": " + message);
  }
  // Throws Error where a span has another size than its tensor.
  static void expect(const char* program, const char* leaf, std::uint64_t given, std::uint64_t needed) {
    if (given != needed)
      throw Error(TENON_BAD_CALL, std::string(program) + ": " + leaf + " has " + std::to_string(needed) +
                                      " bytes, not " + std::to_string(given));
  }

 private:
  static std::int32_t call(void* self, tenon_custom function, const void* const* inputs,
                           void* const* outputs) noexcept {
    try {
      return function(inputs, outputs);
    } catch (...) {
      static_cast<Caught*>(self)->thrown_ = std::current_exception();
      return TENON_THREW;
    }
  }
  tenon_env env_ = {};
  std::exception_ptr thrown_;
};

}  // namespace tenon::program
