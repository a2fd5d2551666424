// The other ranks of the thread at hand: what compiled programs and the interpreter ask. A thread that has been given none is a world
// of one.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <string>

#include "tenon/ir/reference/ranks.h"
#include "tenon/runtime/tenon_ranks.h"

namespace tenon::runtime {

const tenon_ranks* current_ranks();  // never null

extern constinit thread_local const tenon_ranks* ranks_of_thread
    [[gnu::tls_model("initial-exec")]];  // null: the process's
extern constinit std::atomic<const tenon_ranks*> ranks_of_process;  // null: a world of one
inline bool is_alone() {
  const bool none = ranks_of_thread == nullptr && ranks_of_process.load(std::memory_order_acquire) == nullptr;
  return none || current_ranks()->size <= 1;
}

// While it lives, these are the ranks of this thread.
class RanksOfThread {
 public:
  explicit RanksOfThread(const tenon_ranks* ranks);
  ~RanksOfThread();
  RanksOfThread(const RanksOfThread&) = delete;
  RanksOfThread& operator=(const RanksOfThread&) = delete;

 private:
  const tenon_ranks* const before_;
};
void set_ranks_of_process(const tenon_ranks* ranks);  // of threads that have none of their own

// While it lives, the interpreter asks these ranks.
class InterpretingRanks {
 public:
  explicit InterpretingRanks(const tenon_ranks* ranks);

 private:
  const ir::InterpretedRanks scope_;
};

// The ranks that mpirun started, by the plug-in for MPI. Null, and why, where there is no plug-in or no mpirun.
const tenon_ranks* mpi_ranks(std::string& why);
// Every rank's bytes of a group, in the order of ranks, asked of the engine itself. Error where it fails.
void gather_bytes(const tenon_ranks* ranks, int size, int stride, std::span<const std::byte> own, void* all,
                  const char* where);
// Error, the same on every rank, where not all run one executable: named by its build identity.
void compare_programs(const tenon_ranks* ranks);

}  // namespace tenon::runtime
