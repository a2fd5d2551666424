// The device side of contractions, behind the prelude in modules that hold one: templates that a kernel calls with its three
// blocks as lambdas. Each sum is one chain of fma ascending over k from +0, in segments of 4096 that the pairwise tree joins;
// tiles choose which chains advance together. Refuses to split a chain.
#pragma once

namespace tenon::codegen {

// What both paths share, and the exact one.
inline constexpr char cuda_prelude_contract[] = R"cuda(
// ---- contractions
constexpr i64 segment = 4096;  // elements of k in one chain
__device__ constexpr int least(int x, int y) { return x < y ? x : y; }
__device__ constexpr int most(int x, int y) { return x < y ? y : x; }
// The largest divisor of `all` of which `limit` have room.
__device__ constexpr int part_of(int all, int limit) { return limit >= all ? all : all % 2 == 0 && all > 1 ? part_of(all / 2, limit) : 1; }

// The number of the thread in its block, not known ahead: what follows from it is computed where it is used, not held in registers
// throughout a tile.
__device__ __forceinline__ int thread_now() {
  int thread = threadIdx.x;
#ifdef __CUDACC__
  asm volatile("" : "+r"(thread));
#endif
  return thread;
}

TENON_FN T multiply_add(T x, T y, T sum) {
  if constexpr (is_float<T>) return fma(x, y, sum);
  else return add(mul(x, y), sum);
}

// An operand's block gives an element, or the address of one in a buffer, from which whole runs can be read.
template <class T, class E> __device__ __forceinline__ T element_of(const E* from) { return cast<T>(*from); }
template <class T, class E> __device__ __forceinline__ T element_of(E value) { return cast<T>(value); }
template <int count, class T, class E>
__device__ __forceinline__ void read_run(T (&to)[count], const E* from) {
  const Pack<E, count> pack = *reinterpret_cast<const Pack<E, count>*>(from);
#pragma unroll
  for (int x = 0; x < count; ++x) to[x] = cast<T>(pack.at[x]);
}
template <int count, class T>
__device__ __forceinline__ void read_run(T (&to)[count], T value) { to[0] = value; }

// Sums of a thread when a segment ends, `run` of which went before: they join what waits beside them, or wait.
template <class T, int count, int levels>
__device__ __forceinline__ void end_segment(T (&sum)[count], T (&waiting)[levels][count], int& depth, i64 run) {
  for (; run & 1; run >>= 1) {
    --depth;
    for (int x = 0; x < count; ++x) sum[x] = add(waiting[depth][x], sum[x]);
  }
  for (int x = 0; x < count; ++x) waiting[depth][x] = sum[x], sum[x] = T(0);
  ++depth;
}
template <class T, int count, int levels>
__device__ __forceinline__ void join_segments(T (&sum)[count], T (&waiting)[levels][count], int depth) {
  while (depth > 0) {
    --depth;
    for (int x = 0; x < count; ++x) sum[x] = add(waiting[depth][x], sum[x]);
  }
}

// One thread per chain, from element `first` of the result in steps of `step`.
template <class T, class Lhs, class Rhs, class Epilogue>
__device__ void contract_alone(i64 first, i64 step, i64 batches, i64 m, i64 n, i64 k, Lhs lhs, Rhs rhs, Epilogue epilogue) {
  for (i64 e = first; e < batches * m * n; e += step) {
    const i64 b = e / (m * n), i = e / n % m, j = e % n;
    Pending<T, 52> pending;
    pending.count = 0;
    for (i64 begin = 0; begin == 0 || begin < k; begin += segment) {
      const i64 end = begin + segment < k ? begin + segment : k;
      T sum = T(0);
      for (i64 at = begin; at < end; ++at) sum = multiply_add(element_of<T>(lhs(b, i, at)), element_of<T>(rhs(b, at, j)), sum);
      pending.push(sum, [](T x, T y) { return add(x, y); });
    }
    epilogue(b, i, j, pending.collapse([](T x, T y) { return add(x, y); }));
  }
}

// The place of tile number `tile`: bands of eight rows of tiles, each walked column by column, so that neighbours in time read
// the same operands.
template <class I>
struct Place3 { I batch, row, column; };
template <int rows, int columns, class I>
__device__ __forceinline__ Place3<I> place_of(i64 tile, i64 down, i64 across) {
  const i64 batch = tile / (down * across), rest = tile % (down * across);
  const i64 first = rest / (8 * across) * 8, inside = rest % (8 * across), height = down - first < 8 ? down - first : 8;
  return {I(batch), I((first + inside % height) * rows), I(inside / height * columns)};
}

// Hands sums in shared memory to the epilogue, neighbours in a row by neighbouring threads. A warp's part is `bands` bands of
// `band` rows, the first being `first` of its tile.
template <class Tile, int warps, int warps_across, int bands, int band, int warp_rows, int warp_columns, int stride, class T, class I, class Epilogue>
__device__ __forceinline__ void drain(const T* stage, int first, Place3<I> at, I m, I n, Epilogue epilogue) {
  constexpr int each = bands * band * warp_columns;
#pragma unroll (Tile::unroll)
  for (int e = thread_now(); e < warps * each; e += Tile::threads) {
    const int warp = e / each, row = e % each / warp_columns, column = e % warp_columns;
    const I i = at.row + I(warp / warps_across * warp_rows + first * band + row);
    const I j = at.column + I(warp % warps_across * warp_columns + column);
    if (i < m && j < n) epilogue(at.batch, i, j, stage[(warp * bands * band + row) * stride + column]);
  }
}

// A tile of an operand on its way through registers into shared memory, where k is the slow index. What lies outside is
// `nothing`: -0 on the left and +0 on the right along k, whose product -0 changes no sum.
template <class Tile, class T, class I, int outer, bool along_k, int run, int vector>
struct Carried {
  static constexpr int depth = Tile::depth, stride = outer + (along_k ? vector : 0);
  static constexpr int across = (along_k ? depth : outer) / run, runs = outer * depth / run;
  static constexpr int count = (runs + Tile::threads - 1) / Tile::threads;
  static constexpr bool even = runs % Tile::threads == 0;
  T held[count][run];
  template <class Operand>
  __device__ __forceinline__ void fetch(Operand operand, I first, I end, I from, I k, T nothing) {
#pragma unroll
    for (int x = 0; x < count; ++x) {
      const int e = int(threadIdx.x) + x * Tile::threads;
      const I o = first + I(along_k ? e / across : e % across * run), at = from + I(along_k ? e % across * run : e / across);
#pragma unroll
      for (int y = 0; y < run; ++y) held[x][y] = nothing;
      if (o < end && at < k && (even || e < runs)) read_run<run>(held[x], operand(o, at));
    }
  }
  __device__ __forceinline__ void put(T* to) const {
#pragma unroll
    for (int x = 0; x < count; ++x) {
      const int e = int(threadIdx.x) + x * Tile::threads;
      if (!even && e >= runs) break;
      const int o = along_k ? e / across : e % across * run, at = along_k ? e % across * run : e / across;
      if constexpr (along_k || run == 1) {
#pragma unroll
        for (int y = 0; y < run; ++y) to[(at + y) * stride + o] = held[x][y];
      } else {
        Pack<T, run> pack;
#pragma unroll
        for (int y = 0; y < run; ++y) pack.at[y] = held[x][y];
        *reinterpret_cast<Pack<T, run>*>(to + at * stride + o) = pack;
      }
    }
  }
};

// The exact path: a block takes a tile of sums, a thread a part of them in registers.
template <class Tile, class T, class I>
struct Exact {
  static constexpr int height = Tile::thread_rows, width = Tile::thread_columns, count = height * width;
  static constexpr int lane_rows = Tile::lane_rows, lane_columns = 32 / lane_rows;
  static constexpr int warp_rows = lane_rows * height, warp_columns = lane_columns * width;
  static constexpr int warps_across = Tile::columns / warp_columns, warps = Tile::rows / warp_rows * warps_across;
  static constexpr int tall = least(height, 16 / sizeof(T)), wide = least(width, 16 / sizeof(T));  // read at once
  using Left = Carried<Tile, T, I, Tile::rows, Tile::lhs_along_k, Tile::lhs_run, tall>;
  using Right = Carried<Tile, T, I, Tile::columns, Tile::rhs_along_k, Tile::rhs_run, wide>;
  static constexpr int left_size = Tile::depth * Left::stride;
  static constexpr int half = (left_size + Tile::depth * Right::stride + 15) / 16 * 16;  // one of two buffers
  static constexpr int band = lane_rows * tall, bands = height / tall, band_size = warps * band * warp_columns;
  static constexpr int at_once = part_of(bands, 2 * half / band_size), size = most(2 * half, band_size);

