// The gzipped IDX files of MNIST and its relatives: a magic number, big-endian extents, unsigned bytes.
//
// Refuses element types other than unsigned bytes, and anything that is not exactly one whole array: a declared size is
// checked against what the compressed file can hold before memory is taken, decompression stops at that size, and the
// checksum must agree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::examples {

struct IdxArray {
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;  // row-major
};

// The array in a gzipped file of `rank` extents. tenon::Error names the file and what is wrong with it.
IdxArray read_idx(const std::string& path, int rank);

// The same for compressed bytes in memory; `name` stands for the file in messages.
IdxArray parse_idx(std::string_view compressed, int rank, const std::string& name);

}  // namespace tenon::examples
