/* Recycled memory: what one call frees, the next call gets back, so that steady state touches no fresh page.
 *
 * Sizes fall into classes, four to a doubling. Small blocks go through a cache of the calling thread without
 * a lock; the rest through one store under a lock, which maps blocks of 2 MiB and more on huge pages. The
 * store keeps freed blocks as long as memory handed out plus memory kept stays within the recent peak of what
 * was handed out, and beyond that gives up the blocks that were freed longest ago. Frees carry the size, so
 * blocks have no header. This file refuses to detect a wrong size or a double free.
 *
 * Where this code is unloaded with the library that holds it, nothing of it stays: no key of a thread, no block. Threads that
 * go on (the process may be ending instead) find the store closed and come to it without their caches. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tenon/runtime/c/pages.h"
#include "tenon/runtime/tenon_runtime.h"

#define MAX_BYTES ((uint64_t)1 << 46)
#define PEAK_SLACK ((uint64_t)64 << 20)        /* kept beyond the recent peak */
#define THREAD_CACHE_BYTES ((uint64_t)1 << 20) /* kept per thread */

enum {
  CLASSES = 156,      /* up to MAX_BYTES */
  SMALL_CLASSES = 36, /* up to 64 KiB: cached per thread */
  PEAK_WINDOW = 4096  /* frees of huge blocks after which a peak starts to be forgotten */
};

/* Stands in the first bytes of every free block. The thread cache uses only next. */
typedef struct free_block {
  struct free_block *next, *previous; /* of the same class */
  struct free_block *newer, *older;   /* by the time of the free */
  uint64_t size;
} free_block;

/* Owned by one thread, which alone writes it; others read the counters. Outlives its thread in a list, so
 * that the counters of threads that a fork left behind stay readable. */
typedef struct thread_cache {
  _Alignas(128) struct thread_cache* next_cache; /* of another thread, whose lines these are not */
  free_block* blocks[SMALL_CLASSES];
  _Atomic int64_t in_use; /* handed out less taken back, by this thread */
  _Atomic int64_t kept;
  _Atomic int32_t busy; /* its thread is using it just now */
  int32_t taken;        /* by a thread, while it lies in the array of caches */
} thread_cache;

static struct {
  pthread_mutex_t lock;
  free_block* blocks[CLASSES];
  free_block *newest, *oldest;
  uint64_t out, kept; /* bytes outside the store (thread caches included), bytes inside */
  uint64_t peak, previous_peak;
  uint32_t huge_frees;
  int64_t in_use; /* what large blocks and threads that have ended add to the sum */
  thread_cache* caches;
  _Atomic int32_t closed;
  int32_t has_key;
} store = {.lock = PTHREAD_MUTEX_INITIALIZER};

static thread_cache first_caches[32]; /* unloaded with the library; further ones come from the system */

static pthread_once_t store_once = PTHREAD_ONCE_INIT;
static pthread_key_t cache_key;
static _Thread_local thread_cache* own_cache;
static _Thread_local int thread_ended; /* its cache is gone; later destructors of the thread may still free */

/* Classes are 64, 128, 192, 256, then four steps to each doubling. */
static uint32_t class_of(uint64_t bytes) {
  if (bytes <= 256) return bytes == 0 ? 0 : (uint32_t)((bytes - 1) / 64);
  uint32_t log = 63 - (uint32_t)__builtin_clzll(bytes - 1);
  return 4 * (log - 7) + (((bytes - 1) >> (log - 2)) & 3);
}

static uint64_t size_of_class(uint32_t index) {
  if (index < 4) return 64 * (index + 1);
  uint32_t log = index / 4 + 7;
  return (uint64_t)(4 + index % 4 + 1) << (log - 2);
}

/* ---- the store; its lock is held ---- */

static void unlink_block(free_block* block) {
  if (block->previous)
    block->previous->next = block->next;
  else
    store.blocks[class_of(block->size)] = block->next;
  if (block->next) block->next->previous = block->previous;
  *(block->newer ? &block->newer->older : &store.newest) = block->older;
  *(block->older ? &block->older->newer : &store.oldest) = block->newer;
  store.kept -= block->size;
}

