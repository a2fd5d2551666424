// What every fuzzer has: the input as a file, the one exception that may leave a reader, promises that are kept. A target defines fuzz(),
// and says behind "// sources:" what is compiled with it. tests/fuzz/run.sh builds and runs them.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/error.h"

namespace tenon::testing {

void fuzz(std::string_view file);  // throws tenon::Error, or nothing

inline void must(bool promise, const char* broken) {
  if (promise) return;
  std::fprintf(stderr, "%s\n", broken);
  std::abort();
}

// The input under a path, for readers that open one.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(memfd_create("fuzz", 0)) {
    must(write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
         "memory cannot be written");
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  const int descriptor_;
};

}  // namespace tenon::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    tenon::testing::fuzz({reinterpret_cast<const char*>(data), size});
  } catch (const tenon::Error&) {
  }
  return 0;
}
