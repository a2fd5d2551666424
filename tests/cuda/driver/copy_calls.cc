// The driver's functions that copy and set memory.
#include "tenon/tests/cuda/driver/copy.h"

using namespace simulated;

namespace {

Side on_device(Address at) { return {true, reinterpret_cast<char*>(at), 0}; }
Side on_host(const void* at) { return {false, static_cast<char*>(const_cast<void*>(at)), 0}; }

int queue_copy(Call& call, Rows rows, void* stream, bool wait = false, Context* to = nullptr, Context* from = nullptr) {
  const StreamPtr s = stream_of(call, stream);
  if (!s) return invalid_handle;
  if (const int error = check(rows, to ? *to : *s->context, from ? *from : *s->context)) return error;
  begin(rows, false);
  Item item;
  item.run = [rows] { return copy(rows); };
  if (!rows.from.device && !rows.taken && rows.width != 0) {
    const auto reads = state().to_be_read.emplace(reinterpret_cast<uintptr_t>(rows.from.at),
                                                  (rows.height - 1) * rows.from.pitch + rows.width);
    item.run = [rows, reads] { return state().to_be_read.erase(reads), copy(rows); };
  }
  if (const int error = queue(call, s, std::move(item))) return error;
  return wait ? finish(call, {end_of(s)}) : static_cast<int>(success);
}

int queue_fill(Call& call, Fill f, void* stream) {
  const StreamPtr s = stream_of(call, stream);
  if (!s) return invalid_handle;
  if (const int error = check(f, *s->context)) return error;
  Item item;
  item.run = [f] { return set(f); };
  return queue(call, s, std::move(item));
}

}  // namespace

extern "C" {

int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* stream) {
  return SIMULATED_CALL(context,
                        { return queue_copy(call, {on_device(to), on_host(from), bytes, 1, nullptr}, stream); });
}
int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* stream) {
  return SIMULATED_CALL(context,
                        { return queue_copy(call, {on_host(to), on_device(from), bytes, 1, nullptr}, stream); });
}
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void* stream) {
  return SIMULATED_CALL(context,
                        { return queue_copy(call, {on_device(to), on_device(from), bytes, 1, nullptr}, stream); });
}
int cuMemcpyHtoD_v2(Address to, const void* from, size_t bytes) {
  return SIMULATED_CALL(context,
                        { return queue_copy(call, {on_device(to), on_host(from), bytes, 1, nullptr}, nullptr, true); });
}
int cuMemcpyDtoH_v2(void* to, Address from, size_t bytes) {
  return SIMULATED_CALL(context,
                        { return queue_copy(call, {on_host(to), on_device(from), bytes, 1, nullptr}, nullptr, true); });
}
int cuMemcpyDtoD_v2(Address to, Address from, size_t bytes) {
  return SIMULATED_CALL(
      context, { return queue_copy(call, {on_device(to), on_device(from), bytes, 1, nullptr}, nullptr, true); });
}
int cuMemcpyPeerAsync(Address to, void* to_context, Address from, void* from_context, size_t bytes, void* stream) {
  return SIMULATED_CALL(context, {
    Context *t = context_of(to_context), *f = context_of(from_context);
    if (!t || !f) return invalid_context;
    return queue_copy(call, {on_device(to), on_device(from), bytes, 1, nullptr}, stream, false, t, f);
  });
}
int cuMemcpy2DAsync_v2(const Memcpy2D* said, void* stream) {
  return SIMULATED_CALL(context, {
    Rows rows;
    if (!said) return invalid_value;
    if (const int error = rows_of(*said, rows)) return error;
    return queue_copy(call, rows, stream);
  });
}
int cuMemsetD8Async(Address at, unsigned char value, size_t count, void* stream) {
  return SIMULATED_CALL(context, { return queue_fill(call, {at, 0, count, 1, value, 1}, stream); });
}
int cuMemsetD16Async(Address at, unsigned short value, size_t count, void* stream) {
  return SIMULATED_CALL(context, { return queue_fill(call, {at, 0, count, 1, value, 2}, stream); });
}
int cuMemsetD32Async(Address at, unsigned value, size_t count, void* stream) {
  return SIMULATED_CALL(context, { return queue_fill(call, {at, 0, count, 1, value, 4}, stream); });
}

}  // extern "C"
