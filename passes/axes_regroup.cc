// Which axes of a reshape correspond: the shortest lists of neighbours with equal products, from the left.
//   [a, b, c] -> [a * b, c]:   {a, b} and {a * b};  {c} and {c}
#include "tenon/passes/axes.h"

namespace tenon::passes {

namespace {

// Where the group that begins at axis i of `from` and j of `to` ends on both sides. Symbols that are not the same on both
// sides cannot be compared: then the rest is one group.
Regrouping group_from(const std::vector<Dim>& from, const std::vector<Dim>& to, size_t i, size_t j) {
  size_t from_end = i + 1, to_end = j + 1;
  if (!(from[i] == to[j])) {
    bool numbers = from[i].is_number() && to[j].is_number();
    int64_t p = numbers ? from[i].number() : 0, q = numbers ? to[j].number() : 0;
    while (numbers && p != q) {
      size_t& end = p < q ? from_end : to_end;
      const std::vector<Dim>& dims = p < q ? from : to;
      numbers = end < dims.size() && dims[end].is_number();
      if (numbers) (p < q ? p : q) *= dims[end].number(), ++end;
    }
    if (!numbers) from_end = from.size(), to_end = to.size();
  }
  return {static_cast<int>(i), static_cast<int>(from_end), static_cast<int>(j), static_cast<int>(to_end)};
}

}  // namespace

std::vector<Regrouping> regroup(const std::vector<Dim>& from, const std::vector<Dim>& to) {
  const int a = static_cast<int>(from.size()), b = static_cast<int>(to.size());
  if (from != to)  // products of 0 tell nothing; equal axes still correspond
    for (const std::vector<Dim>* dims : {&from, &to})
      for (Dim d : *dims)
        if (d == 0) return {{0, a, 0, b}};
  std::vector<Regrouping> groups;
  for (int i = 0, j = 0; i < a && j < b;) {
    groups.push_back(group_from(from, to, i, j));
    i = groups.back().from_end;
    j = groups.back().to_end;
  }
  if (groups.empty()) return {{0, a, 0, b}};
  groups.back().from_end = a;
  groups.back().to_end = b;
  return groups;
}

}  // namespace tenon::passes
