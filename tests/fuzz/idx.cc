// Fuzzes the reader of IDX files, plain and gzipped.
// sources: runtime/idx.cc runtime/deflate.cc
#include "tenon/runtime/idx.h"

#include "tenon/tests/fuzz/fuzz.h"

void tenon::testing::fuzz(std::string_view file) {
  const runtime::IdxArray a = runtime::parse_idx(std::as_bytes(std::span(file.data(), file.size())), "x.idx");
  size_t bytes = static_cast<size_t>(tenon::bytes(a.dtype));
  for (const int64_t extent : a.shape) bytes *= static_cast<size_t>(extent);
  must(bytes == a.bytes.size(), "an array has other bytes than its shape");
}
