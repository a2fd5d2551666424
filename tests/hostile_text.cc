// Changing a program's text, number by number, and bringing the types below a change up to date.
#include "tenon/tests/hostile_text.h"

#include <cctype>
#include <cstdio>

#include "tenon/ir/base/error.h"
#include "tenon/ir/graph/graph.h"

namespace tenon::testing {

using ir::parse;

std::vector<std::string> extremes(const std::string& number) {
  std::vector<std::string> values = {"-1",
                                     "0",
                                     "1",
                                     "2147483648",
                                     "4294967296",
                                     "4611686018427387904",
                                     "4611686018427387906",
                                     "4611686018427387847",
                                     "9223372036854775807",
                                     "-9223372036854775808"};
  if (number.size() < 10)
    for (int bit : {32, 61, 62}) values.push_back(std::to_string(std::stoll(number) + (int64_t{1} << bit)));
  return values;
}

std::vector<Place> numbers(const std::string& text) {
  const auto in_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '%' || c == '.' || c == '@';
  };
  std::vector<Place> places;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\';
      ++i;
    } else if (in_word(text[i]) || text[i] == '-') {
      size_t end = i + 1;
      while (end < text.size() && in_word(text[end])) ++end;
      const size_t digits = i + (text[i] == '-');
      bool number = digits < end;
      for (size_t k = digits; k < end; ++k) number = number && text[k] >= '0' && text[k] <= '9';
      if (number) places.push_back({i, end - i});
      i = end;
    } else {
      ++i;
    }
  }
  return places;
}

std::string refusal(const std::string& text) {
  try {
    parse(text);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

std::string repaired(std::string text) {
  for (int i = 0; i < 80; ++i) {
    const std::string error = refusal(text), says = "the text says ";
    size_t line = 0, column = 0;
    const size_t from = error.find(says), to = error.find(", but ", from), gives = error.find(" gives ", to);
    if (from == std::string::npos || to == std::string::npos || gives == std::string::npos ||
        std::sscanf(error.c_str(), "text IR, line %zu, column %zu", &line, &column) != 2)
      return text;
    const std::string stated = error.substr(from + says.size(), to - from - says.size());
    size_t at = 0;
    for (size_t l = 1; l < line; ++l) at = text.find('\n', at) + 1;
    at = text.rfind(stated, at + column - 1 - stated.size());
    if (at == std::string::npos) return text;
    text.replace(at, stated.size(), error.substr(gives + 7));
  }
  return text;
}

}  // namespace tenon::testing
