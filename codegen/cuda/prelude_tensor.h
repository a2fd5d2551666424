// The device side of contractions of halves on tensor cores (mma.sync m16n8k16 of sm_80 and later), behind the prelude of
// contractions. Tiles of operands stay halves in shared memory, in the order that they have in global memory, and are turned
// where they are read. Sums are f32, in no order that the contract on numbers knows. Refuses other dtypes than f16 and bf16.
#pragma once

namespace tenon::codegen {

inline constexpr char cuda_prelude_tensor[] = R"cuda(
#ifdef __CUDACC__  // a host that runs this text to test it spells these itself
__device__ __forceinline__ u32 shared_address(const void* p) {
  u32 address;
  asm("{ .reg .u64 t; cvta.to.shared.u64 t, %1; cvt.u32.u64 %0, t; }" : "=r"(address) : "l"(p));
  return address;
}
// d += a * b for a warp: a is 16 x 16, b 16 x 8.
__device__ __forceinline__ void mma_m16n8k16_f32_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_m16n8k16_f32_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// Four 8 x 8 matrices of halves, of which each lane names a row of 16 bytes: lane l gets halves 2 (l % 4) and the next of row
// l / 4, turned those of the column.
__device__ __forceinline__ void load_matrices(unsigned (&to)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(unsigned (&to)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
}
// 16 bytes that arrive later, or zeros.
__device__ __forceinline__ void copy_async_16(void* shared, const void* global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :: "r"(shared_address(shared)), "l"(global), "r"(valid ? 16 : 0) : "memory");
}
__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int pending>
__device__ __forceinline__ void copy_async_wait() { asm volatile("cp.async.wait_group %0;" :: "n"(pending) : "memory"); }
#endif

// An operand's tile: `outer` positions by the tile's depth, k the fast index or not. Rows are 16 bytes apart from a power of
// two, so that eight of them lie in different banks.
template <class Tile, class E, class I, int outer, bool along_k, int run>
struct Halves {
  static constexpr int depth = Tile::depth, stride = (along_k ? depth : outer) + 8, size = stride * (along_k ? outer : depth);
  static constexpr int across = (along_k ? depth : outer) / run, runs = outer * depth / run;
  template <class Operand>
  static __device__ __forceinline__ void fetch(E* to, Operand operand, I first, I end, I from, I k) {
#pragma unroll (run == 8 ? 16 : 4)
    for (int x = 0; x < (runs + Tile::threads - 1) / Tile::threads; ++x) {
      const int e = int(threadIdx.x) + x * Tile::threads, fast = e % across * run, slow = e / across;
      if (runs % Tile::threads != 0 && e >= runs) break;
      const I o = first + I(along_k ? slow : fast), at = from + I(along_k ? fast : slow);
      const bool valid = o < end && at < k;
      E* const place = to + slow * stride + fast;
      if constexpr (run == 8) {
        copy_async_16(place, operand(valid ? o : I(0), valid ? at : I(0)), valid);
      } else {
        E value{0};
        if (valid) value = operand(o, at);
        *place = value;
      }
    }
  }
  // 16 rows by 16 steps of k.
  static __device__ __forceinline__ void left(unsigned (&a)[4], const E* tile, int row, int at) {
    const int lane = int(threadIdx.x) % 32;
    if constexpr (along_k) load_matrices(a, tile + (row + lane % 16) * stride + at + lane / 16 * 8);
    else load_matrices_transposed(a, tile + (at + lane / 16 * 8 + lane % 8) * stride + row + lane / 8 % 2 * 8);
  }
  // 16 steps of k by two times 8 columns.
  static __device__ __forceinline__ void right(unsigned (&b)[4], const E* tile, int column, int at) {
    const int lane = int(threadIdx.x) % 32;
    if constexpr (along_k) load_matrices(b, tile + (column + lane / 16 * 8 + lane % 8) * stride + at + lane / 8 % 2 * 8);
    else load_matrices_transposed(b, tile + (at + lane % 16) * stride + column + lane / 16 * 8);
  }
};

template <class Tile, class E, class I>
struct Tensor {
  using Left = Halves<Tile, E, I, Tile::rows, Tile::lhs_along_k, Tile::lhs_run>;
  using Right = Halves<Tile, E, I, Tile::columns, Tile::rhs_along_k, Tile::rhs_run>;
  static constexpr int high = Tile::warp_rows / 16, wide = Tile::warp_columns / 8, count = high * wide * 4;
  static constexpr int warps_across = Tile::columns / Tile::warp_columns, warps = Tile::rows / Tile::warp_rows * warps_across;
  static constexpr int stage = Left::size + Right::size, bytes = Tile::stages * stage * 2;
  static constexpr int stride = Tile::warp_columns + 8, at_once = part_of(high, bytes / (warps * 16 * stride * 4));

