// Names of a file beside those of a tree: rules with stars, read from left to right where a file is loaded and from right to left where it
// is saved. Refuses rules whose sides have other numbers of stars.
#pragma once

#include <string>

namespace tenon {

// {"encoder.layer.*.attention.self.query.weight", "layers[*].q.weight"}. A star stands for one character or more, as few as will do, dots
// and brackets among them; the stars of one side take what those of the other stand for, in order. Of several rules that fit a name the
// first holds. An empty `tree`: that name of the file is left out.
struct Rename {
  std::string file, tree;
};

}  // namespace tenon
