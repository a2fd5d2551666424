// Magnitudes of decimal texts.
#include "tenon/frontend/data/numbers.h"

#include <algorithm>

namespace tenon::data {

bool is_tiny(std::string_view text) {
  const size_t mark = std::min(text.find_first_of("eE"), text.size());
  int64_t exponent = 0;
  if (mark < text.size()) {
    const std::string_view digits = without_plus(text.substr(mark + 1));
    if (std::from_chars(digits.data(), digits.data() + digits.size(), exponent).ec == std::errc::result_out_of_range)
      return digits.starts_with('-');
  }
  const size_t point = std::min(text.substr(0, mark).find('.'), mark);
  const size_t first = text.substr(0, mark).find_first_of("123456789");
  if (first == std::string_view::npos) return true;  // zero
  const auto place = static_cast<int64_t>(point) - static_cast<int64_t>(first);
  // A file's field is short beside 2^63: the sum overflows only where the exponent alone decides.
  int64_t power = 0;
  return __builtin_add_overflow(exponent, place, &power) ? exponent < 0 : power < 0;
}

}  // namespace tenon::data
