// LLVM and failure. LLVM is built without exceptions: where it runs out of memory, or meets what it cannot compile, it ends the
// process. So the memory that a compilation may need is asked for beforehand (codegen/room.h), and for the rest LLVM's handlers throw. What LLVM
// was doing then is in no state to be destroyed and is left behind. Refuses to touch the handlers while nothing is compiled:
// others may use the same LLVM.
#pragma once

namespace tenon::codegen {

// While one is alive, LLVM's failures on this thread are exceptions: std::bad_alloc, InternalError. Made in a section, or on a
// thread whose starter is in one and waits for it (ir/base/undisturbed.h).
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
  static bool happened();  // on this thread, in the one that is alive
};

}  // namespace tenon::codegen
