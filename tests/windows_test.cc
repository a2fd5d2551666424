// Values of functions over windows, against loops over the elements of each window written out here: pooling, convolutions, resampling,
// unfolding; where largest elements are found, ties, NaN, and what is refused.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <array>
#include <cmath>
#include <functional>

#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

using Doubles = std::vector<double>;
using Integers = std::vector<int64_t>;
Doubles numbers(const Tensor& t) { return t.to_vector<double>(); }
Tensor drawn(const tn::Shape& shape, uint64_t seed = 1) { return tn::normal(tn::key(seed), shape, {.dtype = tn::f64}); }

void expect_near(const Tensor& found, const Doubles& expected, double tolerance = 1e-12) {
  const Doubles list = numbers(found);
  ASSERT_EQ(list.size(), expected.size());
  for (size_t i = 0; i < list.size(); ++i) EXPECT_NEAR(list[i], expected[i], tolerance) << "element " << i;
}

// One plane of h x w, its windows: f(row, column, the place of the window's first element).
struct Plane {
  int64_t h, w, kernel, stride, padding, dilation;
  bool ceil;
  int64_t count(int64_t n) const {
    const int64_t room = n + 2 * padding - (kernel - 1) * dilation - 1;
    int64_t out = (ceil ? (room + stride - 1) / stride : room / stride) + 1;
    if (ceil && (out - 1) * stride >= n + padding) --out;
    return out;
  }
  template <class F>
  void each(F f) const {
    for (int64_t i = 0; i < count(h); ++i)
      for (int64_t j = 0; j < count(w); ++j) f(i * stride - padding, j * stride - padding);
  }
};

const Plane planes[] = {{6, 7, 2, 2, 0, 1, false}, {6, 7, 3, 2, 1, 1, false}, {6, 7, 3, 2, 1, 1, true},
                        {5, 5, 2, 2, 0, 1, true},  {7, 6, 3, 1, 1, 2, false}, {7, 6, 2, 3, 1, 2, true}};

TEST(Windows, MaxPoolAndItsIndices) {
  for (const Plane& p : planes) {
    const Tensor x = drawn({2, p.h, p.w});
    const Doubles in = numbers(x);
    Doubles expected;
    Integers places;
    for (int64_t c = 0; c < 2; ++c)
      p.each([&](int64_t top, int64_t left) {
        double best = -INFINITY;
        int64_t place = -1;
        for (int64_t a = 0; a < p.kernel; ++a)
          for (int64_t b = 0; b < p.kernel; ++b) {
            const int64_t i = top + a * p.dilation, j = left + b * p.dilation;
            if (i < 0 || j < 0 || i >= p.h || j >= p.w) continue;
            const double v = in[static_cast<size_t>((c * p.h + i) * p.w + j)];
            if (place < 0 || v > best) best = v, place = i * p.w + j;
          }
        expected.push_back(best), places.push_back(place);
      });
    const tn::MaxPool options{.stride = p.stride, .padding = p.padding, .dilation = p.dilation, .ceil_mode = p.ceil};
    EXPECT_EQ(numbers(tn::max_pool2d(x, p.kernel, options)), expected);
    const auto [values, indices] = tn::max_pool2d_with_indices(x, p.kernel, options);
    EXPECT_EQ(numbers(values), expected);
    EXPECT_EQ(indices.to_vector<int64_t>(), places);
    // The indices stay in the plane where nothing is larger than padding.
    const Tensor low = tn::full({1, p.h, p.w}, -INFINITY, {.dtype = tn::f64});
    for (int64_t i : tn::max_pool2d_with_indices(low, p.kernel, options).second.to_vector<int64_t>()) {
      EXPECT_GE(i, 0);
      EXPECT_LT(i, p.h * p.w);
    }
  }
}

TEST(Windows, AveragesCountWhatTheySay) {
  for (const Plane& p : planes)
    for (const bool padding : {true, false}) {
      if (p.dilation != 1) continue;
      const Tensor x = drawn({1, p.h, p.w});
      const Doubles in = numbers(x);
      Doubles expected;
      p.each([&](int64_t top, int64_t left) {
        const int64_t bottom = std::min(top + p.kernel, p.h + p.padding),
                      right = std::min(left + p.kernel, p.w + p.padding);
        double sum = 0, inside = 0;
        for (int64_t i = std::max<int64_t>(top, 0); i < std::min(bottom, p.h); ++i)
          for (int64_t j = std::max<int64_t>(left, 0); j < std::min(right, p.w); ++j)
            sum += in[static_cast<size_t>(i * p.w + j)], ++inside;
        expected.push_back(sum / (padding ? static_cast<double>((bottom - top) * (right - left)) : inside));
      });
      expect_near(
          tn::avg_pool2d(x, p.kernel,
                         {.stride = p.stride, .padding = p.padding, .ceil_mode = p.ceil, .count_include_pad = padding}),
          expected);
    }
  EXPECT_EQ(numbers(tn::avg_pool1d(tn::arange(1, 5).astype(tn::f64).reshape({1, 1, 4}), 2, {.divisor_override = 4})),
            (Doubles{0.75, 1.75}));
}

