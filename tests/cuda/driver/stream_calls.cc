// The driver's functions about streams, events and host functions.
#include <algorithm>

#include "tenon/tests/cuda/driver/state.h"

using namespace simulated;

namespace {

int elapsed(float* milliseconds, void* from, void* to) {
  const auto a = look_up(state().events, from), b = look_up(state().events, to);
  if (!milliseconds) return invalid_value;
  if (!a || !b || !a->recorded || !b->recorded) return invalid_handle;
  for (const auto& e : {a, b})
    if (e->point.stream->done < e->point.number) return not_ready;
  *milliseconds = std::chrono::duration<float, std::milli>(b->time - a->time).count();
  return success;
}

int create_stream(Call& call, void** stream, unsigned flags) {
  if (!stream || flags > 1) return invalid_value;
  auto s = std::make_shared<Stream>();
  s->context = call.context;
  s->blocking = flags == 0;
  call.context->streams.push_back(s);
  *stream = s.get();
  state().streams[s.get()] = std::move(s);
  return success;
}

}  // namespace

extern "C" {

int cuStreamCreate(void** stream, unsigned flags) {
  return SIMULATED_CALL(context, { return create_stream(call, stream, flags); });
}
int cuStreamCreateWithPriority(void** stream, unsigned flags, int) {
  return SIMULATED_CALL(context, { return create_stream(call, stream, flags); });
}
int cuStreamDestroy_v2(void* stream) {
  return SIMULATED_CALL(context, {
    const StreamPtr s = look_up(state().streams, stream);
    if (!s) return invalid_handle;
    s->destroyed = true;  // what is queued still runs
    if (s->queue.empty()) std::erase(s->context->streams, s);
    state().streams.erase(stream);
    return success;
  });
}
int cuStreamSynchronize(void* stream) {
  return SIMULATED_CALL(context, {
    const StreamPtr s = stream_of(call, stream);
    if (!s) return invalid_handle;
    return finish(call, {end_of(s)});
  });
}
// Each question lets one piece of work run, so that who asks long enough gets there.
int cuStreamQuery(void* stream) {
  return SIMULATED_CALL(context, {
    const StreamPtr s = stream_of(call, stream);
    if (!s) return invalid_handle;
    if (s->done == s->queued) return success;
    run_one(call, s);
    return s->context->broken ? s->context->broken : static_cast<int>(s->done == s->queued ? success : not_ready);
  });
}
int cuStreamWaitEvent(void* stream, void* event, unsigned flags) {
  return SIMULATED_CALL(context, {
    const StreamPtr s = stream_of(call, stream);
    const auto e = look_up(state().events, event);
    if (!s || !e) return invalid_handle;
    if (flags > 1) return invalid_value;
    if (!e->recorded) return success;
    Item item;
    item.after = {e->point};
    return queue(call, s, std::move(item));
  });
}
// To pinned memory of the host.
int cuStreamWriteValue32_v2(void* stream, Address at, uint32_t value, unsigned flags) {
  return SIMULATED_CALL(context, {
    const StreamPtr s = stream_of(call, stream);
    if (!s) return invalid_handle;
    auto* const word = reinterpret_cast<uint32_t*>(at);
    if (at % 4 != 0 || flags > 1 || !is_pinned(word, 4)) return invalid_value;  // device memory would do, too
    Item item;
    item.run = [word, value] {
      *word = value;
      return Outcome();
    };
    return queue(call, s, std::move(item));
  });
}
int cuLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
  return SIMULATED_CALL(context, {
    const StreamPtr s = stream_of(call, stream);
    if (!s) return invalid_handle;
    if (!function) return invalid_value;
    Item item;
    item.host = true;
    item.run = [=]() -> Outcome { return call_host(function, data), Outcome{}; };
    return queue(call, s, std::move(item));
  });
}

int cuEventCreate(void** event, unsigned) {
  return SIMULATED_CALL(context, {
    if (!event) return invalid_value;
    auto e = std::make_shared<Event>();
    e->context = call.context;
    *event = e.get();
    state().events[e.get()] = std::move(e);
    return success;
  });
}
int cuEventRecord(void* event, void* stream) {
  return SIMULATED_CALL(context, {
    const StreamPtr s = stream_of(call, stream);
    const auto e = look_up(state().events, event);
    if (!s || !e) return invalid_handle;
    Item item;
    item.run = [e]() -> Outcome { return e->time = std::chrono::steady_clock::now(), Outcome{}; };
    e->recorded = true;
    e->point = {s, s->queued + 1};
    return queue(call, s, std::move(item));
  });
}
int cuEventQuery(void* event) {
  return SIMULATED_CALL(context, {
    const auto e = look_up(state().events, event);
    if (!e) return invalid_handle;
    if (!e->recorded || e->point.stream->done >= e->point.number) return success;
    run_one(call, e->point.stream);
    if (call.context->broken) return call.context->broken;
    return e->point.stream->done >= e->point.number ? success : not_ready;
  });
}
int cuEventSynchronize(void* event) {
  return SIMULATED_CALL(context, {
    const auto e = look_up(state().events, event);
    if (!e) return invalid_handle;
    return e->recorded ? finish(call, {e->point}) : static_cast<int>(success);
  });
}
int cuEventElapsedTime(float* milliseconds, void* from, void* to) {
  return SIMULATED_CALL(context, { return elapsed(milliseconds, from, to); });
}
int cuEventElapsedTime_v2(float* milliseconds, void* from, void* to) {
  return SIMULATED_CALL(context, { return elapsed(milliseconds, from, to); });
}
int cuEventDestroy_v2(void* event) {
  return SIMULATED_CALL(context, { return state().events.erase(event) ? success : invalid_handle; });
}

}  // extern "C"
