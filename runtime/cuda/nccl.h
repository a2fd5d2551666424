/* NCCL as a table of its functions, loaded when two GPUs first speak; no header of it is included and nothing of it is linked. What
 * is declared here is what NCCL 2.14 and every later one have. Results are an int. Refuses to know ranks. */
#ifndef TENON_CUDA_NCCL_H
#define TENON_CUDA_NCCL_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tenon_nccl_id {
  char bytes[128];
} tenon_nccl_id;

/* As 2.14 has it: later ones know by the size what is not said. The layout is NCCL's. */
typedef struct tenon_nccl_config {
  size_t size;
  unsigned magic, version;
  int blocking; /* 0: functions return at once, and say that they are not done */
} tenon_nccl_config;

enum {
  tenon_nccl_done = 0,
  tenon_nccl_in_progress = 7,
  tenon_nccl_bytes = 0 /* ncclInt8 */,
  tenon_nccl_oldest = 21400
};

/* X(member, symbol, parameters): all that ranks on GPUs take. */
#define TENON_NCCL_FUNCTIONS(X)                                                                                      \
  X(version, ncclGetVersion, (int* version))                                                                         \
  X(make_id, ncclGetUniqueId, (tenon_nccl_id * id))                                                                  \
  X(begin, ncclCommInitRankConfig, (void** comm, int size, tenon_nccl_id id, int number, tenon_nccl_config* config)) \
  X(state, ncclCommGetAsyncError, (void* comm, int* result))                                                         \
  X(finalize, ncclCommFinalize, (void* comm))                                                                        \
  X(destroy, ncclCommDestroy, (void* comm))                                                                          \
  X(abandon, ncclCommAbort, (void* comm))                                                                            \
  X(open_group, ncclGroupStart, (void))                                                                              \
  X(close_group, ncclGroupEnd, (void))                                                                               \
  X(send, ncclSend, (const void* from, size_t count, int type, int peer, void* comm, void* stream))                  \
  X(receive, ncclRecv, (void* to, size_t count, int type, int peer, void* comm, void* stream))                       \
  X(all_gather, ncclAllGather, (const void* from, void* to, size_t count, int type, void* comm, void* stream))       \
  X(broadcast, ncclBroadcast, (const void* from, void* to, size_t count, int type, int root, void* comm, void* stream))

typedef struct tenon_nccl {
  char path[512]; /* of the library as it is loaded; empty: there is none */
  char problem[512]; /* why it does not serve; empty where it does */
  int number; /* 22803 for 2.28.3 */
#define TENON_NCCL_MEMBER(member, symbol, parameters) int(*member) parameters;
  TENON_NCCL_FUNCTIONS(TENON_NCCL_MEMBER)
#undef TENON_NCCL_MEMBER
  const char* (*error_text)(int result);
} tenon_nccl;

/* Stays loaded. TENON_NCCL names another library than libnccl.so.2, or none by 0. */
const tenon_nccl* tenon_nccl_get(void);
/* 22803 as "2.28.3". */
void tenon_nccl_version_text(int number, char* out, size_t size);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
