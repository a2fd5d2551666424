/* A program's lines: formatted in the default floating-point environment, then handed to the environment's print as one piece.
 * Refuses to keep anything. */
#include "tenon/runtime/c/print.h"

#include <stdio.h>
#include <stdlib.h>

#include "tenon/ir/base/tensor_text.h"

void tenon_print(const char* text, uint64_t length) {
  fwrite(text, 1, length, stdout);
  fflush(stdout); /* out by the return of the call */
}

int32_t tenon_print_line(const tenon_env* env, const char* format, uint64_t length, const tenon_printed* tensors,
                         uint64_t count) {
  tenon_text_tensor* all = (tenon_text_tensor*)malloc((size_t)(count + 1) * sizeof *all);
  char* line = NULL;
  uint64_t size = 0;
  for (uint64_t k = 0; all != NULL && k < count; ++k) {
    const tenon_text_tensor t = {tensors[k].dtype, tensors[k].rank, tensors[k].extents, tensors[k].data};
    all[k] = t;
  }
  if (all != NULL) {
    const uint32_t saved = tenon_fp_enter();
    line = tenon_text_line(format, length, all, &size);
    tenon_fp_leave(saved);
  }
  if (line != NULL && env->print != NULL) env->print(line, size);
  free(line);
  free(all);
  return line != NULL ? TENON_OK : TENON_NO_MEMORY;
}
