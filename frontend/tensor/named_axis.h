// The axes that have names while a function of one lane, or of one rank's parts, is traced: the thread's stack of them. Internal to
// the frontend.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/frontend/tensor/thread_modes.h"
#include "tenon/ir/op.h"
#include "tenon/runtime/cache/key_bytes.h"
#include "tenon/runtime/ranks.h"

namespace tenon {
class Trace;
}

namespace tenon::detail {

// While it lives, functions over an axis of this name know its extent. An empty name names nothing.
class NamedAxis {
 public:
  NamedAxis(const std::string& name, Dim size, int64_t stride = 0);  // stride: of an axis of ranks (Group::stride)
  ~NamedAxis();
  NamedAxis(const NamedAxis&) = delete;
  NamedAxis& operator=(const NamedAxis&) = delete;

  // The innermost axis of that name. Error, which names those that there are, where there is none.
  static const NamedAxis& find(const std::string& name, const char* what, const Location& at);
  static Dim size_of(const std::string& name, const char* what, const Location& at) {
    return find(name, what, at).size_;
  }
  Dim size() const { return size_; }
  int64_t stride() const { return stride_; }
  bool of_ranks() const { return stride_ > 0; }
  static bool any();  // of lanes
  static Dim innermost_size();  // where there is any
  // How many lanes there will be of what is differentiated here, before it is batched: a bound on its memory is for all of them.
  static int64_t lanes_of_derivative();
  // What a trace may depend on, for keys.
  static void write_all(KeyBytes& key);
  static bool writes_nothing() { return thread_modes.axis == nullptr && !thread_modes.exact && runtime::is_alone(); }

 private:
  static const NamedAxis* innermost_lanes();
  const std::string& name_;
  const Dim size_;
  const int64_t stride_;
  NamedAxis* const outer_;
  const Trace* const around_;  // where vmap was called
};

// Attributes of a collective, whose place errors name: what is asked, over which axis, and where.
ir::Attrs collective_attributes(std::string_view what, const std::string& axis, int64_t size, int64_t stride,
                                const Location& at, std::vector<int64_t> numbers = {});

// Whether what this thread traces hunts NaNs: then no lane may compute on what a branch that it did not enter would see. Gives the
// state before.
bool set_exact_lanes(bool exact);
bool exact_lanes();

}  // namespace tenon::detail
