/* The process-wide thread pool behind tenon_env.parallel_for.
 *
 * One loop runs at a time. Its pieces are dealt from an atomic counter, never as fixed shares, so that a core
 * stolen by another process delays one piece and not half of the loop; the caller always works, and waits
 * only for workers that have joined. A worker spins briefly after a loop, then sleeps on a futex. A loop that
 * is nested, small, or finds the pool taken by another thread runs in place. The pool starts no thread before
 * it is needed and refuses to cancel a piece; a forked child starts afresh. Workers keep off the core that the
 * caller runs on: woken there, one would wait for the caller to give it up, who waits for the worker. A process forked from inside a piece
 * may only exec or _exit. Where this code is unloaded with the library that holds it, its threads end before. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tenon/runtime/c/print.h"
#include "tenon/runtime/tenon_ranks.h"
#include "tenon/runtime/tenon_runtime.h"

enum { MAX_THREADS = 256, MAX_GRAINS_PER_PIECE = 4, PIECES_PER_THREAD = 8, SPIN_NANOSECONDS = 40000 };

/* The gate word: who may join the current loop, and who is inside it. A worker joins by raising the count
 * while OPEN is set and the count is below the limit; the loop's fields do not change while the count is
 * above zero. */
#define GATE_OPEN 0x80000000u
#define GATE_CALLER_SLEEPS 0x40000000u
#define GATE_LIMIT_SHIFT 16
#define GATE_COUNT 0xffffu

static struct {
  _Alignas(64) _Atomic uint32_t gate;
  _Atomic uint32_t signal;   /* changes with every loop; workers sleep on it */
  _Atomic uint32_t sleepers; /* workers that sleep, or are about to */
  _Atomic uint32_t taken;    /* a caller owns the pool */
  _Atomic uint32_t forks;    /* how often this process is a forked child */
  _Atomic uint32_t stopped;  /* workers end; the pool stays taken, so that every later loop runs in place */

  _Alignas(64) _Atomic int64_t next; /* the first piece that nobody has claimed */
  int64_t pieces, piece, total;
  tenon_chunk chunk;
  void* context;

  _Alignas(64) pthread_mutex_t failure_lock;
  int64_t failed_piece; /* lowest so far; pieces when none */
  int32_t failed_code;

  int32_t workers;         /* started so far; only the owner of the pool starts threads */
  int32_t avoided;         /* the core that workers keep off, or -1; the owner's */
  int32_t places;          /* whether they do */
  cpu_set_t allowed;       /* where this process could run at first */
  pthread_t handles[MAX_THREADS];
  _Atomic int32_t threads; /* wanted, the caller included */
  int32_t cores;
} pool = {.failure_lock = PTHREAD_MUTEX_INITIALIZER, .avoided = -1};

static tenon_env pool_env;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static _Thread_local int inside_loop;

