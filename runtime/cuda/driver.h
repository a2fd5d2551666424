/* The CUDA driver as a table of its functions, loaded from libcuda.so.1 when first asked; no header of CUDA is included and
 * nothing of it is linked. Results are an int, 0 being success. Refuses to choose a device. */
#ifndef TENON_CUDA_DRIVER_H
#define TENON_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t tenon_cuda_address; /* of memory on a device */

/* What a graph's node launches; the layout is the driver's. */
typedef struct tenon_cuda_launch {
  void* function;
  unsigned grid[3], block[3], shared_bytes;
  void** parameters;
  void** extra;
  void *kernel, *context;
} tenon_cuda_launch;

/* What a graph's node copies: a box of bytes, of which we use one row. The layout is the driver's. */
typedef struct tenon_cuda_box {
  size_t from_x, from_y, from_z, from_lod;
  int from_kind;
  const void* from_host;
  tenon_cuda_address from_device;
  void *from_array, *from_context;
  size_t from_pitch, from_height;
  size_t to_x, to_y, to_z, to_lod;
  int to_kind;
  void* to_host;
  tenon_cuda_address to_device;
  void *to_array, *to_context;
  size_t to_pitch, to_height;
  size_t width, height, depth;
} tenon_cuda_box;

/* Rows of bytes to be copied; the layout is the driver's. */
typedef struct tenon_cuda_rows {
  size_t from_x, from_y;
  int from_kind;
  const void* from_host;
  tenon_cuda_address from_device;
  void* from_array;
  size_t from_pitch;
  size_t to_x, to_y;
  int to_kind;
  void* to_host;
  tenon_cuda_address to_device;
  void* to_array;
  size_t to_pitch;
  size_t width, height;
} tenon_cuda_rows;

/* Which device may do what with a pool's memory; the layout is the driver's. */
typedef struct tenon_cuda_access {
  int kind, device, rights;
} tenon_cuda_access;

/* Attributes of a device: the driver's numbers for them. */
enum {
  tenon_cuda_multiprocessors = 16,
  tenon_cuda_capability_major = 75,
  tenon_cuda_capability_minor = 76,
  tenon_cuda_shared_opt_in = 97,
  tenon_cuda_pools = 115
};
enum {
  tenon_cuda_memory_device = 2, /* CU_MEMORYTYPE_DEVICE */
  tenon_cuda_location_device = 1, /* CU_MEM_LOCATION_TYPE_DEVICE */
  tenon_cuda_read_write = 3 /* CU_MEM_ACCESS_FLAGS_PROT_READWRITE */
};

/* X(member, symbol, parameters): what every driver from 525 on has. Functions whose meaning has changed since bear the version
 * in their symbol. */
#define TENON_CUDA_REQUIRED(X)                                                       \
  X(init, cuInit, (unsigned flags))                                                  \
  X(version, cuDriverGetVersion, (int* version))                                     \
  X(device_count, cuDeviceGetCount, (int* count))                                    \
  X(device, cuDeviceGet, (int* device, int ordinal))                                 \
  X(device_name, cuDeviceGetName, (char* name, int size, int device))                \
  X(device_attribute, cuDeviceGetAttribute, (int* value, int attribute, int device)) \
  X(device_memory, cuDeviceTotalMem_v2, (size_t* bytes, int device))                 \
  X(error_name, cuGetErrorName, (int result, const char** name))

