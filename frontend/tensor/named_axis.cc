// The stack of named axes, the innermost first (frontend/tensor/thread_modes.h).
#include "tenon/frontend/tensor/named_axis.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/ranks.h"

namespace tenon::detail {

NamedAxis::NamedAxis(const std::string& name, Dim size, int64_t stride)
    : name_(name), size_(size), stride_(stride), outer_(thread_modes.axis), around_(Trace::current()) {
  thread_modes.axis = this;
}
NamedAxis::~NamedAxis() { thread_modes.axis = outer_; }

ir::Attrs collective_attributes(std::string_view what, const std::string& axis, int64_t size, int64_t stride,
                                const Location& at, std::vector<int64_t> numbers) {
  return ir::CollectiveAttrs{.size = size,
                             .stride = stride,
                             .place = std::string(what) + " over '" + axis + "' at " + to_string(at),
                             .numbers = std::move(numbers)};
}

const NamedAxis& NamedAxis::find(const std::string& name, const char* what, const Location& at) {
  std::string others;
  for (const NamedAxis* a = thread_modes.axis; a != nullptr; a = a->outer_) {
    if (a->name_.empty()) continue;
    if (a->name_ == name) return *a;
    others += (others.empty() ? "" : ", ") + ("'" + a->name_ + "'");
  }
  throw Error(std::string(what) + ": there is no axis '" + name + "' here" +
                  (others.empty() ? "" : ", only " + others) + "; tn::vmap(f, {.axis_name = \"" + name +
                  "\"}) makes one, for f and what f calls; tn::dist::shard_map makes those of its mesh",
              at);
}

const NamedAxis* NamedAxis::innermost_lanes() {
  const NamedAxis* a = thread_modes.axis;
  while (a != nullptr && a->of_ranks()) a = a->outer_;
  return a;
}
bool NamedAxis::any() { return innermost_lanes() != nullptr; }
Dim NamedAxis::innermost_size() { return innermost_lanes()->size_; }

int64_t NamedAxis::lanes_of_derivative() {
  constexpr std::string_view differentiating[] = {"grad", "vjp", "jvp", "linearize", "jacfwd", "jacrev"};
  int64_t lanes = 1;
  bool differentiated = false;
  const Trace* trace = Trace::current();
  for (const NamedAxis* a = thread_modes.axis; a != nullptr; a = a->outer_) {
    for (; trace != a->around_ && trace != nullptr; trace = trace->outer())
      differentiated |=
          std::find(std::begin(differentiating), std::end(differentiating), trace->what) != std::end(differentiating);
    const int64_t size = a->size_.is_number() && !a->of_ranks() ? std::max<int64_t>(a->size_.number(), 1) : 1;
    if (differentiated && lanes <= INT32_MAX / size) lanes *= size;
  }
  return lanes;
}

bool set_exact_lanes(bool on) { return std::exchange(thread_modes.exact, on); }
bool exact_lanes() { return thread_modes.exact || runtime::hunts_nans(); }

void NamedAxis::write_all(KeyBytes& key) {
  if (thread_modes.exact) key += 'X';
  for (const NamedAxis* a = thread_modes.axis; a != nullptr; a = a->outer_) {
    const int64_t code = a->size_.code();
    const uint64_t length = a->name_.size();
    key += 'x';
    key.append(&length, sizeof length);
    key.append(a->name_.data(), a->name_.size());
    key.append(&code, sizeof code);
    key.append(&a->stride_, sizeof a->stride_);
  }
  const tenon_ranks* ranks = runtime::current_ranks();  // a trace may ask for the rank
  if (ranks->size > 1) {
    key += 'R';
    key.append(&ranks->rank, sizeof ranks->rank);
    key.append(&ranks->size, sizeof ranks->size);
  }
}

}  // namespace tenon::detail
