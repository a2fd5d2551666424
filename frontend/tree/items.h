// An argument tree by path: every node that a matching tree must have too. Paths are member names where the compiler tells
// them, positions, indices and keys.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tenon/frontend/tree/walk.h"

namespace tenon::detail {

struct TreeItem {
  std::string path;  // layers[2].w, extra["gain"]; empty for the tree itself
  char tag = 't';  // t tensor, u undefined tensor, + - optional, l list, m map, x variant, d shape; else a value
  std::string bytes, text;  // of anything but a tensor: what is compared, and what errors say
  Tensor* tensor = nullptr;
  bool state = false;  // an nn::Buffer
};

// The tree by path. Items point into it.
template <class T>
std::vector<TreeItem> items_of(T& tree) {
  std::vector<TreeItem> items;
  Leaves leaves;
  leaves.want_structure = false;
  Listing listing{&items, {}};
  leaves.listing = &listing;
  walk(tree, leaves);
  return items;
}

}  // namespace tenon::detail
