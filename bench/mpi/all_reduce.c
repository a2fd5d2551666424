/* An all_reduce of f32 through our table beside MPI_Allreduce of the same buffers: samples of both by turns, medians of rank 0, and their
 * ratio, above 1 where ours is quicker. usage: mpirun -n 2 mpi_all_reduce [BYTES...] */
#define _GNU_SOURCE
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/runtime/tenon_ranks.h"

enum { SAMPLES = 31 };

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a;
  const double y = *(const double*)b;
  return (x > y) - (x < y);
}

static double median(double* samples, int count) {
  qsort(samples, (size_t)count, sizeof *samples, ascending);
  return samples[count / 2];
}

static double ours(const tenon_ranks* ranks, const tenon_collective* what, const float* in, float* out, int calls) {
  MPI_Barrier(MPI_COMM_WORLD);
  const double begin = MPI_Wtime();
  for (int k = 0; k < calls; k++)
    if (tenon_ranks_run(ranks, what, in, out) != TENON_OK) {
      printf("%s\n", ranks->message(ranks->world));
      exit(1);
    }
  return (MPI_Wtime() - begin) / calls;
}

static double theirs(const float* in, float* out, int count, int calls) {
  MPI_Barrier(MPI_COMM_WORLD);
  const double begin = MPI_Wtime();
  for (int k = 0; k < calls; k++) MPI_Allreduce(in, out, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  return (MPI_Wtime() - begin) / calls;
}

static int measure(const tenon_ranks* ranks, size_t bytes) {
  const int count = (int)(bytes / sizeof(float));
  const int calls = bytes <= 16384 ? 200 : bytes <= 4 << 20 ? 20 : 1;
  float* in = (float*)aligned_alloc(64, bytes);
  float* out = (float*)aligned_alloc(64, bytes);
  float* other = (float*)aligned_alloc(64, bytes);
  if (in == NULL || out == NULL || other == NULL) return 1;
  for (int k = 0; k < count; k++) in[k] = (float)(k % 1000) + 0.25f * (float)ranks->rank;
  memset(out, 0, bytes);
  memset(other, 0, bytes);
  tenon_collective what;
  memset(&what, 0, sizeof what);
  what.struct_size = sizeof what;
  what.kind = TENON_ALL_REDUCE;
  what.combine = TENON_SUM;
  what.dtype = 11;
  what.size = ranks->size;
  what.stride = 1;
  what.count = count;
  what.where = "all_reduce";
  double mine[SAMPLES];
  double mpi[SAMPLES];
  for (int s = -3; s < SAMPLES; s++) {
    const double a = ours(ranks, &what, in, out, calls);
    const double b = theirs(in, other, count, calls);
    if (s >= 0) mine[s] = a, mpi[s] = b;
  }
  const int same = memcmp(out, other, bytes) == 0;
  const double a = median(mine, SAMPLES);
  const double b = median(mpi, SAMPLES);
  if (ranks->rank == 0)
    printf("all_reduce of %10zu bytes on %d ranks: %10.1f us, MPI %10.1f us, ratio %.2f%s\n", bytes, (int)ranks->size,
           1e6 * a, 1e6 * b, b / a,
           same               ? ""
           : ranks->size == 2 ? " WRONG"
                              : " (another order of summation)");
  free(in);
  free(out);
  free(other);
  return ranks->size == 2 && !same;
}

int main(int argc, char** argv) {
  const char* reason = NULL;
  const tenon_ranks* ranks = tenon_mpi_ranks(&reason);
  if (ranks == NULL) {
    printf("no world: %s\n", reason);
    return 3;
  }
  static const size_t sizes[] = {4096, 1 << 20, 64 << 20};
  int wrong = 0;
  if (argc > 1)
    for (int k = 1; k < argc; k++) wrong |= measure(ranks, strtoull(argv[k], NULL, 10));
  else
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) wrong |= measure(ranks, sizes[k]);
  return wrong;
}
