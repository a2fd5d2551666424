// What the driver holds: devices with their contexts, streams whose work runs late, events, modules. Handles are addresses of
// these, and are looked up, so a wrong one is an error and no crash. Everything stands behind one lock; work that waits runs
// in the thread that waits for it.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tenon/tests/cuda/driver/memory.h"
#include "tenon/tests/cuda/driver/words.h"

namespace simulated {

enum Error {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,
  no_device = 100,
  invalid_device = 101,
  invalid_image = 200,
  invalid_context = 201,
  no_binary = 209,
  invalid_handle = 400,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  out_of_resources = 701,
  launch_failed = 719,
  not_permitted = 800,
  not_supported = 801,
};

struct Stream;
using StreamPtr = std::shared_ptr<Stream>;

// A place in a stream: everything up to the number is before it.
struct Point {
  StreamPtr stream;
  uint64_t number = 0;
};

struct Item {
  std::function<Outcome()> run;
  std::vector<Point> after;
  bool host = false;  // runs without the lock, and may not call the driver
  int injected = 0;
};

struct Context {
  int device = 0;
  int retained = 0;
  int broken = 0;  // sticky
  StreamPtr legacy;  // the stream of null
  std::vector<StreamPtr> streams;  // with work or a handle
};

struct Stream {
  Context* context = nullptr;
  bool blocking = true;  // takes turns with the stream of null
  bool destroyed = false;
  std::deque<Item> queue;
  uint64_t queued = 0, done = 0;
  uint64_t last = ~uint64_t{0};  // what is queued behind this does not run: simulated_cuda_hold
};

struct Event {
  Context* context = nullptr;
  bool recorded = false;
  Point point;
  std::chrono::steady_clock::time_point time;
};

struct Loaded;  // module.h

struct Function {
  Context* context = nullptr;
  std::weak_ptr<Loaded> module;  // owns this
  const Kernel* kernel = nullptr;
  int most_shared = 48 << 10;
};

template <class T>
using Handles = std::unordered_map<void*, std::shared_ptr<T>>;

struct State {
  std::mutex lock;
  bool initialized = false;
  Context contexts[most_devices];
  Handles<Stream> streams;
  Handles<Event> events;
  Handles<Loaded> modules;
  std::unordered_map<void*, Function*> functions;
  std::map<uintptr_t, size_t> pinned;
  std::multimap<uintptr_t, size_t> to_be_read;  // of the host's memory, by copies that wait
  size_t graphs = 0;  // and executables of them, that live
  std::string last_fault;
  uint64_t kernels_run = 0, copies_run = 0, sets_run = 0, graphs_run = 0;
};
State& state();

template <class T>
std::shared_ptr<T> look_up(const Handles<T>& handles, void* handle) {
  const auto found = handles.find(handle);
  return found == handles.end() ? nullptr : found->second;
}

// ---- calls
enum class Needs { nothing, initialized, context };
struct Call {
  std::unique_lock<std::mutex> lock;
  Context* context = nullptr;
  int injected = 0;  // what this call's work is to fail with
};
int answer(const char* function, Needs needs, const std::function<int(Call&)>& body);
std::vector<Context*>& current_contexts();  // of this thread, the last one counting
int device_count();
Context* context_of(void* handle);
StreamPtr stream_of(const Call& call, void* handle);  // null: no stream

// ---- work
Point end_of(const StreamPtr& stream);
int queue(Call& call, const StreamPtr& stream, Item item);
int finish(Call& call, std::vector<Point> points);  // the context's error, if any
int finish_context(Call& call, Context& context);
bool run_one(Call& call, const StreamPtr& stream);  // false: nothing is left
void break_context(Context& context, int code, const std::string& text);
void call_host(void (*function)(void*), void* data);  // in which the driver refuses calls
bool is_pinned(const void* begin, size_t bytes);

}  // namespace simulated

#define SIMULATED_CALL(needs, ...) \
  ::simulated::answer(__func__,    \
                      ::simulated::Needs::needs, [&]([[maybe_unused]] ::simulated::Call & call) -> int __VA_ARGS__)
