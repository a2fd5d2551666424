/* Loops that run in the thread that asks for them. Internal to the runtime. */
#ifndef TENON_RUNTIME_IN_PLACE_H
#define TENON_RUNTIME_IN_PLACE_H

#include "tenon/runtime/tenon_runtime.h"

/* A parallel loop's pieces hold at most this many grains, wherever they run. */
enum { TENON_GRAINS_PER_PIECE = 4 };

#pragma GCC visibility push(hidden)
/* One piece, under the default control word, whatever the piece before left behind: what the thread had itself is the caller's
 * to keep. */
int32_t tenon_run_piece(tenon_chunk chunk, void* context, int64_t begin, int64_t end);
/* Those from begin to end, one after another, up to one that fails. */
int32_t tenon_run_pieces(int64_t begin, int64_t end, int64_t piece, tenon_chunk chunk, void* context);
int32_t tenon_run_in_place(int64_t total, int64_t piece, tenon_chunk chunk, void* context);
#pragma GCC visibility pop

#endif
