// Patterns over paths, and what they say of each leaf.
#include "tenon/frontend/optim/settings.h"

#include "tenon/ir/base/error.h"

namespace tenon::optim::detail {

using tenon::detail::TreeItem;

// A character that does not fit gives the last star one more; earlier stars never need to grow again.
bool matches(std::string_view pattern, std::string_view path) {
  size_t p = 0, s = 0, star = std::string_view::npos, covered = 0;
  while (s < path.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, covered = s;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == path[s])) {
      ++p, ++s;
    } else if (star != std::string_view::npos) {
      p = star + 1, s = ++covered;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

namespace {

[[noreturn]] void refuse(const char* what, const std::string& pattern, const std::vector<TreeItem>& parameters,
                         const Location& at) {
  constexpr size_t most = 5;
  std::string paths;
  size_t seen = 0;
  for (const TreeItem& item : parameters)
    if (item.tag == 't' && seen++ < most) paths += (seen > 1 ? ", '" : "'") + item.path + "'";
  if (seen > most) paths += " and " + std::to_string(seen - most) + " more";
  throw Error(std::string(what) + ": .settings has the pattern '" + pattern +
                  "', which no leaf of the parameters matches; there are " + (seen == 0 ? "none" : paths),
              at);
}

}  // namespace

std::vector<LeafSetting> settings_of(const char* what, const std::vector<TreeItem>& parameters,
                                     const PathSettings& settings, const Location& at) {
  std::vector<LeafSetting> of;
  for (const TreeItem& item : parameters)
    if (item.tag == 't') of.emplace_back();
  for (const PathSetting& setting : settings) {
    size_t leaf = 0;
    bool any = false;
    for (const TreeItem& item : parameters) {
      if (item.tag != 't' && item.tag != 'u') continue;  // a leaf without a tensor is one that a pattern may mean
      const bool matched = matches(setting.path, item.path);
      any = any || matched;
      if (item.tag != 't') continue;
      LeafSetting& at_leaf = of[leaf++];
      if (!matched) continue;
      if (setting.with.rate_scale) at_leaf.rate_scale = &*setting.with.rate_scale;
      if (setting.with.weight_decay) at_leaf.weight_decay = &*setting.with.weight_decay;
      if (setting.with.frozen) at_leaf.frozen = *setting.with.frozen;
    }
    if (!any) refuse(what, setting.path, parameters, at);
  }
  return of;
}

}  // namespace tenon::optim::detail
