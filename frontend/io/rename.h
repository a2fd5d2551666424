// Names of a file beside those of a tree: rules with stars, read from left to right where a file is loaded and from right to left where it
// is saved. Refuses rules whose sides have other numbers of stars.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/error.h"

namespace tenon {

// {"encoder.layer.*.attention.self.query.weight", "layers[*].q.weight"}. A star stands for one character or more, as few as will do, dots
// and brackets among them; the stars of one side take what those of the other stand for, in order. Of several rules that fit a name the
// first holds. An empty `tree`: that name of the file is left out.
struct Rename {
  std::string file, tree;
};

namespace detail {

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

}  // namespace detail
}  // namespace tenon
