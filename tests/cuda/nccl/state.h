// An NCCL that is none: ranks of one process, each on a simulated device of its own, whose messages are copies on the receiver's stream,
// queued when both ends have been asked for, by whoever comes second. Functions return at once, and communicators say that they are
// not done, as NCCL's do that were begun so. What SIMULATED_NCCL says, read at each call:
//
//   version=N             what ncclGetVersion gives, 22803
//   fail=NAME:N:CODE      the N-th call of the function, by whichever rank, returns CODE
//   async=NAME:N:CODE     it succeeds, and its communicator comes to CODE
//   hang=NAME:N           what it asks for never begins
//   stall=NAME:N          what it asks for never ends on the device
//
// Refuses to reduce, and to serve communicators that block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

// ---- the simulated driver's functions
extern "C" {
int cuCtxGetCurrent(void** context);
int cuCtxPushCurrent_v2(void* context);
int cuCtxPopCurrent_v2(void** context);
int cuEventCreate(void** event, unsigned flags);
int cuEventRecord(void* event, void* stream);
int cuEventDestroy_v2(void* event);
int cuStreamWaitEvent(void* stream, void* event, unsigned flags);
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream);
int cuMemcpyPeerAsync(uint64_t to, void* to_context, uint64_t from, void* from_context, size_t bytes, void* stream);
void simulated_cuda_hold(void* stream, int hold);
}

namespace simulated_nccl {

enum Result {
  success = 0,
  cuda_error = 1,
  internal_error = 3,
  invalid_argument = 4,
  invalid_usage = 5,
  in_progress = 7,
};

struct Room;

struct Communicator {
  std::shared_ptr<Room> room;
  int number = 0;
  void* context = nullptr;
  int open = 0;  // messages that wait for their other end
  int failure = success;
  bool met = false, hangs = false;  // met: all of its room have begun
  std::set<void*> held;  // streams
};

// One end of a message.
struct End {
  Communicator* who = nullptr;
  int kind = 0, peer = 0;
  bool sends = false;
  uint64_t at = 0;
  size_t bytes = 0;
  void* stream = nullptr;
  void* ready = nullptr;  // event of a sender: its stream has come here
};

// What one id stands for.
struct Room {
  int size = 0;
  std::map<int, Communicator*> members;
  std::map<std::pair<int, int>, std::deque<End>> waiting;  // by sender and receiver: all senders, or all receivers
};

// How a call is to go wrong. Callers hold the lock.
struct Injected {
  int fail = success, async = success;
  bool hang = false, stall = false;
};
Injected called(const char* function);
int word(const char* name, int otherwise);
std::mutex& lock();

void post(const End& end);  // held
void withdraw(Communicator& c);  // held

}  // namespace simulated_nccl