static void futex_wait(_Atomic uint32_t* word, uint32_t expected) {
  syscall(SYS_futex, (uint32_t*)word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t* word, int count) {
  syscall(SYS_futex, (uint32_t*)word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void cpu_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Spins until the word differs from value; false when it has not for SPIN_NANOSECONDS. With more threads than
 * cores the awaited thread may need this very core, so there is no spinning. */
static int spin_while_equal(_Atomic uint32_t* word, uint32_t value) {
  if (atomic_load_explicit(&pool.threads, memory_order_relaxed) > pool.cores) return 0;
  int64_t deadline = now() + SPIN_NANOSECONDS;
  do {
    for (int i = 0; i < 16; i++) {
      if (atomic_load_explicit(word, memory_order_acquire) != value) return 1;
      cpu_pause();
    }
  } while (now() < deadline);
  return 0;
}

static int32_t run_piece(tenon_chunk chunk, void* context, int64_t begin, int64_t end) {
  uint32_t saved = tenon_fp_enter();
  int32_t code = chunk(context, begin, end);
  tenon_fp_leave(saved);
  return code;
}

static int32_t run_in_place(int64_t total, int64_t piece, tenon_chunk chunk, void* context) {
  for (int64_t begin = 0; begin < total;) {
    int64_t end = total - begin < piece ? total : begin + piece;
    int32_t code = run_piece(chunk, context, begin, end);
    if (code != 0) return code;
    begin = end;
  }
  return 0;
}

/* Claims and runs pieces until none is left. Pieces are claimed in ascending order, so after a failure every
 * lower piece is already in somebody's hands and the rest can be skipped: the lowest failing piece is always
 * known. */
static void run_shared(void) {
  for (;;) {
    int64_t index = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed);
    if (index >= pool.pieces) return;
    int64_t begin = index * pool.piece;
    int64_t end = pool.total - begin < pool.piece ? pool.total : begin + pool.piece;
    int32_t code = run_piece(pool.chunk, pool.context, begin, end);
    if (code == 0) continue;
    pthread_mutex_lock(&pool.failure_lock);
    if (index < pool.failed_piece) {
      pool.failed_piece = index;
      pool.failed_code = code;
    }
    pthread_mutex_unlock(&pool.failure_lock);
    atomic_store_explicit(&pool.next, pool.pieces, memory_order_relaxed);
  }
}

static int join_loop(void) {
  uint32_t gate = atomic_load_explicit(&pool.gate, memory_order_relaxed);
  while ((gate & GATE_OPEN) && (gate & GATE_COUNT) < ((gate & ~(GATE_OPEN | GATE_CALLER_SLEEPS)) >> GATE_LIMIT_SHIFT))
    if (atomic_compare_exchange_weak_explicit(&pool.gate, &gate, gate + 1, memory_order_acquire, memory_order_relaxed))
      return 1;
  return 0;
}

static void leave_loop(void) {
  uint32_t before = atomic_fetch_sub_explicit(&pool.gate, 1, memory_order_acq_rel);
  if ((before & GATE_CALLER_SLEEPS) && (before & GATE_COUNT) == 1) futex_wake(&pool.gate, 1);
}

static void* worker(void* unused) {
  (void)unused;
  inside_loop = 1; /* whatever a piece calls runs in place */
  uint32_t forks = atomic_load(&pool.forks);
  for (;;) {
    uint32_t seen = atomic_load(&pool.signal);
    if (atomic_load(&pool.stopped)) return NULL;
    if (join_loop()) {
      run_shared();
      if (atomic_load(&pool.forks) != forks) return NULL; /* forked inside a piece: this pool is gone */
      leave_loop();
    }
    if (spin_while_equal(&pool.signal, seen)) continue;
    atomic_fetch_add(&pool.sleepers, 1);
    futex_wait(&pool.signal, seen); /* returns at once if a loop was opened since */
    atomic_fetch_sub(&pool.sleepers, 1);
  }
}

/* Workers take no signals, so that the program's handlers run on the program's threads. Fewer threads than
 * wanted are no failure: the caller works anyway. */
static void start_workers(int32_t wanted) {
  sigset_t all, before;
  sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return;
  while (pool.workers < wanted) {
    pthread_t* thread = &pool.handles[pool.workers];
    if (pthread_create(thread, NULL, worker, NULL) != 0) break;
    pthread_setname_np(*thread, "tenon");
    pool.workers++;
    pool.avoided = -1;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A caller moves rarely, so this is a look at where it is, and a call for each worker when it has moved. Where the
 * threads do not fit onto the other cores, the scheduler knows better. */
static void keep_off_caller(int32_t joining) {
  int core = pool.places ? sched_getcpu() : -1;
  if (core < 0 || core == pool.avoided) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  if (CPU_COUNT(&allowed) == 1) allowed = pool.allowed; /* the caller alone is held to one core */
  CPU_CLR(core, &allowed);
  if (CPU_COUNT(&allowed) < joining) return;
  for (int32_t i = 0; i < pool.workers; i++) pthread_setaffinity_np(pool.handles[i], sizeof allowed, &allowed);
  pool.avoided = core;
}

static void wait_for_workers(void) {
  uint32_t gate = atomic_fetch_and_explicit(&pool.gate, ~GATE_OPEN, memory_order_acq_rel) & ~GATE_OPEN;
  while (gate & GATE_COUNT) {
    if (!spin_while_equal(&pool.gate, gate)) {
      gate = atomic_fetch_or_explicit(&pool.gate, GATE_CALLER_SLEEPS, memory_order_acq_rel) | GATE_CALLER_SLEEPS;
      if (gate & GATE_COUNT) futex_wait(&pool.gate, gate);
    }
    gate = atomic_load_explicit(&pool.gate, memory_order_acquire);
  }
}

static int32_t pool_parallel_for(void* unused, int64_t total, int64_t grain, tenon_chunk chunk, void* context) {
  (void)unused;
  if (total <= 0) return 0;
  if (grain < 1) grain = 1;
  int64_t threads = atomic_load_explicit(&pool.threads, memory_order_relaxed);
  int64_t grains = total / grain + (total % grain != 0);
  int64_t merged = grains / (threads * PIECES_PER_THREAD);
  merged = merged < 1 ? 1 : merged > MAX_GRAINS_PER_PIECE ? MAX_GRAINS_PER_PIECE : merged;
  int64_t piece = grain > total / merged ? total : grain * merged;
  int64_t pieces = total / piece + (total % piece != 0);
  uint32_t free_pool = 0;
  if (pieces == 1 || threads == 1 || inside_loop || !atomic_compare_exchange_strong(&pool.taken, &free_pool, 1))
    return run_in_place(total, piece, chunk, context);

  uint32_t forks = atomic_load(&pool.forks);
  uint32_t limit = (uint32_t)(pieces < threads ? pieces : threads) - 1;
  start_workers((int32_t)limit);
  keep_off_caller((int32_t)limit);
  pool.total = total;
  pool.piece = piece;
  pool.pieces = pieces;
  pool.chunk = chunk;
  pool.context = context;
  pool.failed_piece = pieces;
  pool.failed_code = 0;
  atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
  atomic_store(&pool.gate, GATE_OPEN | limit << GATE_LIMIT_SHIFT);
  atomic_fetch_add(&pool.signal, 1);
  if (atomic_load(&pool.sleepers) != 0) futex_wake(&pool.signal, (int)limit);

  inside_loop = 1;
  run_shared();
  wait_for_workers();
  inside_loop = 0;
  int32_t code = pool.failed_code;
  if (atomic_load(&pool.forks) == forks) atomic_store(&pool.taken, 0);
  return code;
}

static int32_t serial_parallel_for(void* unused, int64_t total, int64_t grain, tenon_chunk chunk, void* context) {
  (void)unused;
  if (grain < 1) grain = 1;
  return run_in_place(total, grain > INT64_MAX / MAX_GRAINS_PER_PIECE ? grain : grain * MAX_GRAINS_PER_PIECE, chunk,
                      context);
}

static void print(const char* text, uint64_t length) {
  fwrite(text, 1, length, stdout);
  fflush(stdout); /* out by the return of the call */
}

/* The threads of the parent do not exist here; whatever they held is released. */
static void start_afresh(void) {
  atomic_store(&pool.gate, 0);
  atomic_store(&pool.sleepers, 0);
  atomic_store(&pool.taken, 0);
  atomic_fetch_add(&pool.forks, 1);
  pthread_mutex_init(&pool.failure_lock, NULL);
  pool.workers = 0;
  pool.avoided = -1;
}

/* Runs when the library that holds this code is unloaded, and when the process ends. Whoever unloads it has no loop running;
 * where one runs, the process ends and the workers with it. */
__attribute__((destructor)) static void stop_workers(void) {
  uint32_t free_pool = 0;
  if (!atomic_compare_exchange_strong(&pool.taken, &free_pool, 1)) return;
  atomic_store(&pool.stopped, 1);
  atomic_fetch_add(&pool.signal, 1);
  futex_wake(&pool.signal, INT_MAX);
  for (int32_t i = 0; i < pool.workers; i++) pthread_join(pool.handles[i], NULL);
  pool.workers = 0;
}

static int32_t available_cores(void) {
  cpu_set_t* set = &pool.allowed;
  int count = sched_getaffinity(0, sizeof *set, set) == 0 ? CPU_COUNT(set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : count;
}

/* TENON_THREADS if it is a number in range, otherwise one thread per available core. */
static int32_t default_threads(void) {
  const char* text = secure_getenv("TENON_THREADS"); /* a program with more rights than its user ignores it */
  if (text == NULL || *text == '\0') return pool.cores;
  char* end;
  long value = strtol(text, &end, 10);
  return *end == '\0' && value >= 1 && value <= MAX_THREADS ? (int32_t)value : pool.cores;
}

static void set_threads(int32_t threads) {
  atomic_store(&pool.threads, threads);
  __atomic_store_n(&pool_env.threads, threads, __ATOMIC_RELAXED);
}

static void initialise(void) {
  pool.cores = available_cores();
  const char* places = secure_getenv("TENON_AFFINITY");
  pool.places = places == NULL || strcmp(places, "0") != 0;
  pool_env.struct_size = sizeof pool_env;
  pool_env.pool = &pool;
  pool_env.parallel_for = pool_parallel_for;
  pool_env.print = print;
  pool_env.print_line = tenon_print_line;
  pool_env.ranks = tenon_ranks_alone();
  set_threads(default_threads());
  pthread_atfork(NULL, NULL, start_afresh);
}

const tenon_env* tenon_runtime_env(void) {
  pthread_once(&pool_once, initialise);
  return &pool_env;
}

static tenon_env serial_env;
static pthread_once_t serial_once = PTHREAD_ONCE_INIT;
static void initialise_serial(void) {
  const tenon_env env = {sizeof(tenon_env),  NULL, serial_parallel_for, print, 1, 0, NULL, NULL, tenon_print_line,
                         tenon_ranks_alone()};
  serial_env = env;
}

const tenon_env* tenon_serial_env(void) {
  pthread_once(&serial_once, initialise_serial);
  return &serial_env;
}

int32_t tenon_runtime_threads(void) { return __atomic_load_n(&tenon_runtime_env()->threads, __ATOMIC_RELAXED); }

int32_t tenon_runtime_set_threads(int32_t threads) {
  tenon_runtime_env();
  set_threads(threads < 1 ? default_threads() : threads > MAX_THREADS ? MAX_THREADS : threads);
  return tenon_runtime_threads();
}
