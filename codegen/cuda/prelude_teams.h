// The device side of CUDA rendering, continued: several neighbours in one access, threads that work together, and reductions in the
// contract's order by a team of threads, by a tile of columns, and by one thread. Refuses floating-point arithmetic of its own:
// what joins two values comes from the kernel.
#pragma once

namespace tenon::codegen {

// Neighbours in memory that one access moves; teams.
inline constexpr char cuda_prelude_teams[] = R"cuda(
// ---- packs: n neighbours, moved by one access where its address is a multiple of its size
template <class T, int n> struct alignas(sizeof(T) * n) Pack { T at[n]; };
template <int bytes> struct Words;
template <> struct Words<16> { alignas(16) u32 x; u32 y, z, w; };
template <> struct Words<8> { alignas(8) u32 x; u32 y; };
template <> struct Words<4> { u32 x; };
template <> struct Words<2> { u16 x; };
template <int n, class T>
__device__ __forceinline__ Pack<T, n> load_pack(const T* from) {
  return bitcast<Pack<T, n>>(*reinterpret_cast<const Words<sizeof(T) * n>*>(from));
}
template <int n, class T>
__device__ __forceinline__ void store_pack(T* to, Pack<T, n> values) {
  *reinterpret_cast<Words<sizeof(T) * n>*>(to) = bitcast<Words<sizeof(T) * n>>(values);
}
// The same at the end of a buffer, where `left` elements are left.
template <int n, class T, class I>
__device__ __forceinline__ Pack<T, n> load_pack(const T* from, I left) {
  if (left >= n) return load_pack<n>(from);
  Pack<T, n> values;
#pragma unroll
  for (int k = 0; k < n; ++k) values.at[k] = k < left ? from[k] : T{};
  return values;
}
template <int n, class T, class I>
__device__ __forceinline__ void store_pack(T* to, Pack<T, n> values, I left) {
  if (left >= n) return store_pack<n>(to, values);
#pragma unroll
  for (int k = 0; k < n; ++k)
    if (k < left) to[k] = values.at[k];
}

// ---- teams: a power of two of neighbouring threads, at most a warp, or a whole block of more
template <int team>
__device__ __forceinline__ u32 team_mask() {
  return team >= 32 ? ~0u : ((1u << (team % 32)) - 1) << (threadIdx.x % 32 / team * team);
}
template <int team>
__device__ __forceinline__ void team_wait() {
  if constexpr (team > 32) __syncthreads();
  else __syncwarp(team_mask<team>());
}
// From the thread `by` places on, within `width` threads; its own value where there is none.
template <int team, class R>
__device__ __forceinline__ R shuffle_down(R value, int by, int width) {
  u32 words[(sizeof(R) + 3) / 4] = {};
  memcpy(words, &value, sizeof value);
#pragma unroll
  for (u32& word : words) word = __shfl_down_sync(team_mask<team>(), word, by, width);
  memcpy(&value, words, sizeof value);
  return value;
}
template <int team, class R>
__device__ __forceinline__ R shuffle_first(R value) {
  u32 words[(sizeof(R) + 3) / 4] = {};
  memcpy(words, &value, sizeof value);
#pragma unroll
  for (u32& word : words) word = __shfl_sync(team_mask<team>(), word, 0, team < 32 ? team : 32);
  memcpy(&value, words, sizeof value);
  return value;
}
)cuda";

// Reductions in the contract's order.
inline constexpr char cuda_prelude_reductions[] = R"cuda(
// ---- reductions: chains per lane inside blocks of elements, lanes joined by halving, blocks by a pairwise tree
// A value and where it stands; -1: nowhere yet. The first NaN wins, else the first of the extreme values.
template <class T> struct Place { T value; i64 index; };
TENON_FN Place<T> first_of(bool better, bool worse, Place<T> x, Place<T> y) {
  if (x.index < 0) return y;
  if (y.index < 0) return x;
  const bool x_nan = x.value != x.value, y_nan = y.value != y.value;
  if (x_nan != y_nan) return x_nan ? x : y;
  if (!x_nan && better != worse) return better ? x : y;
  return x.index < y.index ? x : y;
}
TENON_FN Place<T> argmax(Place<T> x, Place<T> y) { return first_of(x.value > y.value, x.value < y.value, x, y); }
TENON_FN Place<T> argmin(Place<T> x, Place<T> y) { return first_of(x.value < y.value, x.value > y.value, x, y); }

