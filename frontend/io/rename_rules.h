// The rules of names at work: patterns with stars held against names. Internal to the frontend.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/frontend/io/rename.h"
#include "tenon/ir/base/error.h"

namespace tenon::detail {

// What the stars of a pattern stand for in a text; nothing where it does not fit as a whole.
std::optional<std::vector<std::string>> captures(std::string_view pattern, std::string_view text);
// A pattern with these in the places of its stars.
std::string filled_in(std::string_view pattern, const std::vector<std::string>& captured);
// Error, beginning with `who`, for a rule whose sides have other numbers of stars.
void check_rules(const std::vector<Rename>& rules, const std::string& who, const Location& at);
[[noreturn]] void refuse_rule(const Rename& rule, const char* what, const std::string& who, const Location& at);
// Whether a path, in any spelling, fits a pattern; `used` says of each pattern whether it ever did. Error for one that did not.
bool fits_one(const std::vector<std::string>& patterns, const std::string& path, std::vector<char>& used);
void refuse_unused(const std::vector<std::string>& patterns, const std::vector<char>& used, const std::string& who,
                   const Location& at);

}  // namespace tenon::detail
