// Reads a peer's answers.
#include "tenon/bench/peer_answer.h"

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace tenon::bench {
namespace {

[[noreturn]] void refuse(const std::string& line) {
  throw std::runtime_error("a peer answered nonsense: '" + line.substr(0, 200) + "'");
}

// The whole text is one number, as Python writes it.
double number_of(const std::string& text, const std::string& line) {
  const bool starts = !text.empty() && (std::isdigit(static_cast<unsigned char>(text[0])) || text == "inf");
  char* end = nullptr;
  const double number = starts ? std::strtod(text.c_str(), &end) : 0;
  if (!starts || *end != '\0' || text.find_first_of("xX") != std::string::npos) refuse(line);
  return number;
}

}  // namespace

Answer parse_answer(const std::string& line) {
  const size_t space = line.find(' ');
  const std::string word = line.substr(0, space), rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (word == "ready" || word == "none") {
    if (rest.empty()) refuse(line);
    return {word == "ready" ? Answer::Kind::ready : Answer::Kind::none, 0, rest};
  }
  if (word == "prepared") return {Answer::Kind::prepared, number_of(rest, line), {}};
  if (word != "seconds") refuse(line);
  const double seconds = number_of(rest, line);
  if (!(seconds > 0) || std::isinf(seconds)) refuse(line);
  return {Answer::Kind::seconds, seconds, {}};
}

}  // namespace tenon::bench
