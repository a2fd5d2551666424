// The functions that layers are made of, and layers as functions of all that they hold, through the battery of public functions. Values are
// held against PyTorch's in layer_numbers_test.cc and against plain loops in decoding_test.cc.
#include <gtest/gtest.h>

#include "tenon/tests/function_case.h"

namespace tenon::testing {
namespace {

std::vector<Tensor> batch_normed(const std::vector<Tensor>& x, bool training) {
  static const Tensor none = zeros({}, {.dtype = i64});
  nn::BatchNorm b{x[1], x[2]};
  b.running_mean = x[3], b.running_var = x[4], b.num_batches_tracked = none;
  auto [y, next] = b(x[0], {.training = training});
  if (!training) return {y};
  return {y, next.running_mean, next.running_var};
}

const std::vector<FunctionCase> norms = {
    {"BatchNorm",
     [](const std::vector<Tensor>& x) { return batch_normed(x, true); },
     {{{3, 2, 5}}, {{2}}, {{2}}, {{2}}, {{2}, 0.5, 2}},
     {},
     0,  // the statistics stop it
     false},
    {"BatchNorm",
     [](const std::vector<Tensor>& x) { return std::vector{batch_normed(x, true)[0]}; },
     {{{3, 2, 5}}, {{2}}, {{2}}, {{2}}, {{2}, 0.5, 2}},
     {},
     2,
     false},
    {"BatchNorm",
     [](const std::vector<Tensor>& x) { return batch_normed(x, false); },
     {{{3, 2, 5}}, {{2}}, {{2}}, {{2}}, {{2}, 0.5, 2}}},
    {"group_norm",
     TENON_CALL(nn::group_norm(x[0], 2, {.weight = x[1], .bias = x[2]})),
     {{{3, 4, 5}}, {{4}}, {{4}}},
     {{{{70, 2}}, {{2}}, {{2}}}}},
    {"group_norm", TENON_CALL(nn::group_norm(x[0], 1)), {{{2, 3, 2, 2}}}},
};
TEST(FunctionsLayers, Norms) { check_functions(norms); }

const std::vector<FunctionCase> rotations = {
    {"rope", TENON_CALL(nn::rope(x[0], x[1], {.base = 50})), {{{2, 3, 4, 6}}, integers({}, 0, 20)}},
    {"rope",
     TENON_CALL(nn::rope(x[0], x[1], {.base = 50, .interleaved = true, .width = 4})),
     {{{2, 3, 6}}, integers({2}, 0, 20)},
     {{{{2, 70, 6}}, integers({2}, 0, 20)}}},
};
TEST(FunctionsLayers, Rotations) { check_functions(rotations); }

}  // namespace
}  // namespace tenon::testing
