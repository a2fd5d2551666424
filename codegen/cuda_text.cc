// Spells literals so that they come back bit for bit: shortest decimals for finite numbers, bit patterns for the rest.
#include "tenon/codegen/cuda_text.h"

#include <bit>
#include <charconv>
#include <limits>

namespace tenon::codegen {
namespace {

using ir::Op;

template <class Float>
std::string decimal(Float value, const char* suffix) {
  char buffer[64];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text + suffix;
}

uint64_t lowest_bits(DType t) { return is_signed(t) ? uint64_t{1} << (bits(t) - 1) : 0; }
uint64_t highest_bits(DType t) {
  const uint64_t all = bits(t) == 64 ? ~uint64_t{0} : (uint64_t{1} << bits(t)) - 1;
  return all & ~lowest_bits(t);
}

}  // namespace

std::string cuda_literal(DType type, uint64_t bits) {
  switch (type) {
    case DType::boolean: return bits ? "true" : "false";
    case DType::i8: return "i8(" + std::to_string(static_cast<int8_t>(bits)) + ")";
    case DType::i16: return "i16(" + std::to_string(static_cast<int16_t>(bits)) + ")";
    case DType::i32: return "i32(" + std::to_string(static_cast<int32_t>(bits)) + "ll)";
    case DType::i64: {
      const int64_t value = static_cast<int64_t>(bits);
      if (value == std::numeric_limits<int64_t>::min()) return "i64(1ull << 63)";  // its digits alone do not fit
      return value < 0 ? "(" + std::to_string(value) + "ll)" : std::to_string(value) + "ll";
    }
    case DType::u8:
    case DType::u16:
    case DType::u32:
    case DType::u64: return std::string(name(type)) + "(" + std::to_string(bits) + "ull)";
    case DType::f16:
    case DType::bf16: return std::string(name(type)) + "{" + std::to_string(bits) + "}";
    case DType::f32: {
      const float value = std::bit_cast<float>(static_cast<uint32_t>(bits));
      return value - value == 0 ? decimal(value, "f") : "bitcast<f32>(" + std::to_string(bits) + "u)";
    }
    case DType::f64: {
      const double value = std::bit_cast<double>(bits);
      return value - value == 0 ? decimal(value, "") : "bitcast<f64>(" + std::to_string(bits) + "ull)";
    }
  }
  return "?";
}

std::string cuda_identity(Op combine, DType type) {
  const bool f32_ = type == DType::f32, floating = is_floating(type);
  const auto number = [&](double value) {
    return cuda_literal(type,
                        f32_ ? std::bit_cast<uint32_t>(static_cast<float>(value)) : std::bit_cast<uint64_t>(value));
  };
  const double infinity = std::numeric_limits<double>::infinity();
  switch (combine) {
    case Op::mul: return floating ? number(1) : cuda_literal(type, 1);
    case Op::max: return floating ? number(-infinity) : cuda_literal(type, lowest_bits(type));
    case Op::min: return floating ? number(infinity) : cuda_literal(type, highest_bits(type));
    case Op::bit_and: return cuda_literal(type, type == DType::boolean ? 1 : lowest_bits(type) | highest_bits(type));
    case Op::argmax:
    case Op::argmin:
      return "Place<" + std::string(name(type)) + ">{" + (floating ? number(0) : cuda_literal(type, 0)) + ", -1}";
    default: return floating ? number(-0.0) : cuda_literal(type, 0);
  }
}

std::string cuda_name(const std::string& name) {
  std::string text;
  for (char c : name) text += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
  return text;
}

}  // namespace tenon::codegen
