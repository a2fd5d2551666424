/* Memory of a device and copies. Memory comes and goes in the order of the stream, from the driver's pool, which keeps what is
 * freed; where the driver has no pools, freeing waits. Small copies to the device go through pinned memory of two halves: one is
 * filled while the device reads the other. */
#include <stdio.h>
#include <string.h>

#include "tenon/runtime/cuda/device.h"

static tenon_cuda_address address_of(const void* memory) { return (tenon_cuda_address)(uintptr_t)memory; }

static int try_obtain(tenon_cuda_device* d, uint64_t bytes, tenon_cuda_address* memory) {
  return d->pool != NULL ? d->cu->allocate_in_order(memory, bytes, d->stream) : d->cu->allocate(memory, bytes);
}

void tenon_cuda_release(tenon_cuda_device* d, tenon_cuda_address memory) {
  if (memory == 0) return;
  if (d->pool != NULL) {
    d->cu->free_in_order(memory, d->stream);
  } else {
    d->cu->synchronize(d->stream);
    d->cu->free(memory);
  }
}

static void give_up_kept(tenon_cuda_device* d) {
  tenon_cuda_release(d, d->arena);
  d->arena = 0;
  d->arena_bytes = 0;
  d->cu->synchronize(d->stream);
  tenon_cuda_drop_retired(d, 1);
  if (d->pool != NULL) d->cu->trim_pool(d->pool, 0);
}

static int32_t refuse_memory(tenon_cuda_device* d, tenon_cuda_fault* fault, int result, uint64_t bytes) {
  size_t free = 0, total = 0;
  char doing[160];
  d->cu->memory_info(&free, &total);
  snprintf(doing, sizeof doing, "%llu bytes were asked for (%zu MiB of %zu are free)", (unsigned long long)bytes,
           free >> 20, total >> 20);
  return tenon_cuda_fail(d, fault, result, doing);
}

int32_t tenon_cuda_obtain(tenon_cuda_device* d, uint64_t bytes, tenon_cuda_address* memory, tenon_cuda_fault* fault) {
  int result = try_obtain(d, bytes, memory);
  if (result == 2) { /* CUDA_ERROR_OUT_OF_MEMORY */
    give_up_kept(d);
    result = try_obtain(d, bytes, memory);
  }
  return result == 0 ? TENON_OK : refuse_memory(d, fault, result, bytes);
}

int32_t tenon_cuda_arena(tenon_cuda_device* d, uint64_t bytes, tenon_cuda_address* memory, tenon_cuda_fault* fault) {
  if (bytes > d->arena_bytes) {
    tenon_cuda_release(d, d->arena);
    d->arena = 0;
    d->arena_bytes = 0;
    /* Some room, so that a growing size does not come here every time. */
    const uint64_t wanted = bytes + bytes / 8;
    tenon_cuda_address fresh = 0;
    int32_t code = tenon_cuda_obtain(d, wanted, &fresh, fault);
    if (code == TENON_OK) {
      d->arena_bytes = wanted;
    } else if (code == TENON_NO_MEMORY) {
      code = tenon_cuda_obtain(d, bytes, &fresh, fault);
      if (code == TENON_OK) d->arena_bytes = bytes;
    }
    if (code != TENON_OK) return code;
    d->arena = fresh;
  }
  *memory = d->arena;
  return TENON_OK;
}

/* Room in the staging memory; the half that is left behind is marked, and waited for before it is filled again. */
static int take_staging(tenon_cuda_device* d, uint64_t bytes, unsigned char** room) {
  if (d->filled + bytes > tenon_cuda_staging_half) {
    int result = d->cu->record_event(d->half_done[d->half], d->stream);
    if (result != 0) return result;
    d->half = 1 - d->half;
    d->filled = 0;
    if ((result = d->cu->wait_event(d->half_done[d->half])) != 0) return result;
  }
  *room = d->staging + (size_t)d->half * tenon_cuda_staging_half + d->filled;
  d->filled += (bytes + 63) / 64 * 64;
  return 0;
}

int32_t tenon_cuda_send(tenon_cuda_device* d, tenon_cuda_address to, const void* from, uint64_t bytes,
                        tenon_cuda_fault* fault) {
  const unsigned char* next = (const unsigned char*)from;
  while (bytes > 0) {
    const uint64_t piece = bytes < tenon_cuda_staging_half ? bytes : tenon_cuda_staging_half;
    unsigned char* room = NULL;
    int result = take_staging(d, piece, &room);
    if (result == 0) {
      memcpy(room, next, piece);
      result = d->cu->copy_in(to, room, piece, d->stream);
    }
    if (result != 0) return tenon_cuda_fail(d, fault, result, "bytes were copied to it");
    to += piece;
    next += piece;
    bytes -= piece;
  }
  return TENON_OK;
}

