/* A launch list (codegen/cuda/launch_list.h) as it is read: what it says stays in its words, and these structures point into them.
 * Reading trusts nothing: every count and number is checked against what is there. Refuses to run anything. */
#ifndef TENON_CUDA_LAUNCH_LIST_READ_H
#define TENON_CUDA_LAUNCH_LIST_READ_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

typedef struct tenon_extents {
  const int64_t* codes; /* a number from 0 on, or ~k for symbol k */
  int64_t count;
} tenon_extents;

typedef struct tenon_text {
  const char* bytes; /* not terminated */
  int64_t size;
} tenon_text;

typedef struct tenon_list_symbol {
  int64_t kind, lower, upper, left, right;
} tenon_list_symbol;

enum { tenon_home_input, tenon_home_output, tenon_home_arena, tenon_home_constant };
enum {
  tenon_symbol_free,
  tenon_symbol_sum,
  tenon_symbol_difference,
  tenon_symbol_product,
  tenon_symbol_quotient,
  tenon_symbol_maximum
};

typedef struct tenon_list_buffer {
  int64_t element, home, slot, offset, arena_slot;
  tenon_extents extents;
} tenon_list_buffer;

typedef struct tenon_list_constant {
  int64_t place, bytes; /* in the data */
} tenon_list_constant;

typedef struct tenon_list_group { /* each: a number and extents; of written buffers the number is 0 */
  int64_t number;
  tenon_extents extents;
} tenon_list_group;

typedef struct tenon_list_kernel {
  int64_t module;
  tenon_text name;
  int64_t pointers;
  tenon_extents symbols, divisors; /* codes are numbers of symbols */
  int64_t threads;
  tenon_list_group *grid, *shared, *written;
  int64_t grid_count, shared_count, written_count;
} tenon_list_kernel;

typedef struct tenon_list_operand {
  int64_t buffer, loop, reversed, stride, part, start;
} tenon_list_operand;

typedef struct tenon_list_printed {
  int64_t dtype;
  tenon_extents extents;
} tenon_list_printed;

typedef struct tenon_list_step {
  int64_t kind;
  int64_t number; /* kernel; extent of the trip count; custom function */
  int64_t failure; /* custom, check: what the call gives where it fails */
  int64_t node; /* of the graph */
  int64_t whole; /* copy: all of the buffer */
  int64_t outputs; /* custom */
  tenon_list_operand* operands; /* copy: from, to; while, branch, check: the flag; print: its tensors */
  int64_t operand_count;
  tenon_text format; /* print */
  tenon_list_printed* printed; /* print: of each operand */
  /* ranks; its place is the format */
  int64_t kind_of_ranks, combine, dtype, size, stride, root, to, from;
  uint64_t digest;
  const int64_t* numbers;
  int64_t number_count;
  tenon_extents block;
  /* Their places in the list of all steps: [begin, end) of the condition, the body, and what else runs. */
  int64_t condition[2], body[2], otherwise[2];
} tenon_list_step;

typedef struct tenon_launch_list {
  int64_t* words; /* own copy */
  int64_t word_count;
  const unsigned char* data; /* of the bytes that were read: the caller's */
  int64_t data_bytes;
  int64_t is_static, arena_bytes, inputs, outputs, stored;
  int64_t symbol_count, buffer_count, alias_count, constant_count, kernel_count, custom_count;
  tenon_list_symbol* symbols;
  tenon_list_buffer* buffers;
  const int64_t* aliases; /* pairs */
  tenon_list_constant* constants;
  tenon_list_kernel* kernels;
  tenon_text* customs;
  tenon_list_step* steps; /* all, nested ones behind those that hold them */
  int64_t step_count, top_count; /* the first top_count are the program */
  int64_t free_symbols, has_flags; /* has_flags: a while loop, a branch, a check, a print or other ranks */
  int64_t waits_for_others; /* a function of the host or other ranks: other calls run meanwhile */
  void* blocks;
} tenon_launch_list;

/* 0, or why these bytes are no launch list for so many modules. What is read must be freed, also where this fails. */
const char* tenon_launch_list_read(tenon_launch_list* list, const void* bytes, uint64_t size, uint32_t modules);
void tenon_launch_list_free(tenon_launch_list* list);

/* Values of all symbols from those of the free ones: 0, or TENON_BAD_EXTENT. */
int32_t tenon_list_values(const tenon_launch_list* list, const int64_t* dims, int64_t* values);
static inline int64_t tenon_list_value(int64_t code, const int64_t* values) { return code >= 0 ? code : values[~code]; }
/* Bytes of a buffer, or -1 where they do not fit into 63 bits. */
int64_t tenon_list_bytes(const tenon_list_buffer* buffer, const int64_t* values);
/* The bytes of the arena, or TENON_BAD_EXTENT; offsets in it, one for each buffer, and room for as many numbers. */
int64_t tenon_list_layout(const tenon_launch_list* list, const int64_t* values, int64_t* offsets, int64_t* slots);

#pragma GCC visibility pop

#endif
