// Drawing special and random values, comparing bit for bit, and saying where two arrays differ.
#include "tenon/tests/arrays.h"

#include <cmath>
#include <cstdio>

#include "tenon/ir/reference/lanes.h"

namespace tenon::testing {

using namespace ir;

namespace {

uint64_t element_bits(const Array& array, int64_t at) {
  uint64_t raw = 0;
  const auto size = static_cast<size_t>(bytes(array.type.dtype));
  std::memcpy(&raw, array.data.data() + static_cast<size_t>(at) * size, size);
  return raw;
}
void set_bits(Array& array, int64_t at, uint64_t raw) {
  const auto size = static_cast<size_t>(bytes(array.type.dtype));
  std::memcpy(array.data.data() + static_cast<size_t>(at) * size, &raw, size);
}
void set_number(Array& array, int64_t at, double number) {
  const Lanes element = cast(Lanes::from(DType::f64, &number, 1), array.type.dtype);
  uint64_t raw = 0;
  std::memcpy(&raw, element.data.get(), static_cast<size_t>(bytes(array.type.dtype)));
  set_bits(array, at, raw);
}
double number_of(const Array& array, int64_t at) {
  const uint64_t raw = element_bits(array, at);
  return *cast(Lanes::from(array.type.dtype, &raw, 1), DType::f64).as<double>();
}

double draw(Random& random, Domain domain) {
  const double unit = std::uniform_real_distribution<double>(-1, 1)(random);
  switch (domain) {
    case Domain::positive: return std::exp2(12 * unit);
    case Domain::unit: return unit;
    case Domain::above_minus_one: return std::exp2(8 * unit) - 0.99;
    case Domain::at_least_one: return 1 + std::exp2(8 * unit);
    case Domain::moderate: return 12 * unit;
    case Domain::probability: return unit < 0 ? std::exp2(20 * unit) : 1 - std::exp2(-10 * unit - 1);
    default: break;
  }
  // Magnitudes over many binades; one in eight a small integer, so that ties, equalities and exact results occur.
  if (random() % 8 == 0) return static_cast<double>(static_cast<int64_t>(random() % 9) - 4);
  const double value = (unit < 0 ? -1 : 1) * std::exp2(10 * std::uniform_real_distribution<double>(-1, 1)(random));
  return domain == Domain::nonzero && value == 0 ? 1 : value;
}

// A complex array is one of real numbers, with the parts along a last axis, and back.
Type parts_of(const Type& type) {
  Type parts{part_of(type.dtype), type.shape};
  parts.shape.push_back(Dim(2));
  return parts;
}
Array retyped(Array array, const Type& type) {
  array.type = type;
  return array;
}

uint64_t mask_of(DType t) { return bytes(t) == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * bytes(t))) - 1; }

}  // namespace

Type type_of(DType dtype, std::vector<int64_t> extents) { return {dtype, Shape::from(extents)}; }

std::vector<uint64_t> special_bits(DType t) {
  t = part_of(t);
  const int width = 8 * bytes(t);
  const uint64_t top = uint64_t{1} << (width - 1);
  if (t == DType::boolean) return {0, 1};
  if (is_integer(t)) return {0, 1, mask_of(t), top, top - 1, 2, top + 1, static_cast<uint64_t>(width), 7};
  const int mantissa = t == DType::f16 ? 10 : t == DType::bf16 ? 7 : t == DType::f32 ? 23 : 52;
  const uint64_t infinity = (top - 1) >> mantissa << mantissa, one = (infinity >> 1) & ~((uint64_t{1} << mantissa) - 1);
  return {0,
          top,
          infinity | uint64_t{1} << (mantissa - 1),  // NaN
          infinity,
          top | infinity,
          one,
          top | one,
          1,                                                                 // least subnormal
          (uint64_t{1} << mantissa) - 1,                                     // greatest subnormal
          uint64_t{1} << mantissa,                                           // least normal
          infinity - 1,                                                      // greatest finite
          top | (infinity - 1),
          infinity | top | uint64_t{1} << (mantissa - 1) | 5,                // a negative NaN with a payload
          one - (uint64_t{1} << mantissa),                                   // a half
          one + (uint64_t{3} << (mantissa - 1))};                            // three, at the least
}

Array random_array(const Type& type, Random& random, Domain domain) {
  if (is_complex(type.dtype)) return retyped(random_array(parts_of(type), random, domain), type);
  Array array(type);
  for (int64_t i = 0; i < array.numel(); ++i) {
    if (is_floating(type.dtype))
      set_number(array, i, draw(random, domain));
    else if (domain == Domain::small_count)
      set_bits(array, i, random() % static_cast<uint64_t>(bits(type.dtype) + 2));
    else  // full range and small numbers in equal parts
      set_bits(array, i,
               type.dtype == DType::boolean ? random() & 1
               : random() & 1               ? random() & mask_of(type.dtype)
                                            : (random() % 21 - 10) & mask_of(type.dtype));
  }
  return array;
}

Array special_array(const Type& type, Random& random, Domain domain, int64_t period) {
  if (is_complex(type.dtype)) return retyped(special_array(parts_of(type), random, domain, period), type);
  Array array = random_array(type, random, domain);
  const std::vector<uint64_t> special = special_bits(type.dtype);
  for (int64_t i = 0; i * period < array.numel(); ++i)
    for (int64_t j = i * period; j < std::min((i + 1) * period, array.numel()); ++j)
      set_bits(array, j, special[static_cast<size_t>(i) % special.size()]);
  return array;
}

Array integer_array(const Type& type, Random& random, int64_t low, int64_t high) {
  if (is_complex(type.dtype)) return retyped(integer_array(parts_of(type), random, low, high), type);
  Array array(type);
  for (int64_t i = 0; i < array.numel(); ++i)
    set_number(array, i, static_cast<double>(low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low))));
  return array;
}

std::string element_text(const Array& array, int64_t at) {
  char text[64];
  std::snprintf(text, sizeof text, "%.17g (0x%0*llx)", number_of(array, at), 2 * bytes(array.type.dtype),
                static_cast<unsigned long long>(element_bits(array, at)));
  return text;
}

std::optional<std::string> difference(const Array& expected, const Array& actual, NaNs nans) {
  if (!(expected.type == actual.type))
    return "type " + to_string(actual.type) + " instead of " + to_string(expected.type);
  if (expected.data == actual.data) return std::nullopt;
  if (is_complex(expected.type.dtype))
    return difference(retyped(expected, parts_of(expected.type)), retyped(actual, parts_of(actual.type)), nans);
  int64_t first = -1, count = 0;
  for (int64_t i = 0; i < expected.numel(); ++i) {
    if (element_bits(expected, i) == element_bits(actual, i)) continue;
    const bool both_nan =
        is_floating(expected.type.dtype) && std::isnan(number_of(expected, i)) && std::isnan(number_of(actual, i));
    if (nans == NaNs::one_value && both_nan) continue;
    if (first < 0) first = i;
    ++count;
  }
  if (first < 0) return std::nullopt;
  return to_string(expected.type) + " differs in " + std::to_string(count) + " elements, first at " +
         std::to_string(first) + ": " + element_text(actual, first) + " instead of " + element_text(expected, first);
}

}  // namespace tenon::testing
