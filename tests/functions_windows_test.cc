// Functions over windows: the battery of every function (tests/function_case.h). Values are tests/windows_test.cc's.
#include <gtest/gtest.h>

#include "tenon/tests/function_case.h"

namespace tn = tenon;
using tenon::testing::apart;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::integers;
using tn::Tensor;

namespace {

const std::vector<Drawn> line = {{{2, 2, 9}}}, plane = {{{2, 2, 5, 7}}}, solid = {{{1, 2, 4, 3, 5}}},
                         far_line = {apart({2, 2, 9})}, far_plane = {apart({2, 2, 5, 7})},
                         far_solid = {apart({1, 2, 4, 3, 5})};

TEST(WindowFunctions, ReduceWindowBattery) {
  check_functions({
      {"reduce_window",
       TENON_CALL(tn::reduce_window(x[0], {.window = {2, 3}, .strides = {1, 2}, .padding = "same"})),
       {{{5, 8}}},
       {{integers({5, 8}, -9, 9)}, {{{1, 1}}}}},
      {"reduce_window",
       TENON_CALL(tn::reduce_window(x[0], {.window = {3}, .combine = "max"})),
       {apart({5, 8})},
       {{integers({5, 8}, -9, 9)}}},
      {"reduce_window",
       TENON_CALL(tn::reduce_window(x[0], {.window = {2, 2},
                                           .padding = {{1, 0}, {0, 1}},
                                           .dilation = {2, 1},
                                           .base_dilation = {1, 2},
                                           .combine = "min"})),
       {apart({4, 5})}},
      {"reduce_window",
       TENON_CALL(tn::reduce_window(x[0], {.window = {2, 2}, .strides = {2, 1}, .combine = "prod"})),
       {{{4, 5}}},
       {},
       2,
       false},
      {"reduce_window",
       TENON_CALL(tn::reduce_window(x[0], 1, [](const Tensor& a, const Tensor& b) { return a * 0.5 + b; },
                                    {.window = {2, 3}, .strides = {1, 2}})),
       {{{5, 8}}},
       {},
       2,
       false,
       true,
       true,
       -1},
  });
}

TEST(WindowFunctions, MaxPoolBattery) {
  check_functions({
      {"max_pool1d", TENON_CALL(tn::max_pool1d(x[0], 3, {.stride = 2, .padding = 1})), far_line},
      {"max_pool2d",
       TENON_CALL(tn::max_pool2d(x[0], 2)),
       far_plane,
       {{integers({2, 2, 5, 7}, -9, 9)}, {{{0, 2, 5, 7}}}}},
      {"max_pool2d", TENON_CALL(tn::max_pool2d(x[0], {3, 2}, {.stride = {2, 1}, .padding = 1, .ceil_mode = true})),
       far_plane},
      {"max_pool2d", TENON_CALL(tn::max_pool2d(x[0], 2, {.stride = 1, .dilation = {2, 3}})), {apart({2, 5, 7})}},
      {"max_pool3d", TENON_CALL(tn::max_pool3d(x[0], 2, {.stride = 1})), far_solid},
      {"max_pool1d_with_indices", TENON_CALL(tn::max_pool1d_with_indices(x[0], 3, {.stride = 2, .padding = 1})),
       far_line},
      {"max_pool2d_with_indices", TENON_CALL(tn::max_pool2d_with_indices(x[0], 3, {.stride = 2, .padding = 1})),
       far_plane},
      {"max_pool3d_with_indices", TENON_CALL(tn::max_pool3d_with_indices(x[0], 2)), far_solid},
  });
}

TEST(WindowFunctions, AveragePoolBattery) {
  check_functions({
      {"avg_pool1d", TENON_CALL(tn::avg_pool1d(x[0], 3, {.stride = 2, .padding = 1})), line},
      {"avg_pool2d", TENON_CALL(tn::avg_pool2d(x[0], 2)), plane, {{integers({2, 2, 5, 7}, -9, 9)}, {{{0, 2, 5, 7}}}}},
      {"avg_pool2d",
       TENON_CALL(tn::avg_pool2d(x[0], {3, 2}, {.padding = 1, .ceil_mode = true, .count_include_pad = false})), plane},
      {"avg_pool2d", TENON_CALL(tn::avg_pool2d(x[0], 2, {.stride = 3, .ceil_mode = true})), {{{2, 5, 7}}}},
      {"avg_pool3d", TENON_CALL(tn::avg_pool3d(x[0], 2, {.stride = 1, .divisor_override = 5})), solid},
      {"lp_pool1d", TENON_CALL(tn::lp_pool1d(x[0], 2, 3)), {{{2, 2, 9}, 0.5, 2}}, {}, 2, true, false},
      {"lp_pool2d", TENON_CALL(tn::lp_pool2d(x[0], 3, 2, {.stride = 1})), {{{2, 2, 5, 7}, 0.5, 2}}, {}, 2, true, false},
  });
}

TEST(WindowFunctions, AdaptivePoolBattery) {
  check_functions({
      {"adaptive_avg_pool1d", TENON_CALL(tn::adaptive_avg_pool1d(x[0], 3)), line},
      {"adaptive_avg_pool1d", TENON_CALL(tn::adaptive_avg_pool1d(x[0], 4)), line},
      {"adaptive_avg_pool2d", TENON_CALL(tn::adaptive_avg_pool2d(x[0], {3, 2})), plane},
      {"adaptive_avg_pool2d", TENON_CALL(tn::adaptive_avg_pool2d(x[0], {-1, 9})), plane},
      {"adaptive_avg_pool3d", TENON_CALL(tn::adaptive_avg_pool3d(x[0], {3, 2, 1})), solid},
      {"adaptive_max_pool1d", TENON_CALL(tn::adaptive_max_pool1d(x[0], 4)), far_line},
      {"adaptive_max_pool2d", TENON_CALL(tn::adaptive_max_pool2d(x[0], {3, 2})), far_plane},
      {"adaptive_max_pool2d", TENON_CALL(tn::adaptive_max_pool2d(x[0], 1)), far_plane},
      {"adaptive_max_pool3d", TENON_CALL(tn::adaptive_max_pool3d(x[0], 2)), far_solid},
      {"adaptive_max_pool1d_with_indices", TENON_CALL(tn::adaptive_max_pool1d_with_indices(x[0], 3)), far_line},
      {"adaptive_max_pool2d_with_indices", TENON_CALL(tn::adaptive_max_pool2d_with_indices(x[0], {3, 2})), far_plane},
      {"adaptive_max_pool3d_with_indices", TENON_CALL(tn::adaptive_max_pool3d_with_indices(x[0], 2)), far_solid},
  });
}

TEST(WindowFunctions, UnfoldBattery) {
  check_functions({
      {"unfold", TENON_CALL(tn::unfold(x[0], {2, 3}, {.dilation = {2, 1}, .padding = 1, .stride = {1, 2}})), plane},
      {"unfold", TENON_CALL(tn::unfold(x[0], 1, 3, 2)), {{{2, 7, 3}}}},
      {"fold", TENON_CALL(tn::fold(x[0], {4, 5}, 2, {.padding = 1, .stride = {2, 1}})), {{{2, 8, 18}}}},
      {"fold", TENON_CALL(tn::fold(x[0], {5, 4}, {2, 3}, {.dilation = {2, 1}})), {{{6, 6}}}},
      {"pixel_shuffle", TENON_CALL(tn::pixel_shuffle(x[0], 2)), {{{2, 8, 2, 3}}}},
      {"pixel_unshuffle", TENON_CALL(tn::pixel_unshuffle(x[0], 3)), {{{2, 3, 6}}}},
  });
}

TEST(WindowFunctions, InterpolateBattery) {
  const std::vector<Drawn> small = {{{1, 1, 3, 4}}}, row = {{{1, 2, 5}}};
  check_functions({
      {"interpolate", TENON_CALL(tn::interpolate(x[0], {.scale_factor = 2})), small},
      {"interpolate", TENON_CALL(tn::interpolate(x[0], {7}, "nearest-exact")), row},
      {"interpolate", TENON_CALL(tn::interpolate(x[0], {8}, "linear", true)), row, {}, 2, true, false},
      {"interpolate", TENON_CALL(tn::interpolate(x[0], {4, 3}, {.mode = "bilinear"})), small, {}, 2, true, false},
      {"interpolate",
       TENON_CALL(tn::interpolate(x[0], {.scale_factor = {1.5, 1}, .mode = "bicubic"})),
       small,
       {},
       2,
       true,
       false},
      {"interpolate", TENON_CALL(tn::interpolate(x[0], {2}, "area")), row},
  });
}

TEST(WindowFunctions, ConvolutionBattery) {
  check_functions({
      {"conv1d",
       TENON_CALL(tn::conv1d(x[0], x[1], x[2], {.stride = 2, .padding = 1})),
       {{{2, 3, 7}}, {{4, 3, 3}}, {{4}}}},
      {"conv2d",
       TENON_CALL(tn::conv2d(x[0], x[1], x[2], {.stride = {2, 1}, .padding = {0, 1}, .dilation = {1, 2}, .groups = 2})),
       {{{2, 4, 5, 5}}, {{4, 2, 3, 2}}, {{4}}}},
      {"conv3d", TENON_CALL(tn::conv3d(x[0], x[1], x[2])), {{{1, 2, 3, 4, 3}}, {{2, 2, 2, 2, 2}}, {{2}}}},
      {"conv_transpose1d",
       TENON_CALL(tn::conv_transpose1d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .output_padding = 1})),
       {{{2, 3, 4}}, {{3, 2, 3}}, {{2}}}},
      {"conv_transpose2d",
       TENON_CALL(tn::conv_transpose2d(x[0], x[1], {.stride = {2, 1}, .groups = 2, .dilation = {1, 2}})),
       {{{2, 4, 3, 3}}, {{4, 2, 2, 3}}}},
      {"conv_transpose3d", TENON_CALL(tn::conv_transpose3d(x[0], x[1])), {{{1, 2, 2, 3, 2}}, {{2, 2, 2, 2, 2}}}},
  });
}

}  // namespace
