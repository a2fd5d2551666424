// The union-find itself, with paths halved on the way up.
#include "tenon/passes/lower/boundaries.h"

namespace tenon::passes {

int Boundaries::fresh(int rank) {
  const int first = static_cast<int>(parent_.size());
  for (int i = 0; i < rank; ++i) {
    parent_.push_back(first + i);
    cut_.push_back(0);
  }
  return first;
}

int Boundaries::find(int boundary) const {
  const auto parent = [&](int b) -> int& { return parent_[b]; };
  while (parent(boundary) != boundary) {
    parent(boundary) = parent(parent(boundary));
    boundary = parent(boundary);
  }
  return boundary;
}

void Boundaries::tie(int a, int b) {
  a = find(a);
  b = find(b);
  if (a == b) return;
  cut_[a] |= cut_[b];
  parent_[b] = a;
}

}  // namespace tenon::passes
