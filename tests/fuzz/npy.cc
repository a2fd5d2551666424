// Fuzzes the reader of .npy files.
// sources: runtime/npy.cc runtime/strided.cc
#include "tenon/tests/fuzz/fuzz.h"

#include "tenon/runtime/npy.h"

void tenon::testing::fuzz(std::string_view file) {
  const runtime::NpyArray a = runtime::parse_npy(file, "x.npy");
  size_t bytes = static_cast<size_t>(tenon::bytes(a.dtype));
  for (const int64_t extent : a.shape) bytes *= static_cast<size_t>(extent);
  must(bytes == a.bytes.size() && bytes <= file.size(), "an array has other bytes than its shape");
}
