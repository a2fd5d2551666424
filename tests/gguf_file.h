// GGUF files as tests make them: the bytes of a header and of tensors, right or wrong as asked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/tests/hostile_files.h"

namespace tenon::testing {

inline std::string gguf_string(const std::string& text) { return little(text.size(), 8) + text; }
inline std::string gguf_pair(const std::string& key, uint64_t type, const std::string& value) {
  return gguf_string(key) + little(type, 4) + value;
}

struct GgufTensor {
  std::string name;
  std::vector<uint64_t> extents;  // as the file has them, innermost first
  uint64_t type = 0, offset = 0;
};

// Pairs as gguf_pair() makes them.
inline std::string gguf_file(const std::vector<std::string>& pairs, const std::vector<GgufTensor>& tensors,
                             const std::string& elements, uint64_t version = 3, size_t alignment = 32) {
  std::string file = "GGUF" + little(version, 4) + little(tensors.size(), 8) + little(pairs.size(), 8);
  for (const std::string& pair : pairs) file += pair;
  for (const GgufTensor& t : tensors) {
    file += gguf_string(t.name) + little(t.extents.size(), 4);
    for (const uint64_t extent : t.extents) file += little(extent, 8);
    file += little(t.type, 4) + little(t.offset, 8);
  }
  file.resize((file.size() + alignment - 1) / alignment * alignment, '\0');
  return file + elements;
}

}  // namespace tenon::testing
