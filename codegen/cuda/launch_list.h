/* The form in which a program's steps reach a GPU: 64-bit words that the code generator writes (launch_list.cc) and the small
 * runtime reads (runtime/cuda/launch_list.c). Words are little-endian. An extent is a number from 0 on, or ~k for symbol k.
 *
 *   head     magic, format, length in words, static?, bytes of the arena, inputs, outputs, stored inputs
 *   counts   of symbols, buffers, aliases, constants, kernels, custom functions, steps; then these one after the other:
 *   symbol   kind (SymbolKind), lower, upper, left, right
 *   buffer   bytes of an element, home (Home), slot, offset, arena slot, extents
 *   alias    input, output
 *   constant place in the data behind the words, bytes; stored inputs first
 *   kernel   module, name, pointers, symbols, divisors, threads, grid, shared, written
 *   custom   name
 *   step     one of TENON_STEP_...; its number is what the call gives where it fails
 *
 * extents: count, each. name: bytes, then the bytes in whole words. symbols, divisors: count, each. grid: count of factors, each
 * `each` and extents. shared: count, each bytes of an element and extents. written: count, each extents: a launch that writes
 * nothing is left out. format: a text. operand: buffer, loop or -1, reversed?, stride, part?, start. steps: count, each.
 * Refuses to hold addresses and names of source files. */
#ifndef TENON_CUDA_LAUNCH_LIST_H
#define TENON_CUDA_LAUNCH_LIST_H

enum {
  TENON_LAUNCHES_FORMAT = 4,
  TENON_LAUNCHES_ALIGNMENT = 64, /* of buffers in the arena and of constants, in bytes */
  TENON_BUFFER_ALIGNMENT = 16 /* of callers' buffers */
};
#define TENON_BUNDLE_MAGIC 0x656c646e75626e74 /* "tnbundle" */
#define TENON_LAUNCHES_MAGIC 0x68636e75616c6e74 /* "tnlaunch" */

enum {
  TENON_STEP_LAUNCH = 1, /* kernel, node, operands */
  TENON_STEP_COPY, /* from, to, whole?, elements: all of the buffer of `to`, or so many */
  TENON_STEP_REPEAT, /* trip count, steps */
  TENON_STEP_WHILE, /* flag (operand), steps of the condition, steps of the body */
  TENON_STEP_BRANCH, /* flag (operand), steps where it holds, steps where it does not */
  TENON_STEP_CUSTOM, /* function, number, node, outputs, operands */
  TENON_STEP_CHECK, /* number, node, flag (operand): that it holds */
  TENON_STEP_PRINT, /* format, count of tensors, each: dtype, extents, operand */
  /* node, kind (TENON_RANK_INDEX, or of tenon_ranks.h), combine, dtype, size, stride, root, to, from, place, digest, count of numbers,
   * the numbers, extents of a block, operands: none; the result; or operand and result */
  TENON_STEP_RANKS
};
enum { TENON_RANK_INDEX = 64 };

/* FNV-1a over words of 8 bytes (Fowler, Noll and Vo), the last one filled up by zeros: against damage, not against malice. */
static inline unsigned long long tenon_bundle_sum(const unsigned char* bytes, unsigned long long size) {
  unsigned long long sum = 0xcbf29ce484222325u;
  for (unsigned long long at = 0; at < size; at += 8) {
    unsigned long long word = 0;
    __builtin_memcpy(&word, bytes + at, size - at < 8 ? size - at : 8);
    sum = (sum ^ word) * 0x100000001b3u;
  }
  return sum;
}

#endif
