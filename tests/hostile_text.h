// What hostile texts are made with: the numbers of a text, what they are set to, and types that follow a change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::testing {

// What a number is set to: extremes, and itself plus powers of two, whose products and bytes wrap round to those of the number.
std::vector<std::string> extremes(const std::string& number);

// The numbers of a text: digits with a sign, outside names, quotes and floating literals.
struct Place {
  size_t at, size;
};
std::vector<Place> numbers(const std::string& text);

// Why it does not parse, or "".
std::string refusal(const std::string& text);

// A changed number changes the types below it: what the text says of them is brought up to date, so that the change gets
// through to where it matters. Stops at an error of another kind.
std::string repaired(std::string text);

}  // namespace tenon::testing
