// Calls, contexts, and streams as queues.
#include "tenon/tests/cuda/driver/state.h"

#include <algorithm>
#include <condition_variable>
#include <new>

namespace simulated {

State& state() {
  static auto* const s = [] {
    auto* made = new State;
    for (int d = 0; d < most_devices; ++d) {
      Context& c = made->contexts[d];
      c.device = d;
      c.legacy = std::make_shared<Stream>();
      c.legacy->context = &c;
    }
    return made;
  }();
  return *s;
}

namespace {

thread_local bool in_host_function = false;

// One thread runs work at a time; it gives the lock away inside host functions.
bool busy = false;
std::condition_variable& idle() {
  static auto* const c = new std::condition_variable;
  return *c;
}

}  // namespace

std::vector<Context*>& current_contexts() {
  // Never destroyed, for threads may end while the driver is in use; a few bytes a thread.
  static thread_local std::vector<Context*>* stack = nullptr;
  if (!stack) {
    stack = new std::vector<Context*>;
    static auto* const all = new std::vector<std::vector<Context*>*>;  // found by leak checkers
    static std::mutex* const lock = new std::mutex;
    const std::lock_guard<std::mutex> guard(*lock);
    all->push_back(stack);
  }
  return *stack;
}

int device_count() { return std::clamp(word("devices", 1), 0, most_devices); }

int answer(const char* function, Needs needs, const std::function<int(Call&)>& body) {
  if (in_host_function) return not_permitted;
  State& s = state();
  Call call;
  call.lock = std::unique_lock<std::mutex>(s.lock);
  const Injected injected = called(function);
  if (injected.result != 0) return injected.result;
  call.injected = injected.later;
  if (needs >= Needs::initialized && !s.initialized) return not_initialized;
  if (needs == Needs::context) {
    const std::vector<Context*>& stack = current_contexts();
    if (stack.empty() || !stack.back() || stack.back()->retained == 0) return invalid_context;
    call.context = stack.back();
    if (call.context->broken != 0) return call.context->broken;
  }
  try {
    return body(call);
  } catch (const std::bad_alloc&) {
    return out_of_memory;
  }
}

Context* context_of(void* handle) {
  for (Context& c : state().contexts)
    if (&c == handle) return &c;
  return nullptr;
}

StreamPtr stream_of(const Call& call, void* handle) {
  if (reinterpret_cast<uintptr_t>(handle) <= 2) return call.context->legacy;  // also by the constants for it
  return look_up(state().streams, handle);
}

Point end_of(const StreamPtr& stream) { return {stream, stream->queued}; }

void break_context(Context& context, int code, const std::string& text) {
  if (context.broken != 0) return;
  context.broken = code;
  state().last_fault = text;
}

void call_host(void (*function)(void*), void* data) {
  in_host_function = true;
  function(data);
  in_host_function = false;
}

bool is_pinned(const void* begin, size_t bytes) {
  const auto& pinned = state().pinned;
  const auto at = reinterpret_cast<uintptr_t>(begin);
  const auto next = pinned.upper_bound(at);
  if (next == pinned.begin()) return false;
  const auto& [from, size] = *std::prev(next);
  return at - from <= size && bytes <= size - (at - from);
}

int queue(Call& call, const StreamPtr& stream, Item item) {
  Context& context = *stream->context;
  item.injected = call.injected;
  if (stream == context.legacy) {
    for (const StreamPtr& other : context.streams)
      if (other->blocking && other->done < other->queued) item.after.push_back(end_of(other));
  } else if (stream->blocking && context.legacy->done < context.legacy->queued) {
    item.after.push_back(end_of(context.legacy));
  }
  stream->queue.push_back(std::move(item));
  ++stream->queued;
  if (manner().late) return success;
  finish(call, {end_of(stream)});
  return success;  // as on a device, what the work comes to is said later
}

namespace {

void run_first(Call& call, const StreamPtr& stream) {
  Item item = std::move(stream->queue.front());
  stream->queue.pop_front();
  Context& context = *stream->context;
  if (context.broken == 0 && item.injected != 0) {
    break_context(context, item.injected, "a failure that SIMULATED_CUDA asks for");
  } else if (context.broken == 0 && item.run) {
    Outcome outcome;
    if (item.host) {
      call.lock.unlock();
      outcome = item.run();
      call.lock.lock();
    } else {
      const Touching touch;
      outcome = item.run();
    }
    if (outcome.code != 0) break_context(context, outcome.code, outcome.text);
  }
  ++stream->done;
}

// Streams without a handle stay until their work is done.
void forget_finished(Context& context) {
  std::erase_if(context.streams, [](const StreamPtr& s) { return s->destroyed && s->queue.empty(); });
}

class OneRunner {
 public:
  explicit OneRunner(Call& call) {
    idle().wait(call.lock, [] { return !busy; });
    busy = true;
  }
  ~OneRunner() {
    busy = false;
    idle().notify_all();
  }
};

void check_memory(Context& context) {
  const Touching touch;
  if (const std::string wrong = memory_of(context.device).check(); !wrong.empty())
    break_context(context, illegal_address, wrong);
}

// First what stands before, found by a stack of our own, for chains over streams may be long. At most `most` items.
void run_until(Call& call, std::vector<Point> points, uint64_t most) {
  const Touching touch;  // once for all of it
  while (!points.empty() && most > 0) {
    const Point p = points.back();
    if (p.stream->done >= p.number || p.stream->queue.empty()) {
      points.pop_back();
      continue;
    }
    if (p.stream->done >= p.stream->last) return;
    const auto& after = p.stream->queue.front().after;
    const auto open =
        std::find_if(after.begin(), after.end(), [](const Point& a) { return a.stream->done < a.number; });
    if (open != after.end()) {
      points.push_back(*open);
      continue;
    }
    run_first(call, p.stream);
    --most;
  }
}

}  // namespace

int finish(Call& call, std::vector<Point> points) {
  const OneRunner running(call);
  std::vector<Context*> contexts;
  for (const Point& p : points)
    if (std::find(contexts.begin(), contexts.end(), p.stream->context) == contexts.end())
      contexts.push_back(p.stream->context);
  const bool anything =
      std::any_of(points.begin(), points.end(), [](const Point& p) { return p.stream->done < p.number; });
  if (anything) {
    run_until(call, std::move(points), ~uint64_t{0});
    for (Context* c : contexts) {
      check_memory(*c);
      forget_finished(*c);
    }
  }
  for (const Context* c : contexts)
    if (c->broken != 0) return c->broken;
  return success;
}

int finish_context(Call& call, Context& context) {
  std::vector<Point> points = {end_of(context.legacy)};
  for (const StreamPtr& s : context.streams) points.push_back(end_of(s));
  return finish(call, std::move(points));
}

bool run_one(Call& call, const StreamPtr& stream) {
  const OneRunner running(call);
  if (stream->done == stream->queued) return false;
  run_until(call, {end_of(stream)}, 1);
  return true;
}

}  // namespace simulated
