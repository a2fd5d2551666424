// The functions, as NCCL declares them.
#include <cstdio>
#include <cstring>

#include "tenon/tests/cuda/nccl/state.h"

using namespace simulated_nccl;

namespace {

struct Id {
  char bytes[128];
};
struct Config {
  size_t size;
  unsigned magic, version;
  int blocking;
};

// What a thread has asked for since it opened a group.
struct Asked {
  Communicator* who;
  std::vector<End> ends;
  uint64_t from, to;  // a copy of its own
  size_t bytes;
  void* stream;
  Injected injected;
};
thread_local int depth = 0;
thread_local std::vector<Asked>* asked = nullptr;

std::map<std::string, std::weak_ptr<Room>>& rooms() {
  static auto* const all = new std::map<std::string, std::weak_ptr<Room>>;
  return *all;
}

int state_of(const Communicator& c) {
  if (c.failure != success) return c.failure;
  return c.hangs || c.open > 0 || !c.met ? in_progress : success;
}

int begin_one(Asked& a) {
  Communicator& c = *a.who;
  if (a.injected.async != success) c.failure = a.injected.async;
  if (a.injected.hang) c.hangs = true;
  if (c.failure != success || c.hangs) return in_progress;
  if (a.injected.stall) {
    simulated_cuda_hold(a.stream, 1);
    c.held.insert(a.stream);
  }
  if (a.bytes != 0 && a.to != a.from && cuMemcpyDtoDAsync_v2(a.to, a.from, a.bytes, a.stream) != 0) return cuda_error;
  for (End& end : a.ends)
    if (end.sends && (cuEventCreate(&end.ready, 2) != 0 || cuEventRecord(end.ready, end.stream) != 0))
      return cuda_error;
  for (const End& end : a.ends) post(end);
  return state_of(c);
}

int begin_all() {
  int result = success;
  for (Asked& a : *asked)
    if (const int one = begin_one(a); one != success && (result == success || result == in_progress)) result = one;
  asked->clear();
  return result;
}

int ask(const char* function, void* comm, Asked a, const std::vector<End>& ends) {
  const std::lock_guard<std::mutex> guard(lock());
  a.who = static_cast<Communicator*>(comm);
  a.injected = called(function);
  if (a.injected.fail != success) return a.injected.fail;
  if (a.who == nullptr) return invalid_argument;
  if (depth == 0 && state_of(*a.who) == in_progress) return invalid_usage;  // what was asked before has not begun
  for (End end : ends) {
    end.who = a.who;
    if (end.peer != a.who->number) a.ends.push_back(end);
  }
  if (asked == nullptr) asked = new std::vector<Asked>;
  asked->push_back(std::move(a));
  return depth > 0 ? success : begin_all();
}

enum Kind { message, gathering, broadcast };

uint64_t address(const void* at) { return reinterpret_cast<uintptr_t>(at); }

// One byte each, as Tenon asks.
int check(int type, size_t count) { return type == 0 && count > 0 ? success : invalid_argument; }

int drop(const char* function, void* comm) {
  const std::lock_guard<std::mutex> guard(lock());
  called(function);
  auto* c = static_cast<Communicator*>(comm);
  withdraw(*c);
  delete c;
  return success;
}

}  // namespace