// Totals of whole, aligned runs of blocks, waiting for their neighbours: one per rank where there are few ranks, for those stay in
// registers. A run of odd rank moves up when nothing follows.
template <class R, int ranks>
struct Pending {
  R totals[ranks];
  i64 count;
  template <class Join>
  __device__ __forceinline__ void push(R total, Join join) {
    if constexpr (ranks == 1) {
      totals[0] = total;
    } else if constexpr (ranks <= 24) {
      bool carried = true;
#pragma unroll
      for (int rank = 0; rank < ranks; ++rank) {
        if (!carried) continue;
        carried = count >> rank & 1;
        if (carried) total = join(totals[rank], total);
        else totals[rank] = total;
      }
    } else {
      int rank = 0;
      for (; count >> rank & 1; ++rank) total = join(totals[rank], total);
      totals[rank] = total;
    }
    ++count;
  }
  template <class Join>
  __device__ __forceinline__ R collapse(Join join) {
    if constexpr (ranks == 1) return totals[0];
    R total;
    bool any = false;
#pragma unroll ranks <= 24 ? ranks : 1
    for (int rank = 0; rank < ranks; ++rank) {
      if (!(count >> rank & 1)) continue;
      total = any ? join(totals[rank], total) : totals[rank];
      any = true;
    }
    return total;
  }
};

// The total of the elements from begin to end, which are one block of the tree or less, by one thread.
template <int lanes, class I, class R, class Element, class Join>
__device__ __forceinline__ R reduce_block(I begin, I end, R identity, Element element, Join join) {
  if constexpr (lanes == 1) {
    R sum = identity;
#pragma unroll 4
    for (I i = begin; i < end; ++i) sum = join(sum, element(i));
    return sum;
  } else {
    R sums[lanes];
#pragma unroll
    for (R& sum : sums) sum = identity;
    for (I i = begin; i < end; i += lanes)
#pragma unroll
      for (int lane = 0; lane < lanes; ++lane)
        if (i + lane < end) sums[lane] = join(sums[lane], element(i + lane));
#pragma unroll
    for (int half = lanes / 2; half > 0; half /= 2)
#pragma unroll
      for (int lane = 0; lane < half; ++lane) sums[lane] = join(sums[lane], sums[lane + half]);
    return sums[0];
  }
}

// By one thread.
template <int lanes, int block, int ranks, class I, class R, class Element, class Join>
__device__ __forceinline__ R reduce_alone(I extent, R identity, R empty, Element element, Join join) {
  Pending<R, ranks> pending;
  pending.count = 0;
  for (I begin = 0; begin < extent; begin += block)
    pending.push(reduce_block<lanes>(begin, begin + block < extent ? I(begin + block) : extent, identity, element, join), join);
  return extent > 0 ? pending.collapse(join) : empty;
}

