/* How a tensor reads as text, and a line of text with tensors in it: PyTorch's format, in every locale alike. In C, because saved
 * programs print without any C++; whatever prints a tensor comes here. Refuses to know where tensors lie: it is handed the elements
 * that are shown, or tensors on the host. */
#ifndef TENON_TENSOR_TEXT_H
#define TENON_TENSOR_TEXT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(hidden)

typedef struct tenon_text_options {
  int64_t threshold; /* tensors of more elements are summarised */
  int64_t edge_items; /* of a summarised tensor, how many are shown at either end of each axis */
  int64_t precision; /* digits behind the point, up to 100 */
  int64_t line_width;
} tenon_text_options;
#define TENON_TEXT_DEFAULTS {1000, 3, 4, 80}

/* A dense, row-major tensor on the host; dtype is the number of its DType. */
typedef struct tenon_text_tensor {
  int32_t dtype, rank;
  const int64_t* extents;
  const void* data;
} tenon_text_tensor;

/* How many elements are shown; their numbers in row-major order go to `positions` unless it is null. */
int64_t tenon_text_shown(const tenon_text_options* options, int32_t rank, const int64_t* extents, int64_t* positions);

/* "tensor([1., 2.], dtype=f64", for the caller to end, of the elements that are shown, one behind the other; `tensor.data` is not
 * read. To be freed; null when memory is out. */
char* tenon_text_of(const tenon_text_options* options, tenon_text_tensor tensor, const void* shown);

/* How many tensors a format takes, one for each {}; {{ and }} are braces. Where one stands alone: -1 minus its position. */
int64_t tenon_text_fields(const char* format, uint64_t length);

/* The format with tensors in it, and the end of the line. To be freed; null when memory is out. There are as many as fields. */
char* tenon_text_line(const char* format, uint64_t length, const tenon_text_tensor* tensors, uint64_t* size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
