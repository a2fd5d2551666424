// Matching goes back to the last star only: those before it hold as little as they can, which is never too little. So the work is at most
// the product of both lengths.
#include "tenon/frontend/io/rename_rules.h"

#include <algorithm>

#include "tenon/frontend/io/stored.h"
#include "tenon/runtime/shown_name.h"

namespace tenon::detail {

using runtime::shown_name;

std::optional<std::vector<std::string>> captures(std::string_view pattern, std::string_view text) {
  struct Star {
    size_t behind;  // the place in the pattern
    size_t begin, end;  // in the text
  };
  std::vector<Star> found;
  size_t p = 0, t = 0;
  while (t < text.size() || p < pattern.size()) {
    if (p < pattern.size() && pattern[p] == '*' && t < text.size()) {
      found.push_back({++p, t, t + 1});
      ++t;
    } else if (p < pattern.size() && t < text.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (!found.empty() && found.back().end < text.size()) {
      t = ++found.back().end;
      p = found.back().behind;
    } else {
      return std::nullopt;
    }
  }
  std::vector<std::string> out;
  for (const Star& s : found) out.emplace_back(text.substr(s.begin, s.end - s.begin));
  return out;
}

std::string filled_in(std::string_view pattern, const std::vector<std::string>& captured) {
  std::string out;
  size_t next = 0;
  for (const char c : pattern) {
    if (c == '*')
      out += captured.at(next++);
    else
      out += c;
  }
  return out;
}

void check_rules(const std::vector<Rename>& rules, const std::string& who, const Location& at) {
  const auto stars = [](const std::string& pattern) { return std::count(pattern.begin(), pattern.end(), '*'); };
  for (const Rename& rule : rules)
    if (!rule.tree.empty() && stars(rule.file) != stars(rule.tree))
      throw Error(who + "the rule " + shown_name(rule.file) + " to " + shown_name(rule.tree) + " has " +
                      std::to_string(stars(rule.file)) + " and " + std::to_string(stars(rule.tree)) +
                      " stars; both sides have the same",
                  at);
}

void refuse_rule(const Rename& rule, const char* what, const std::string& who, const Location& at) {
  throw Error(who + "the rule " + shown_name(rule.file) + " to " + shown_name(rule.tree) + " fits no " + what +
                  " (or an earlier rule took them all); leave it out, or correct it",
              at);
}

bool fits_one(const std::vector<std::string>& patterns, const std::string& path, std::vector<char>& used) {
  bool fits = false;
  for (size_t i = 0; i < patterns.size(); ++i)
    for (const std::string& spelling : {path, stored_name(path), dotted_name(path)})
      if (captures(patterns[i], spelling)) used[i] = fits = true;
  return fits;
}

void refuse_unused(const std::vector<std::string>& patterns, const std::vector<char>& used, const std::string& who,
                   const Location& at) {
  for (size_t i = 0; i < patterns.size(); ++i)
    if (!used[i])
      throw Error(who + "the pattern " + shown_name(patterns[i]) +
                      " of .transpose fits no leaf of the tree; leave it out, " + "or correct it",
                  at);
}

}  // namespace tenon::detail
