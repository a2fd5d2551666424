// Element types of GGUF: plain numbers, and blocks of numbers of few bits with their scales, which become f32.
#pragma once

#include <cstdint>
#include <string_view>

#include "tenon/ir/base/dtype.h"

namespace tenon::runtime {

struct GgufType {
  uint32_t id;
  std::string_view name;  // Q4_K
  uint64_t block, block_bytes;  // elements, and bytes that they take
  DType dtype;  // of plain numbers; f32 of blocks
  void (*unpack)(const unsigned char* from, float* to, uint64_t blocks);  // null for plain numbers
};

const GgufType* gguf_type(uint32_t id);  // null: not known
std::string_view gguf_type_name(uint32_t id);  // also of those that are not; empty: nobody knows it

}  // namespace tenon::runtime
