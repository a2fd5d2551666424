// Element types: one list, from which names, sizes and kinds derive.
// Refuses to know promotion (the frontend's) and storage (the interpreter's and the runtime's).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon {

enum class DType : uint8_t { boolean, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64, c64, c128 };
inline constexpr int dtype_count = 15;

enum class DTypeKind : uint8_t { boolean, signed_integer, unsigned_integer, floating, complex };

struct DTypeInfo {
  std::string_view name;  // as text IR spells it
  uint8_t bytes;          // one byte for a bool, holding 0 or 1
  DTypeKind kind;
};

inline constexpr std::array<DTypeInfo, dtype_count> dtype_table = {{
    {"bool", 1, DTypeKind::boolean},
    {"i8", 1, DTypeKind::signed_integer},
    {"i16", 2, DTypeKind::signed_integer},
    {"i32", 4, DTypeKind::signed_integer},
    {"i64", 8, DTypeKind::signed_integer},
    {"u8", 1, DTypeKind::unsigned_integer},
    {"u16", 2, DTypeKind::unsigned_integer},
    {"u32", 4, DTypeKind::unsigned_integer},
    {"u64", 8, DTypeKind::unsigned_integer},
    {"f16", 2, DTypeKind::floating},
    {"bf16", 2, DTypeKind::floating},
    {"f32", 4, DTypeKind::floating},
    {"f64", 8, DTypeKind::floating},
    {"c64", 8, DTypeKind::complex},  // two f32, the real part first, as std::complex<float>
    {"c128", 16, DTypeKind::complex},
}};

constexpr const DTypeInfo& info(DType t) { return dtype_table[static_cast<int>(t)]; }
constexpr std::string_view name(DType t) { return info(t).name; }
constexpr int bytes(DType t) { return info(t).bytes; }
constexpr int bits(DType t) { return t == DType::boolean ? 1 : 8 * bytes(t); }
constexpr bool is_floating(DType t) { return info(t).kind == DTypeKind::floating; }
constexpr bool is_signed(DType t) { return info(t).kind == DTypeKind::signed_integer; }
constexpr bool is_unsigned(DType t) { return info(t).kind == DTypeKind::unsigned_integer; }
constexpr bool is_integer(DType t) { return is_signed(t) || is_unsigned(t); }
// f16 and bf16 are computed in f32 and rounded once after every op.
constexpr bool is_half(DType t) { return t == DType::f16 || t == DType::bf16; }
constexpr bool is_complex(DType t) { return info(t).kind == DTypeKind::complex; }
// What has derivatives; a complex number has those of the two real ones that it is made of.
constexpr bool is_continuous(DType t) { return is_floating(t) || is_complex(t); }
// The dtype of the real and of the imaginary part, and the complex dtype that holds such parts.
constexpr DType part_of(DType t) { return t == DType::c64 ? DType::f32 : t == DType::c128 ? DType::f64 : t; }
constexpr DType complex_of(DType part) { return part == DType::f64 || part == DType::c128 ? DType::c128 : DType::c64; }

constexpr std::optional<DType> dtype_from_name(std::string_view text) {
  for (int i = 0; i < dtype_count; ++i)
    if (dtype_table[i].name == text) return static_cast<DType>(i);
  return std::nullopt;
}

// A set of dtypes, as the columns of the op table use it.
using DTypeSet = uint16_t;
constexpr DTypeSet one(DType t) { return static_cast<DTypeSet>(1u << static_cast<int>(t)); }
constexpr bool contains(DTypeSet set, DType t) { return (set & one(t)) != 0; }
inline constexpr DTypeSet bool_type = one(DType::boolean);
inline constexpr DTypeSet signed_types = one(DType::i8) | one(DType::i16) | one(DType::i32) | one(DType::i64);
inline constexpr DTypeSet unsigned_types = one(DType::u8) | one(DType::u16) | one(DType::u32) | one(DType::u64);
inline constexpr DTypeSet integer_types = signed_types | unsigned_types;
inline constexpr DTypeSet float_types = one(DType::f16) | one(DType::bf16) | one(DType::f32) | one(DType::f64);
inline constexpr DTypeSet wide_types = one(DType::f32) | one(DType::f64);
inline constexpr DTypeSet number_types = integer_types | float_types;
inline constexpr DTypeSet real_types = number_types | bool_type;
inline constexpr DTypeSet complex_types = one(DType::c64) | one(DType::c128);
inline constexpr DTypeSet all_types = real_types | complex_types;

inline constexpr DType boolean = DType::boolean;
inline constexpr DType i8 = DType::i8, i16 = DType::i16, i32 = DType::i32, i64 = DType::i64;
inline constexpr DType u8 = DType::u8, u16 = DType::u16, u32 = DType::u32, u64 = DType::u64;
inline constexpr DType f16 = DType::f16, bf16 = DType::bf16, f32 = DType::f32, f64 = DType::f64;
inline constexpr DType c64 = DType::c64, c128 = DType::c128;

}  // namespace tenon
