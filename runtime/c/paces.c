/* The table of paces, and the burst at hand. Code that shares a place with other code loses it to that: then nothing is known of it.
 * Code that lies where other code was takes its pace over: whoever asks looks at the clock as it goes. */
#define _GNU_SOURCE
#include "tenon/runtime/c/paces.h"

#include <string.h>
#include <time.h>

enum { PACES = 256, PACE_BITS = 20 };

/* A thread that is called takes half of what is left when it comes, so waking pays from what the call takes and what its coming takes
 * together on: measured 19 us and 40 to 50 in a virtual machine, of which the call is what the caller sees. */
enum { WORTH_CALLS = 4, LEAST_WORTH = 20000, MOST_WORTH = 100000 };

static struct {
  tenon_chunk chunk;
  int64_t pace; /* nanoseconds of 2^PACE_BITS iterations */
} paces[PACES];

static struct {
  _Alignas(64) int64_t began, alone,
      end; /* alone: nanoseconds of loops that the caller ran alone; end: of the last loop that found others asleep */
  int64_t expected; /* how long it will be */
  int32_t loops, woken; /* that found others asleep; whether they were called */
  int64_t calling; /* nanoseconds, lately */
} burst = {.calling = 20000};

static uint32_t place_of(tenon_chunk chunk) { return (uint32_t)((uintptr_t)chunk / 16 % PACES); }

int64_t tenon_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t tenon_expected(tenon_chunk chunk, int64_t iterations) {
  uint32_t place = place_of(chunk);
  int64_t time;
  if (paces[place].chunk != chunk || __builtin_mul_overflow(paces[place].pace, iterations, &time)) return INT64_MAX;
  return time >> PACE_BITS;
}

void tenon_took(tenon_chunk chunk, int64_t iterations, int64_t nanoseconds) {
  uint32_t place = place_of(chunk);
  int64_t most = INT64_MAX >> PACE_BITS;
  paces[place].chunk = chunk;
  paces[place].pace = ((nanoseconds < most ? nanoseconds : most) << PACE_BITS) / iterations;
}

/* Of a burst with others awake it is known when they fell asleep, and what it was of them: of the one loop that woke them its pace
 * knows more. */
void tenon_burst_loop(int64_t now, int64_t slept) {
  if (now - burst.end > TENON_STAYS_AWAKE) {
    int64_t awake = slept - TENON_STAYS_AWAKE - burst.end;
    int64_t last = !burst.woken                    ? burst.alone
                   : awake > TENON_STAYS_AWAKE / 8 ? slept - TENON_STAYS_AWAKE - burst.began
                                                   : 0;
    burst.expected = burst.woken || burst.loops > 1 ? last : 0;
    burst.began = now;
    burst.alone = burst.loops = burst.woken = 0;
  }
  burst.loops++;
}

void tenon_burst_alone(int64_t start, int64_t end) {
  burst.alone += end - start;
  burst.end = end;
}

void tenon_burst_woken(int64_t now, int64_t calling) {
  burst.woken = 1;
  burst.end = now;
  burst.calling += (calling - burst.calling) / 8;
}

int tenon_worth_waking(int64_t left) {
  int64_t worth = WORTH_CALLS * burst.calling;
  worth = worth < LEAST_WORTH ? LEAST_WORTH : worth > MOST_WORTH ? MOST_WORTH : worth;
  return burst.woken || burst.expected >= worth || left >= worth - burst.alone;
}

void tenon_forget_paces(void) {
  memset(paces, 0, sizeof paces);
  burst.alone = burst.end = burst.expected = burst.loops = burst.woken = 0;
}