TEST(Windows, TheFirstLargestHasTheDerivativeAndNaNIsTheLargest) {
  const Tensor x = tn::tensor({1., 3., 3., 2.}).reshape({1, 1, 4});
  const auto f = [](const Tensor& v) { return tn::sum(tn::max_pool1d(v, 4)); };
  EXPECT_EQ(numbers(tn::grad(f)(x)), (Doubles{0, 1, 0, 0}));
  const auto overlapping = [](const Tensor& v) { return tn::sum(tn::max_pool1d(v, 2, {.stride = 1})); };
  EXPECT_EQ(numbers(tn::grad(overlapping)(x)), (Doubles{0, 2, 1, 0}));
  Tensor leaf = x.reshape({1, 1, 4}).set_requires_grad(true);
  f(leaf).backward();
  EXPECT_EQ(numbers(leaf.grad()), (Doubles{0, 1, 0, 0}));
  const Tensor odd = tn::tensor({1., double(NAN), 3., double(NAN)}).reshape({1, 1, 4});
  EXPECT_TRUE(std::isnan(tn::max_pool1d(odd, 4).item<double>()));
  EXPECT_EQ(tn::max_pool1d_with_indices(odd, 4).second.item<int64_t>(), 1);
  EXPECT_EQ(numbers(tn::grad([](const Tensor& v) {
              return tn::sum(tn::reduce_window(v, {.window = {3}, .combine = "min"}));
            })(tn::tensor({2., 1., 1., 4.}))),
            (Doubles{0, 2, 0, 0}));
}

TEST(Windows, ReduceWindowIsAFoldOverEachWindow) {
  const int64_t n = 11, taps = 3, stride = 2, dilation = 2, base = 3, low = 2, high = 1;
  const Tensor x = drawn({n});
  const Doubles in = numbers(x);
  const auto fold = [&](double init, const std::function<double(double, double)>& f) {
    Doubles out;
    const int64_t whole = (n - 1) * base + 1;
    for (int64_t start = -low; start + (taps - 1) * dilation < whole + high; start += stride) {
      double r = init;
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t at = start + t * dilation;
        const bool inside = at >= 0 && at < whole && at % base == 0;
        r = f(r, inside ? in[static_cast<size_t>(at / base)] : init);
      }
      out.push_back(r);
    }
    return out;
  };
  const auto reduced = [&](const char* combine) {
    return tn::reduce_window(x, {.window = {taps},
                                 .strides = {stride},
                                 .padding = {{low, high}},
                                 .dilation = {dilation},
                                 .base_dilation = {base},
                                 .combine = combine});
  };
  expect_near(reduced("sum"), fold(0, [](double a, double b) { return a + b; }));
  expect_near(reduced("prod"), fold(1, [](double a, double b) { return a * b; }));
  EXPECT_EQ(numbers(reduced("max")), fold(-INFINITY, [](double a, double b) { return std::max(a, b); }));
  EXPECT_EQ(numbers(reduced("min")), fold(INFINITY, [](double a, double b) { return std::min(a, b); }));
  const Tensor custom = tn::reduce_window(x, 2, [](const Tensor& a, const Tensor& b) { return a * 0.5 + b * b; },
                                          {.window = {taps},
                                           .strides = {stride},
                                           .padding = {{low, high}},
                                           .dilation = {dilation},
                                           .base_dilation = {base}});
  expect_near(custom, fold(2, [](double a, double b) { return a * 0.5 + b * b; }));
  const Tensor bits = tn::tensor({true, false, true, true});
  EXPECT_EQ(tn::reduce_window(bits, {.window = {2}, .combine = "and"}).to_vector<bool>(),
            (std::vector<bool>{false, false, true}));
  EXPECT_EQ(tn::reduce_window(bits, {.window = {2}, .combine = "or"}).to_vector<bool>(),
            (std::vector<bool>{true, true, true}));
  EXPECT_EQ(tn::reduce_window(bits, {.window = {4}}).item<int64_t>(), 3);
  EXPECT_EQ(tn::reduce_window(tn::ones({5, 6}), {.window = {2, 3}, .strides = {2, 2}, .padding = "same"}).shape(),
            tn::Shape({3, 3}));
}

