// Arrays in NumPy's .npy format: versions 1, 2 and 3 in, version 1 out.
//
// The file's size bounds everything: no length in a header is believed before it agrees with the bytes that are there.
// bf16 is '<V2', as NumPy with ml_dtypes writes it; '<V2' and '|V2' are read as bf16. Arrays in Fortran order are
// converted. Refuses big-endian and structured arrays, Python objects (which would run code), strings, complex numbers
// and dates, bools that are neither 0 nor 1, and bytes behind the array.
#pragma once

#include <cstddef>
#include <cstdint>
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
NpyArray parse_npy(std::string_view file, const std::string& name);

// What precedes the elements in a file: magic, version, length and header, a multiple of 64 bytes.
std::string npy_prefix(DType dtype, std::span<const int64_t> shape);

// Writes dense row-major elements. Error when the file cannot be written whole.
void write_npy(const std::string& path, DType dtype, std::span<const int64_t> shape, const void* elements);

}  // namespace tenon::runtime