int32_t tenon_cuda_fetch(tenon_cuda_device* d, void* to, tenon_cuda_address from, uint64_t bytes,
                         tenon_cuda_fault* fault) {
  int result = d->cu->copy_out(to, from, bytes, d->stream);
  if (result == 0) result = d->cu->synchronize(d->stream);
  return result == 0 ? TENON_OK : tenon_cuda_fail(d, fault, result, "its results were fetched");
}

int32_t tenon_cuda_allocate(tenon_cuda_device* d, uint64_t bytes, void** memory, tenon_cuda_fault* fault) {
  int32_t code = tenon_cuda_enter(d, fault);
  if (code != TENON_OK) return code;
  tenon_cuda_address address = 0;
  code = tenon_cuda_obtain(d, bytes, &address, fault);
  tenon_cuda_leave(d);
  *memory = (void*)(uintptr_t)address;
  return code;
}

void tenon_cuda_free(tenon_cuda_device* d, void* memory) {
  if (tenon_cuda_enter(d, NULL) != TENON_OK) return; /* what a lost device holds is gone with it */
  tenon_cuda_release(d, address_of(memory));
  tenon_cuda_leave(d);
}

int32_t tenon_cuda_copy_in(tenon_cuda_device* d, void* to, const void* from, uint64_t bytes, tenon_cuda_fault* fault) {
  int32_t code = tenon_cuda_enter(d, fault);
  if (code != TENON_OK) return code;
  code = tenon_cuda_send(d, address_of(to), from, bytes, fault);
  tenon_cuda_leave(d);
  return code;
}

/* On a stream of its own, which waits for what is queued now: other threads go on queueing work meanwhile. */
int32_t tenon_cuda_copy_out(tenon_cuda_device* d, void* to, const void* from, uint64_t bytes, tenon_cuda_fault* fault) {
  int32_t code = tenon_cuda_enter(d, fault);
  if (code != TENON_OK) return code;
  int result = d->cu->record_event(d->reached, d->stream);
  if (result == 0) result = d->cu->order(d->results, d->reached, 0);
  if (result == 0) {
    tenon_cuda_unlock(d);
    result = d->cu->copy_out(to, address_of(from), bytes, d->results);
    if (result == 0) result = d->cu->synchronize(d->results);
    tenon_cuda_lock(d);
  }
  if (result != 0) code = tenon_cuda_fail(d, fault, result, "its results were fetched");
  tenon_cuda_leave(d);
  return code;
}

int32_t tenon_cuda_copy(tenon_cuda_device* d, void* to, const void* from, uint64_t bytes, tenon_cuda_fault* fault) {
  int32_t code = tenon_cuda_enter(d, fault);
  if (code != TENON_OK) return code;
  const int result = d->cu->copy(address_of(to), address_of(from), bytes, d->stream);
  if (result != 0) code = tenon_cuda_fail(d, fault, result, "bytes were copied on it");
  tenon_cuda_leave(d);
  return code;
}

/* The driver's copies of rows have a limit on the distance between them. */
static int copy_rows(tenon_cuda_device* d, tenon_cuda_address to, uint64_t to_stride, tenon_cuda_address from,
                     uint64_t from_stride, uint64_t bytes, uint64_t rows) {
  if (rows == 1 || (to_stride == bytes && from_stride == bytes)) return d->cu->copy(to, from, bytes * rows, d->stream);
  if (to_stride <= INT32_MAX && from_stride <= INT32_MAX) {
    const tenon_cuda_rows box = {.from_kind = tenon_cuda_memory_device,
                                 .from_device = from,
                                 .from_pitch = from_stride,
                                 .to_kind = tenon_cuda_memory_device,
                                 .to_device = to,
                                 .to_pitch = to_stride,
                                 .width = bytes,
                                 .height = rows};
    return d->cu->copy_rows(&box, d->stream);
  }
  int result = 0;
  for (uint64_t i = 0; result == 0 && i < rows; ++i)
    result = d->cu->copy(to + i * to_stride, from + i * from_stride, bytes, d->stream);
  return result;
}

int32_t tenon_cuda_copy_rows(tenon_cuda_device* d, void* to, uint64_t to_stride, const void* from, uint64_t from_stride,
                             uint64_t bytes, uint64_t rows, tenon_cuda_fault* fault) {
  int32_t code = tenon_cuda_enter(d, fault);
  if (code != TENON_OK) return code;
  const int result = copy_rows(d, address_of(to), to_stride, address_of(from), from_stride, bytes, rows);
  if (result != 0) code = tenon_cuda_fail(d, fault, result, "rows were copied on it");
  tenon_cuda_leave(d);
  return code;
}

void tenon_cuda_trim(tenon_cuda_device* d) {
  if (tenon_cuda_enter(d, NULL) != TENON_OK) return;
  give_up_kept(d);
  tenon_cuda_leave(d);
}