TEST(Windows, AdaptiveWindowsCoverUnevenly) {
  for (const int64_t n : {1, 5, 7, 12})
    for (const int64_t o : {1, 3, 5, 8}) {
      const Tensor x = drawn({1, n});
      const Doubles in = numbers(x);
      Doubles mean, most;
      Integers places;
      for (int64_t i = 0; i < o; ++i) {
        const int64_t begin = i * n / o, end = ((i + 1) * n + o - 1) / o;
        double sum = 0;
        int64_t best = begin;
        for (int64_t k = begin; k < end; ++k) {
          sum += in[static_cast<size_t>(k)];
          if (in[static_cast<size_t>(k)] > in[static_cast<size_t>(best)]) best = k;
        }
        mean.push_back(sum / static_cast<double>(end - begin));
        most.push_back(in[static_cast<size_t>(best)]), places.push_back(best);
      }
      expect_near(tn::adaptive_avg_pool1d(x, o), mean);
      EXPECT_EQ(numbers(tn::adaptive_max_pool1d(x, o)), most);
      EXPECT_EQ(tn::adaptive_max_pool1d_with_indices(x, o).second.to_vector<int64_t>(), places);
    }
  const Tensor x = drawn({2, 5, 7});
  const auto [values, indices] = tn::adaptive_max_pool2d_with_indices(x, {3, 2});
  const Tensor flat = x.reshape({2, 35});
  for (int64_t c = 0; c < 2; ++c) EXPECT_EQ(numbers(tn::take(flat[c], indices[c])), numbers(values[c]));
}

TEST(Windows, UnfoldAndFoldAreTransposes) {
  for (const int64_t padding : {0, 1})
    for (const int64_t dilation : {1, 2})
      for (const int64_t stride : {1, 3}) {
        const Tensor x = drawn({2, 3, 6, 7});
        const tn::Unfold options{.dilation = dilation, .padding = padding, .stride = stride};
        const Tensor columns = tn::unfold(x, {2, 3}, options);
        const int64_t h = (6 + 2 * padding - dilation - 1) / stride + 1,
                      w = (7 + 2 * padding - 2 * dilation - 1) / stride + 1;
        ASSERT_EQ(columns.shape(), tn::Shape({2, 18, h * w}));
        const Doubles in = numbers(x), out = numbers(columns);
        size_t at = 0;
        for (int64_t row = 0; row < 36; ++row)
          for (int64_t place = 0; place < h * w; ++place, ++at) {
            const int64_t tap = row % 6, image = row / 6;
            const int64_t i = place / w * stride - padding + tap / 3 * dilation,
                          j = place % w * stride - padding + tap % 3 * dilation;
            const bool inside = i >= 0 && j >= 0 && i < 6 && j < 7;
            EXPECT_EQ(out[at], inside ? in[static_cast<size_t>((image * 6 + i) * 7 + j)] : 0);
          }
        const Tensor y = drawn(columns.shape(), 2);
        const double there = tn::sum(columns * y).item<double>();
        const double back = tn::sum(x * tn::fold(y, {6, 7}, {2, 3}, options)).item<double>();
        EXPECT_NEAR(there, back, 1e-12 * std::max(1.0, std::fabs(there)) * 10);
        const Tensor gradient =
            tn::grad([&](const Tensor& v) { return tn::sum(tn::unfold(v, {2, 3}, options) * y); })(x);
        expect_near(gradient, numbers(tn::fold(y, {6, 7}, {2, 3}, options)));
      }
  EXPECT_EQ(numbers(tn::unfold(tn::arange(0, 7), 0, 3, 2)), (Doubles{0, 1, 2, 2, 3, 4, 4, 5, 6}));
  const Tensor x = drawn({2, 8, 3, 4});
  EXPECT_EQ(numbers(tn::pixel_unshuffle(tn::pixel_shuffle(x, 2), 2)), numbers(x));
  EXPECT_EQ(numbers(tn::pixel_shuffle(tn::arange(0, 8).reshape({4, 1, 2}), 2)), (Doubles{0, 2, 1, 3, 4, 6, 5, 7}));
}

