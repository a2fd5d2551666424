// Arrays for tests: filled with special and random values, compared bit for bit, printed.
// Refuses tolerance: every route gives the same bits.
#pragma once

#include <optional>
#include <random>
#include <string>

#include "tenon/ir/reference/array.h"

namespace tenon::testing {

using Random = std::mt19937_64;

// The dtypes before the complex ones: those that kernels know.
inline constexpr int real_dtype_count = static_cast<int>(DType::c64);

// Shorthand for a type of numbers.
ir::Type type_of(DType dtype, std::vector<int64_t> extents);

// The values at the edges of a dtype: zeros of both signs, NaN, infinities, subnormals, extremes, ones.
std::vector<uint64_t> special_bits(DType t);

// Random elements in the domain, floats small multiples of a power of two now and then, so that exact cases occur.
ir::Array random_array(const ir::Type& type, Random& random, ir::Domain domain = ir::Domain::any);
// The same with special values sprinkled in: `period` apart, in the order of their list, from a shifted start, so that for
// several operands their pairs meet.
ir::Array special_array(const ir::Type& type, Random& random, ir::Domain domain, int64_t period);
// Integers in [low, high).
ir::Array integer_array(const ir::Type& type, Random& random, int64_t low, int64_t high);

enum class NaNs { one_value, by_bits };
// Where the arrays first differ, in words; nothing when they are the same.
std::optional<std::string> difference(const ir::Array& expected, const ir::Array& actual, NaNs nans);
std::string element_text(const ir::Array& array, int64_t at);  // value and bits

}  // namespace tenon::testing
