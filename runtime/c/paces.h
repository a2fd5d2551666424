/* How long loops take, by the code that runs their pieces, and how long they go on one after another: what says whether threads that
 * sleep are worth calling. Internal to the runtime; for whoever owns the pool. Refuses to know threads, and to
 * use floating-point numbers, which leave traces in the control word that pieces run under. */
#ifndef TENON_RUNTIME_PACES_H
#define TENON_RUNTIME_PACES_H

#include "tenon/runtime/tenon_runtime.h"

enum { TENON_STAYS_AWAKE = 40000 }; /* nanoseconds that a thread waits for a loop before it sleeps */

#pragma GCC visibility push(hidden)
int64_t tenon_now(void); /* nanoseconds of a clock that only goes on */

/* Nanoseconds of so many iterations, as they went lately; INT64_MAX where nothing is known. */
int64_t tenon_expected(tenon_chunk chunk, int64_t iterations);
void tenon_took(tenon_chunk chunk, int64_t iterations, int64_t nanoseconds);

/* Loops are a burst when nobody who waits for one falls asleep between them. A burst is expected to be as long as the last was. Before
 * a loop that finds the others asleep; `slept` is when they fell asleep, if they were awake since the last such loop. */
void tenon_burst_loop(int64_t now, int64_t slept);
void tenon_burst_alone(int64_t start, int64_t end); /* the caller ran it alone */
void tenon_burst_woken(int64_t now, int64_t calling); /* the others were called, which took so long */
/* Whether the others are to be called for so many nanoseconds of the caller alone. */
int tenon_worth_waking(int64_t left);
void tenon_forget_paces(void);
#pragma GCC visibility pop

#endif
