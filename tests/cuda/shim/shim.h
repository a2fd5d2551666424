// CUDA C++ for a host compiler: what stands before a module's text when the simulated NVRTC compiles it. A block's threads
// are fibers of the simulated driver, which switches between them inside the services alone; so a kernel runs as one thread
// at a time and atomics are plain. Includes nothing of the system, so that hundreds of small modules compile quickly.
// Refuses textures, clusters, cooperative grids and templates as kernels.
#pragma once

#include "services.h"

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __grid_constant__
#define __constant__ static
#define __align__(bytes) __attribute__((aligned(bytes)))
// One copy is enough: blocks run one after the other. All of .bss is filled with rubbish before each block; what must last
// stands in .data.
#define __shared__ static
#define SIMULATED_KEPT __attribute__((section(".data")))

#include "vectors.h"

static uint3 SIMULATED_KEPT threadIdx = {0, 0, 0}, SIMULATED_KEPT blockIdx = {0, 0, 0};
static dim3 SIMULATED_KEPT blockDim = {1, 1, 1}, SIMULATED_KEPT gridDim = {1, 1, 1};
static const int warpSize = 32;

namespace simulated {

static const Services* SIMULATED_KEPT services = nullptr;
static void* SIMULATED_KEPT dynamic_shared = nullptr;

template <class T>
constexpr bool is_pointer = false;
template <class T>
constexpr bool is_pointer<T*> = true;

// Braces evaluate in order, which numbers the arguments.
template <class... P>
struct Applied {
  Applied(void (*kernel)(P...), P... arguments) { kernel(arguments...); }
};

template <class F>
struct Described;
template <class... P>
struct Described<void (*)(P...)> {
  template <void (*kernel)(P...)>
  static void call(void* const* arguments) {
    [[maybe_unused]] int next = 0;
    Applied<P...>{kernel, *static_cast<P*>(arguments[next++])...};
  }
  static constexpr Parameter parameters[sizeof...(P) + 1] = {{sizeof(P), is_pointer<P>}..., {0, false}};
  static constexpr int count = sizeof...(P);
};

constexpr unsigned bound() { return 0; }
constexpr unsigned bound(unsigned most_threads, unsigned = 0, unsigned = 0) { return most_threads; }

}  // namespace simulated

// Follows each kernel, where its name means that kernel; `...` is what its launch bounds say.
#define SIMULATED_KERNEL(name, ...)                                                                        \
  static constexpr ::simulated::Kernel simulated_kernel_##name = {                                         \
      #name, &::simulated::Described<decltype(&name)>::template call<&name>,                               \
      ::simulated::Described<decltype(&name)>::parameters, ::simulated::Described<decltype(&name)>::count, \
      ::simulated::bound(__VA_ARGS__)};                                                                    \
  static const ::simulated::Kernel* const simulated_listed_##name                                          \
      __attribute__((section("simulated_kernels"), used)) = &simulated_kernel_##name;

// Bounds of what the linker gathers.
extern "C" {
extern char simulated_bss_begin[] __asm__("__bss_start") __attribute__((visibility("hidden")));
extern char simulated_bss_end[] __asm__("_end") __attribute__((visibility("hidden")));
extern const simulated::Kernel* const __start_simulated_kernels[] __attribute__((visibility("hidden"), weak));
extern const simulated::Kernel* const __stop_simulated_kernels[] __attribute__((visibility("hidden"), weak));

__attribute__((visibility("default"), used)) simulated::Module simulated_module = {simulated::module_version,
                                                                                   sizeof(simulated::Services),
                                                                                   &simulated::services,
                                                                                   &threadIdx,
                                                                                   &blockIdx,
                                                                                   &blockDim,
                                                                                   &gridDim,
                                                                                   &simulated::dynamic_shared,
                                                                                   simulated_bss_begin,
                                                                                   simulated_bss_end,
                                                                                   __start_simulated_kernels,
                                                                                   __stop_simulated_kernels};
}

#include "threads.h"
// what follows stands on it
#include "numbers.h"
#include "tensor_cores.h"

// From here on as in CUDA, where it may follow __shared__.
#define alignas(bytes) __attribute__((aligned(bytes)))
