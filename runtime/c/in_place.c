/* Loops that run in the thread that asks for them, and the environment that has no others. Refuses to know the pool. */
#include "tenon/runtime/c/in_place.h"

#include <pthread.h>
#include <stddef.h>

#include "tenon/runtime/c/print.h"
#include "tenon/runtime/tenon_ranks.h"

int32_t tenon_run_piece(tenon_chunk chunk, void* context, int64_t begin, int64_t end) {
  tenon_fp_enter();
  return chunk(context, begin, end);
}

int32_t tenon_run_pieces(int64_t begin, int64_t end, int64_t piece, tenon_chunk chunk, void* context) {
  int32_t code = 0;
  for (int64_t next; begin < end && code == 0; begin = next) {
    next = end - begin < piece ? end : begin + piece;
    code = tenon_run_piece(chunk, context, begin, next);
  }
  return code;
}

int32_t tenon_run_in_place(int64_t total, int64_t piece, tenon_chunk chunk, void* context) {
  uint32_t host = tenon_fp_enter();
  int32_t code = tenon_run_pieces(0, total, piece, chunk, context);
  tenon_fp_leave(host);
  return code;
}

static int32_t serial_parallel_for(void* unused, int64_t total, int64_t grain, tenon_chunk chunk, void* context) {
  (void)unused;
  if (grain < 1) grain = 1;
  int64_t piece = grain > INT64_MAX / TENON_GRAINS_PER_PIECE ? grain : grain * TENON_GRAINS_PER_PIECE;
  return tenon_run_in_place(total, piece, chunk, context);
}

static tenon_env serial_env;
static pthread_once_t serial_once = PTHREAD_ONCE_INIT;
static void initialise_serial(void) {
  const tenon_env env = {sizeof(tenon_env),  NULL, serial_parallel_for, tenon_print, 1, 0, NULL, NULL, tenon_print_line,
                         tenon_ranks_alone()};
  serial_env = env;
}

const tenon_env* tenon_serial_env(void) {
  pthread_once(&serial_once, initialise_serial);
  return &serial_env;
}
