// How tensors print: PyTorch's options by its names, with its defaults. They hold for the whole process; to_string takes others
// for once.
#pragma once

#include <cstdint>
#include <string>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

struct PrintOptions {
  int64_t threshold = 1000;  // tensors of more elements are summarised: only those that are shown are read
  int64_t edge_items = 3;  // of a summarised tensor, how many are shown at either end of each axis
  int precision = 4;  // digits behind the point, at most 100
  int64_t line_width = 80;  // characters
};

// Sets the options in force. Error for a negative number, no edge items, or a precision beyond 100.
void print_options(const PrintOptions& options, const At& at = At::current());
PrintOptions print_options();

std::string to_string(const Tensor& tensor, const PrintOptions& options);

}  // namespace tenon