// A convolution of one dimension, element by element.
Doubles convolved(const Doubles& x, int64_t in, int64_t n, const Doubles& w, int64_t out, int64_t k, int64_t stride,
                  int64_t low, int64_t high, int64_t dilation, int64_t groups) {
  Doubles y;
  const int64_t each = in / groups, length = (n + low + high - (k - 1) * dilation - 1) / stride + 1;
  for (int64_t o = 0; o < out; ++o)
    for (int64_t p = 0; p < length; ++p) {
      double sum = 0;
      for (int64_t c = 0; c < each; ++c)
        for (int64_t t = 0; t < k; ++t) {
          const int64_t at = p * stride + t * dilation - low, channel = o / (out / groups) * each + c;
          if (at >= 0 && at < n)
            sum += x[static_cast<size_t>(channel * n + at)] * w[static_cast<size_t>((o * each + c) * k + t)];
        }
      y.push_back(sum);
    }
  return y;
}

TEST(Windows, ConvolutionsElementByElement) {
  for (const auto& [groups, stride, dilation, padding] :
       std::vector<std::array<int64_t, 4>>{{1, 1, 1, 0}, {2, 1, 1, 2}, {1, 2, 1, 2}, {2, 2, 3, 2}, {1, 2, 3, 0}}) {
    const Tensor x = drawn({1, 4, 9}), w = drawn({6, 4 / groups, 3}, 2), b = drawn({6}, 3);
    const tn::Conv options{.stride = stride, .padding = padding, .dilation = dilation, .groups = groups};
    const Doubles expected = convolved(numbers(x), 4, 9, numbers(w), 6, 3, stride, padding, padding, dilation, groups);
    expect_near(tn::conv1d(x, w, options), expected);
    Tensor biased = tn::conv1d(x, w, b, options);
    expect_near(biased - tn::reshape(b, {1, 6, 1}), expected);
    // The transposed convolution is the transpose: <conv(x), y> = <x, conv_transpose(y)>.
    const Tensor y = drawn(biased.shape(), 4);
    const int64_t reach = (3 - 1) * dilation + 1, rest = (9 + 2 * padding - reach) % stride;
    const Tensor back = tn::conv_transpose1d(
        y, w, {.stride = stride, .padding = padding, .output_padding = rest, .groups = groups, .dilation = dilation});
    ASSERT_EQ(back.shape(), x.shape());
    EXPECT_NEAR(tn::sum(tn::conv1d(x, w, options) * y).item<double>(), tn::sum(x * back).item<double>(), 1e-11);
  }
  const Tensor x = drawn({1, 2, 8}), even = drawn({3, 2, 4}, 2);
  expect_near(tn::conv1d(x, even, {.padding = "same"}),
              convolved(numbers(x), 2, 8, numbers(even), 3, 4, 1, 1, 2, 1, 1));
  EXPECT_EQ(tn::conv2d(drawn({2, 3, 5, 6}), drawn({4, 3, 3, 2}), {.padding = "valid"}).shape(),
            tn::Shape({2, 4, 3, 5}));
  EXPECT_EQ(
      tn::nn::conv_transpose2d(drawn({2, 3, 5, 6}), drawn({3, 4, 3, 2}), {.stride = 2, .output_padding = 1}).shape(),
      tn::Shape({2, 4, 12, 13}));
  EXPECT_EQ(tn::conv2d(tn::ones({1, 3, 3}, {.dtype = tn::f16}), tn::ones({2, 1, 2, 2}, {.dtype = tn::f16})).dtype(),
            tn::f16);
  // convolution, channels last, with holes in x
  const Tensor held = tn::convolution(tn::tensor({1., 2.}).reshape({1, 2, 1}), tn::tensor({1., 10.}).reshape({2, 1, 1}),
                                      {.lhs_dilation = {2}});
  EXPECT_EQ(numbers(held), (Doubles{1, 20}));
}

