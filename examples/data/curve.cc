// SVG by hand: a frame, grid lines at round numbers, paths, a legend. Colours are tested for being told apart by the colour-blind
// (Okabe and Ito, 2008).
#include "tenon/examples/data/curve.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>

#include "tenon/ir/base/error.h"

namespace tenon::examples {
namespace {

struct Scale {
  double low = 0, high = 1, step = 1;  // of the numbers; steps are round
  double from = 0, to = 1;  // of the picture
  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

struct Frame {
  double left = 64, right = 64, top = 66, bottom = 52;
};

std::string number(double value, int digits = 2) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits).ptr;
  return std::string(text, end);
}

std::string label(double value) {
  char text[64];
  return std::string(text, std::to_chars(text, text + sizeof text, std::abs(value) < 1e-12 ? 0.0 : value,
                                         std::chars_format::general, 6)
                               .ptr);
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

// 1, 2 or 5 times a power of ten, about a sixth of the range.
double round_step(double range) {
  const double power = std::pow(10.0, std::floor(std::log10(range / 5)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (range / (factor * power) <= 7) return factor * power;
  return 10 * power;
}

Scale scale_of(const Plot& plot, bool x, bool right) {
  Scale s{INFINITY, -INFINITY, 1, 0, 1};
  for (const Curve& c : plot.curves) {
    if (!x && c.right != right) continue;
    for (const auto& p : c.points) {
      const double value = x ? p.first : p.second;
      if (!std::isfinite(value)) throw Error("a curve of '" + plot.title + "' has a point that is not finite");
      s.low = std::min(s.low, value), s.high = std::max(s.high, value);
    }
  }
  if (s.low > s.high) return {0, 1, 0.2, 0, 1};
  if (s.high == s.low) s.low -= 0.5, s.high += 0.5;
  s.step = round_step(s.high - s.low);
  if (!x) s.low = std::floor(s.low / s.step) * s.step, s.high = std::ceil(s.high / s.step) * s.step;
  return s;
}

std::string text_at(double x, double y, const std::string& text, const std::string& more) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" " + more + ">" + escaped(text) + "</text>\n";
}
std::string line(double x1, double y1, double x2, double y2, const std::string& kind) {
  return "<line class=\"" + kind + "\" x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
         "\" y2=\"" + number(y2) + "\"/>\n";
}

// Marks of a scale: from its first round number on.
template <class Mark>
void marks(const Scale& s, Mark mark) {
  const auto first = static_cast<int64_t>(std::ceil(s.low / s.step - 1e-9)),
             last = static_cast<int64_t>(std::floor(s.high / s.step + 1e-9));
  for (int64_t i = first; i <= last; ++i) mark(static_cast<double>(i) * s.step);
}

constexpr std::array<const char*, 6> light = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#555555"};
constexpr std::array<const char*, 6> dark = {"#56b4e9", "#ff9d57", "#3ddcaa", "#e6a3c8", "#f0e442", "#bbbbbb"};

std::string style() {
  std::string out =
      "<style>\n"
      "svg { color: #1a1a1a; font: 13px system-ui, 'DejaVu Sans', sans-serif; }\n"
      ".page { fill: #ffffff; } .grid { stroke: currentColor; stroke-opacity: 0.13; } .axis { stroke: currentColor; "
      "stroke-opacity: 0.6; }\n"
      "text { fill: currentColor; } .title { font-size: 16px; font-weight: 600; }\n"
      ".key { stroke-width: 3; } path { fill: none; stroke-width: 2; stroke-linejoin: round; } .faint { stroke-width: "
      "1; stroke-opacity: 0.25; "
      "}\n";
  const auto colours = [&](const auto& table) {
    for (size_t i = 0; i < table.size(); ++i) {
      const std::string c = ".c" + std::to_string(i);
      out += c + " { stroke: " + table[i] + "; } " + c + "f { fill: " + table[i] + "; }\n";
    }
  };
  colours(light);
  out += "@media (prefers-color-scheme: dark) {\nsvg { color: #e8e8e8; }\n.page { fill: #16181c; }\n";
  colours(dark);
  return out + "}\n</style>\n";
}

}  // namespace

std::string svg(const Plot& plot) {
  const double w = plot.width, h = plot.height;
  Frame frame;
  const bool two = std::any_of(plot.curves.begin(), plot.curves.end(), [](const Curve& c) { return c.right; });
  if (!two) frame.right = 24;
  Scale x = scale_of(plot, true, false), left = scale_of(plot, false, false), right = scale_of(plot, false, true);
  x.from = frame.left, x.to = w - frame.right;
  left.from = right.from = h - frame.bottom, left.to = right.to = frame.top;

  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(w, 0) + " " + number(h, 0) +
                    "\" width=\"" + number(w, 0) + "\" height=\"" + number(h, 0) + "\" role=\"img\">\n<title>" +
                    escaped(plot.title) + "</title>\n" + style();
  out += "<rect class=\"page\" width=\"" + number(w, 0) + "\" height=\"" + number(h, 0) + "\"/>\n";
  out += text_at(w / 2, 26, plot.title, "class=\"title\" text-anchor=\"middle\"");
  marks(left, [&](double v) {
    out += line(x.from, left.at(v), x.to, left.at(v), "grid");
    out += text_at(x.from - 8, left.at(v) + 4.5, label(v), "text-anchor=\"end\"");
  });
  marks(x, [&](double v) {
    out += line(x.at(v), left.from, x.at(v), left.from + 5, "axis");
    out += text_at(x.at(v), left.from + 20, label(v), "text-anchor=\"middle\"");
  });
  if (two)
    marks(right, [&](double v) {
      out += line(x.to, right.at(v), x.to + 5, right.at(v), "axis");
      out += text_at(x.to + 9, right.at(v) + 4.5, label(v), "");
    });
  out += line(x.from, left.from, x.to, left.from, "axis") + line(x.from, left.from, x.from, left.to, "axis");
  if (two) out += line(x.to, left.from, x.to, left.to, "axis");
  const auto turned = [&](double at, const std::string& text) {
    const double middle = (left.from + left.to) / 2;
    out += text_at(at, middle, text,
                   "text-anchor=\"middle\" transform=\"rotate(-90 " + number(at) + " " + number(middle) + ")\"");
  };
  out += text_at((x.from + x.to) / 2, h - 10, plot.x_label, "text-anchor=\"middle\"");
  turned(18, plot.left_label);
  if (two) turned(w - 8, plot.right_label);

  size_t colour = 0;
  for (const Curve& c : plot.curves) {
    const Scale& y = c.right ? right : left;
    const std::string kind = "c" + std::to_string(colour % light.size());
    std::string path;
    for (const auto& [px, py] : c.points)
      path += (path.empty() ? "M" : "L") + number(x.at(px)) + " " + number(y.at(py));
    out += "<path class=\"" + kind + (c.faint ? " faint" : "") + "\" d=\"" + path + "\"/>\n";
    if (c.faint) continue;  // the curve that follows has its colour
    const double lx = x.from + 170 * static_cast<double>(colour), ly = 50;  // above the frame, where no curve runs
    out += line(lx, ly - 4.5, lx + 24, ly - 4.5, kind + " key") + text_at(lx + 32, ly, c.name, "");
    ++colour;
  }
  return out + "</svg>\n";
}

void write_svg(const std::string& path, const Plot& plot) {
  std::ofstream file(path, std::ios::binary);
  file << svg(plot);
  if (!file.flush()) throw Error("'" + path + "' cannot be written");
}

std::vector<std::pair<double, double>> smoothed(const std::vector<std::pair<double, double>>& points, size_t width) {
  std::vector<std::pair<double, double>> out;
  for (size_t at = 0; at + width <= points.size(); at += std::max<size_t>(width / 2, 1)) {
    double x = 0, y = 0;
    for (size_t i = at; i < at + width; ++i) x += points[i].first, y += points[i].second;
    out.emplace_back(x / static_cast<double>(width), y / static_cast<double>(width));
  }
  return out;
}

}  // namespace tenon::examples
