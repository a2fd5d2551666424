// Union-find over the boundaries between neighbouring axes: boundaries that are tied hold together, and one that is cut
// cuts all of them. Refuses to know what the axes are of.
#pragma once

#include <vector>

namespace tenon::passes {

class Boundaries {
 public:
  // Boundaries for `rank` axes, each behind its axis (the last one is never asked for); gives the number of the first.
  int fresh(int rank);
  void tie(int a, int b);
  void cut(int boundary) { cut_[find(boundary)] = 1; }
  bool is_cut(int boundary) const { return cut_[find(boundary)]; }

 private:
  int find(int boundary) const;
  mutable std::vector<int> parent_;  // paths are halved while they are walked
  std::vector<char> cut_;
};

}  // namespace tenon::passes
