// Registers with fork, when the library is loaded. The C runtime registers before (runtime/c/memory.c), so that in a fork its
// lock is taken after no thread is in a section any more: a thread in a section may need that lock, never the other way.
//
// Whether a child is gone is asked of the system: each child holds a page of a file in memory, mapped for writing, and such a
// file cannot be sealed against writing (fcntl(2), F_SEAL_WRITE). Nobody writes, so the file stays empty. The page goes when the child ends or begins another program,
// and only then; a child that closes every file, as daemons do, still has it. Refuses to wait for children.
#include "tenon/runtime/fork.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tenon/ir/base/undisturbed.h"

namespace tenon::runtime {
namespace {

constexpr size_t page = 4096;

constinit ForkCounts counts;

struct Beacon {
  int file = -1;  // -1: there was none to be had, and nobody will know when the children are gone
  dev_t device = 0;
  ino_t inode = 0;
};
constinit OpenForks left;
constinit std::array<Beacon, OpenForks::most> beacons;
constinit void* mapped = nullptr;  // the page that a child inherits

Beacon new_beacon() {
  const int file = memfd_create("tenon-children", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  struct stat status = {};
  if (file < 0) return {};
  if (fstat(file, &status) == 0) return {file, status.st_dev, status.st_ino};
  close(file);
  return {};
}

bool is_ours(const Beacon& b) {  // and not closed by another hand
  struct stat status = {};
  return b.file >= 0 && fstat(b.file, &status) == 0 && status.st_dev == b.device && status.st_ino == b.inode;
}

// Those that nobody will hear of are told apart no more: they must not take the places of others.
void forget_what_is_over() {
  size_t kept = 0;
  bool unknown = false;  // the one kept last
  for (size_t k = 0; k < left.count; ++k) {
    const bool ours = is_ours(beacons[k]);
    if (ours && fcntl(beacons[k].file, F_ADD_SEALS, F_SEAL_WRITE) == 0) {
      close(beacons[k].file);
    } else if (!ours && unknown) {
      left.runs[kept - 1].last = left.runs[k].last;
    } else {
      beacons[kept] = beacons[k];
      left.runs[kept++] = left.runs[k];
      unknown = !ours;
    }
  }
  left.count = kept;
}

void before() {
  begin_alone();
  forget_what_is_over();
  if (left.count < OpenForks::most) {
    beacons[left.count] = new_beacon();
    left.runs[left.count++] = {counts.forks + 1, counts.forks + 1};
  }
  Beacon& last = beacons[left.count - 1];
  left.runs[left.count - 1].last = counts.forks + 1;
  mapped = is_ours(last) ? mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, last.file, 0) : MAP_FAILED;
  if (mapped == MAP_FAILED) {
    if (is_ours(last)) close(last.file);
    last = {};
  }
}

void in_parent() {
  if (mapped != MAP_FAILED) munmap(mapped, page);
  ++counts.forks;
  end_alone();
}

void in_child() {
  for (size_t k = 0; k < left.count; ++k)
    if (is_ours(beacons[k])) close(beacons[k].file);
  left.count = 0;
  ++counts.forks;
  ++counts.generation;
  end_alone(true);
}

[[gnu::constructor]] void register_with_fork() { pthread_atfork(before, in_parent, in_child); }

}  // namespace

ForkCounts fork_counts() { return counts; }

OpenForks open_forks() {
  forget_what_is_over();
  return left;
}

}  // namespace tenon::runtime
