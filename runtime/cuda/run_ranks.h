/* What a program asks of the other ranks, by NCCL or through memory of the host. Internal to the runtime. */
#ifndef TENON_CUDA_RUN_RANKS_H
#define TENON_CUDA_RUN_RANKS_H

#include "tenon/runtime/cuda/communicator.h"
#include "tenon/runtime/cuda/run.h"

#pragma GCC visibility push(hidden)

/* Gives the device's lock away while others are waited for, and takes it again; what follows is a call of a number of its own.
 * TENON_DEVICE_FAILED where the device was lost meanwhile. */
void tenon_run_apart(run_state* r);
int32_t tenon_run_together(run_state* r);
/* Entered. `bytes` are those of a block. */
int32_t tenon_run_by_nccl(run_state* r, tenon_communicator* c, const tenon_collective* what, uint64_t bytes,
                          tenon_cuda_address in, tenon_cuda_address out);

#pragma GCC visibility pop

#endif