// By a team that is called together, `pack` lanes of the tree per thread; every thread gets the result. `once`: the team has a
// thread for every lane of every block. element(i, next): the elements from i on.
template <int team, int lanes, int block, int pack, bool once, class I, class R, class Element, class Join>
__device__ __forceinline__ R reduce_team(I extent, R identity, R empty, Element element, Join join) {
  constexpr int width = lanes / pack, at_once = team / width, shuffled = (team < 32 ? team : 32) / width;
  constexpr int warps = at_once / shuffled, ranks = once ? 1 : 56;
  static_assert(width * pack == lanes && width <= 32 && at_once > 0, "lanes are joined inside a warp");
  static_assert(once || team > 32, "a team of threads of one warp has a thread for everything");
  const int rank = threadIdx.x % team, part = rank / width, lane = rank % width * pack;
  const I blocks = (extent + block - 1) / block;
  R total = empty;
  __shared__ R parts[warps > 1 || !once ? warps : 1], result[1];
  __shared__ Pending<R, ranks> pending;
  if constexpr (!once) if (rank == 0) pending.count = 0;
  for (I first = 0; first < blocks; first += at_once) {
    const I begin = (first + part) * block, end = begin + block < extent ? begin + block : extent;
    R sums[pack];
#pragma unroll
    for (R& sum : sums) sum = identity;
#pragma unroll 4
    for (I i = begin + lane; i < end; i += lanes) {
      R next[pack];
      element(i, next);
#pragma unroll
      for (int k = 0; k < pack; ++k) sums[k] = join(sums[k], next[k]);
    }
#pragma unroll
    for (int half = lanes / 2; half > 0; half /= 2)
#pragma unroll
      for (int k = 0; k < pack; ++k)
        if (half >= pack) sums[k] = join(sums[k], shuffle_down<team>(sums[k], half / pack, width));
        else if (k < half) sums[k] = join(sums[k], sums[k + half]);
    total = sums[0];
    const int have = blocks - first < at_once ? int(blocks - first) : at_once;
#pragma unroll
    for (int by = 1; by < shuffled; by *= 2) {
      const R other = shuffle_down<team>(total, by * width, shuffled * width);
      if (part + by < have) total = join(total, other);
    }
    if constexpr (warps > 1) {
      __syncthreads();
      if (rank % 32 == 0) parts[rank / 32] = total;
      __syncthreads();
      R all[warps];
#pragma unroll
      for (int w = 0; w < warps; ++w) all[w] = parts[w];
#pragma unroll
      for (int by = 1; by < warps; by *= 2)
#pragma unroll
        for (int w = 0; w + by < warps; w += 2 * by)
          if ((w + by) * shuffled < have) all[w] = join(all[w], all[w + by]);
      total = all[0];
    }
    if constexpr (!once) if (rank == 0) pending.push(total, join);
    if constexpr (once) break;
  }
  if constexpr (!once) {
    if (blocks == 0) return empty;
    if (rank == 0) result[0] = pending.collapse(join);
    __syncthreads();
    return result[0];
  } else if constexpr (warps == 1) {
    return blocks > 0 ? shuffle_first<team>(total) : empty;
  } else {
    return total;
  }
}

// By a block that has `columns` columns side by side: the threads of a column take runs of its blocks, a power of two each, and
// join their totals. All threads of the block call it; those of a column get its result.
template <int threads, int columns, int lanes, int block, int ranks, class I, class R, class Element, class Join>
__device__ __forceinline__ R reduce_columns(I extent, R identity, R empty, Element element, Join join) {
  constexpr int slabs = threads / columns;
  const int column = threadIdx.x % columns, slab = threadIdx.x / columns;
  const I blocks = (extent + block - 1) / block;
  I run = 1;
  while (run * slabs < blocks) run *= 2;
  const I first = slab * run < blocks ? I(slab * run * block) : extent;
  const I last = run * block < extent - first ? I(first + run * block) : extent;
  Pending<R, ranks> pending;
  pending.count = 0;
  for (I begin = first; begin < last; begin += block)
    pending.push(reduce_block<lanes>(begin, begin + block < last ? I(begin + block) : last, identity, element, join), join);
  __shared__ R parts[slabs][columns];
  __syncthreads();
  if (first < last) parts[slab][column] = pending.collapse(join);
  for (int by = 1; by < slabs; by *= 2) {
    __syncthreads();
    if (slab % (2 * by) == 0 && (slab + by) * run < blocks)
      parts[slab][column] = join(parts[slab][column], parts[slab + by][column]);
  }
  __syncthreads();
  return blocks > 0 ? parts[0][column] : empty;
}
)cuda";

}  // namespace tenon::codegen