/* X(member, symbol, parameters): what running programs takes. */
#define TENON_CUDA_RUNNING(X)                                                                                       \
  X(retain_context, cuDevicePrimaryCtxRetain, (void** context, int device))                                         \
  X(push_context, cuCtxPushCurrent_v2, (void* context))                                                             \
  X(pop_context, cuCtxPopCurrent_v2, (void** context))                                                              \
  X(load_module, cuModuleLoadData, (void** module, const void* image))                                              \
  X(unload_module, cuModuleUnload, (void* module))                                                                  \
  X(function, cuModuleGetFunction, (void** function, void* module, const char* name))                               \
  X(function_attribute, cuFuncGetAttribute, (int* value, int attribute, void* function))                            \
  X(set_function_attribute, cuFuncSetAttribute, (void* function, int attribute, int value))                         \
  X(launch, cuLaunchKernel,                                                                                         \
    (void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, \
     void* stream, void** parameters, void** extra))                                                                \
  X(allocate, cuMemAlloc_v2, (tenon_cuda_address * memory, size_t bytes))                                           \
  X(free, cuMemFree_v2, (tenon_cuda_address memory))                                                                \
  X(allocate_in_order, cuMemAllocAsync, (tenon_cuda_address * memory, size_t bytes, void* stream))                  \
  X(free_in_order, cuMemFreeAsync, (tenon_cuda_address memory, void* stream))                                       \
  X(default_pool, cuDeviceGetDefaultMemPool, (void** pool, int device))                                             \
  X(set_pool_attribute, cuMemPoolSetAttribute, (void* pool, int attribute, void* value))                            \
  X(open_pool, cuMemPoolSetAccess, (void* pool, const tenon_cuda_access* access, size_t count))                     \
  X(trim_pool, cuMemPoolTrimTo, (void* pool, size_t keep))                                                          \
  X(memory_info, cuMemGetInfo_v2, (size_t* free, size_t* total))                                                    \
  X(allocate_pinned, cuMemHostAlloc, (void** memory, size_t bytes, unsigned flags))                                 \
  X(copy_in, cuMemcpyHtoDAsync_v2, (tenon_cuda_address to, const void* from, size_t bytes, void* stream))           \
  X(copy_out, cuMemcpyDtoHAsync_v2, (void* to, tenon_cuda_address from, size_t bytes, void* stream))                \
  X(copy, cuMemcpyDtoDAsync_v2, (tenon_cuda_address to, tenon_cuda_address from, size_t bytes, void* stream))       \
  X(copy_rows, cuMemcpy2DAsync_v2, (const tenon_cuda_rows* rows, void* stream))                                     \
  X(write_word, cuStreamWriteValue32_v2, (void* stream, tenon_cuda_address to, uint32_t value, unsigned flags))     \
  X(create_stream, cuStreamCreate, (void** stream, unsigned flags))                                                 \
  X(synchronize, cuStreamSynchronize, (void* stream))                                                               \
  X(create_event, cuEventCreate, (void** event, unsigned flags))                                                    \
  X(record_event, cuEventRecord, (void* event, void* stream))                                                       \
  X(query_event, cuEventQuery, (void* event))                                                                       \
  X(destroy_event, cuEventDestroy_v2, (void* event))                                                                \
  X(fill, cuMemsetD8Async, (tenon_cuda_address to, unsigned char value, size_t bytes, void* stream))                \
  X(uuid, cuDeviceGetUuid_v2, (char* sixteen, int device))                                                          \
  X(wait_event, cuEventSynchronize, (void* event))                                                                  \
  X(order, cuStreamWaitEvent, (void* stream, void* event, unsigned flags))

/* X(member, symbol, parameters): what makes a program one graph; without any of them kernels are launched one by one. */
#define TENON_CUDA_GRAPHS(X)                                                                                         \
  X(create_graph, cuGraphCreate, (void** graph, unsigned flags))                                                     \
  X(destroy_graph, cuGraphDestroy, (void* graph))                                                                    \
  X(add_kernel, cuGraphAddKernelNode_v2,                                                                             \
    (void** node, void* graph, void* const* after, size_t count, const tenon_cuda_launch* launch))                   \
  X(add_copy, cuGraphAddMemcpyNode,                                                                                  \
    (void** node, void* graph, void* const* after, size_t count, const tenon_cuda_box* box, void* context))          \
  X(instantiate, cuGraphInstantiateWithFlags, (void** runnable, void* graph, unsigned long long flags))              \
  X(launch_graph, cuGraphLaunch, (void* runnable, void* stream))                                                     \
  X(destroy_runnable, cuGraphExecDestroy, (void* runnable))                                                          \
  X(change_kernel, cuGraphExecKernelNodeSetParams_v2, (void* runnable, void* node, const tenon_cuda_launch* launch)) \
  X(change_copy, cuGraphExecMemcpyNodeSetParams, (void* runnable, void* node, const tenon_cuda_box* box, void* context))

typedef struct tenon_cuda_driver {
  char path[512]; /* of the library as it is loaded; empty: there is none */
  char problem[512]; /* why not, as the loader says it, or which function it lacks; empty where it is whole */
  char lacks[64]; /* the first function that running programs takes and this driver does not have; empty: none */
  int has_graphs;
#define TENON_CUDA_MEMBER(member, symbol, parameters) int(*member) parameters;
  TENON_CUDA_REQUIRED(TENON_CUDA_MEMBER)
  TENON_CUDA_RUNNING(TENON_CUDA_MEMBER)
  TENON_CUDA_GRAPHS(TENON_CUDA_MEMBER)
#undef TENON_CUDA_MEMBER
} tenon_cuda_driver;

/* Stays loaded: unloading it is not safe. */
const tenon_cuda_driver* tenon_cuda_get_driver(void);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
