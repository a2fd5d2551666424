// Arrays of MNIST and its relatives: tn::data::load_idx.
#pragma once

#include <string>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon::data {

// The array of an IDX file, plain or gzipped, on the default device: u8, i8, i16, i32, f32 or f64, of any rank. Error, in one line
// with the file and what is wrong with it, for what is not exactly one whole array, and for a gzipped file that unpacks to more than
// 64 MiB and 64 times its size.
Tensor load_idx(const std::string& path, const At& at = At::current());

}  // namespace tenon::data
