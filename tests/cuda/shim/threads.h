// Barriers, warp collectives and atomics. The host compiler must not carry memory over a switch, hence the empty assembly.
// Refuses atomics on 16-bit types.
#pragma once

#define SIMULATED_LINE int line = __builtin_LINE()

namespace simulated {

static inline void collect(Collective what, unsigned mask, void* record, int line) {
  __asm__ volatile("" ::: "memory");
  services->collect(what, mask, record, line);
  __asm__ volatile("" ::: "memory");
}
static inline int lane() {
  return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31u);
}
template <class T>
static inline T shuffled(unsigned mask, T value, int source, int line) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "CUDA shuffles words of 4 and 8 bytes");
  Shuffle record = {0, 0, source};
  __builtin_memcpy(&record.value, &value, sizeof value);
  collect(Collective::shuffle, mask, &record, line);
  __builtin_memcpy(&value, &record.result, sizeof value);
  return value;
}
static inline unsigned voted(Collective what, unsigned mask, unsigned value, int line) {
  Vote record = {value, 0};
  collect(what, mask, &record, line);
  return record.result;
}

}  // namespace simulated

static inline void __syncthreads(SIMULATED_LINE) {
  __asm__ volatile("" ::: "memory");
  simulated::services->wait_block(line);
  __asm__ volatile("" ::: "memory");
}
static inline void __syncwarp(unsigned mask = 0xffffffffu, SIMULATED_LINE) {
  simulated::collect(simulated::Collective::wait, mask, nullptr, line);
}

// Lanes of a part of `width` see one another; one beyond it gives back the lane's own value.
template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, SIMULATED_LINE) {
  const int me = simulated::lane();
  return simulated::shuffled(mask, value, (me & ~(width - 1)) | (source & (width - 1)), line);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, SIMULATED_LINE) {
  const int me = simulated::lane(), from = (me & (width - 1)) + static_cast<int>(by);
  return simulated::shuffled(mask, value, from < width ? me + static_cast<int>(by) : me, line);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, SIMULATED_LINE) {
  const int me = simulated::lane(), from = (me & (width - 1)) - static_cast<int>(by);
  return simulated::shuffled(mask, value, from >= 0 ? me - static_cast<int>(by) : me, line);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int by, int width = 32, SIMULATED_LINE) {
  const int me = simulated::lane(), from = me ^ by;
  return simulated::shuffled(mask, value, from < (me & ~(width - 1)) + width ? from : me, line);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, SIMULATED_LINE) {
  return simulated::voted(simulated::Collective::vote, mask, predicate != 0, line);
}
static inline int __any_sync(unsigned mask, int predicate, SIMULATED_LINE) {
  return simulated::voted(simulated::Collective::vote, mask, predicate != 0, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, SIMULATED_LINE) {
  return simulated::voted(simulated::Collective::vote, mask, predicate != 0, line) == mask;
}
static inline unsigned __reduce_add_sync(unsigned mask, unsigned value, SIMULATED_LINE) {
  return simulated::voted(simulated::Collective::add, mask, value, line);
}
static inline unsigned __reduce_min_sync(unsigned mask, unsigned value, SIMULATED_LINE) {
  return simulated::voted(simulated::Collective::least, mask, value, line);
}
static inline unsigned __reduce_max_sync(unsigned mask, unsigned value, SIMULATED_LINE) {
  return simulated::voted(simulated::Collective::most, mask, value, line);
}
static inline int __syncthreads_or(int predicate, SIMULATED_LINE) {
  static unsigned SIMULATED_KEPT any = 0;
  __syncthreads(line);
  any = 0;
  __syncthreads(line);
  any |= predicate != 0;
  __syncthreads(line);
  return static_cast<int>(any);
}

static inline void __threadfence() { __asm__ volatile("" ::: "memory"); }
static inline void __threadfence_block() { __asm__ volatile("" ::: "memory"); }
static inline void __threadfence_system() { __asm__ volatile("" ::: "memory"); }
static inline void __nanosleep(unsigned) {}
static inline void __trap(SIMULATED_LINE) { simulated::services->fail("__trap()", line); }

template <class T>
static inline T __ldg(const T* p) {
  return *p;
}
template <class T>
static inline T __ldcs(const T* p) {
  return *p;
}
template <class T>
static inline void __stcs(T* p, T value) {
  *p = value;
}

// The second operand is of the first's type, whatever literal it is.
namespace simulated {
template <class T>
struct Same {
  using type = T;
};
template <class T>
using Of = typename Same<T>::type;
template <class T>
static inline T exchanged(T* p, T value) {
  const T old = *p;
  *p = value;
  return old;
}
}  // namespace simulated

#define SIMULATED_ATOMIC(name, result)                      \
  template <class T>                                        \
  static inline T name(T* p, simulated::Of<T> value) {      \
    const T old = *p;                                       \
    return simulated::exchanged(p, static_cast<T>(result)); \
  }
SIMULATED_ATOMIC(atomicAdd, old + value)
SIMULATED_ATOMIC(atomicSub, old - value)
SIMULATED_ATOMIC(atomicMax, old < value ? value : old)
SIMULATED_ATOMIC(atomicMin, value < old ? value : old)
SIMULATED_ATOMIC(atomicAnd, old& value)
SIMULATED_ATOMIC(atomicOr, old | value)
SIMULATED_ATOMIC(atomicXor, old ^ value)
SIMULATED_ATOMIC(atomicExch, value)
SIMULATED_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
SIMULATED_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
#undef SIMULATED_ATOMIC
template <class T>
static inline T atomicCAS(T* p, simulated::Of<T> expected, simulated::Of<T> value) {
  const T old = *p;
  if (old == expected) *p = value;
  return old;
}

// The twin of what CUDA gives kernels of conditional graphs.
using cudaGraphConditionalHandle = unsigned long long;
static inline void cudaGraphSetConditional(cudaGraphConditionalHandle handle, unsigned value) {
  simulated::services->set_condition(handle, value);
}
