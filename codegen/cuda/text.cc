// Spells literals so that they come back bit for bit: shortest decimals for finite numbers, bit patterns for the rest.
#include "tenon/codegen/cuda/text.h"

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
    case DType::c64:
    case DType::c128: break;  // kernels have real numbers only
  }
  return "?";
}

std::string cuda_identity(Op combine, DType type) {
  if (def(combine).positional) return "Place<" + std::string(name(type)) + ">{" + cuda_literal(type, 0) + ", -1}";
  return cuda_literal(type, identity_bits(combine, type));
}

std::string cuda_name(const std::string& name) {
  std::string text;
  for (char c : name) text += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
  return text;
}

}  // namespace tenon::codegen
