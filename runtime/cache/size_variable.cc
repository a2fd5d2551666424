// Reading a number of bytes. Refuses signs, spaces and units, which would be taken for another number by half of those who write them.
#include "tenon/runtime/cache/size_variable.h"

#include <charconv>

namespace tenon::runtime {

uint64_t size_variable(Variable variable, uint64_t otherwise) {
  const std::string text = environment(variable);
  uint64_t bytes = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, bytes);  // strtoull takes " -1" for the largest number
  return error == std::errc() && end == last && !text.empty() ? bytes : otherwise;
}

}  // namespace tenon::runtime
