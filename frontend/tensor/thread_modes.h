// What every call asks of its thread, and of the process: together, to be asked in place. Internal to the frontend. Each part is
// changed by one file alone: the trace stack by trace.cc, the grad mode by tape.cc, axes and exact lanes by named_axis.cc, the
// default dtype by default_dtype.cc. Refuses to hold what has a destructor: it serves until the thread is gone.
#pragma once

#include <atomic>

#include "tenon/ir/base/dtype.h"

namespace tenon {

class Trace;
namespace detail {
class NamedAxis;
}

struct ThreadModes {
  Trace* trace = nullptr;  // the innermost
  detail::NamedAxis* axis = nullptr;  // the innermost
  bool grad = true;
  bool exact = false;  // lanes
};
extern constinit thread_local ThreadModes thread_modes [[gnu::tls_model("initial-exec")]];
extern constinit std::atomic<DType> default_dtype_in_force;

}  // namespace tenon