static void keep_block(void* memory, uint64_t size) {
  free_block** head = &store.blocks[class_of(size)];
  free_block* block = memory;
  *block = (free_block){.next = *head, .older = store.newest, .size = size};
  if (*head) (*head)->previous = block;
  *head = block;
  *(block->older ? &block->older->newer : &store.oldest) = block;
  store.newest = block;
  store.kept += size;
}

static void evict_until(uint64_t most_kept) {
  while (store.kept > most_kept && store.oldest != NULL) {
    free_block* block = store.oldest;
    uint64_t size = block->size;
    unlink_block(block);
    tenon_pages_free(block, size);
  }
}

static void evict_beyond_peak(void) {
  if (store.out > store.peak) store.peak = store.out;
  uint64_t peak = store.peak > store.previous_peak ? store.peak : store.previous_peak;
  evict_until(peak + PEAK_SLACK - store.out);
}

/* A kept block of that class, or of the next larger ones. */
static free_block* take_kept(uint32_t class, uint32_t classes) {
  free_block* block = NULL;
  for (uint32_t i = class; i < class + classes && i < CLASSES && block == NULL; i++) block = store.blocks[i];
  if (block == NULL) return NULL;
  unlink_block(block);
  store.out += block->size;
  return block;
}

static void* store_alloc(uint64_t size) {
  free_block* block = take_kept(class_of(size), 1);
  if (block != NULL) return block;
  store.out += size;
  evict_beyond_peak();
  void* fresh = tenon_pages_alloc(size);
  if (fresh == NULL) { /* what is kept may be just what is missing */
    evict_until(0);
    fresh = tenon_pages_alloc(size);
  }
  if (fresh == NULL) store.out -= size;
  return fresh;
}

static void store_free(void* block, uint64_t size) {
  if (store.out > store.peak) store.peak = store.out;
  store.out -= size;
  keep_block(block, size);
  if (size >= HUGE_PAGE && ++store.huge_frees == PEAK_WINDOW) {
    store.huge_frees = 0;
    store.previous_peak = store.peak;
    store.peak = store.out;
  }
  evict_beyond_peak();
}

/* ---- the thread cache ---- */

static void add(_Atomic int64_t* counter, int64_t amount) { /* one writer: no locked instruction is needed */
  int64_t value = atomic_load_explicit(counter, memory_order_relaxed);
  atomic_store_explicit(counter, value + amount, memory_order_relaxed);
}

static void flush_cache_locked(thread_cache* cache) {
  for (uint32_t i = 0; i < SMALL_CLASSES; i++) {
    while (cache->blocks[i] != NULL) {
      free_block* block = cache->blocks[i];
      cache->blocks[i] = block->next;
      store_free(block, size_of_class(i));
    }
  }
  atomic_store_explicit(&cache->kept, 0, memory_order_relaxed);
}

static void flush_cache(thread_cache* cache) {
  pthread_mutex_lock(&store.lock);
  flush_cache_locked(cache);
  pthread_mutex_unlock(&store.lock);
}

static void end_thread(void* value) {
  thread_cache* cache = value;
  flush_cache(cache);
  own_cache = NULL;
  thread_ended = 1;
  pthread_mutex_lock(&store.lock);
  thread_cache** link = &store.caches;
  while (*link != cache) link = &(*link)->next_cache;
  *link = cache->next_cache;
  store.in_use += atomic_load_explicit(&cache->in_use, memory_order_relaxed);
  atomic_store_explicit(&cache->in_use, 0, memory_order_relaxed);
  int32_t in_array = cache->taken;
  cache->taken = 0;
  pthread_mutex_unlock(&store.lock);
  if (!in_array) free(cache);
}

static void lock_store(void) { pthread_mutex_lock(&store.lock); }
static void unlock_store(void) { pthread_mutex_unlock(&store.lock); }
static void unlock_store_in_child(void) { /* other threads are no more */
  for (thread_cache* cache = store.caches; cache != NULL; cache = cache->next_cache)
    if (cache != own_cache) atomic_store_explicit(&cache->busy, 0, memory_order_relaxed);
  pthread_mutex_unlock(&store.lock);
}

