/* Opens devices; one context, one stream, and the numbers of calls for each. A process that was forked off finds them closed. */
#define _GNU_SOURCE
#include "tenon/runtime/cuda/device.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  /* an attribute of a pool, flags: the driver's numbers for them */
  pool_release_threshold = 4,
  stream_apart = 1, /* does not wait for the legacy default stream */
  pinned_for_all = 3 /* every context may use it, and the device may address it */
};

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static tenon_cuda_device* devices[tenon_cuda_most_devices];
static volatile int forked; /* this process is a child of one that had opened a device */
static int watching;

static void note_fork(void) { forked = 1; }

static int32_t refuse_child(tenon_cuda_fault* fault) {
  return tenon_cuda_refuse(
      fault, TENON_DEVICE_FAILED,
      "the CUDA driver was started before this process was forked off, and serves its parent alone; start "
      "a new program (exec) for work on the device, or fork before anything asks for CUDA");
}

static int start_memory(tenon_cuda_device* d) {
  int has_pools = 0;
  if (d->cu->device_attribute(&has_pools, tenon_cuda_pools, d->handle) == 0 && has_pools != 0 &&
      d->cu->default_pool(&d->pool, d->handle) == 0) {
    uint64_t all = UINT64_MAX; /* by default the pool gives memory back whenever somebody waits */
    d->cu->set_pool_attribute(d->pool, pool_release_threshold, &all);
  } else {
    d->pool = NULL;
  }
  void* pinned = NULL;
  const int result = d->cu->allocate_pinned(&pinned, 2 * (size_t)tenon_cuda_staging_half + 64, pinned_for_all);
  if (result != 0) return result;
  d->staging = (unsigned char*)pinned;
  d->done = (volatile uint32_t*)(void*)(d->staging + 2 * (size_t)tenon_cuda_staging_half);
  *d->done = 0;
  return 0;
}

static int start(tenon_cuda_device* d, const char** doing) {
  *doing = "it was looked for";
  int result = d->cu->device(&d->handle, d->ordinal);
  if (result != 0) return result;
  d->cu->device_attribute(&d->multiprocessors, tenon_cuda_multiprocessors, d->handle);
  if (d->multiprocessors < 1) d->multiprocessors = 1;
  *doing = "its context was made";
  if ((result = d->cu->retain_context(&d->context, d->handle)) != 0) return result;
  if ((result = d->cu->push_context(d->context)) != 0) return result;
  *doing = "its stream was made";
  result = d->cu->create_stream(&d->stream, stream_apart);
  if (result == 0) result = d->cu->create_stream(&d->results, stream_apart);
  if (result == 0) result = d->cu->create_event(&d->reached, tenon_cuda_event_untimed);
  for (int half = 0; result == 0 && half < 2; ++half)
    result = d->cu->create_event(&d->half_done[half], tenon_cuda_event_untimed);
  if (result == 0) {
    *doing = "host memory for copies was pinned";
    result = start_memory(d);
  }
  void* before = NULL;
  d->cu->pop_context(&before);
  return result;
}

static int32_t open_new(int32_t ordinal, tenon_cuda_device** device, tenon_cuda_fault* fault) {
  const tenon_cuda_driver* cu = tenon_cuda_get_driver();
  char text[700];
  if (cu->path[0] == '\0' || cu->problem[0] != '\0') {
    snprintf(text, sizeof text, "no NVIDIA driver is installed: %s; install the NVIDIA driver, 525 or newer",
             cu->problem);
    return tenon_cuda_refuse(fault, TENON_DEVICE_FAILED, text);
  }
  if (cu->lacks[0] != '\0') {
    snprintf(text, sizeof text, "the driver at %s has no %s; update the driver to 525 or newer", cu->path, cu->lacks);
    return tenon_cuda_refuse(fault, TENON_DEVICE_FAILED, text);
  }
  int result = cu->init(0), count = 0;
  if (result == 0) result = cu->device_count(&count);
  if (result != 0) return tenon_cuda_fail(NULL, fault, result, "the driver started");
  if (ordinal < 0 || ordinal >= count || ordinal >= tenon_cuda_most_devices) {
    snprintf(text, sizeof text, "there is no device cuda:%d: the driver shows %d, numbered from 0", ordinal, count);
    return tenon_cuda_refuse(fault, TENON_DEVICE_FAILED, text);
  }
  tenon_cuda_device* d = (tenon_cuda_device*)calloc(1, sizeof *d);
  if (d == NULL) return tenon_cuda_no_host_memory(fault);
  d->lock = malloc(sizeof(pthread_mutex_t));
  if (d->lock == NULL) {
    free(d);
    return tenon_cuda_no_host_memory(fault);
  }
  pthread_mutex_init((pthread_mutex_t*)d->lock, NULL);
  d->cu = cu;
  d->ordinal = ordinal;
  const char *doing = "", *blocking = secure_getenv("TENON_CUDA_BLOCKING");
  d->blocking = blocking != NULL && blocking[0] != '\0' && strcmp(blocking, "0") != 0;
  if ((result = start(d, &doing)) != 0) { /* what was made stays with the context: it is tried again at the next call */
    const int32_t code = tenon_cuda_fail(d, fault, result, doing);
    pthread_mutex_destroy((pthread_mutex_t*)d->lock);
    free(d->lock);
    free(d);
    return code;
  }
  *device = d;
  __atomic_store_n(&devices[ordinal], d, __ATOMIC_RELEASE);
  return TENON_OK;
}

