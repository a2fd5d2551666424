// CUDA's vector types with their alignments, and the makers. Refuses operators on them, as CUDA does.
#pragma once

using uint3 = simulated::Index;
struct dim3 : simulated::Index {
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : simulated::Index{x, y, z} {}
};
struct int3 {
  int x, y, z;
};
struct float3 {
  float x, y, z;
};

#define SIMULATED_VECTORS(T, name)                                                   \
  struct name##1 { T x; };                                                           \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                                 \
  struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; }; \
  static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                  \
  static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

SIMULATED_VECTORS(signed char, char)
SIMULATED_VECTORS(unsigned char, uchar)
SIMULATED_VECTORS(short, short)
SIMULATED_VECTORS(unsigned short, ushort)
SIMULATED_VECTORS(int, int)
SIMULATED_VECTORS(unsigned, uint)
SIMULATED_VECTORS(float, float)
SIMULATED_VECTORS(double, double)
SIMULATED_VECTORS(long long, longlong)
SIMULATED_VECTORS(unsigned long long, ulonglong)
#undef SIMULATED_VECTORS