/* Before what registers with fork without a priority: handlers run in the reverse order, so this lock is taken last. */
__attribute__((constructor(101))) static void register_with_fork(void) {
  pthread_atfork(lock_store, unlock_store, unlock_store_in_child);
}

static void initialise(void) { store.has_key = pthread_key_create(&cache_key, end_thread) == 0; }

/* Runs when the library that holds this code is unloaded, and when the process ends. A thread that does not see the store
 * closed after the barrier shows that it is busy with its cache; there is no barrier where threads allocate. */
__attribute__((destructor)) static void close_store(void) {
  enum { BARRIER_OF_ALL_THREADS = 1 }; /* MEMBARRIER_CMD_GLOBAL */
  atomic_store(&store.closed, 1);
  if (store.has_key) pthread_key_delete(cache_key);
  if (store.caches != NULL && syscall(SYS_membarrier, BARRIER_OF_ALL_THREADS, 0, 0) != 0) return;
  pthread_mutex_lock(&store.lock);
  for (thread_cache* cache = store.caches; cache != NULL;) {
    if (cache == own_cache || !atomic_load_explicit(&cache->busy, memory_order_acquire)) {
      flush_cache_locked(cache);
      cache = cache->next_cache;
      continue;
    }
    pthread_mutex_unlock(&store.lock); /* which it may wait for */
    sched_yield();
    pthread_mutex_lock(&store.lock);
    cache = store.caches;
  }
  evict_until(0);
  pthread_mutex_unlock(&store.lock);
}

/* The calling thread's cache, or null when it has none and can get none. */
static __attribute__((noinline)) thread_cache* make_cache(void) {
  pthread_once(&store_once, initialise);
  if (thread_ended || !store.has_key || atomic_load_explicit(&store.closed, memory_order_relaxed)) return NULL;
  thread_cache* cache = NULL;
  pthread_mutex_lock(&store.lock);
  for (uint32_t i = 0; i < sizeof first_caches / sizeof *first_caches && cache == NULL; i++)
    if (!first_caches[i].taken) cache = &first_caches[i];
  if (cache != NULL)
    cache->taken = 1;
  else
    cache = calloc(1, sizeof *cache);
  if (cache != NULL && pthread_setspecific(cache_key, cache) != 0) {
    if (!cache->taken)
      free(cache);
    else
      cache->taken = 0;
    cache = NULL;
  }
  if (cache != NULL) {
    cache->next_cache = store.caches;
    store.caches = cache;
  }
  pthread_mutex_unlock(&store.lock);
  return own_cache = cache;
}

/* The calling thread's cache for the moment, or null. */
static inline thread_cache* enter_cache(void) {
  thread_cache* cache = own_cache != NULL ? own_cache : make_cache();
  if (cache == NULL) return NULL;
  atomic_store_explicit(&cache->busy, 1, memory_order_relaxed);
  atomic_signal_fence(memory_order_seq_cst); /* with the barrier of close_store */
  if (!atomic_load_explicit(&store.closed, memory_order_relaxed)) return cache;
  atomic_store_explicit(&cache->busy, 0, memory_order_release);
  return NULL;
}

static inline void leave_cache(thread_cache* cache) {
  if (cache != NULL) atomic_store_explicit(&cache->busy, 0, memory_order_release);
}

/* What the thread's cache has no block for, or no thread's cache is for. */
static __attribute__((noinline)) void* alloc_from_store(uint64_t bytes) {
  if (bytes > MAX_BYTES) return NULL;
  thread_cache* cache = enter_cache();
  uint64_t size = size_of_class(class_of(bytes));
  if (size >= HUGE_PAGE) size = size_of_class(class_of(round_up(bytes, HUGE_PAGE)));
  pthread_mutex_lock(&store.lock);
  void* block = store_alloc(size);
  if (block != NULL && cache == NULL) store.in_use += (int64_t)size;
  pthread_mutex_unlock(&store.lock);
  if (block != NULL && cache != NULL) add(&cache->in_use, (int64_t)size);
  leave_cache(cache);
  return block;
}

