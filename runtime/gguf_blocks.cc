// The blocks of ggml (ggml-quants.c, block_q4_0 to block_q6_K), one function each. Products and sums are rounded one by one, in the
// order of ggml's own reference functions, so that bits are those.
#include "tenon/runtime/gguf_blocks.h"

#include <array>
#include <cstring>

#include "tenon/ir/base/half.h"

namespace tenon::runtime {
namespace {

float half_at(const unsigned char* at) {
  uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return ir::half_to_float(ir::f16_format, bits);
}

void unpack_q8_0(const unsigned char* from, float* to, uint64_t blocks) {
  for (uint64_t b = 0; b < blocks; ++b, from += 34, to += 32) {
    const float d = half_at(from);
    for (int i = 0; i < 32; ++i) to[i] = static_cast<float>(static_cast<int8_t>(from[2 + i])) * d;
  }
}

// Element i of the first 16 has the low half of byte i, element 16 + i the high one.
void unpack_q4_0(const unsigned char* from, float* to, uint64_t blocks) {
  for (uint64_t b = 0; b < blocks; ++b, from += 18, to += 32) {
    const float d = half_at(from);
    for (int i = 0; i < 16; ++i) {
      to[i] = d * static_cast<float>((from[2 + i] & 15) - 8);
      to[16 + i] = d * static_cast<float>((from[2 + i] >> 4) - 8);
    }
  }
}

void unpack_q4_1(const unsigned char* from, float* to, uint64_t blocks) {
  for (uint64_t b = 0; b < blocks; ++b, from += 20, to += 32) {
    const float d = half_at(from), m = half_at(from + 2);
    for (int i = 0; i < 16; ++i) {
      to[i] = d * static_cast<float>(from[4 + i] & 15) + m;
      to[16 + i] = d * static_cast<float>(from[4 + i] >> 4) + m;
    }
  }
}

uint32_t word_at(const unsigned char* at) {
  uint32_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

// The fifth bit of element i is bit i of a word.
void unpack_q5_0(const unsigned char* from, float* to, uint64_t blocks) {
  for (uint64_t b = 0; b < blocks; ++b, from += 22, to += 32) {
    const float d = half_at(from);
    const uint32_t high = word_at(from + 2);
    for (int i = 0; i < 16; ++i) {
      const uint32_t packed = from[6 + i], low_fifth = high >> i & 1, high_fifth = high >> (16 + i) & 1;
      to[i] = d * static_cast<float>(static_cast<int>((packed & 15) | low_fifth << 4) - 16);
      to[16 + i] = d * static_cast<float>(static_cast<int>(packed >> 4 | high_fifth << 4) - 16);
    }
  }
}

void unpack_q5_1(const unsigned char* from, float* to, uint64_t blocks) {
  for (uint64_t b = 0; b < blocks; ++b, from += 24, to += 32) {
    const float d = half_at(from), m = half_at(from + 2);
    const uint32_t high = word_at(from + 4);
    for (int i = 0; i < 16; ++i) {
      const uint32_t packed = from[8 + i], low_fifth = high >> i & 1, high_fifth = high >> (16 + i) & 1;
      to[i] = d * static_cast<float>((packed & 15) | low_fifth << 4) + m;
      to[16 + i] = d * static_cast<float>(packed >> 4 | high_fifth << 4) + m;
    }
  }
}

// Eight scales and eight minima of six bits each, in twelve bytes.
struct ScaleMin {
  int scale, min;
};
ScaleMin scale_min(const unsigned char* packed, int group) {
  if (group < 4) return {packed[group] & 63, packed[4 + group] & 63};
  const int both = packed[4 + group];
  return {(both & 15) | (packed[group - 4] >> 6) << 4, both >> 4 | (packed[group] >> 6) << 4};
}

// Groups of 32: two of them share 32 bytes, the first has the low halves.
void unpack_q4_k(const unsigned char* from, float* to, uint64_t blocks) {
  for (uint64_t b = 0; b < blocks; ++b, from += 144) {
    const float d = half_at(from), dmin = half_at(from + 2);
    for (int group = 0; group < 8; ++group, to += 32) {
      const auto [scale, min] = scale_min(from + 4, group);
      const float step = d * static_cast<float>(scale), least = dmin * static_cast<float>(min);
      const unsigned char* const q = from + 16 + 32 * (group / 2);
      for (int i = 0; i < 32; ++i) to[i] = step * static_cast<float>(q[i] >> 4 * (group % 2) & 15) - least;
    }
  }
}

void unpack_q5_k(const unsigned char* from, float* to, uint64_t blocks) {
  for (uint64_t b = 0; b < blocks; ++b, from += 176) {
    const float d = half_at(from), dmin = half_at(from + 2);
    for (int group = 0; group < 8; ++group, to += 32) {
      const auto [scale, min] = scale_min(from + 4, group);
      const float step = d * static_cast<float>(scale), least = dmin * static_cast<float>(min);
      const unsigned char *const high = from + 16, *const q = from + 48 + 32 * (group / 2);
      for (int i = 0; i < 32; ++i)
        to[i] = step * static_cast<float>((q[i] >> 4 * (group % 2) & 15) | (high[i] >> group & 1) << 4) - least;
    }
  }
}

// Halves of 128: four rows of 32, rows 0 and 2 of low four bits share 32 bytes, as 1 and 3 do; two further bits of all four share 32.
void unpack_q6_k(const unsigned char* from, float* to, uint64_t blocks) {
  for (uint64_t b = 0; b < blocks; ++b, from += 210) {
    const float d = half_at(from + 208);
    for (int half = 0; half < 2; ++half)
      for (int row = 0; row < 4; ++row, to += 32) {
        const unsigned char *const low = from + 64 * half + 32 * (row % 2), *const high = from + 128 + 32 * half;
        const unsigned char* const scales = from + 192 + 8 * half + 2 * row;
        for (int i = 0; i < 32; ++i) {
          const int q = ((low[i] >> 4 * (row / 2) & 15) | (high[i] >> 2 * row & 3) << 4) - 32;
          const float step = d * static_cast<float>(static_cast<int8_t>(scales[i / 16]));
          to[i] = step * static_cast<float>(q);
        }
      }
  }
}

constexpr std::array<GgufType, 16> types = {{{0, "F32", 1, 4, DType::f32, nullptr},
                                             {1, "F16", 1, 2, DType::f16, nullptr},
                                             {2, "Q4_0", 32, 18, DType::f32, unpack_q4_0},
                                             {3, "Q4_1", 32, 20, DType::f32, unpack_q4_1},
                                             {6, "Q5_0", 32, 22, DType::f32, unpack_q5_0},
                                             {7, "Q5_1", 32, 24, DType::f32, unpack_q5_1},
                                             {8, "Q8_0", 32, 34, DType::f32, unpack_q8_0},
                                             {12, "Q4_K", 256, 144, DType::f32, unpack_q4_k},
                                             {13, "Q5_K", 256, 176, DType::f32, unpack_q5_k},
                                             {14, "Q6_K", 256, 210, DType::f32, unpack_q6_k},
                                             {24, "I8", 1, 1, DType::i8, nullptr},
                                             {25, "I16", 1, 2, DType::i16, nullptr},
                                             {26, "I32", 1, 4, DType::i32, nullptr},
                                             {27, "I64", 1, 8, DType::i64, nullptr},
                                             {28, "F64", 1, 8, DType::f64, nullptr},
                                             {30, "BF16", 1, 2, DType::bf16, nullptr}}};

constexpr std::array<std::string_view, 42> names = {
    "F32",   "F16",    "Q4_0",  "Q4_1", "",     "",        "Q5_0",   "Q5_1",    "Q8_0",  "Q8_1",   "Q2_K",
    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
    "IQ2_S", "IQ4_XS", "I8",    "I16",  "I32",  "I64",     "F64",    "IQ1_M",   "BF16",  "",       "",
    "",      "TQ1_0",  "TQ2_0", "",     "",     "",        "MXFP4",  "NVFP4",   ""};

}  // namespace

const GgufType* gguf_type(uint32_t id) {
  for (const GgufType& type : types)
    if (type.id == id) return &type;
  return nullptr;
}

std::string_view gguf_type_name(uint32_t id) { return id < names.size() ? names[id] : std::string_view(); }

}  // namespace tenon::runtime
