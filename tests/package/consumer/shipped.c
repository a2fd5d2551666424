/* Calls the saved program by its entry point; needs libc, libm, pthreads and the small runtime. */
#include <stdio.h>

#include "line.h"

int main(void) {
  float x[2] = {1, 2}, y[2] = {0, 0};
  const void* inputs[] = {x};
  void* outputs[] = {y};
  int64_t arena_bytes = line_arena_bytes(NULL);
  tenon_call call = {.struct_size = sizeof call, .inputs = inputs, .outputs = outputs, .env = tenon_runtime_env()};
  call.arena = tenon_alloc(arena_bytes);
  int32_t code = line(&call);
  tenon_free(call.arena, arena_bytes);
  if (code == TENON_OK) printf("%g %g\n", y[0], y[1]);
  return code;
}