static __attribute__((noinline)) void free_to_store(void* block, uint64_t bytes) {
  thread_cache* cache = enter_cache();
  uint64_t size = size_of_class(class_of(bytes));
  if (size >= HUGE_PAGE) size = size_of_class(class_of(round_up(bytes, HUGE_PAGE)));
  pthread_mutex_lock(&store.lock);
  store_free(block, size);
  if (cache == NULL) store.in_use -= (int64_t)size;
  pthread_mutex_unlock(&store.lock);
  if (cache != NULL) add(&cache->in_use, -(int64_t)size);
  leave_cache(cache);
}

static __attribute__((noinline)) void flush_own_cache(void) {
  thread_cache* cache = enter_cache();
  if (cache != NULL) flush_cache(cache);
  leave_cache(cache);
}

void* tenon_alloc(uint64_t bytes) {
  if (bytes > size_of_class(SMALL_CLASSES - 1) || own_cache == NULL) return alloc_from_store(bytes);
  thread_cache* cache = enter_cache();
  if (cache == NULL) return alloc_from_store(bytes);
  uint32_t index = class_of(bytes);
  free_block* block = cache->blocks[index];
  if (block != NULL) {
    int64_t size = (int64_t)size_of_class(index);
    cache->blocks[index] = block->next;
    add(&cache->kept, -size);
    add(&cache->in_use, size);
  }
  leave_cache(cache);
  return block != NULL ? block : alloc_from_store(bytes);
}

void* tenon_alloc_at_least(uint64_t bytes, uint64_t* size) {
  enum { CLASSES_UP = 8 }; /* two doublings */
  *size = bytes;
  if (bytes >= HUGE_PAGE && bytes <= MAX_BYTES) {
    thread_cache* cache = enter_cache();
    pthread_mutex_lock(&store.lock);
    free_block* block = take_kept(class_of(round_up(bytes, HUGE_PAGE)), CLASSES_UP);
    if (block != NULL) *size = block->size;
    if (block != NULL && cache == NULL) store.in_use += (int64_t)*size;
    pthread_mutex_unlock(&store.lock);
    if (block != NULL && cache != NULL) add(&cache->in_use, (int64_t)*size);
    leave_cache(cache);
    if (block != NULL) return block;
  }
  return tenon_alloc(bytes);
}

void tenon_free(void* block, uint64_t bytes) {
  if (block == NULL) return;
  thread_cache* cache = bytes > size_of_class(SMALL_CLASSES - 1) ? NULL : enter_cache();
  if (cache == NULL) return free_to_store(block, bytes);
  uint32_t index = class_of(bytes);
  int64_t size = (int64_t)size_of_class(index);
  free_block* freed = block;
  freed->next = cache->blocks[index];
  cache->blocks[index] = freed;
  add(&cache->kept, size);
  add(&cache->in_use, -size);
  int full = atomic_load_explicit(&cache->kept, memory_order_relaxed) > (int64_t)THREAD_CACHE_BYTES;
  leave_cache(cache);
  if (full) flush_own_cache();
}

void tenon_trim(void) {
  flush_own_cache();
  pthread_mutex_lock(&store.lock);
  evict_until(0);
  store.peak = store.previous_peak = store.out;
  pthread_mutex_unlock(&store.lock);
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void tenon_memory_stats(uint64_t* in_use, uint64_t* kept) {
  pthread_mutex_lock(&store.lock);
  int64_t used = store.in_use;
  int64_t idle = (int64_t)store.kept;
  for (thread_cache* cache = store.caches; cache != NULL; cache = cache->next_cache) {
    used += atomic_load_explicit(&cache->in_use, memory_order_relaxed);
    idle += atomic_load_explicit(&cache->kept, memory_order_relaxed);
  }
  pthread_mutex_unlock(&store.lock);
  if (in_use != NULL) *in_use = used < 0 ? 0 : (uint64_t)used;
  if (kept != NULL) *kept = idle < 0 ? 0 : (uint64_t)idle;
}
