// What an optimizer does otherwise for some leaves, told by patterns over the paths of the parameters' tree:
//
//   {.rate = 1e-3, .weight_decay = 0.1, .settings = {{"*.bias", {.weight_decay = 0}}, {"embed*", {.rate_scale = 0.1}}, {"head.*", {.frozen = true}}}}
//
// A pattern is a whole path as tn::tree::paths gives it (layers[2].weight): `*` stands for any characters, none included, `?` for one;
// everything else, brackets too, for itself. Of each setting the last pattern that matches a path and gives it decides. Patterns are
// known while a program is traced; the numbers may be tensors. Error for a pattern that matches no leaf, which lists some that there are.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/frontend/optim/number.h"
#include "tenon/frontend/tree/items.h"

namespace tenon::optim {

struct Setting {
  std::optional<Number> rate_scale = {};  // times the rate
  std::optional<Number> weight_decay = {};  // in place of the optimizer's
  std::optional<bool> frozen = {};  // the leaf and its state stay as they are
};
struct PathSetting {
  std::string path;  // a pattern
  Setting with = {};
};
using PathSettings = std::vector<PathSetting>;

namespace detail {
bool matches(std::string_view pattern, std::string_view path);
// What holds for each tensor of a tree, in order. The settings outlive it.
struct LeafSetting {
  const Number* rate_scale = nullptr;
  const Number* weight_decay = nullptr;
  bool frozen = false;
};
std::vector<LeafSetting> settings_of(const char* what, const std::vector<tenon::detail::TreeItem>& parameters,
                                     const PathSettings& settings, const Location& at);
}  // namespace detail

}  // namespace tenon::optim
