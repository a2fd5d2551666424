// Resampling, one axis after the other: each result is a weighed sum of few elements, whose places and weights are computed while
// importing, from extents that are numbers.
#include <algorithm>
#include <cmath>

#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {
namespace {

struct Resampling {
  std::string mode, coordinates, nearest;
  double cubic = -0.75, outside = 0;
  bool antialias = false, exclude_outside = false;
};

// Places and weights of one result after the other.
struct Taps {
  std::vector<int64_t> places;
  std::vector<double> weights;
  std::vector<size_t> ends;  // of each result's
  std::vector<bool> inside;  // whether the coordinate lies in the input: of tf_crop_and_resize
  size_t most = 0;  // for one result
  int64_t left = int64_t{1} << 22;  // how many may still be added

  size_t begin(size_t result) const { return result == 0 ? 0 : ends[result - 1]; }
};

// length: of all results, before it was rounded down to `out`.
double coordinate(const Resampling& r, double i, double scale, double in, double out, double length, double start,
                  double end) {
  const std::string& how = r.coordinates;
  if (how == "asymmetric") return i / scale;
  if (how == "align_corners") return length <= 1 ? 0 : i * (in - 1) / (length - 1);
  if (how == "pytorch_half_pixel") return out > 1 ? (i + 0.5) / scale - 0.5 : 0;
  if (how == "tf_half_pixel_for_nn") return (i + 0.5) / scale;
  if (how == "half_pixel_symmetric") {
    const double adjustment = out / (scale * in), offset = in / 2 * (1 - adjustment);
    return offset + (i + 0.5) / scale - 0.5;
  }
  if (how == "tf_crop_and_resize")
    return out > 1 ? start * (in - 1) + i * (end - start) * (in - 1) / (out - 1) : 0.5 * (start + end) * (in - 1);
  if (how == "half_pixel") return (i + 0.5) / scale - 0.5;
  throw Error("its coordinate_transformation_mode '" + how + "' is none");
}

double rounded(const Resampling& r, double x) {
  if (r.nearest == "floor") return std::floor(x);
  if (r.nearest == "ceil") return std::ceil(x);
  if (r.nearest == "round_prefer_ceil") return std::floor(x + 0.5);
  if (r.nearest == "round_prefer_floor") return std::ceil(x - 0.5);
  throw Error("its nearest_mode '" + r.nearest + "' is none");
}

double triangle(double d) { return std::max(1 - std::abs(d), 0.0); }
// Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29, 1981, with a free coefficient.
double cubic(double d, double a) {
  d = std::abs(d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

// Of one result: the elements within the filter's reach, those outside being the nearest ones, or nothing.
void add_taps(Taps& taps, const Resampling& r, double x, double scale, int64_t in) {
  if (!(std::abs(x) < 1e9)) throw Error("its scales and regions lead too far away");
  const size_t begin = taps.places.size();
  const auto add = [&](int64_t place, double weight) {
    taps.places.push_back(std::clamp<int64_t>(place, 0, in - 1));
    taps.weights.push_back(weight);
  };
  if (r.mode == "nearest") {
    add(static_cast<int64_t>(rounded(r, x)), 1);
  } else {
    const double shrink = r.antialias ? std::min(scale, 1.0) : 1;
    const double reach = (r.mode == "linear" ? 1 : 2) / shrink;
    double total = 0;
    taps.left -= static_cast<int64_t>(std::min(2 * reach, 1e12));
    if (taps.left < 0) throw Error("it weighs too many elements");
    const auto first = static_cast<int64_t>(std::floor(x - reach)) + 1,
               last = static_cast<int64_t>(std::floor(x + reach));
    for (int64_t i = first; i <= last + (r.antialias ? 1 : 0); ++i) {
      const double d = (static_cast<double>(i) - x) * shrink;
      double weight = r.mode == "linear" ? triangle(d) : cubic(d, r.cubic);
      if (r.exclude_outside && (i < 0 || i >= in)) weight = 0;
      add(i, weight);
      total += weight;
    }
    if (r.exclude_outside || r.antialias)
      for (size_t i = begin; i < taps.weights.size(); ++i) taps.weights[i] /= total;
  }
  taps.most = std::max(taps.most, taps.places.size() - begin);
  taps.ends.push_back(taps.places.size());
  taps.inside.push_back(x >= 0 && x <= static_cast<double>(in - 1));
}

Tensor resampled(const Tensor& x, int64_t axis, const Taps& taps, const Resampling& r) {
  const auto out = static_cast<int64_t>(taps.ends.size());
  std::vector<Extent> line(static_cast<size_t>(x.ndim()), 1);
  line[static_cast<size_t>(axis)] = out;
  Tensor y;
  for (size_t k = 0; k < std::max<size_t>(taps.most, 1); ++k) {
    std::vector<int64_t> at;
    std::vector<double> by;
    for (size_t i = 0; i < taps.ends.size(); ++i) {
      const size_t place = taps.begin(i) + k;
      const bool there = place < taps.ends[i];
      at.push_back(there ? taps.places[place] : 0);
      by.push_back(there ? taps.weights[place] : 0);
    }
    Tensor part = take(x, tenon::tensor(at), axis);
    if (r.mode != "nearest") part = part * tenon::tensor(by).astype(x.dtype()).reshape(line);
    y = y.defined() ? y + part : part;
  }
  if (r.coordinates != "tf_crop_and_resize") return y;
  const Tensor inside = tenon::tensor(taps.inside).reshape(line);
  return where(inside, y, full({}, r.outside, {.dtype = x.dtype()}));
}

constexpr int64_t kept = -1;  // the size of an axis whose extent is free, and stays

struct Target {
  Axes sizes;
  std::vector<double> scales, starts, ends;
  std::vector<double> lengths;  // of the results, before they are rounded down: what ONNX's answers are made with
};

// From sizes or scales of some axes, those of all.
Target target_of(Call& c, const Shape& shape, const Axes& axes, size_t roi, size_t scales, size_t sizes) {
  const auto rank = static_cast<size_t>(shape.rank());
  Target t{Axes(rank), std::vector<double>(rank, 1), std::vector<double>(rank, 0), std::vector<double>(rank, 1),
           std::vector<double>(rank)};
  for (size_t i = 0; i < rank; ++i) {
    t.sizes[i] = shape[i].is_number() ? shape[i].number() : kept;
    t.lengths[i] = static_cast<double>(t.sizes[i]);
  }
  const auto given = [&](size_t i) { return c.has(i) && !(c.in[i].stored() && c.in[i].tensor.numel() == 0); };
  if (roi != 0 && given(roi)) {
    const std::vector<double> corners = c.numbers(roi);
    c.expects(corners.size() == 2 * axes.size(), "its region has two numbers for each axis");
    for (size_t i = 0; i < axes.size(); ++i) {
      t.starts[static_cast<size_t>(axes[i])] = corners[i];
      t.ends[static_cast<size_t>(axes[i])] = corners[axes.size() + i];
    }
  }
  if (sizes != 0 && given(sizes)) {
    const std::vector<Extent> extents = c.extents(sizes);
    c.expects(extents.size() == axes.size(), "it has a size for each axis");
    const std::string policy = c.word("keep_aspect_ratio_policy", "stretch");
    Axes wanted;
    for (size_t i = 0; i < axes.size(); ++i) {
      const auto a = static_cast<size_t>(axes[i]);
      const bool stays = policy == "stretch" && extents[i] == Extent(shape[a]);
      if (!stays) c.number_of(shape, a, "resampling");
      c.expects(stays || extents[i].is_number(), "its sizes are numbers");
      wanted.push_back(extents[i].is_number() ? extents[i].number() : kept);
    }
    double scale = policy == "not_larger" ? INFINITY : 0;
    for (size_t i = 0; i < axes.size(); ++i) {
      const double s = static_cast<double>(wanted[i]) / static_cast<double>(t.sizes[static_cast<size_t>(axes[i])]);
      scale = policy == "not_larger" ? std::min(scale, s) : std::max(scale, s);
      t.scales[static_cast<size_t>(axes[i])] = s;
    }
    for (size_t i = 0; i < axes.size(); ++i) {
      const auto a = static_cast<size_t>(axes[i]);
      if (policy == "stretch") {
        t.sizes[a] = wanted[i];
      } else {
        t.sizes[a] = static_cast<int64_t>(std::floor(scale * static_cast<double>(t.sizes[a]) + 0.5));
        t.scales[a] = scale;
      }
      t.lengths[a] = static_cast<double>(t.sizes[a]);
    }
    return t;
  }
  c.expects(given(scales), "it has neither scales nor sizes");
  const std::vector<double> by = c.numbers(scales);
  c.expects(by.size() == axes.size(), "it has a scale for each axis");
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto a = static_cast<size_t>(axes[i]);
    if (by[i] == 1 && t.sizes[a] == kept) continue;
    c.number_of(shape, a, "resampling");
    t.lengths[a] *= by[i];
    const double size = std::floor(t.lengths[a]);
    c.expects(by[i] > 0 && size >= 0 && size < 1e9, "its scales are positive");
    t.scales[a] = by[i];
    t.sizes[a] = static_cast<int64_t>(size);
  }
  return t;
}

Results resampled_all(Call& c, const Resampling& r, const Target& t) {
  Tensor x = c.tensor(0);
  const DType dtype = x.dtype();
  size_t taps_of_all = 0;
  if (r.mode != "nearest" && !is_floating(dtype)) x = x.astype(f32);
  for (size_t a = 0; a < t.sizes.size(); ++a) {
    const bool whole = r.coordinates == "tf_crop_and_resize" && (t.starts[a] != 0 || t.ends[a] != 1);
    if (t.sizes[a] == kept && !whole) continue;
    const int64_t in = c.number_of(x.shape(), a, "resampling"), out = t.sizes[a];
    if (in == out && t.scales[a] == 1 && !whole) continue;
    c.expects(in > 0 && out >= 0 && out < (int64_t{1} << 20), "its sizes are too large, or 0");
    c.makes(static_cast<double>(out) * 64);
    Taps taps;
    for (int64_t i = 0; i < out; ++i)
      add_taps(taps, r,
               coordinate(r, static_cast<double>(i), t.scales[a], static_cast<double>(in), static_cast<double>(out),
                          t.lengths[a], t.starts[a], t.ends[a]),
               t.scales[a], in);
    taps_of_all += taps.most;
    c.expects(taps_of_all <= 2048, "it weighs more than 2,048 elements for one");
    c.makes(static_cast<double>(out) * 16 * static_cast<double>(taps.most));
    x = resampled(x, static_cast<int64_t>(a), taps, r);
  }
  return one(x.dtype() == dtype ? x : round(x).astype(dtype));
}

}  // namespace

Results import_resize(Call& c) {
  const Shape shape = c.shape(0);
  Axes axes;
  for (int64_t a : c.integers("axes")) axes.push_back(c.axis(a, shape.rank()));
  if (c.find("axes") == nullptr)
    for (int64_t i = 0; i < shape.rank(); ++i) axes.push_back(i);
  Resampling r{.mode = c.word("mode", "nearest"),
               .coordinates = c.opset < 11 ? "asymmetric" : c.word("coordinate_transformation_mode", "half_pixel"),
               .nearest = c.opset < 11 ? "floor" : c.word("nearest_mode", "round_prefer_floor"),
               .cubic = c.number("cubic_coeff_a", -0.75),
               .outside = c.number("extrapolation_value", 0),
               .antialias = c.integer("antialias", 0) != 0,
               .exclude_outside = c.integer("exclude_outside", 0) != 0};
  c.expects(r.mode == "nearest" || r.mode == "linear" || r.mode == "cubic", "its mode is nearest, linear or cubic");
  if (r.mode == "nearest") r.antialias = false;
  const bool old = c.opset < 11;
  return resampled_all(
      c, r, target_of(c, shape, axes, old || r.coordinates != "tf_crop_and_resize" ? 0 : 1, old ? 1 : 2, old ? 0 : 3));
}

Results import_upsample(Call& c) {
  const Shape shape = c.shape(0);
  Axes axes;
  for (int64_t i = 0; i < shape.rank(); ++i) axes.push_back(i);
  const Resampling r{.mode = c.word("mode", "nearest"), .coordinates = "asymmetric", .nearest = "floor"};
  c.expects(r.mode == "nearest" || r.mode == "linear", "its mode is nearest or linear");
  if (c.opset >= 9) return resampled_all(c, r, target_of(c, shape, axes, 0, 1, 0));
  Target t{Axes(), c.numbers("scales"), std::vector<double>(axes.size(), 0), std::vector<double>(axes.size(), 1), {}};
  c.expects(t.scales.size() == axes.size(), "it has a scale for each axis");
  for (size_t i = 0; i < axes.size(); ++i) {
    const bool stays = shape[i].is_symbol() && t.scales[i] == 1;
    const double size = stays ? 0 : std::floor(static_cast<double>(c.number_of(shape, i, "resampling")) * t.scales[i]);
    c.expects(size >= 0 && size < 1e9, "its scales are positive");
    t.sizes.push_back(stays ? kept : static_cast<int64_t>(size));
    t.lengths.push_back(size);
  }
  return resampled_all(c, r, t);
}

}  // namespace tenon::onnx