  int row, column;
  bool sums;  // this thread has sums; the others only copy
  __device__ __forceinline__ Exact() {
    const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    row = warp / warps_across * warp_rows + lane / lane_columns * tall;
    column = warp % warps_across * warp_columns + lane % lane_columns * wide;
    sums = warp < warps;
  }
  __device__ __forceinline__ void multiply(T (&sum)[count], const T* left, const T* right) const {
#pragma unroll (count >= 16 ? 2 : 16)
    for (int at = 0; at < Tile::depth; ++at) {
      Pack<T, tall> a[height / tall];
      Pack<T, wide> b[width / wide];
#pragma unroll
      for (int x = 0; x < height / tall; ++x) a[x] = *reinterpret_cast<const Pack<T, tall>*>(left + at * Left::stride + row + x * band);
#pragma unroll
      for (int y = 0; y < width / wide; ++y) b[y] = *reinterpret_cast<const Pack<T, wide>*>(right + at * Right::stride + column + y * lane_columns * wide);
#pragma unroll
      for (int x = 0; x < height; ++x)
#pragma unroll
        for (int y = 0; y < width; ++y)
          sum[x * width + y] = multiply_add(a[x / tall].at[x % tall], b[y / wide].at[y % wide], sum[x * width + y]);
    }
  }
  // Bands [first, first + at_once) into shared memory.
  __device__ __forceinline__ void stage(T* to, const T (&sum)[count], int first) const {
    const int thread = thread_now(), warp = thread / 32, lane = thread % 32, row_lane = lane / lane_columns, column_lane = lane % lane_columns;
#pragma unroll
    for (int x = 0; x < height; ++x)
      if (x / tall >= first && x / tall < first + at_once) {
        T* const line = to + ((warp * at_once + x / tall - first) * band + row_lane * tall + x % tall) * warp_columns;
#pragma unroll
        for (int y = 0; y < width; y += wide) {
          Pack<T, wide> pack;
#pragma unroll
          for (int z = 0; z < wide; ++z) pack.at[z] = sum[x * width + y + z];
          *reinterpret_cast<Pack<T, wide>*>(line + y * lane_columns + column_lane * wide) = pack;
        }
      }
  }
};

template <class Tile, class T, class I, class Lhs, class Rhs, class Epilogue>
__device__ __forceinline__ void contract_exact(I batches, I m, I n, I k, Lhs lhs, Rhs rhs, Epilogue epilogue) {
  using Part = Exact<Tile, T, I>;
  constexpr int levels = most(Tile::levels, 1);
  alignas(16) __shared__ T memory[Part::size];
  const Part part;
  const i64 down = (i64(m) + Tile::rows - 1) / Tile::rows, across = (i64(n) + Tile::columns - 1) / Tile::columns;
  for (i64 tile = blockIdx.x; tile < i64(batches) * down * across; tile += gridDim.x) {
    const Place3<I> at = place_of<Tile::rows, Tile::columns, I>(tile, down, across);
    typename Part::Left left;
    typename Part::Right right;
    const auto fetch = [&](I from) {
      left.fetch([&](I i, I x) { return lhs(at.batch, i, x); }, at.row, m, from, k, neg(T(0)));
      right.fetch([&](I j, I x) { return rhs(at.batch, x, j); }, at.column, n, from, k, T(0));
    };
    T sum[Part::count], waiting[levels][Part::count];
    int depth = 0;
#pragma unroll
    for (T& each : sum) each = T(0);
    T* now = memory;
    T* next = memory + Part::half;
#pragma unroll 1
    for (I from = 0;; from += Tile::depth) {  // what is fetched in one round is multiplied in the next
      if (from < k) fetch(from);
      if constexpr (Tile::levels > 0)
        if (from > segment && from % segment == Tile::depth % segment) end_segment(sum, waiting, depth, i64(from / segment) - 1);
      if (from > 0 && part.sums) part.multiply(sum, now, now + Part::left_size);
      if (from >= k) break;
      T* const last = now;
      now = next, next = last;
      left.put(now);
      right.put(now + Part::left_size);
      __syncthreads();
    }
    __syncthreads();
    if constexpr (Tile::levels > 0) join_segments(sum, waiting, depth);
#pragma unroll 1
    for (int first = 0; first < Part::bands; first += Part::at_once) {
      if (part.sums) part.stage(memory, sum, first);
      __syncthreads();
      drain<Tile, Part::warps, Part::warps_across, Part::at_once, Part::band, Part::warp_rows, Part::warp_columns, Part::warp_columns>(
          memory, first, at, m, n, epilogue);
      __syncthreads();
    }
  }
}
)cuda";

}  // namespace tenon::codegen