  static __device__ __forceinline__ void multiply(f32 (&sum)[count], const E* left, const E* right) {
    const int warp = int(threadIdx.x) / 32, row = warp / warps_across * Tile::warp_rows, column = warp % warps_across * Tile::warp_columns;
#pragma unroll
    for (int at = 0; at < Tile::depth; at += 16) {
      unsigned a[high][4], b[wide / 2][4];
#pragma unroll
      for (int x = 0; x < high; ++x) Left::left(a[x], left, row + x * 16, at);
#pragma unroll
      for (int y = 0; y < wide / 2; ++y) Right::right(b[y], right, column + y * 16, at);
#pragma unroll
      for (int x = 0; x < high; ++x)
#pragma unroll
        for (int y = 0; y < wide; ++y) {
          f32* const s = sum + (x * wide + y) * 4;
          f32 d[4] = {s[0], s[1], s[2], s[3]};
          const unsigned both[2] = {b[y / 2][y % 2 * 2], b[y / 2][y % 2 * 2 + 1]};
          if constexpr (same<E, bf16>) mma_m16n8k16_f32_bf16(d, a[x], both);
          else mma_m16n8k16_f32_f16(d, a[x], both);
#pragma unroll
          for (int z = 0; z < 4; ++z) s[z] = d[z];
        }
    }
  }
  // Bands [first, first + at_once) of 16 rows into shared memory.
  static __device__ __forceinline__ void put(f32* to, const f32 (&sum)[count], int first) {
    const int thread = thread_now(), warp = thread / 32, lane = thread % 32;
#pragma unroll
    for (int x = 0; x < high; ++x)
      if (x >= first && x < first + at_once) {
        f32* const line = to + ((warp * at_once + x - first) * 16 + lane / 4) * stride + lane % 4 * 2;
#pragma unroll
        for (int y = 0; y < wide; ++y) {
          const f32* const s = sum + (x * wide + y) * 4;
          *reinterpret_cast<Pack<f32, 2>*>(line + y * 8) = {s[0], s[1]};
          *reinterpret_cast<Pack<f32, 2>*>(line + 8 * stride + y * 8) = {s[2], s[3]};
        }
      }
  }
};

template <class Tile, class E, class I, class Lhs, class Rhs, class Epilogue>
__device__ __forceinline__ void contract_tensor(void* memory, I batches, I m, I n, I k, Lhs lhs, Rhs rhs, Epilogue epilogue) {
  using Part = Tensor<Tile, E, I>;
  constexpr int levels = most(Tile::levels, 1), stages = Tile::stages;
  E* const operands = static_cast<E*>(memory);
  f32* const sums = static_cast<f32*>(memory);
  const i64 down = (i64(m) + Tile::rows - 1) / Tile::rows, across = (i64(n) + Tile::columns - 1) / Tile::columns;
  for (i64 tile = blockIdx.x; tile < i64(batches) * down * across; tile += gridDim.x) {
    const Place3<I> at = place_of<Tile::rows, Tile::columns, I>(tile, down, across);
    const auto fetch = [&](int stage, I from) {
      E* const left = operands + stage * Part::stage;
      if (from < k) {
        Part::Left::fetch(left, [&](I i, I x) { return lhs(at.batch, i, x); }, at.row, m, from, k);
        Part::Right::fetch(left + Part::Left::size, [&](I j, I x) { return rhs(at.batch, x, j); }, at.column, n, from, k);
      }
      copy_async_commit();
    };
    f32 sum[Part::count], waiting[levels][Part::count];
    int depth = 0, filled = 0, stage = 0, idle = stages - 1;
    I next = 0;
#pragma unroll
    for (f32& each : sum) each = 0;
#pragma unroll 1
    for (I from = 0; from < k;) {
      if (idle == 0) {  // the tiles before are on their way
        if constexpr (Tile::levels > 0)
          if (from > 0 && from % segment == 0) end_segment(sum, waiting, depth, i64(from / segment) - 1);
        copy_async_wait<stages - 2>();
        __syncthreads();
      }
      fetch(filled, next);
      next += Tile::depth;
      filled = filled + 1 == stages ? 0 : filled + 1;
      if (idle > 0) {
        --idle;
        continue;
      }
      const E* const now = operands + stage * Part::stage;
      Part::multiply(sum, now, now + Part::Left::size);
      stage = stage + 1 == stages ? 0 : stage + 1;
      from += Tile::depth;
    }
    if constexpr (Tile::levels > 0) join_segments(sum, waiting, depth);
    copy_async_wait<0>();
    __syncthreads();
#pragma unroll 1
    for (int first = 0; first < Part::high; first += Part::at_once) {
      Part::put(sums, sum, first);
      __syncthreads();
      drain<Tile, Part::warps, Part::warps_across, Part::at_once, 16, Tile::warp_rows, Tile::warp_columns, Part::stride>(
          sums, first, at, m, n, epilogue);
      __syncthreads();
    }
  }
}
)cuda";

}  // namespace tenon::codegen
