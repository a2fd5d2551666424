/* The process-wide thread pool behind tenon_env.parallel_for.
 *
 * One loop runs at a time. Each thread that takes part is given a share: contiguous pieces, the same for every loop of that many,
 * so that what a core has written is still in its caches when the next loop asks for it. Who is done with its share takes
 * pieces from the ends of the others', so that a core stolen by another process delays one piece and not a share; the caller
 * always works, and waits for pieces that somebody has claimed, never for a worker that has not come. A worker's share and
 * what it must know of the loop lie in one cache line, which goes to its core and comes back: nothing else is exchanged. A worker
 * spins briefly after a loop, then sleeps on a futex, and is called when what is left is worth that (paces.h). A loop that is
 * nested, small, or finds the pool taken by another thread runs in place. The pool starts no thread before it is needed and refuses
 * to cancel a piece; a forked child starts afresh. Workers keep off the core that the caller runs on: woken there, one would wait
 * for the caller to give it up, who waits for the worker. A process forked from inside a piece may only exec or _exit. Where this
 * code is unloaded with the library that holds it, its threads end before. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tenon/runtime/c/in_place.h"
#include "tenon/runtime/c/paces.h"
#include "tenon/runtime/c/print.h"
#include "tenon/runtime/tenon_ranks.h"
#include "tenon/runtime/tenon_runtime.h"

enum { MAX_THREADS = 256, PIECES_PER_THREAD = 8, SPIN_NANOSECONDS = TENON_STAYS_AWAKE };

/* What one thread is given of a loop; share 0 is the caller's. The rest may be read by whoever has claimed a piece of it: until
 * that piece is counted, the loop does not end and no other takes its place. */
typedef struct share {
  _Alignas(128) _Atomic uint64_t unclaimed; /* pieces: the first in the lower half, behind the last in the upper one */
  _Atomic uint32_t unfinished; /* how many pieces are not counted yet */
  _Atomic uint32_t signal; /* changes with every loop; the worker sleeps on it */
  _Atomic uint32_t asleep; /* the worker sleeps, or is about to */
  int64_t piece, total;
  tenon_chunk chunk;
  void* context;
} share;
_Static_assert(sizeof(share) == 128, "a share is one cache line of the two that processors fetch together");

enum { NO_PIECE = UINT32_MAX };

static struct {
  share shares[MAX_THREADS];

  /* What all read and hardly anybody writes. */
  _Alignas(64) _Atomic uint32_t failed_piece; /* lowest so far, or NO_PIECE */
  _Atomic uint32_t waiting; /* the caller sleeps, or is about to */
  _Atomic uint32_t forks; /* how often this process is a forked child */
  _Atomic uint32_t stopped; /* workers end; the pool stays taken, so that every later loop runs in place */
  _Atomic int32_t threads; /* wanted, the caller included */
  _Atomic int32_t sharing; /* shares that may have pieces */
  _Atomic int32_t sleepers; /* workers that sleep, or are about to */
  _Atomic int64_t slept; /* when one fell asleep last */
  int32_t cores;

  _Alignas(64) _Atomic uint32_t taken; /* a caller owns the pool */
  int32_t workers; /* started so far; only the owner of the pool starts threads */
  int32_t avoided; /* the core that workers keep off, or -1; the owner's */
  int32_t places; /* whether they do */

  _Alignas(64) pthread_mutex_t failure_lock;
  int32_t failed_code;
  cpu_set_t allowed; /* where this process could run at first */
  pthread_t handles[MAX_THREADS];
} pool = {.failed_piece = NO_PIECE, .failure_lock = PTHREAD_MUTEX_INITIALIZER, .avoided = -1};

static tenon_env pool_env;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static _Thread_local int inside_loop;

