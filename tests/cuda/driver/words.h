// What the environment says of the simulated driver, read at each use: SIMULATED_CUDA holds words such as
// "devices=2 sm=90 order=random fail=cuMemAlloc:3:2".
//
//   init, version, devices, sm, memory (MiB, 4096)   what the machine is
//   order=forward|reverse|random, seed               how threads, blocks and nodes of graphs take turns
//   late=0                                           work runs when it is queued, copies arrive at once
//   fail=NAME:N:CODE[,...]                           the N-th call from now on returns CODE; N=0: every one
//   sticky=NAME:N:CODE[,...]                         that call succeeds, the work that it queues fails and breaks the context
//   missing=NAME[,...]                               cuGetProcAddress does not find it; dlsym, which is the loader's, does
//
// "Now" is when the text changed last, or simulated_cuda_reset. NAME may leave out _v2. Refuses to complain about other words.
#pragma once

#include <map>
#include <string>

#include "tenon/tests/cuda/driver/block.h"

namespace simulated {

// What stands behind NAME= in a variable of such words, up to the next space; null where it is not there.
const char* value_in(const char* variable, const char* name);
int word(const char* name, int otherwise);
std::string text_of(const char* name);
Manner manner();
bool is_missing(const std::string& function);

struct Injected {
  int result = 0;  // of the call
  int later = 0;  // of its work
};
// Counts a call. Callers hold the driver's lock.
Injected called(const char* function);
void forget_calls();
const std::map<std::string, uint64_t>& calls();

}  // namespace simulated
