// The handlers that LLVM calls instead of ending the process, and the room that keeps it from having to.
#include "tenon/codegen/llvm/interrupt.h"

#include <llvm/Support/ErrorHandling.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <new>
#include <string>

#include "tenon/ir/base/error.h"

namespace tenon::codegen {
namespace {

thread_local int depth = 0;
thread_local bool interrupted = false;

void out_of_memory(void*, const char*, bool) {
  interrupted = true;
  throw std::bad_alloc();
}

void fatal(void*, const char* reason, bool) {
  if (depth ==
      0) {  // another user of LLVM, on a thread of its own: as LLVM would have done, which ends the process next
    for (const char* text : {"LLVM ERROR: ", reason, "\n"}) (void)!write(2, text, std::strlen(text));
    return;
  }
  interrupted = true;
  throw InternalError(std::string("LLVM: ") + reason);
}

struct Users {
  std::mutex mutex;
  int count = 0;
};
Users& users() {
  static auto* u = new Users;  // never destroyed
  return *u;
}

}  // namespace

bool has_room(uint64_t bytes) {
  void* const room = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return false;
  munmap(room, bytes);
  return true;
}

void require_room(uint64_t bytes, const char* doing) {
  if (!has_room(bytes))
    throw Error(std::string("out of memory: ") + doing + " may take " + std::to_string(bytes >> 20) +
                " MiB, which are not to be had; raise the limit of the process (ulimit -v), or load a program that was "
                "saved by tn::aot::save");
}

Interruptible::Interruptible() {
  Users& u = users();
  const std::lock_guard lock(u.mutex);
  if (u.count++ == 0) {
    llvm::install_bad_alloc_error_handler(out_of_memory);
    llvm::install_fatal_error_handler(fatal);
  }
  if (depth++ == 0) interrupted = false;
}

Interruptible::~Interruptible() {
  Users& u = users();
  const std::lock_guard lock(u.mutex);
  --depth;
  if (--u.count == 0) {
    llvm::remove_bad_alloc_error_handler();
    llvm::remove_fatal_error_handler();
  }
}

bool Interruptible::happened() { return interrupted; }

}  // namespace tenon::codegen
