/* A group of ranks on GPUs, as NCCL knows it: made by all of them together when they first move something, kept for the rank, and given
 * up when something fails. Where NCCL does not serve all of them, the group goes through memory of the host, and says why. Internal
 * to the runtime. Refuses to know what moves. */
#ifndef TENON_CUDA_COMMUNICATOR_H
#define TENON_CUDA_COMMUNICATOR_H

#include "tenon/runtime/cuda/device.h"
#include "tenon/runtime/cuda/nccl.h"
#include "tenon/runtime/tenon_ranks.h"

#pragma GCC visibility push(hidden)

typedef struct tenon_communicator {
  tenon_kept kept;
  const tenon_ranks* ranks;
  tenon_cuda_device* device;
  const tenon_nccl* nccl;
  int32_t size, stride, own; /* own: this rank's number in the group */
  int serves; /* NCCL does; else the group goes through memory of the host */
  void* comm; /* null where it does not, or has failed */
  void *reached, *moved; /* events: the stream has come to what is moved, and has moved it */
} tenon_communicator;

/* The group's communicator on this device; null where this engine of ranks keeps none. All of these without the device's lock, for
 * others are waited for, and in its context. 0 or TENON_RANKS_FAILED, the ranks' message saying why. */
int32_t tenon_communicator_of(tenon_cuda_device* device, const tenon_ranks* ranks, const tenon_collective* what,
                              tenon_communicator** found);
/* Waits until NCCL has begun what it was asked for; or, with `moved`, until the device is done with it, time being counted from
 * when it comes to it. TENON_DEVICE_FAILED with the driver's *result. What fails is given up. */
int32_t tenon_communicator_wait(tenon_communicator* c, const tenon_collective* what, int moved, int* result);
/* Every rank is told that NCCL failed while `doing`; gives TENON_RANKS_FAILED. */
int32_t tenon_communicator_fail(tenon_communicator* c, const char* doing, int result);

#pragma GCC visibility pop

#endif
