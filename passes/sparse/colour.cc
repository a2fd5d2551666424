// Greedy colourings of what must be told apart. Columns: Curtis, Powell and Reid, On the estimation of sparse Jacobian matrices,
// 1974. Symmetric matrices: star colouring after Coleman and Moré, Estimation of sparse Hessian matrices and graph coloring
// problems, 1984. Both as in Gebremedhin, Manne and Pothen, What color is your Jacobian?, SIAM Review 47(4), 2005: algorithms 3.1
// and 4.1, columns in their own order, and where that takes more colours than a row needs, the fullest first.
#include <algorithm>
#include <numeric>

#include "tenon/passes/sparse/sparse.h"

namespace tenon::passes {
namespace {

constexpr int64_t none = -1;

size_t at(int64_t i) { return static_cast<size_t>(i); }

int64_t fullest_row(const Pattern& p) {
  int64_t most = 0;
  for (int64_t r = 0; r < p.rows; ++r) most = std::max(most, static_cast<int64_t>(p.row(r).size()));
  return most;
}

std::vector<int64_t> in_order(int64_t count) {
  std::vector<int64_t> order(at(count));
  std::iota(order.begin(), order.end(), 0);
  return order;
}
std::vector<int64_t> fullest_first(const Pattern& by_column) {
  std::vector<int64_t> order = in_order(by_column.rows);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return by_column.row(a).size() > by_column.row(b).size(); });
  return order;
}

// The colours that column c must not have are marked with c.
class Palette {
 public:
  explicit Palette(int64_t columns) : colour(at(columns), none), forbidden_(at(columns) + 1, none) {}
  void forbid(int64_t taken, int64_t c) {
    if (taken != none) forbidden_[at(taken)] = c;
  }
  void paint(int64_t c) {
    int64_t free = 0;
    while (forbidden_[at(free)] == c) ++free;
    colour[at(c)] = free;
    count = std::max(count, free + 1);
  }
  std::vector<int64_t> colour;
  int64_t count = 0;

 private:
  std::vector<int64_t> forbidden_;
};

Colouring finished(Palette palette) {
  for (int64_t& c : palette.colour) c = std::max<int64_t>(c, 0);
  return {palette.count, std::move(palette.colour)};
}

Colouring columns_in(const std::vector<int64_t>& order, const Pattern& p, const Pattern& by_column) {
  Palette palette(p.cols);
  for (int64_t c : order) {
    if (by_column.row(c).empty()) continue;
    for (int64_t r : by_column.row(c))
      for (int64_t other : p.row(r)) palette.forbid(palette.colour[at(other)], c);
    palette.paint(c);
  }
  return finished(std::move(palette));
}

// No path of four columns may have two colours: then in each row one of two columns that meet is alone.
Colouring star_in(const std::vector<int64_t>& order, const Pattern& p) {
  Palette palette(p.cols);
  const auto& colour = palette.colour;
  for (int64_t v : order) {
    if (p.row(v).empty()) continue;
    for (int64_t w : p.row(v)) {
      if (w == v) continue;
      palette.forbid(colour[at(w)], v);
      for (int64_t x : p.row(w)) {
        if (x == v || x == w || colour[at(x)] == none) continue;
        if (colour[at(w)] == none) {
          palette.forbid(colour[at(x)], v);
          continue;
        }
        for (int64_t y : p.row(x)) {
          if (y == w || y == x || colour[at(y)] != colour[at(w)]) continue;
          palette.forbid(colour[at(x)], v);
          break;
        }
      }
    }
    palette.paint(v);
  }
  return finished(std::move(palette));
}

}  // namespace

Colouring colour_columns(const Pattern& p) {
  const Pattern by_column = transposed(p);
  Colouring first = columns_in(in_order(p.cols), p, by_column);
  if (first.count <= fullest_row(p)) return first;  // the columns of that row all differ
  Colouring second = columns_in(fullest_first(by_column), p, by_column);
  return second.count < first.count ? second : first;
}

Colouring colour_symmetric(const Pattern& p) {
  Colouring first = star_in(in_order(p.cols), p);
  Colouring second = star_in(fullest_first(p), p);
  return second.count < first.count ? second : first;
}

}  // namespace tenon::passes
