// Arrays in the IDX format of MNIST and its relatives, plain or gzipped: a magic number, big-endian extents, big-endian elements.
//
// The size of a plain file bounds everything; of a gzipped one, what deflate can make of it, and no more than 64 times its size
// where that is above 64 MiB, so that a file that was made to fill the memory does not. Refuses whatever is not exactly one whole
// array: element types that IDX does not have, surplus and missing bytes, checksums that differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenon/ir/base/dtype.h"

namespace tenon::runtime {

struct IdxArray {
  DType dtype = DType::u8;  // u8, i8, i16, i32, f32 or f64
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;  // dense, row-major, little-endian
};

// The array in a file, or in the bytes of one. Error names the file, for which `name` stands, and what is wrong with it.
IdxArray read_idx(const std::string& path);
IdxArray parse_idx(std::span<const std::byte> file, const std::string& name);

}  // namespace tenon::runtime
