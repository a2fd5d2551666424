// Reading a number of bytes. Refuses signs, spaces and units, which would be taken for another number by half of those who write them.
#include "tenon/runtime/cache/size_variable.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

namespace tenon::runtime {

uint64_t size_variable(const char* name, uint64_t otherwise) {
  const char* const text = secure_getenv(name);
  if (text == nullptr) return otherwise;
  uint64_t bytes = 0;
  const char* const last = text + std::strlen(text);
  const auto [end, error] = std::from_chars(text, last, bytes);  // strtoull takes " -1" for the largest number
  return error == std::errc() && end == last && end != text ? bytes : otherwise;
}

}  // namespace tenon::runtime
