// Slabs of dual-mapped memory and the best-fit free lists over them. What a forked child may still run waits, once it is
// released, until the child is gone (runtime/fork.h).
// Refuses to give an address out twice while another process may run what lies there.
#include "tenon/runtime/cpu/code_memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/fork.h"
#include "tenon/runtime/write.h"

namespace tenon::runtime {
namespace {

constexpr uint64_t granule = 64;
constexpr uint64_t least_slab = uint64_t{4} << 20, most_slab = uint64_t{256} << 20;
constexpr uint64_t most_alignment = 4096;
constexpr int trap = 0xcc;  // int3 on x86

constexpr uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

struct Slab {
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    if (writable != nullptr) munmap(writable, size);
    if (executable != nullptr) munmap(executable, size);
  }
  char* writable = nullptr;  // null in a forked child, which does not own the slab
  char* executable = nullptr;
  uint64_t size = 0;
  uint64_t live = 0;  // spans handed out
  bool has_lost = false;  // not all of the rest is free: children may run some, or there was no memory for a note
  std::map<uint64_t, uint64_t> free;  // offset to size; neighbours are joined
};

struct Span {  // what CodeSpan::handle points to
  Slab* slab;
  uint64_t offset, size;
  uint64_t fork_count;  // when it was handed out
};

struct Waiting {  // released, but live at the forks after number `after` up to number `until`
  uint64_t after, until;
  Slab* slab;
  uint64_t offset, size;
};

struct State {
  Mutex lock;
  std::map<Slab*, std::unique_ptr<Slab>> slabs;
  std::set<std::tuple<uint64_t, Slab*, uint64_t>> free;  // size, slab, offset: the smallest that fits comes first
  std::vector<Waiting> waiting;
  ForkCounts forks = fork_counts();
  CodeMemoryStats stats;
};

State& state() {
  static constinit Forever<State> only;  // code may run until the process ends
  return only.get();
}

// The state, under its lock. A forked child, when it first comes here, gives up what its parent goes on to use.
class Held {
 public:
  Held() : hold_(state().lock) {
    const ForkCounts now = fork_counts();
    if (s.forks.generation != now.generation) {
      s.free.clear();
      s.waiting.clear();
      for (auto& [slab, owner] : s.slabs) {
        slab->writable = nullptr;
        slab->free.clear();
      }
    }
    s.forks = now;
  }
  State& s = state();

 private:
  const std::lock_guard<Mutex> hold_;
};

[[noreturn]] void refuse(const char* what, int error) {
  const std::string failure = std::string("no executable memory for compiled code: ") + what + ": " + strerror(error);
  if (error != EPERM && error != EACCES && error != ENOSYS)
    throw Error(failure +
                "; raise the limits of the process (ulimit -v, ulimit -n), or drop compiled programs that are kept");
  throw Error(failure +
              ": a policy of this system forbids it (seccomp, SELinux's execmem or execmod, a container's profile, "
              "vm.memfd_noexec); allow this process memfd_create and mappings with PROT_EXEC, or compile ahead of time "
              "with tn::aot::save and link the object");
}

int memory_file() {
  constexpr unsigned close_on_exec = 1, executable = 0x10;  // MFD_CLOEXEC, MFD_EXEC (known from Linux 6.3 on)
  const long file = syscall(SYS_memfd_create, "tenon-code", close_on_exec | executable);
  if (file >= 0 || errno != EINVAL) return static_cast<int>(file);
  return static_cast<int>(syscall(SYS_memfd_create, "tenon-code", close_on_exec));
}

// A file in memory of this size, or -1: there is a limit on open files, and one on the size of files. `step` is what failed.
int sized_memory_file(uint64_t size, const char*& step) {
  step = "memfd_create";
  const int file = memory_file();
  if (file < 0) return -1;
  step = "ftruncate";
  const SignalsHeld held;
  if (ftruncate(file, static_cast<off_t>(size)) == 0) return file;
  const int error = errno;
  close(file);
  errno = error;
  return -1;
}

std::unique_ptr<Slab> map_slab(uint64_t size) {
  auto slab = std::make_unique<Slab>();
  slab->size = size;
  const char* step = nullptr;
  const int file = sized_memory_file(size, step);
  if (file < 0 && errno != EFBIG) refuse(step, errno);
  // Shared memory that is no file has no name in /proc, but no limit either. Its second mapping is made of the first.
  const bool nameless = file < 0;
  const auto mapped = [&](const char* name, void* at) {
    step = name;
    return at == MAP_FAILED ? nullptr : static_cast<char*>(at);
  };
  const int shared = MAP_SHARED | (nameless ? MAP_ANONYMOUS : 0);
  slab->writable = mapped("mmap", mmap(nullptr, size, PROT_READ | PROT_WRITE, shared, file, 0));
  if (slab->writable != nullptr && nameless) {
    slab->executable = mapped("mremap", mremap(slab->writable, 0, size, MREMAP_MAYMOVE));
  } else if (slab->writable != nullptr) {
    slab->executable = mapped("mmap with PROT_EXEC", mmap(nullptr, size, PROT_READ | PROT_EXEC, shared, file, 0));
  }
  bool good = slab->executable != nullptr;
  if (good && nameless) {
    step = "mprotect with PROT_EXEC";
    good = mprotect(slab->executable, size, PROT_READ | PROT_EXEC) == 0;
  }
  const int error = errno;
  if (!nameless) close(file);  // the mappings hold it
  if (!good) refuse(step, error);
  madvise(slab->writable, size, MADV_DONTFORK);  // a child must not write into its parent's code
  return slab;
}

// ---- the rest runs under the lock ----

void add_free(State& s, Slab* slab, uint64_t offset, uint64_t size) {
  auto next = slab->free.lower_bound(offset);
  if (next != slab->free.end() && offset + size == next->first) {
    size += next->second;
    s.free.erase({next->second, slab, next->first});
    next = slab->free.erase(next);
  }
  if (next != slab->free.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      s.free.erase({previous->second, slab, previous->first});
      offset = previous->first;
      size += previous->second;
      slab->free.erase(previous);
    }
  }
  slab->free.emplace(offset, size);
  s.free.insert({size, slab, offset});
}

