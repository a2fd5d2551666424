// Names that come from files, as errors show them: on one line, whatever is in them.
#pragma once

#include <string>
#include <string_view>

namespace tenon::runtime {

// 'name', at most 120 bytes of it, control characters as \x0a.
inline std::string shown_name(std::string_view name) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "'";
  for (const char c : name.substr(0, 120)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f)
      text += c;
    else
      ((text += "\\x") += digits[byte >> 4]) += digits[byte & 15];
  }
  return text + (name.size() <= 120 ? "'" : "...'");
}

}  // namespace tenon::runtime
