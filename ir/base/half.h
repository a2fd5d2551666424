// Conversions to and from the 16-bit floating types, in integer code, rounding once (to nearest, ties to even) from any
// source: f32, f64, and 64-bit integers. Refuses to compute: halves are computed in f32 and brought back by these.
#pragma once

#include <bit>
#include <cstdint>

namespace tenon::ir {

// Number formats of 16 bits, by their mantissa width; what is left beside the sign is the exponent.
struct HalfFormat {
  int mantissa;
  constexpr int exponent_bits() const { return 15 - mantissa; }
  constexpr int bias() const { return (1 << (exponent_bits() - 1)) - 1; }
  constexpr uint16_t infinity() const { return static_cast<uint16_t>(((1 << exponent_bits()) - 1) << mantissa); }
};
inline constexpr HalfFormat f16_format{10};
inline constexpr HalfFormat bf16_format{7};

// f32 to f64 is exact, so a double in between adds no rounding.
constexpr uint16_t half_from_double(HalfFormat format, double value) {
  const uint64_t raw = std::bit_cast<uint64_t>(value);
  const uint16_t sign = static_cast<uint16_t>(raw >> 63 << 15);
  const uint64_t fraction = raw & ((uint64_t{1} << 52) - 1);
  const int exponent = static_cast<int>(raw >> 52 & 0x7ff);
  if (exponent == 0x7ff) {  // a NaN stays quiet and keeps its leading payload bits
    const uint16_t payload = static_cast<uint16_t>(fraction >> (52 - format.mantissa));
    const uint16_t quiet = static_cast<uint16_t>(1 << (format.mantissa - 1));
    return static_cast<uint16_t>(sign | format.infinity() | (fraction ? payload | quiet : 0));
  }
  if (exponent == 0) return sign;  // zero, or an f64 subnormal: far below half of the least f16 or bf16 subnormal
  const int scaled = exponent - 1023 + format.bias();  // exponent field in the target
  int drop = 52 - format.mantissa + (scaled < 1 ? 1 - scaled : 0);  // low bits that do not fit
  if (drop > 54) return sign;
  const uint64_t significand = fraction | uint64_t{1} << 52;
  uint64_t kept = significand >> drop;
  const uint64_t rest = significand & ((uint64_t{1} << drop) - 1);
  const uint64_t tie = uint64_t{1} << (drop - 1);
  if (rest > tie || (rest == tie && (kept & 1))) ++kept;
  // The implicit bit of `kept` carries into the exponent field; so does a rounding overflow.
  const uint64_t field = scaled < 1 ? kept : kept + (static_cast<uint64_t>(scaled - 1) << format.mantissa);
  return static_cast<uint16_t>(sign | (field >= format.infinity() ? format.infinity() : field));
}

constexpr float half_to_float(HalfFormat format, uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t fraction = half & ((1u << format.mantissa) - 1);
  const uint32_t exponent = (half & 0x7fffu) >> format.mantissa;
  const int widen = 23 - format.mantissa;
  if (half == (half & 0x8000)) return std::bit_cast<float>(sign);
  if ((half & 0x7fff) >= format.infinity()) return std::bit_cast<float>(sign | 0x7f800000u | fraction << widen);
  if (exponent != 0 || format.bias() == 127)  // bf16 subnormals are f32 subnormals
    return std::bit_cast<float>(sign | (exponent + 127 - static_cast<uint32_t>(format.bias())) << 23 |
                                fraction << widen);
  const int lead = std::bit_width(fraction) - 1;  // an f16 subnormal is a normal f32
  const uint32_t shifted = (fraction << (23 - lead)) & 0x7fffffu;
  return std::bit_cast<float>(sign | static_cast<uint32_t>(lead - format.mantissa - format.bias() + 1 + 127) << 23 |
                              shifted);
}

// A 64-bit integer may not fit a double: what would be lost is kept as one sticky bit (rounding to odd), so that the
// rounding to 16 bits is the only one.
constexpr double odd_double(uint64_t magnitude) {
  const int excess = std::bit_width(magnitude) - 53;
  if (excess <= 0) return static_cast<double>(magnitude);
  const uint64_t lost = magnitude & ((uint64_t{1} << excess) - 1);
  return static_cast<double>((magnitude & ~((uint64_t{1} << excess) - 1)) | (lost ? uint64_t{1} << excess : 0));
}
constexpr double odd_double(int64_t value) {
  return value < 0 ? -odd_double(0 - static_cast<uint64_t>(value)) : odd_double(static_cast<uint64_t>(value));
}

// Element types of the interpreter: 16 bits that convert.
struct Half16 {
  uint16_t bits;
  static constexpr HalfFormat format = f16_format;
};
struct BHalf16 {
  uint16_t bits;
  static constexpr HalfFormat format = bf16_format;
};

}  // namespace tenon::ir
