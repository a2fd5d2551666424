/* A program on a device: its machine code, its constants, and the state of its calls. Refuses to read lists. */
#ifndef TENON_CUDA_PROGRAM_H
#define TENON_CUDA_PROGRAM_H

#include "tenon/runtime/cuda/device.h"
#include "tenon/runtime/cuda/launch_list.h"

#pragma GCC visibility push(hidden)

/* What a step comes to: a kernel with its arguments, or a copy. */
typedef struct tenon_cuda_action {
  int64_t kernel; /* -1: a copy */
  int64_t node;
  unsigned grid, shared;
  int64_t first, count;           /* arguments, in words of 8 bytes */
  tenon_cuda_address to, from;    /* of a copy */
  uint64_t bytes;
} tenon_cuda_action;

typedef struct tenon_cuda_actions {
  tenon_cuda_action* list;
  int64_t count, capacity;
  uint64_t* words;
  int64_t word_count, word_capacity;
} tenon_cuda_actions;

typedef struct tenon_cuda_graph {
  void *graph, *runnable;
  void** nodes;
  tenon_cuda_actions built; /* what the nodes do now */
} tenon_cuda_graph;

struct tenon_cuda_program {
  tenon_cuda_device* device;
  char name[64];
  tenon_launch_list list;
  void** modules;
  uint32_t module_count;
  void** functions; /* of each kernel */
  tenon_custom* customs;
  tenon_cuda_address data; /* constants and stored inputs */
  const char* no_graph;
  uint64_t runs;
  int64_t* numbers; /* values, offsets, slots: room for one call at a time */
  tenon_cuda_address* addresses;
  tenon_cuda_actions actions;
  tenon_cuda_graph graph;
  uint32_t last_call;
  tenon_cuda_program* next_retired;
};

/* runtime/cuda/actions.c. Entered. An action that is queued at once. */
int32_t tenon_cuda_do(tenon_cuda_program* program, const tenon_cuda_action* action, uint64_t* words,
                      tenon_cuda_fault* fault);
/* Room for one more action, or for so many words; null when the host is out of memory. */
tenon_cuda_action* tenon_cuda_add_action(tenon_cuda_actions* actions);
uint64_t* tenon_cuda_add_words(tenon_cuda_actions* actions, int64_t count);
void tenon_cuda_free_actions(tenon_cuda_actions* actions);

/* runtime/cuda/graph.c. Entered. All actions as one graph, built or changed; where the driver refuses, one by one. */
int32_t tenon_cuda_do_as_graph(tenon_cuda_program* program, tenon_cuda_actions* actions, tenon_cuda_fault* fault);
void tenon_cuda_free_graph(tenon_cuda_program* program);

#pragma GCC visibility pop

#endif