extern "C" {

int ncclGetVersion(int* version) {
  *version = word("version", 22803);
  return success;
}

const char* ncclGetErrorString(int result) {
  switch (result) {
    case success: return "no error";
    case cuda_error: return "unhandled cuda error";
    case 2: return "unhandled system error";
    case internal_error: return "internal error";
    case invalid_argument: return "invalid argument";
    case invalid_usage: return "invalid usage";
    case 6: return "remote process exited or there was a network error";
    case in_progress: return "NCCL operation in progress";
    default: return "unknown result code";
  }
}

int ncclGetUniqueId(Id* id) {
  static int made = 0;
  const std::lock_guard<std::mutex> guard(lock());
  if (const Injected i = called(__func__); i.fail != success) return i.fail;
  std::memset(id, 0, sizeof *id);
  std::snprintf(id->bytes, sizeof id->bytes, "simulated %d", ++made);
  return success;
}

int ncclCommInitRankConfig(void** comm, int size, Id id, int number, Config* config) {
  const std::lock_guard<std::mutex> guard(lock());
  const Injected injected = called(__func__);
  if (injected.fail != success) return injected.fail;
  if (config == nullptr || config->size < sizeof *config || config->magic != 0xcafebeef || config->version < 21400)
    return invalid_argument;
  if (config->blocking != 0 || number < 0 || number >= size) return invalid_usage;
  std::shared_ptr<Room> room = rooms()[id.bytes].lock();
  if (!room) rooms()[id.bytes] = room = std::make_shared<Room>();
  auto* c = new Communicator;
  c->room = room;
  c->number = number;
  if (cuCtxGetCurrent(&c->context) != 0 || c->context == nullptr) c->failure = cuda_error;
  for (const auto& [other, member] : room->members)
    if (member->context == c->context || other == number) c->failure = member->failure = invalid_usage;
  room->size = size;
  room->members[number] = c;
  if (static_cast<int>(room->members.size()) == size)
    for (auto& [other, member] : room->members) member->met = true;
  c->hangs = injected.hang;
  if (injected.async != success) c->failure = injected.async;
  *comm = c;
  return in_progress;
}

int ncclCommGetAsyncError(void* comm, int* result) {
  const std::lock_guard<std::mutex> guard(lock());
  if (const Injected i = called(__func__); i.fail != success) return i.fail;
  *result = state_of(*static_cast<Communicator*>(comm));
  return success;
}

int ncclCommFinalize(void* comm) {
  const std::lock_guard<std::mutex> guard(lock());
  if (const Injected i = called(__func__); i.fail != success) return i.fail;
  return comm != nullptr ? success : static_cast<int>(invalid_argument);
}

int ncclCommDestroy(void* comm) { return drop(__func__, comm); }

int ncclCommAbort(void* comm) { return drop(__func__, comm); }

int ncclGroupStart(void) {
  const std::lock_guard<std::mutex> guard(lock());
  if (const Injected i = called(__func__); i.fail != success) return i.fail;
  ++depth;
  return success;
}

int ncclGroupEnd(void) {
  const std::lock_guard<std::mutex> guard(lock());
  const Injected injected = called(__func__);
  if (depth == 0) return invalid_usage;
  if (--depth > 0) return success;
  if (asked == nullptr) return success;
  if (injected.fail != success) return asked->clear(), injected.fail;
  return begin_all();
}

int ncclSend(const void* from, size_t count, int type, int peer, void* comm, void* stream) {
  if (check(type, count) != success) return invalid_argument;
  const End end{nullptr, message, peer, true, address(from), count, stream, nullptr};
  return ask(__func__, comm, Asked{nullptr, {}, 0, 0, 0, stream, {}}, {end});
}

int ncclRecv(void* to, size_t count, int type, int peer, void* comm, void* stream) {
  if (check(type, count) != success) return invalid_argument;
  const End end{nullptr, message, peer, false, address(to), count, stream, nullptr};
  return ask(__func__, comm, Asked{nullptr, {}, 0, 0, 0, stream, {}}, {end});
}

int ncclAllGather(const void* from, void* to, size_t count, int type, void* comm, void* stream) {
  if (check(type, count) != success || comm == nullptr) return invalid_argument;
  const auto& c = *static_cast<Communicator*>(comm);
  std::vector<End> ends;
  for (int k = 0; k < c.room->size; ++k) {
    const uint64_t place = address(to) + static_cast<uint64_t>(k) * count;
    ends.push_back({nullptr, gathering, k, true, address(from), count, stream, nullptr});
    ends.push_back({nullptr, gathering, k, false, place, count, stream, nullptr});
  }
  const uint64_t own = address(to) + static_cast<uint64_t>(c.number) * count;
  return ask(__func__, comm, Asked{nullptr, {}, address(from), own, count, stream, {}}, ends);
}

int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, void* comm, void* stream) {
  if (check(type, count) != success || comm == nullptr) return invalid_argument;
  const auto& c = *static_cast<Communicator*>(comm);
  std::vector<End> ends;
  if (c.number != root) ends.push_back({nullptr, broadcast, root, false, address(to), count, stream, nullptr});
  for (int k = 0; c.number == root && k < c.room->size; ++k)
    ends.push_back({nullptr, broadcast, k, true, address(from), count, stream, nullptr});
  const size_t own = c.number == root ? count : 0;
  return ask(__func__, comm, Asked{nullptr, {}, address(from), address(to), own, stream, {}}, ends);
}

}  // extern "C"
