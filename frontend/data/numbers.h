// Numbers in texts, exactly: what is written, or the nearest that a type holds, or a reason why there is none. Internal to the
// frontend. Refuses locales.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace tenon::data {

enum class Written : uint8_t { number, no_number, too_large };

inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// A plus sign, which std::from_chars does not know.
inline std::string_view without_plus(std::string_view text) {
  const bool plain = text.size() > 1 && text[0] == '+' && text[1] != '+' && text[1] != '-';
  return plain ? text.substr(1) : text;
}

// Of a number that is too far from 1: whether it is small.
bool is_tiny(std::string_view text);

template <class T>
Written read_number(std::string_view text, T& value) {
  text = without_plus(text);
  const char* const end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, value);
  if (fault == std::errc::invalid_argument || stop != end) return Written::no_number;
  if constexpr (std::is_floating_point_v<T>) {
    if (fault == std::errc::result_out_of_range) {
      if (!is_tiny(text)) return Written::too_large;
      value = text[0] == '-' ? T{-0.0} : T{0};
    } else if (std::isinf(value) && text.find_first_of("0123456789") != std::string_view::npos) {
      return Written::too_large;
    }
    return Written::number;
  }
  return fault == std::errc::result_out_of_range ? Written::too_large : Written::number;
}

}  // namespace tenon::data
