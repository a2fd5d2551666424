// Arrays in NumPy's .npy format: versions 1, 2 and 3 in, version 1 out.
//
// The file's size bounds everything: no length in a header is believed before it agrees with the bytes that are there.
// bf16 is '<V2', as NumPy with ml_dtypes writes it; '<V2' and '|V2' are read as bf16. Arrays in Fortran order and big-endian ones are
// converted. Refuses structured arrays, Python objects (which would run code), strings and dates, bools that are neither 0 nor 1,
// and bytes behind the array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/dtype.h"

namespace tenon::runtime {

struct NpyArray {
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;  // dense, row-major, little-endian
};

// The array in a file, or in the bytes of one. Error for anything that is not exactly one array that Tenon can hold;
// `name` stands for the file in its message.
NpyArray read_npy(const std::string& path);
// The same of `size` bytes that come from elsewhere in turn: source(to, bytes) gives the next ones. `who` begins messages.
using NpySource = std::function<void(void* to, uint64_t bytes)>;
NpyArray read_npy(const NpySource& source, uint64_t size, const std::string& who);
NpyArray parse_npy(std::string_view file, const std::string& name);

// What precedes the elements in a file: magic, version, length and header, a multiple of 64 bytes.
std::string npy_prefix(DType dtype, std::span<const int64_t> shape);

// Writes dense row-major elements, to a file that appears whole or not at all.
void write_npy(const std::string& path, DType dtype, std::span<const int64_t> shape, const void* elements);

}  // namespace tenon::runtime
