// GGUF, the files of llama.cpp: metadata and tensors by name, many of them in blocks of few bits. Versions 2 and 3, little-endian.
// Source of the format: docs/gguf.md of ggml, https://github.com/ggml-org/ggml
//
// The file's size bounds everything: no count is believed that the bytes there cannot hold. Refused: keys and tensors that stand twice,
// tensors that overlap or leave the file, arrays of arrays, big-endian files, element types that are not in the table of
// runtime/gguf_blocks.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/dtype.h"
#include "tenon/runtime/gguf_blocks.h"
#include "tenon/runtime/gguf_value.h"

namespace tenon::runtime {

struct GgufEntry {
  std::string name;
  std::vector<int64_t> shape;  // row-major: the file's dimensions backwards
  const GgufType* type = nullptr;
  uint64_t begin = 0, bytes = 0, elements = 0;  // in the file
};

struct GgufHeader {
  uint32_t version = 0;
  std::map<std::string, GgufValue> metadata;
  std::vector<GgufEntry> entries;  // as the file lists them
};

// Error "WHO: reason".
GgufHeader parse_gguf(std::string_view file, const std::string& who);

}  // namespace tenon::runtime
