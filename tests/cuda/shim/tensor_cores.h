// The host's twins of what the prelude spells as inline PTX for NVRTC: matrix products of a warp, loads of their fragments,
// and asynchronous copies into shared memory, which arrive no earlier than the wait for them. Products are summed in f32, ascending over k.
// Refuses wgmma and bulk copies.
#pragma once

static inline void mma_m16n8k16_f32_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                         SIMULATED_LINE) {
  simulated::Mma record = {d, a, b};
  simulated::collect(simulated::Collective::mma_bf16, 0xffffffffu, &record, line);
}
static inline void mma_m16n8k16_f32_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], SIMULATED_LINE) {
  simulated::Mma record = {d, a, b};
  simulated::collect(simulated::Collective::mma_f16, 0xffffffffu, &record, line);
}

// ldmatrix.x4: lane l knows the address of row l % 8 of matrix l / 8.
static inline void load_matrices(unsigned (&result)[4], const void* row, SIMULATED_LINE) {
  simulated::Matrices record = {result, row};
  simulated::collect(simulated::Collective::matrices, 0xffffffffu, &record, line);
}
static inline void load_matrices_transposed(unsigned (&result)[4], const void* row, SIMULATED_LINE) {
  simulated::Matrices record = {result, row};
  simulated::collect(simulated::Collective::matrices_transposed, 0xffffffffu, &record, line);
}

static inline void copy_async_16(void* shared, const void* global, bool valid, SIMULATED_LINE) {
  __asm__ volatile("" ::: "memory");
  simulated::services->copy(shared, global, valid, line);
}
static inline void copy_async_commit() { simulated::services->commit_copies(); }
template <int groups_left>
static inline void copy_async_wait(SIMULATED_LINE) {
  simulated::services->wait_copies(groups_left, line);
  __asm__ volatile("" ::: "memory");
}
