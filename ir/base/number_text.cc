// Numbers as text, by the locale-free conversions of the standard library.
#include "tenon/ir/base/number_text.h"

#include <charconv>

namespace tenon {
namespace {

template <class... How>
std::string text(double value, How... how) {
  char out[400];  // the largest double has 309 digits before the point
  return {out, std::to_chars(out, out + sizeof out, value, how...).ptr};
}

}  // namespace

std::string shortest(double value) { return text(value); }
std::string fixed(double value, int decimals) { return text(value, std::chars_format::fixed, decimals); }
std::string scientific(double value, int decimals) { return text(value, std::chars_format::scientific, decimals); }

}  // namespace tenon
