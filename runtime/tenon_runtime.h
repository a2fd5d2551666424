/* The C interface between compiled programs and whoever calls them, and the small runtime that serves it.
 *
 * A compiled program is one function  int32_t NAME(const tenon_call*)  plus  int64_t NAME_arena_bytes(const int64_t*).
 * Everything it needs from outside arrives in the call: memory, extents, and an environment of function pointers, so
 * objects built by different versions live in one process and a caller can bring its own thread pool. This header
 * depends on the C standard library alone, and refuses to know tensors, graphs or compilers. */
#ifndef TENON_RUNTIME_H
#define TENON_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Results of an entry point: 0 is success; a positive number is the failed check in the manifest; these are misuse.
 * NAME_arena_bytes gives the same codes in place of a size. */
enum {
  TENON_OK = 0,
  TENON_BAD_CALL = -1,      /* struct_size too small, or a pointer that is null or not aligned where it must be */
  TENON_BAD_CPU = -2,       /* the processor lacks an instruction set that the object was built for */
  TENON_BAD_EXTENT = -3,    /* an extent lies outside its bounds, or one that follows from it does */
  TENON_NO_MEMORY = -4,     /* the runtime could not allocate an arena */
  TENON_ALIAS = -5,         /* an output overlaps another buffer that the manifest does not allow */
  TENON_THREW = -6,         /* what call_custom gives for a custom function that threw an exception */
  TENON_DEVICE_FAILED = -7, /* a device, or its driver, failed or is not there (runtime/tenon_cuda.h) */
  TENON_RANKS_FAILED = -8   /* another rank failed, is lost, or does something else (runtime/tenon_ranks.h) */
};

/* One range [begin, end) of a parallel loop. Returns 0, or a positive check number. Must not throw. */
typedef int32_t (*tenon_chunk)(void* context, int64_t begin, int64_t end);

/* The function behind a custom call: 0 is success. Only where call_custom catches it may it throw. */
typedef int32_t (*tenon_custom)(const void* const* inputs, void* const* outputs);

/* A tensor that a program prints: dense, row-major, on the host. dtype: 0 bool, 1 to 4 i8 to i64, 5 to 8 u8 to u64, 9 f16,
 * 10 bf16, 11 f32, 12 f64. */
typedef struct tenon_printed {
  int32_t dtype, rank;
  const int64_t* extents;
  const void* data;
} tenon_printed;

/* What compiled code may ask of its caller. Append only: struct_size says how much of it is there. */
typedef struct tenon_env {
  uint64_t struct_size;
  void* pool; /* passed back as the first argument of parallel_for */
  /* Runs chunk over [0, total) in pieces that start at multiples of grain; each piece is at most a few grains. Returns 0
   * or the code of the lowest failing piece. Every piece runs with the default floating-point control word. */
  int32_t (*parallel_for)(void* pool, int64_t total, int64_t grain, tenon_chunk chunk, void* context);
  void (*print)(const char* text, uint64_t length); /* whole lines, in order, in the thread of the call */
  int32_t threads; /* how many threads parallel_for may use, 1 when it runs in place */
  int32_t reserved;
  /* Calls a custom function in the caller's manner, so that no exception crosses compiled code; its result is the
   * function's. Null: it is called directly. */
  int32_t (*call_custom)(void* custom_context, tenon_custom function, const void* const* inputs, void* const* outputs);
  void* custom_context; /* passed back as the first argument of call_custom */
  /* Makes a line of a format, in which {} stands for a tensor and {{ and }} for braces, and hands it to env->print. 0 or
   * TENON_NO_MEMORY. A program that prints refuses an environment without it. */
  int32_t (*print_line)(const struct tenon_env* env, const char* format, uint64_t length, const tenon_printed* tensors,
                        uint64_t count);
  /* The other ranks, for a program that has collectives (runtime/tenon_ranks.h). Null: there are none. */
  const struct tenon_ranks* ranks;
} tenon_env;

/* Filled in when an entry point returns non-zero. */
typedef struct tenon_error {
  int32_t code; /* the entry point's result */
  int32_t node; /* number of the failing node in the program's canonical text, or -1 */
  int64_t values[4]; /* what the check compared, zero where unused; of a custom call what its function returned */
} tenon_error;

