// The handlers that LLVM calls instead of ending the process.
#include "tenon/codegen/llvm/interrupt.h"

#include <llvm/Support/ErrorHandling.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <new>
#include <string>

#include "tenon/ir/base/error.h"

namespace tenon::codegen {
namespace {

constinit thread_local int depth = 0;
constinit thread_local bool interrupted = false;

void out_of_memory(void*, const char*, bool) {
  interrupted = true;
  throw std::bad_alloc();
}

void fatal(void*, const char* reason, bool) {
  if (depth == 0) {  // another user of LLVM, on another thread: as LLVM would have done, which ends the process next
    for (const char* text : {"LLVM ERROR: ", reason, "\n"}) (void)!write(2, text, std::strlen(text));
    return;
  }
  interrupted = true;
  throw InternalError(std::string("LLVM: ") + reason);
}

constinit std::mutex handlers;  // taken inside sections only, also by threads whose starter is in one
constinit int users = 0;

}  // namespace

Interruptible::Interruptible() {
  const std::lock_guard lock(handlers);
  if (users++ == 0) {
    llvm::install_bad_alloc_error_handler(out_of_memory);
    llvm::install_fatal_error_handler(fatal);
  }
  if (depth++ == 0) interrupted = false;
}

Interruptible::~Interruptible() {
  const std::lock_guard lock(handlers);
  --depth;
  if (--users == 0) {
    llvm::remove_bad_alloc_error_handler();
    llvm::remove_fatal_error_handler();
  }
}

bool Interruptible::happened() { return interrupted; }

}  // namespace tenon::codegen
