/* Programs on NVIDIA GPUs: what compiled programs for a GPU need at run time. It takes the driver, found when first asked, and the C
 * library; no compiler and no CUDA toolkit. Calls are asynchronous: they return when their work is queued, work runs in the
 * order in which it was queued, and what fails while it runs is told by the next function that waits.
 * Functions give 0 or a code of tenon_runtime.h; with TENON_DEVICE_FAILED and TENON_NO_MEMORY the fault, where one is given,
 * says what and what helps. All may be called from any thread. A process forked from one that used a device cannot use any.
 * Refuses to choose a device, and to compile. */
#ifndef TENON_CUDA_H
#define TENON_CUDA_H

#include "tenon/runtime/tenon_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Who asked for work: a name and a place in source, which must outlive the process's use of the device; copied shallowly. */
typedef struct tenon_cuda_caller {
  const char* name; /* at most 47 characters are kept */
  const char* file; /* null: not known */
  uint32_t line, column;
} tenon_cuda_caller;

typedef struct tenon_cuda_fault {
  int32_t result; /* the driver's, 0 where none was asked */
  int32_t lost; /* the device serves this process no more */
  char text[800]; /* "what; remedy", one line */
  char name[48]; /* of the work that failed, where it is known */
  const char* file; /* where it was asked for; null: not known */
  uint32_t line, column;
} tenon_cuda_fault;

typedef struct tenon_cuda_device tenon_cuda_device;
typedef struct tenon_cuda_program tenon_cuda_program;

/* Device number `ordinal` of those that the driver shows. The first call of each starts it, which takes a moment. */
int32_t tenon_cuda_open(int32_t ordinal, tenon_cuda_device** device, tenon_cuda_fault* fault);

/* The same where it was opened before; else null. Opens nothing. */
tenon_cuda_device* tenon_cuda_known(int32_t ordinal);

/* Memory of the device, aligned to 256 bytes. It may be freed while queued work still uses it. bytes > 0. */
int32_t tenon_cuda_allocate(tenon_cuda_device* device, uint64_t bytes, void** memory, tenon_cuda_fault* fault);
void tenon_cuda_free(tenon_cuda_device* device, void* memory);
/* Host to device: `from` may change when it returns. Device to host: waits for the bytes. Inside: queued; rows lie a stride
 * apart on either side. Between devices: waits. */
int32_t tenon_cuda_copy_in(tenon_cuda_device* device, void* to, const void* from, uint64_t bytes,
                           tenon_cuda_fault* fault);
int32_t tenon_cuda_copy_out(tenon_cuda_device* device, void* to, const void* from, uint64_t bytes,
                            tenon_cuda_fault* fault);
int32_t tenon_cuda_copy(tenon_cuda_device* device, void* to, const void* from, uint64_t bytes, tenon_cuda_fault* fault);
int32_t tenon_cuda_copy_rows(tenon_cuda_device* device, void* to, uint64_t to_stride, const void* from,
                             uint64_t from_stride, uint64_t bytes, uint64_t rows, tenon_cuda_fault* fault);
/* Waits for all work, and tells what of it failed. */
int32_t tenon_cuda_synchronize(tenon_cuda_device* device, tenon_cuda_fault* fault);
/* Gives memory that is kept for reuse back to the driver. */
void tenon_cuda_trim(tenon_cuda_device* device);

/* A program as compilation made it: modules of machine code and the list of its steps. The bytes are needed while it loads. */
typedef struct tenon_cuda_image {
  uint64_t struct_size;
  const char* name;
  const void* list;
  uint64_t list_bytes;
  const void* const* modules;
  const uint64_t* module_bytes;
  uint32_t module_count;
  /* The function behind a custom call of this name, or null; may be null itself where there are none. */
  tenon_custom (*resolve)(void* context, const char* name);
  void* resolve_context;
} tenon_cuda_image;

int32_t tenon_cuda_load(tenon_cuda_device* device, const tenon_cuda_image* image, tenon_cuda_program** program,
                        tenon_cuda_fault* fault);
/* The same from a saved program's bundle, NAME.bundle or the bytes that its object holds, which are needed while it loads. Both
 * resolve and its context may be null where the program calls no function of the host. */
int32_t tenon_cuda_load_bundle(tenon_cuda_device* device, const char* name, const void* bundle, uint64_t bytes,
                               tenon_custom (*resolve)(void* context, const char* name), void* context,
                               tenon_cuda_program** program, tenon_cuda_fault* fault);
void tenon_cuda_unload(tenon_cuda_program* program);
uint64_t tenon_cuda_code_bytes(const tenon_cuda_program* program); /* that its machine code, constants and list take */
/* Bytes of the arena at these extents, or a code of TENON_BAD_... */
int64_t tenon_cuda_arena_bytes(const tenon_cuda_program* program, const int64_t* dims);
/* Queues one call. Inputs and outputs lie on the program's device, aligned to 16 bytes, and may be freed when it returns. arena is
 * not read, env only for custom calls and prints, which wait for what they read, as checks do; its print uses no device. caller may be null. *started, unless null, becomes 1 before
 * anything is written. */
int32_t tenon_cuda_run(tenon_cuda_program* program, const tenon_call* call, const tenon_cuda_caller* caller,
                       int32_t* started, tenon_cuda_fault* fault);

/* What has been done since the device was opened: calls, kernels launched one by one, graphs built, launched and changed nodes in
 * them, waits for the device that a program itself asked for. */
typedef struct tenon_cuda_counts {
  uint64_t calls, launches, graphs_built, graphs_launched, nodes_changed, program_waits;
} tenon_cuda_counts;
tenon_cuda_counts tenon_cuda_count(tenon_cuda_device* device);
/* How the group of ranks that met here last moves what it has, "by NCCL 2.28.3" or "through memory of the host: rank 1 has no NCCL", at
 * most 199 characters; empty where none has. */
void tenon_cuda_way_of_ranks(tenon_cuda_device* device, char* text, uint64_t size);
/* Why calls of this program do not run as a graph, in words; empty where they do from the second on. */
const char* tenon_cuda_no_graph(const tenon_cuda_program* program);

#ifdef __cplusplus
}
#endif
#endif