typedef struct tenon_call {
  uint64_t struct_size;
  const void* const* inputs; /* dense, row-major, aligned to their element */
  void* const* outputs;
  void* arena; /* NAME_arena_bytes(dims) bytes, aligned to 64; may be null when that is 0 */
  const int64_t* dims; /* values of the symbolic dimensions, in the manifest's order */
  const tenon_env* env;
  tenon_error* error; /* may be null */
} tenon_call;

/* ---- the small runtime: libc and pthreads only -------------------------------------------------------------- */

/* The environment: a pool of tenon_runtime_threads() threads, started on first use, ended with the library that holds
 * this code; a forked child starts a fresh pool. A process forked from inside a piece may only exec or _exit. */
const tenon_env* tenon_runtime_env(void);
/* An environment that runs every loop in the calling thread. */
const tenon_env* tenon_serial_env(void);
/* Sets the number of threads (1..256) used by later parallel loops; 0 means one per available core (the default, or
 * TENON_THREADS). Returns the number in force. */
int32_t tenon_runtime_set_threads(int32_t threads);
int32_t tenon_runtime_threads(void);

/* Recycled memory, aligned to 64 bytes (2 MiB for blocks of 2 MiB and more, on huge pages where the system has them).
 * Freed blocks are kept for reuse, so steady state touches no fresh page; what is kept and what is handed out stay
 * together within the recent peak of the latter, plus 64 MiB. Thread safe. Null when out of memory. */
void* tenon_alloc(uint64_t bytes);
void tenon_free(void* block, uint64_t bytes);
/* The same for what is as good in a larger block, such as an arena: one that is kept is taken if it has at most four times the bytes.
 * *size gets the bytes that tenon_free is told. */
void* tenon_alloc_at_least(uint64_t bytes, uint64_t* size);
/* Returns every kept block to the system, but for at most 1 MiB of small blocks that each other thread keeps. */
void tenon_trim(void);
/* Bytes handed out now, and bytes kept for reuse. */
void tenon_memory_stats(uint64_t* in_use, uint64_t* kept);

/* What a code says, in English; a positive one is a check that failed. Never null. */
const char* tenon_message(int32_t code);

/* Memory that a call reads or writes. */
typedef struct tenon_span {
  uintptr_t begin, end;
  int32_t is_output;
} tenon_span;
/* TENON_BAD_CALL for an array or a buffer of more than 0 bytes that is null, TENON_ALIAS where an output overlaps another
 * buffer, else 0. `spans` is room for one span for each buffer; its content does not matter. */
int32_t tenon_check_buffers(const void* const* inputs, const uint64_t* input_bytes, uint32_t input_count,
                            void* const* outputs, const uint64_t* output_bytes, uint32_t output_count,
                            tenon_span* spans);

/* Instruction sets that objects are built for, and which of them this processor and system have: asked of the processor
 * once, then remembered. A header names what its object needs. */
#define TENON_CPU_X86_64_V2 (UINT64_C(1) << 0)
#define TENON_CPU_X86_64_V3 (UINT64_C(1) << 1)
#define TENON_CPU_X86_64_V4 (UINT64_C(1) << 2)
#define TENON_CPU_AVX512_VBMI (UINT64_C(1) << 3)
#define TENON_CPU_AVX512_VBMI2 (UINT64_C(1) << 4)
#define TENON_CPU_AVX512_BITALG (UINT64_C(1) << 5)
#define TENON_CPU_AVX512_VPOPCNTDQ (UINT64_C(1) << 6)
#define TENON_CPU_GFNI (UINT64_C(1) << 7)
#define TENON_CPU_AARCH64 (UINT64_C(1) << 32)
uint64_t tenon_cpu_features(void);

/* Highest x86-64 micro-architecture level that this processor and system support (2, 3 or 4; 1 where they support
 * none of these; 0 where the processor is no x86-64). */
int32_t tenon_cpu_level(void);

/* Default floating-point environment: sets it and returns the old control word; puts one back. */
uint32_t tenon_fp_enter(void);
void tenon_fp_leave(uint32_t saved);

#ifdef __cplusplus
}
#endif
#endif