Slab* add_slab(State& s, uint64_t bytes) {
  // Slabs grow with what is in use, so that their number stays small however much code there is.
  const uint64_t size = std::max(std::clamp(s.stats.slab_bytes / 16, least_slab, most_slab), bytes);
  std::unique_ptr<Slab> slab = map_slab(round_up(size, least_slab));
  Slab* const raw = slab.get();
  s.slabs.emplace(raw, std::move(slab));
  ++s.stats.slabs;
  s.stats.slab_bytes += raw->size;
  add_free(s, raw, 0, raw->size);
  return raw;
}

void drop_slab(State& s, Slab* slab) {
  std::erase_if(s.waiting, [&](const Waiting& w) { return w.slab == slab; });
  for (const auto& [offset, size] : slab->free) s.free.erase({size, slab, offset});
  --s.stats.slabs;
  s.stats.slab_bytes -= slab->size;
  s.slabs.erase(slab);
}

void overwrite_and_free(State& s, Slab* slab, uint64_t offset, uint64_t size) {
  std::memset(slab->writable + offset, trap, size);
  try {
    add_free(s, slab, offset, size);
  } catch (const std::bad_alloc&) {  // programs are released in destructors
    slab->has_lost = true;
  }
}

// Takes back what waits for children that are gone by now.
void take_back(State& s) {
  if (s.waiting.empty()) return;
  const OpenForks open = open_forks();
  std::erase_if(s.waiting, [&](const Waiting& w) {
    if (!open.none(w.after, w.until)) return false;
    overwrite_and_free(s, w.slab, w.offset, w.size);
    return true;
  });
}

// The smallest free block that fits when placed at the alignment; sizes up to one alignment more may just not fit.
uint64_t lead(uint64_t offset, uint64_t alignment) { return round_up(offset, alignment) - offset; }
auto find_free(const State& s, uint64_t size, uint64_t alignment) {
  auto found = s.free.lower_bound({size, nullptr, 0});
  while (found != s.free.end() && std::get<0>(*found) < size + lead(std::get<2>(*found), alignment)) ++found;
  return found;
}

}  // namespace

codegen::CodeSpan allocate_code(uint64_t bytes, uint64_t alignment) {
  ensure(alignment <= most_alignment && (alignment & (alignment - 1)) == 0, "alignment of code");
  if (bytes > uint64_t{1} << 32) throw Error("no executable memory for compiled code: a program of more than 4 GiB");
  alignment = std::max(alignment, granule);
  const uint64_t size = round_up(std::max<uint64_t>(bytes, 1), granule);
  auto handle = std::make_unique<Span>();
  Held held;
  State& s = held.s;

  auto found = find_free(s, size, alignment);
  if (found == s.free.end()) {
    take_back(s);
    found = find_free(s, size, alignment);
  }
  if (found == s.free.end()) {
    Slab* const fresh = add_slab(s, size);
    found = s.free.find({fresh->size, fresh, 0});
  }
  const auto [block_size, slab, offset] = *found;
  const uint64_t before = lead(offset, alignment), behind = block_size - before - size;
  s.free.erase(found);
  slab->free.erase(offset);
  try {
    if (before != 0) add_free(s, slab, offset, before);
    if (behind != 0) add_free(s, slab, offset + before + size, behind);
  } catch (const std::bad_alloc&) {
    slab->has_lost = true;
    throw;
  }

  ++slab->live;
  ++s.stats.live;
  s.stats.live_bytes += size;
  *handle = {slab, offset + before, size, s.forks.forks};
  return {slab->writable + offset + before, slab->executable + offset + before, size, handle.release()};
}

void release_code(const codegen::CodeSpan& span) {
  if (span.handle == nullptr) return;
  const std::unique_ptr<Span> freed(static_cast<Span*>(span.handle));
  Held held;
  State& s = held.s;
  Slab* const slab = freed->slab;
  --slab->live;
  --s.stats.live;
  s.stats.live_bytes -= freed->size;
  if (slab->writable == nullptr) {
    slab->has_lost = true;
  } else if (freed->fork_count == s.forks.forks) {
    overwrite_and_free(s, slab, freed->offset, freed->size);
  } else {
    slab->has_lost = true;
    try {
      s.waiting.push_back({freed->fork_count, s.forks.forks, slab, freed->offset, freed->size});
    } catch (const std::bad_alloc&) {
    }
  }
  // One small empty slab stays, so that compiling and dropping a single program maps nothing.
  if (slab->live == 0 && (slab->has_lost || s.slabs.size() > 1 || slab->size > least_slab)) drop_slab(s, slab);
}

CodeMemoryStats code_memory_stats() { return Held().s.stats; }

}  // namespace tenon::runtime