double cubic_weight(double d) {
  const double a = -0.75;
  d = std::fabs(d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

TEST(Windows, InterpolationElementByElement) {
  for (const int64_t n : {1, 7})
    for (const int64_t o : {1, 4, 13})
      for (const bool corners : {false, true}) {
        const Tensor x = drawn({1, 1, n});
        const Doubles in = numbers(x);
        const auto at = [&](int64_t i) { return in[static_cast<size_t>(std::clamp<int64_t>(i, 0, n - 1))]; };
        Doubles linear, cubic, nearest, exact;
        for (int64_t i = 0; i < o; ++i) {
          const double di = static_cast<double>(i), dn = static_cast<double>(n), dO = static_cast<double>(o);
          const double place = corners ? (o > 1 ? di * (dn - 1) / (dO - 1) : 0) : (di + 0.5) * dn / dO - 0.5;
          const double clamped = std::max(place, 0.0), first = std::min(std::floor(clamped), dn - 1);
          const double right = std::min(clamped - first, 1.0);
          linear.push_back(at(static_cast<int64_t>(first)) * (1 - right) + at(static_cast<int64_t>(first) + 1) * right);
          double sum = 0;
          for (int64_t t = -1; t <= 2; ++t) {
            const double k = std::floor(place) + static_cast<double>(t);
            sum += at(static_cast<int64_t>(k)) * cubic_weight(place - k);
          }
          cubic.push_back(sum);
          nearest.push_back(at(i * n / o));
          exact.push_back(at(static_cast<int64_t>(std::floor((di + 0.5) * dn / dO))));
        }
        expect_near(tn::interpolate(x, {o}, "linear", corners), linear);
        const Tensor high = tn::interpolate(tn::reshape(x, {1, 1, n, 1}), {o, 1}, "bicubic", corners);
        expect_near(high, cubic, 1e-11);
        const Tensor wide = tn::interpolate(tn::reshape(x, {1, 1, 1, n}),
                                            {.size = {1, o}, .mode = "bicubic", .align_corners = corners});
        expect_near(wide, cubic, 1e-11);
        if (corners) continue;
        EXPECT_EQ(numbers(tn::interpolate(x, {o})), nearest) << n << " to " << o;
        EXPECT_EQ(numbers(tn::interpolate(x, {o}, "nearest-exact")), exact) << n << " to " << o;
      }
  const Tensor plane = drawn({2, 3, 4, 6});
  EXPECT_EQ(numbers(tn::interpolate(plane, {.scale_factor = {0.5, 2}, .mode = "area"})),
            numbers(tn::adaptive_avg_pool2d(plane, {2, 12})));
  const Tensor rows = tn::interpolate(plane, {.scale_factor = 2, .mode = "bilinear"});
  EXPECT_EQ(rows.shape(), tn::Shape({2, 3, 8, 12}));
  EXPECT_EQ(numbers(rows), numbers(tn::interpolate(plane, {8, 12}, {.mode = "bilinear"})));
  EXPECT_EQ(tn::interpolate(plane, {.scale_factor = {1.3, 0.6}}).shape(), tn::Shape({2, 3, 5, 3}));
}

TEST(Windows, Refusals) {
  const Tensor x = tn::ones({1, 1, 4, 4});
  EXPECT_HAS(message_of([&] { tn::max_pool2d(x, 5); }), "max_pool2d: a window covers 5 elements");
  EXPECT_HAS(message_of([&] { tn::max_pool2d(x, 2, {.padding = 2}); }), "at most half");
  EXPECT_HAS(message_of([&] { tn::max_pool2d(x, {1, 2, 3}); }), "kernel_size has 3 entries");
  EXPECT_HAS(message_of([&] { tn::max_pool2d(x, 2, {.stride = 0}); }), "stride is 0");
  EXPECT_HAS(message_of([&] { tn::max_pool1d(x, 2); }), "[n, channels, 1 spatial axes]");
  EXPECT_HAS(message_of([&] { tn::reduce_window(x, {.window = {2}, .combine = "mean"}); }), "combine is");
  EXPECT_HAS(message_of([&] { tn::reduce_window(x, {.window = {}}); }), "an entry for each axis");
  EXPECT_HAS(message_of([&] { tn::reduce_window(x, {.window = {2}, .combine = "or"}); }), "bits");
  EXPECT_HAS(message_of([&] { tn::adaptive_avg_pool2d(x, 0); }), "1 or more");
  EXPECT_HAS(message_of([&] { tn::fold(tn::ones({1, 4, 3}), {4, 4}, 2); }), "does not hold columns");
  EXPECT_HAS(message_of([&] { tn::interpolate(x, {.mode = "bilinear"}); }), "give a size");
  EXPECT_HAS(message_of([&] { tn::interpolate(x, {8}, "cubic"); }), "is no mode");
  EXPECT_HAS(message_of([&] { tn::interpolate(x, {8, 8}, "linear"); }), "is no mode");
  EXPECT_HAS(message_of([&] { tn::interpolate(x, {8, 8}, "nearest", true); }), "align_corners");
  EXPECT_HAS(message_of([&] { tn::conv2d(x, tn::ones({2, 3, 2, 2})); }), "does not fit");
  EXPECT_HAS(message_of([&] { tn::conv2d(x, tn::ones({2, 1, 5, 5})); }), "the kernel covers 5 elements");
  EXPECT_HAS(message_of([&] { tn::conv2d(x, tn::ones({2, 1, 2, 2}), {.stride = 2, .padding = "same"}); }),
             "stride of 1");
  EXPECT_HAS(message_of([&] { tn::conv2d(x, tn::ones({2, 1, 2, 2}), tn::ones({3})); }), "the bias is");
  EXPECT_HAS(message_of([&] { tn::pixel_shuffle(x, 2); }), "no multiple of 4");
}

}  // namespace
