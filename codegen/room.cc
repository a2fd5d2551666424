// Asks the system for address space, and gives it back.
#include "tenon/codegen/room.h"

#include <sys/mman.h>

#include <string>

#include "tenon/ir/base/error.h"

namespace tenon::codegen {

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

}  // namespace tenon::codegen
