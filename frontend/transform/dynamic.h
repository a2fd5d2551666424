// Which extents of a jitted function's arguments stay free, so that one trace and one compilation serve every size of them. Internal
// are the types that it is traced with, and the values that a call brings. Refuses calls whose extents do not fit together.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/frontend/tree/walk.h"

namespace tenon {

// One axis of every tensor of an argument that has it.
struct FreeAxis {
  int argument = 0;  // counted from 0
  int64_t axis = 0;  // from the end where negative
  Dim dim =
      0;  // its name and bounds (tn::dim), the same for extents that are equal; without one it is 1 or more, and has a name of
  // its own
};

// {{0, 0, batch}, {1, 0, batch}} names axes. true: every extent above 1 is free, and those that are equal in a call are taken for
// one, so that a call in which they differ is traced anew.
class Dynamic {
 public:
  Dynamic() = default;
  Dynamic(bool every) : every_(every) {}  // NOLINT
  Dynamic(std::initializer_list<FreeAxis> axes) : axes_(axes) {}
  Dynamic(std::vector<FreeAxis> axes) : axes_(std::move(axes)) {}  // NOLINT
  bool any() const { return every_ || !axes_.empty(); }
  bool every() const { return every_; }
  const std::vector<FreeAxis>& axes() const { return axes_; }

 private:
  bool every_ = false;
  std::vector<FreeAxis> axes_;
};

namespace detail {
struct JitEntry;
bool tracing();  // then extents are what the enclosing trace has them
// The tensors of the arguments by type alone, with named extents where they are free. Error when an axis is not there.
std::vector<Tensor> free_inputs(const Dynamic& dynamic, const Leaves& leaves, const Location& made);
// Appends their types to a key.
void write_free_types(const Dynamic& dynamic, Leaves& leaves, const Location& made);
// The values of the free symbols of an entry in a call. Error, by argument, when the extents do not fit together or their bounds.
std::vector<int64_t> extents_of_call(const JitEntry& entry, std::span<const Tensor> inputs);
}  // namespace detail

}  // namespace tenon