int32_t tenon_cuda_open(int32_t ordinal, tenon_cuda_device** device, tenon_cuda_fault* fault) {
  if (forked) return refuse_child(fault);
  if (ordinal >= 0 && ordinal < tenon_cuda_most_devices) {
    tenon_cuda_device* known = __atomic_load_n(&devices[ordinal], __ATOMIC_ACQUIRE);
    if (known != NULL) return *device = known, TENON_OK;
  }
  pthread_mutex_lock(&opening);
  if (!watching) watching = pthread_atfork(NULL, NULL, note_fork) == 0;
  int32_t code = TENON_OK;
  if (ordinal >= 0 && ordinal < tenon_cuda_most_devices && devices[ordinal] != NULL)
    *device = devices[ordinal];
  else
    code = open_new(ordinal, device, fault);
  pthread_mutex_unlock(&opening);
  return code;
}

tenon_cuda_device* tenon_cuda_known(int32_t ordinal) {
  if (forked || ordinal < 0 || ordinal >= tenon_cuda_most_devices) return NULL;
  return __atomic_load_n(&devices[ordinal], __ATOMIC_ACQUIRE);
}

int32_t tenon_cuda_enter(tenon_cuda_device* d, tenon_cuda_fault* fault) {
  if (forked) return refuse_child(fault);
  pthread_mutex_lock((pthread_mutex_t*)d->lock);
  int32_t code = TENON_OK;
  if (d->lost) {
    if (fault != NULL) *fault = d->loss;
    code = TENON_DEVICE_FAILED;
  } else {
    const int result = d->cu->push_context(d->context);
    if (result != 0) code = tenon_cuda_fail(d, fault, result, "its context was taken");
  }
  if (code != TENON_OK) pthread_mutex_unlock((pthread_mutex_t*)d->lock);
  return code;
}

void tenon_cuda_leave(tenon_cuda_device* d) {
  void* before = NULL;
  d->cu->pop_context(&before);
  pthread_mutex_unlock((pthread_mutex_t*)d->lock);
}

void tenon_cuda_unlock(tenon_cuda_device* d) { pthread_mutex_unlock((pthread_mutex_t*)d->lock); }
void tenon_cuda_lock(tenon_cuda_device* d) { pthread_mutex_lock((pthread_mutex_t*)d->lock); }

uint32_t tenon_cuda_ended(const tenon_cuda_device* d) { return *d->done; }

void tenon_cuda_begin_call(tenon_cuda_device* d, const tenon_cuda_caller* caller) {
  tenon_cuda_kept_call* call = &d->calls[++d->issued % tenon_cuda_calls_kept];
  ++d->counts.calls;
  snprintf(call->name, sizeof call->name, "%s", caller != NULL && caller->name != NULL ? caller->name : "a program");
  call->file = caller != NULL ? caller->file : NULL;
  call->line = caller != NULL ? caller->line : 0;
  call->column = caller != NULL ? caller->column : 0;
}

int32_t tenon_cuda_end_call(tenon_cuda_device* d, uint32_t number, tenon_cuda_fault* fault) {
  const int result = d->cu->write_word(d->stream, (tenon_cuda_address)(uintptr_t)d->done, number, 0);
  return result == 0 ? TENON_OK : tenon_cuda_fail(d, fault, result, "a call was queued");
}

int32_t tenon_cuda_wait(tenon_cuda_device* d, tenon_cuda_fault* fault) {
  tenon_cuda_unlock(d);
  const int result = d->cu->synchronize(d->stream);
  tenon_cuda_lock(d);
  return result == 0 ? TENON_OK : tenon_cuda_fail(d, fault, result, "its work was waited for");
}

int32_t tenon_cuda_synchronize(tenon_cuda_device* d, tenon_cuda_fault* fault) {
  int32_t code = tenon_cuda_enter(d, fault);
  if (code != TENON_OK) return code;
  code = tenon_cuda_wait(d, fault);
  tenon_cuda_leave(d);
  return code;
}

void tenon_cuda_way_of_ranks(tenon_cuda_device* d, char* text, uint64_t size) {
  if (!forked) pthread_mutex_lock((pthread_mutex_t*)d->lock);
  snprintf(text, size, "%s", d->way);
  if (!forked) pthread_mutex_unlock((pthread_mutex_t*)d->lock);
}

tenon_cuda_counts tenon_cuda_count(tenon_cuda_device* d) {
  if (forked) return d->counts;
  pthread_mutex_lock((pthread_mutex_t*)d->lock);
  const tenon_cuda_counts counts = d->counts;
  pthread_mutex_unlock((pthread_mutex_t*)d->lock);
  return counts;
}
