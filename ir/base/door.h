// The door through which public functions are entered and left: inside, floats behave as the library's do, whatever the host has
// set; what leaves is tenon::Error with the function's name and the caller's place, also where memory or threads ran out.
// Refuses to stand around the caller's own code (traced functions, custom calls), whose exceptions and floats are its own.
#pragma once

#include <utility>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/float_environment.h"

namespace tenon {

// Called while an exception is handled: throws it again as the caller is to see it. An Error without a place gets this one;
// std::bad_alloc, std::length_error and std::system_error become Errors; everything else stays what it is. Needs no memory
// where none is left.
[[noreturn]] void leave_with_error(const char* name, const Location& at, const char* quote = "");
// Error: `name` needed so many bytes.
[[noreturn]] void refuse_memory(const char* name, uint64_t bytes, const Location& at);

template <class F>
decltype(auto) door(const char* name, const Location& at, F&& work) {
  const FloatEnvironment standard;
  try {
    return std::forward<F>(work)();
  } catch (...) {
    leave_with_error(name, at);
  }
}

}  // namespace tenon