static void futex_wait(_Atomic uint32_t* word, uint32_t expected) {
  syscall(SYS_futex, (uint32_t*)word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t* word, int count) {
  syscall(SYS_futex, (uint32_t*)word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

#if defined(__x86_64__)
static void cpu_pause(void) { __builtin_ia32_pause(); }
#else
static void cpu_pause(void) { __asm__ volatile("yield"); }
#endif

/* Spins until the word differs from value; false when it has not for SPIN_NANOSECONDS. With more threads than
 * cores the awaited thread may need this very core, so there is no spinning. */
static int spin_while_equal(_Atomic uint32_t* word, uint32_t value) {
  if (atomic_load_explicit(&pool.threads, memory_order_relaxed) > pool.cores) return 0;
  int64_t deadline = 0;
  do {
    for (int i = 0; i < 32; i++) {
      if (atomic_load_explicit(word, memory_order_acquire) != value) return 1;
      cpu_pause();
    }
    if (deadline == 0) deadline = tenon_now() + SPIN_NANOSECONDS;
  } while (tenon_now() < deadline);
  return 0;
}

/* Of two pieces that fail the lower one counts. Higher ones than that need not run, lower ones must. */
static void run_claimed(const share* s, uint32_t index) {
  if (index > atomic_load_explicit(&pool.failed_piece, memory_order_relaxed)) return;
  int64_t begin = index * s->piece;
  int64_t end = s->total - begin < s->piece ? s->total : begin + s->piece;
  int32_t code = tenon_run_piece(s->chunk, s->context, begin, end);
  if (code == 0) return;
  pthread_mutex_lock(&pool.failure_lock);
  if (index < atomic_load_explicit(&pool.failed_piece, memory_order_relaxed)) {
    atomic_store_explicit(&pool.failed_piece, index, memory_order_relaxed);
    pool.failed_code = code;
  }
  pthread_mutex_unlock(&pool.failure_lock);
}

enum end { FRONT, BACK };

/* Claims pieces and runs them until none is left: how many there were. Half of what is left at a time, for a claim waits until all
 * that was written before has reached the caches; the last two together, for what another core takes off here at the end, it must fetch from
 * this one's caches. */
static uint32_t run_share(share* s, enum end from) {
  for (uint32_t run = 0;;) {
    uint64_t pieces = atomic_load_explicit(&s->unclaimed, memory_order_relaxed), rest;
    uint32_t first, end, count;
    do {
      first = (uint32_t)pieces;
      end = (uint32_t)(pieces >> 32);
      if (first >= end) return run;
      count = from == FRONT && end - first <= 2 ? end - first : (end - first + 1) / 2;
      rest = from == FRONT ? pieces + count : pieces - ((uint64_t)count << 32);
    } while (!atomic_compare_exchange_weak_explicit(&s->unclaimed, &pieces, rest, memory_order_acquire,
                                                    memory_order_relaxed));
    if (from == BACK) first = end - count;
    for (uint32_t i = 0; i < count; i++) run_claimed(s, first + i);
    run += count;
  }
}

/* With the last of a loop's pieces the loop may end: nothing of it is touched afterwards but the word that the caller sleeps on. */
static void count_pieces(share* s, uint32_t pieces) {
  if (pieces == 0) return;
  atomic_fetch_sub(&s->unfinished, pieces);
  if (atomic_load(&pool.waiting)) futex_wake(&s->unfinished, 1);
}

/* The thread's own share, then what is left of the others'. */
static void work(int32_t self) {
  count_pieces(&pool.shares[self], run_share(&pool.shares[self], FRONT));
  int32_t sharing = atomic_load_explicit(&pool.sharing, memory_order_relaxed);
  for (int32_t i = 1; i < sharing; i++) {
    share* other = &pool.shares[(self + i) % sharing];
    count_pieces(other, run_share(other, BACK));
  }
}

static void* worker(void* number) {
  inside_loop = 1; /* whatever a piece calls runs in place */
  int32_t self = (int32_t)(intptr_t)number;
  share* own = &pool.shares[self];
  uint32_t forks = atomic_load(&pool.forks);
  for (;;) {
    uint32_t seen = atomic_load_explicit(&own->signal, memory_order_acquire);
    if (atomic_load(&pool.stopped)) return NULL;
    work(self);
    if (atomic_load(&pool.forks) != forks) return NULL; /* forked inside a piece: this pool is gone */
    if (spin_while_equal(&own->signal, seen)) continue;
    atomic_store_explicit(&pool.slept, tenon_now(), memory_order_relaxed);
    atomic_fetch_add(&pool.sleepers, 1);
    atomic_store(&own->asleep, 1);
    futex_wait(&own->signal, seen); /* returns at once if a loop was opened since */
    atomic_store(&own->asleep, 0);
    atomic_fetch_sub(&pool.sleepers, 1);
  }
}

/* Workers take no signals, so that the program's handlers run on the program's threads. Fewer threads than
 * wanted are no failure: the caller works anyway. */
static int32_t start_workers(int32_t wanted) {
  sigset_t all, before;
  sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return pool.workers;
  while (pool.workers < wanted) {
    pthread_t* thread = &pool.handles[pool.workers];
    void* number = (void*)(intptr_t)(pool.workers + 1);
    if (pthread_create(thread, NULL, worker, number) != 0) break;
    pthread_setname_np(*thread, "tenon");
    pool.workers++;
    pool.avoided = -1;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pool.workers;
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

static void wait_for(share* s) {
  uint32_t left;
  while ((left = atomic_load_explicit(&s->unfinished, memory_order_acquire)) != 0) {
    if (spin_while_equal(&s->unfinished, left)) continue;
    atomic_store(&pool.waiting, 1);
    futex_wait(&s->unfinished, left); /* returns at once if a piece was counted since */
    atomic_store(&pool.waiting, 0);
  }
}

/* Puts a share where its thread looks. */
static void give(share* s, uint32_t first, uint32_t end, const share* loop) {
  s->piece = loop->piece;
  s->total = loop->total;
  s->chunk = loop->chunk;
  s->context = loop->context;
  atomic_store_explicit(&s->unfinished, end - first, memory_order_relaxed);
  atomic_store_explicit(&s->unclaimed, (uint64_t)end << 32 | first, memory_order_release);
}

/* Tells the worker of a share that there is one. */
static void call_worker(share* s) {
  uint32_t next = atomic_load_explicit(&s->signal, memory_order_relaxed) + 1;
  atomic_store(&s->signal, next);
  if (atomic_load(&s->asleep)) futex_wake(&s->signal, 1);
}

/* Shares are as many as threads, of the pieces from `done` on, that follow each other; what does not divide goes to the first, who
 * begin first. Notes the caller's pace and, where that is asked, how long calling the others took. */
static int32_t run_among(int32_t sharing, uint32_t done, uint32_t pieces, const share* loop, int64_t* calling) {
  keep_off_caller(sharing - 1);
  share* own = &pool.shares[0];
  if (atomic_load_explicit(&pool.sharing, memory_order_relaxed) != sharing)
    atomic_store_explicit(&pool.sharing, sharing, memory_order_relaxed);
  int64_t start = calling != NULL ? tenon_now() : 0;
  uint64_t up = (uint64_t)sharing - 1, end = pieces, left = pieces - done;
  for (uint32_t i = (uint32_t)sharing - 1; i > 0; i--) {
    uint64_t first = done + (left * (uint64_t)i + up) / (uint64_t)sharing;
    give(&pool.shares[i], (uint32_t)first, (uint32_t)end, loop);
    call_worker(&pool.shares[i]);
    end = first;
  }
  give(own, done, (uint32_t)end, loop);
  if (calling != NULL) *calling = tenon_now() - start;
  uint32_t run = run_share(own, FRONT);
  if (calling != NULL && run != 0) tenon_took(loop->chunk, run * loop->piece, tenon_now() - start - *calling);
  for (int32_t i = 1; i < sharing; i++) count_pieces(&pool.shares[i], run_share(&pool.shares[i], BACK));
  if (run != end - done) {
    atomic_fetch_sub_explicit(&own->unfinished, run, memory_order_relaxed);
    wait_for(own);
  }
  for (int32_t i = 1; i < sharing; i++) wait_for(&pool.shares[i]);
  if (atomic_load_explicit(&pool.failed_piece, memory_order_relaxed) == NO_PIECE) return 0;
  atomic_store_explicit(&pool.failed_piece, NO_PIECE, memory_order_relaxed);
  return pool.failed_code;
}

/* A loop that finds the workers asleep. What is known to be short the caller runs alone: for a single short loop they would come too
 * late. It looks at the clock as it goes, and calls them once what is left is worth it. */
static int32_t run_wakeful(int32_t sharing, uint32_t pieces, const share* loop) {
  int64_t start = tenon_now(), now = start, calling;
  tenon_burst_loop(start, atomic_load_explicit(&pool.slept, memory_order_relaxed));
  int64_t left = tenon_expected(loop->chunk, loop->total);
  for (uint32_t done = 0, end; done < pieces; done = end) {
    if (tenon_worth_waking(left)) {
      if (sharing - 1 > pool.workers) sharing = start_workers(sharing - 1) + 1;
      int32_t code = run_among(sharing, done, pieces, loop, &calling);
      tenon_burst_woken(tenon_now(), calling);
      return code;
    }
    end = done == 0 ? 1 : done < pieces / 2 && tenon_worth_waking(left * 2) ? 2 * done : pieces;
    int32_t code = tenon_run_pieces(done * loop->piece, end < pieces ? end * loop->piece : loop->total, loop->piece,
                                    loop->chunk, loop->context);
    if (code != 0) return code;
    now = tenon_now();
    left = (now - start) / end * (pieces - end);
  }
  tenon_took(loop->chunk, loop->total, now - start);
  tenon_burst_alone(start, now);
  return 0;
}

static int32_t pool_parallel_for(void* unused, int64_t total, int64_t grain, tenon_chunk chunk, void* context) {
  (void)unused;
  if (total <= 0) return 0;
  if (grain < 1) grain = 1;
  int64_t threads = atomic_load_explicit(&pool.threads, memory_order_relaxed);
  int64_t grains = total / grain + (total % grain != 0);
  int64_t merged = grains / (threads * PIECES_PER_THREAD);
  merged = merged < 1 ? 1 : merged > TENON_GRAINS_PER_PIECE ? TENON_GRAINS_PER_PIECE : merged;
  int64_t piece = grain > total / merged ? total : grain * merged;
  int64_t pieces = total / piece + (total % piece != 0);
  uint32_t free_pool = 0;
  if (pieces == 1 || total / grain < 2 || pieces >= NO_PIECE || threads == 1 || inside_loop ||
      !atomic_compare_exchange_strong(&pool.taken, &free_pool, 1))
    return tenon_run_in_place(total, piece, chunk, context);

  uint32_t forks = atomic_load_explicit(&pool.forks, memory_order_relaxed);
  int32_t sharing = (int32_t)(pieces < threads ? pieces : threads);
  inside_loop = 1;
  uint32_t host = tenon_fp_enter();
  const share loop = {.piece = piece, .total = total, .chunk = chunk, .context = context};
  int all_sleep = atomic_load_explicit(&pool.sleepers, memory_order_relaxed) >= pool.workers;
  int32_t code = all_sleep || sharing - 1 > pool.workers ? run_wakeful(sharing, (uint32_t)pieces, &loop)
                                                         : run_among(sharing, 0, (uint32_t)pieces, &loop, NULL);
  tenon_fp_leave(host);
  inside_loop = 0;
  if (atomic_load_explicit(&pool.forks, memory_order_relaxed) == forks)
    atomic_store_explicit(&pool.taken, 0, memory_order_release);
  return code;
}

/* The threads of the parent do not exist here; whatever they held is released. */
static void start_afresh(void) {
  memset(pool.shares, 0, sizeof pool.shares);
  tenon_forget_paces();
  atomic_store(&pool.failed_piece, NO_PIECE);
  atomic_store(&pool.waiting, 0);
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
  for (int32_t i = 1; i <= pool.workers; i++) call_worker(&pool.shares[i]);
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
  pool_env.print = tenon_print;
  pool_env.print_line = tenon_print_line;
  pool_env.ranks = tenon_ranks_alone();
  set_threads(default_threads());
  pthread_atfork(NULL, NULL, start_afresh);
}

const tenon_env* tenon_runtime_env(void) {
  pthread_once(&pool_once, initialise);
  return &pool_env;
}

int32_t tenon_runtime_threads(void) { return __atomic_load_n(&tenon_runtime_env()->threads, __ATOMIC_RELAXED); }

int32_t tenon_runtime_set_threads(int32_t threads) {
  tenon_runtime_env();
  set_threads(threads < 1 ? default_threads() : threads > MAX_THREADS ? MAX_THREADS : threads);
  return tenon_runtime_threads();
}
