// Fuzzes the reader of safetensors files, and of the JSON in them.
// sources: runtime/safetensors.cc runtime/json.cc
#include "tenon/tests/fuzz/fuzz.h"

#include "tenon/runtime/safetensors.h"

void tenon::testing::fuzz(std::string_view file) {
  runtime::SafetensorsHeader header = runtime::parse_safetensors(file, "x.safetensors");
  uint64_t at = header.bytes;
  for (const runtime::SafetensorsEntry& e : header.entries) {
    must(e.begin == at && e.end >= e.begin, "tensors do not fill the file");
    at = e.end;
  }
  must(at == file.size(), "tensors do not fill the file");
  // What was read can be written, and says the same.
  const std::string prefix = runtime::safetensors_prefix(header.entries, header.metadata, "again");
  must(runtime::parse_safetensors(prefix + std::string(file.substr(header.bytes)), "again").entries.size() ==
           header.entries.size(),
       "what was written is not what was read");
}
