/* A GPU in use: its context, the one stream on which all work of this process runs there in order, memory, and what went wrong.
 * Refuses to know programs but for those that wait to be unloaded. */
#ifndef TENON_CUDA_DEVICE_H
#define TENON_CUDA_DEVICE_H

#include "tenon/runtime/cuda/driver.h"
#include "tenon/runtime/tenon_cuda.h"

#pragma GCC visibility push(hidden)

enum {
  tenon_cuda_most_devices = 64,
  tenon_cuda_event_untimed = 2, /* the driver's number */
  tenon_cuda_calls_kept = 4096, /* that a failure can be traced back to */
  tenon_cuda_staging_half = 1 << 21 /* bytes: host memory that copies go through, in two halves */
};

typedef struct tenon_cuda_kept_call {
  char name[48];
  const char* file;
  uint32_t line, column;
} tenon_cuda_kept_call;

struct tenon_cuda_device {
  const tenon_cuda_driver* cu;
  int32_t ordinal;
  int handle;
  void *context, *stream;
  void *results, *reached; /* a stream that copies to the host, and the event that it waits for */
  void* pool; /* null: no memory in the order of the stream */
  int multiprocessors;
  void* lock; /* a pthread_mutex_t, around whatever queues work: a program's steps stay together */

  /* The memory that programs share between their steps: they run one after the other. */
  tenon_cuda_address arena;
  uint64_t arena_bytes;

  /* Every call has a number, which the device writes to `done` when it comes to its end. */
  volatile uint32_t* done;
  uint32_t issued;
  tenon_cuda_kept_call calls[tenon_cuda_calls_kept];

  unsigned char* staging;
  void* half_done[2]; /* events: the device has read this half */
  int half;
  uint64_t filled; /* of the half at hand */

  int lost;
  tenon_cuda_fault loss; /* the first failure, where lost */
  int blocking; /* wait after every kernel, so that a failure names it */
  char way[200]; /* how the ranks that met here last go: see tenon_cuda_way_of_ranks */
  tenon_cuda_program* retired;
  tenon_cuda_counts counts;
};

/* Takes the lock and makes the context current; 0, or a code with the device's loss as fault. Whoever entered must leave. */
int32_t tenon_cuda_enter(tenon_cuda_device* device, tenon_cuda_fault* fault);
void tenon_cuda_leave(tenon_cuda_device* device);
/* Without the lock and with the context, while an entered thread waits; others may queue work. */
void tenon_cuda_unlock(tenon_cuda_device* device);
void tenon_cuda_lock(tenon_cuda_device* device);
/* A program's memory between its steps, of this many bytes at least; valid until the next call of this function. Entered. */
int32_t tenon_cuda_arena(tenon_cuda_device* device, uint64_t bytes, tenon_cuda_address* memory,
                         tenon_cuda_fault* fault);
/* Memory in the order of the stream, which gives up what is kept before it fails. Entered. */
int32_t tenon_cuda_obtain(tenon_cuda_device* device, uint64_t bytes, tenon_cuda_address* memory,
                          tenon_cuda_fault* fault);
void tenon_cuda_release(tenon_cuda_device* device, tenon_cuda_address memory);
/* Host bytes to the device through staging memory. Entered. */
int32_t tenon_cuda_send(tenon_cuda_device* device, tenon_cuda_address to, const void* from, uint64_t bytes,
                        tenon_cuda_fault* fault);
/* Device bytes to the host; waits. Entered. */
int32_t tenon_cuda_fetch(tenon_cuda_device* device, void* to, tenon_cuda_address from, uint64_t bytes,
                         tenon_cuda_fault* fault);
/* Waits for the stream, without the lock meanwhile. Entered. */
int32_t tenon_cuda_wait(tenon_cuda_device* device, tenon_cuda_fault* fault);
/* A call begins or ends here: what fails between is its failure. Entered. */
void tenon_cuda_begin_call(tenon_cuda_device* device, const tenon_cuda_caller* caller);
int32_t tenon_cuda_end_call(tenon_cuda_device* device, uint32_t number, tenon_cuda_fault* fault);
/* The last call that has ended on the device. */
uint32_t tenon_cuda_ended(const tenon_cuda_device* device);

/* runtime/cuda/faults.c: says what a result of the driver means while `doing` something, and gives the code for it. Marks the
 * device lost where the failure is of that kind. */
int32_t tenon_cuda_fail(tenon_cuda_device* device, tenon_cuda_fault* fault, int result, const char* doing);
/* The same without a result of the driver. */
int32_t tenon_cuda_refuse(tenon_cuda_fault* fault, int32_t code, const char* text);
int32_t tenon_cuda_no_host_memory(tenon_cuda_fault* fault);
/* runtime/cuda/program.c: those that have been retired and whose work has ended. Entered. */
void tenon_cuda_drop_retired(tenon_cuda_device* device, int all);

#pragma GCC visibility pop

#endif
