/* How environments print the lines of programs. Internal to the runtime. */
#ifndef TENON_RUNTIME_PRINT_H
#define TENON_RUNTIME_PRINT_H

#include "tenon/runtime/tenon_runtime.h"

#pragma GCC visibility push(hidden)
void tenon_print(const char* text, uint64_t length);
int32_t tenon_print_line(const tenon_env* env, const char* format, uint64_t length, const tenon_printed* tensors,
                         uint64_t count);
#pragma GCC visibility pop

#endif
