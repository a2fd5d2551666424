// The stack of named axes, innermost first. It needs no destructor, so that it serves until the thread is gone.
#include "tenon/frontend/tensor/named_axis.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "tenon/frontend/tensor/trace.h"
#include "tenon/runtime/compile.h"

namespace tenon::detail {
namespace {

thread_local NamedAxis* innermost = nullptr;
thread_local bool exact = false;

}  // namespace

NamedAxis::NamedAxis(const std::string& name, Dim size)
    : name_(name), size_(size), outer_(innermost), around_(Trace::current()) {
  innermost = this;
}
NamedAxis::~NamedAxis() { innermost = outer_; }

Dim NamedAxis::size_of(const std::string& name, const char* what, const Location& at) {
  std::string others;
  for (const NamedAxis* a = innermost; a != nullptr; a = a->outer_) {
    if (a->name_.empty()) continue;
    if (a->name_ == name) return a->size_;
    others += (others.empty() ? "" : ", ") + ("'" + a->name_ + "'");
  }
  throw Error(std::string(what) + ": there is no axis '" + name + "' here" +
                  (others.empty() ? "" : ", only " + others) + "; tn::vmap(f, {.axis_name = \"" + name +
                  "\"}) makes one, for f and what f calls",
              at);
}

bool NamedAxis::any() { return innermost != nullptr; }
Dim NamedAxis::innermost_size() { return innermost->size_; }

int64_t NamedAxis::lanes_of_derivative() {
  constexpr std::string_view differentiating[] = {"grad", "vjp", "jvp", "linearize", "jacfwd", "jacrev"};
  int64_t lanes = 1;
  bool differentiated = false;
  const Trace* trace = Trace::current();
  for (const NamedAxis* a = innermost; a != nullptr; a = a->outer_) {
    for (; trace != a->around_ && trace != nullptr; trace = trace->outer())
      differentiated |=
          std::find(std::begin(differentiating), std::end(differentiating), trace->what) != std::end(differentiating);
    const int64_t size = a->size_.is_number() ? std::max<int64_t>(a->size_.number(), 1) : 1;
    if (differentiated && lanes <= INT32_MAX / size) lanes *= size;
  }
  return lanes;
}

bool set_exact_lanes(bool on) { return std::exchange(exact, on); }
bool exact_lanes() { return exact || runtime::hunts_nans(); }

void NamedAxis::write_all(KeyBytes& key) {
  if (exact) key += 'X';
  for (const NamedAxis* a = innermost; a != nullptr; a = a->outer_) {
    const int64_t code = a->size_.code();
    const uint64_t length = a->name_.size();
    key += 'x';
    key.append(&length, sizeof length);
    key.append(a->name_.data(), a->name_.size());
    key.append(&code, sizeof code);
  }
}

}  // namespace tenon::detail
