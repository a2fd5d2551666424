// Fuzzes the reader of GGUF files, and unpacks what it finds.
// sources: runtime/gguf.cc runtime/gguf_blocks.cc
#include "tenon/tests/fuzz/fuzz.h"

#include "tenon/runtime/gguf.h"

void tenon::testing::fuzz(std::string_view file) {
  const runtime::GgufHeader header = runtime::parse_gguf(file, "x.gguf");
  for (const runtime::GgufEntry& e : header.entries) {
    must(e.bytes <= file.size() && e.begin <= file.size() - e.bytes, "a tensor leaves the file");
    if (e.type->unpack == nullptr) continue;
    std::vector<float> out(e.elements);
    e.type->unpack(reinterpret_cast<const unsigned char*>(file.data()) + e.begin, out.data(),
                   e.elements / e.type->block);
  }
}
