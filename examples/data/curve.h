// Training curves as pictures: lines over a common axis, with a scale on the left and another on the right, as an SVG file that needs
// nothing else and is readable on light and dark pages. Refuses curves without points and numbers that are not finite.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tenon::examples {

struct Curve {
  std::string name;  // in the legend
  std::vector<std::pair<double, double>> points;  // by rising x
  bool right = false;  // its scale is the one on the right
  bool faint = false;  // in the background, without a place in the legend
};

struct Plot {
  std::string title, x_label, left_label, right_label;
  std::vector<Curve> curves;
  int width = 760, height = 420;
};

std::string svg(const Plot& plot);
void write_svg(const std::string& path, const Plot& plot);

// Means of `width` neighbours, at the middle of each.
std::vector<std::pair<double, double>> smoothed(const std::vector<std::pair<double, double>>& points, size_t width);

}  // namespace tenon::examples
