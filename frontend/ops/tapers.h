// Windows that signals are weighed by, of n samples: torch's names. periodic: the window of n + 1 samples without its last, as the
// transforms of tn::fft want it; else symmetric. Of one sample: 1. Computed in f64 and rounded once. Error for n below 0 and for dtypes
// that are not floating.
#pragma once

#include "tenon/frontend/ops/ops.h"

namespace tenon {

Tensor hann_window(int64_t n, bool periodic = true, TensorOptions o = {}, const At& at = At::current());
Tensor hamming_window(int64_t n, bool periodic = true, TensorOptions o = {}, const At& at = At::current());
Tensor blackman_window(int64_t n, bool periodic = true, TensorOptions o = {}, const At& at = At::current());
Tensor bartlett_window(int64_t n, bool periodic = true, TensorOptions o = {}, const At& at = At::current());
// Kaiser and Schafer, "On the use of the I0-sinh window for spectrum analysis", IEEE Trans. ASSP 28, 1980.
Tensor kaiser_window(int64_t n, bool periodic = true, double beta = 12, TensorOptions o = {},
                     const At& at = At::current());

}  // namespace tenon
